"""Servers in processes of their own, and what wrk and the processor's clock say of them.

What is ours runs with this build or an older one. Every call changes the state of an order of its own and is signed
with V3; the signatures are made before the clock starts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import attrs

from benchmarks.rows import Lacking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import uvicorn
    from starlette.requests import Request
    from starlette.responses import JSONResponse

KEY, SECRET = "benchmark", "secret"
CONNECTIONS = 8
SECONDS = 3
VERSION = "2020-04-07"

CANCELS = {
    "orders": ("CancelOrderRequest", "OrderId={}"),
    "instances": ("CancelPendingCertificate", "InstanceId=cas-cn-{}"),
}
"""How a client withdraws what it applied for, by table: the action, and its query."""

HOME = "orderfsm.mock.http" if find_spec("orderfsm.mock.http") else "orderfsm.mock"
"""Where the modules of the mock's HTTP face are in whichever build this is."""


# -- the servers, each in its process ----------------------------------------------------------------------------------


def mock(database: str, orders: str, table: str) -> None:
    """Serve our mock on `database`, a URL or nothing for memory, with so many orders that can be withdrawn.

    What is in the database already stays there.
    """
    from orderfsm.mock import MemoryStore, Service, SQLStore

    store: Any = SQLStore(database) if database else MemoryStore()
    first, last = fill(store, int(orders), table)
    _serve(_ours("app").create_app(Service(store=store, keys={KEY: SECRET})), first, last)


def control(database: str, orders: str, table: str) -> None:
    """Serve the control port of such a mock."""
    from orderfsm.mock import MemoryStore, Service, SQLStore

    store: Any = SQLStore(database) if database else MemoryStore()
    first, last = fill(store, int(orders), table)
    _serve(_ours("app").create_control_app(Service(store=store)), first, last)


def starlette() -> None:
    """Serve a handler that does nothing, by uvicorn as it comes, but for its log of requests."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def answer(_request: Request) -> JSONResponse:
        return JSONResponse({"RequestId": "082FAB35-6AB9-4FD5-8750-D36673548E76"})

    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])
    _run(uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)))


def moto() -> None:
    """Serve moto."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print("0 0", f"http://{host}:{port}", flush=True)
    time.sleep(3600)


def fill(store: Any, orders: int, table: str = "orders") -> tuple[int, int]:
    """Bring orders to where they can be withdrawn, unless some are there; their first number and their last."""
    from orderfsm.mock import Request, Service

    maker = Service(store=store)
    if table == "orders":
        if maker.count():
            return maker.orders(limit=1)[0].id, maker.latest(1)[0].id  # type: ignore[return-value]
        maker.put_package("p", orders)
        headers = {"x-acs-version": VERSION, "x-acs-action": "CreateCertificateForPackageRequest"}
        create = Request("POST", "/", {"Domain": "example.com", "ProductCode": "p"}, headers)
        ids = [maker.handle(create).json["OrderId"] for _ in range(orders)]
        return ids[0], ids[-1]
    maker = Service(store=store, completions="manual")
    made = [str(maker.begin_instance(None, {"Domain": "example.com"}).id) for _ in range(orders)]
    headers = {"x-acs-version": VERSION, "x-acs-action": "ApplyCertificate"}
    for each in made:
        assert maker.handle(Request("POST", "/", {"InstanceId": each}, headers)).status == 200
        maker.instances.happen(each, "submission_accepted")  # type: ignore[arg-type]
    return int(made[0].rpartition("-")[2]), int(made[-1].rpartition("-")[2])


def _ours(name: str) -> Any:
    return import_module(f"{HOME}.{name}")


def _has(name: str) -> bool:
    return find_spec(f"{HOME}.{name}") is not None


def _serve(app: Any, first: int, last: int) -> None:
    _run(_ours("port").Port(app) if _has("port") else _ours("server").configured(app), first, last)


