"""A web handler that deletes orders, and answers 409 with what is allowed when that is not now.

It runs against the mock, in one process; in yours, `client` is a guarded client of the service.
"""

import asyncio

import httpx
from alibabacloud_cas20200407.models import CreateCertificateForPackageRequestRequest, DeleteCertificateRequestRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orderfsm import NotFoundOrder, OrderStateError
from orderfsm.client import OutcomeUnknown, guard
from orderfsm.mock import mock_cas

with mock_cas() as server:
    client = guard(server.client())

    async def delete(request: Request) -> Response:
        asked = DeleteCertificateRequestRequest(order_id=request.path_params["order_id"])
        await client.delete_certificate_request_async(asked)
        return Response(status_code=204)

    async def conflict(_request: Request, error: Exception) -> Response:
        assert isinstance(error, OrderStateError)
        instead = [*error.instead.triggers] if error.instead else []
        return JSONResponse({"error": error.code, "allowed": [*error.allowed], "instead": instead}, 409)

    async def not_found(_request: Request, _error: Exception) -> Response:
        return JSONResponse({"error": "NotFoundOrder"}, 404)

    async def unknown(_request: Request, error: Exception) -> Response:
        return JSONResponse({"error": "try again later", "detail": str(error)}, 503)

    app = Starlette(
        routes=[Route("/orders/{order_id:int}", delete, methods=["DELETE"])],
        exception_handlers={OrderStateError: conflict, NotFoundOrder: not_found, OutcomeUnknown: unknown},
    )

    application = CreateCertificateForPackageRequestRequest(domain="example.com")
    order_id = client.create_certificate_for_package_request(application).body.order_id

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as browser:
            for path in (f"/orders/{order_id}", "/orders/7"):
                answer = await browser.delete(path)
                print(answer.status_code, answer.json())

    asyncio.run(main())