def _run(server: uvicorn.Server, first: int = 0, last: int = 0) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(first, last, f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server.run(sockets=[listener])


# -- what is asked of them ---------------------------------------------------------------------------------------------


@attrs.frozen
class Running:
    """A server: the numbers in the ids of its orders, its URL, and its process."""

    orders: range
    url: str
    pid: int

    @property
    def host(self) -> str:
        """The `Host` of its requests."""
        return self.url.removeprefix("http://")

    def cpu(self) -> float:
        """Seconds that its process has computed."""
        import psutil

        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def running(server: str, *arguments: str) -> Iterator[Running]:
    """One of the servers above, by name, in a process of its own."""
    code = f"import sys; from benchmarks import servers; servers.{server}(*sys.argv[1:])"
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first, last, url = process.stdout.readline().split()
        yield Running(range(int(first), int(last) + 1), url, process.pid)
    finally:
        process.kill()
        process.wait()


SIGNED = """
local calls = io.open(CALLS, "r")
request = function()
  local line = calls:read("*l")
  if not line then return wrk.format("POST", "/no-more-calls") end
  local query, nonce, signature = line:match("(%S+) (%S+) (%S+)")
  wrk.headers["x-acs-signature-nonce"] = nonce
  wrk.headers["Authorization"] = AUTHORIZATION .. signature
  return wrk.format("POST", "/?" .. query)
end
"""

BARE_CALL = 'wrk.method = "POST"\n'

MOTO_CALL = """
wrk.method = "POST"
wrk.body = "{}"
wrk.headers["Content-Type"] = "application/x-amz-json-1.1"
wrk.headers["X-Amz-Target"] = "CertificateManager.ListCertificates"
wrk.headers["Authorization"] =
  "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/acm/aws4_request, SignedHeaders=host, Signature=x"
"""


def withdrawals(server: Running, folder: Path, table: str = "orders") -> str:
    """A wrk script that withdraws each of a server's orders once, with a signature made here and now."""
    empty = hashlib.sha256(b"").hexdigest()
    action, query = CANCELS[table]
    fixed = {
        "host": server.host,
        "x-acs-action": action,
        "x-acs-content-sha256": empty,
        "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-version": VERSION,
    }
    names = ";".join(sorted([*fixed, "x-acs-signature-nonce"]))
    calls = folder / f"{uuid.uuid4().hex}.txt"
    with calls.open("w") as file:
        for number in server.orders:
            nonce = uuid.uuid4().hex
            headers = sorted({**fixed, "x-acs-signature-nonce": nonce}.items())
            lines = "".join(f"{name}:{value}\n" for name, value in headers)
            asked = query.format(number)
            canonical = f"POST\n/\n{asked}\n{lines}\n{names}\n{empty}"
            to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
            signature = hmac.new(SECRET.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
            file.write(f"{asked} {nonce} {signature}\n")
    authorization = f"ACS3-HMAC-SHA256 Credential={KEY},SignedHeaders={names},Signature="
    sent = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in fixed.items() if name != "host")
    return f'CALLS = {json.dumps(str(calls))}\nAUTHORIZATION = "{authorization}"\n{sent}{SIGNED}'


def under_wrk(server: Running, script: str, folder: Path, seconds: int = SECONDS) -> dict[str, float]:
    """Requests a second, and the server's microseconds of CPU for each; all of them must be answered with success."""
    if shutil.which("wrk") is None:
        raise Lacking("wrk is not installed (Debian: apt-get install wrk)")
    file = folder / f"{uuid.uuid4().hex}.lua"
    file.write_text(script)
    before = server.cpu()
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(file), server.url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    taken = server.cpu() - before
    rate, count = re.search(r"Requests/sec:\s+([0-9.]+)", said), re.search(r"([0-9]+) requests in", said)
    if rate is None or count is None or "Non-2xx" in said:
        raise RuntimeError(f"some were refused; if the orders were used up, make more: {said}")
    return {"requests/s": float(rate[1]), "µs of CPU": taken / int(count[1]) * 1e6}
