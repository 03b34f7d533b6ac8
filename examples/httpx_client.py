"""The pre-flight check without the official SDK: a small client on httpx that asks the table.

It runs against the mock, which takes unsigned calls; for the service, sign them (ACS3-HMAC-SHA256).
"""

import httpx

from orderfsm import NotFoundOrder, Operation, OrderStateError, Verdict, judge, plan
from orderfsm.errors import BY_CODE
from orderfsm.mock import mock_cas
from orderfsm.tables.api import VERSION
from orderfsm.wire import states_from_type


class Orders:
    """The order API over HTTP; refuses locally what is illegal in every state that a read may mean."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def call(self, operation: Operation, **parameters: str | int) -> dict[str, object]:
        """The body that the service answers, or the table's error for the code that it answers."""
        answer = self._http.post("/", params=parameters, headers={"x-acs-action": operation})
        body: dict[str, object] = answer.json()
        if answer.is_error:
            raise BY_CODE.get(str(body["Code"]), OrderStateError)(body["Message"])
        return body

    def checked(self, operation: Operation, order_id: int) -> dict[str, object]:
        """The same, after a read of the order and a look at the table."""
        states = states_from_type(str(self.call(Operation.DESCRIBE, OrderId=order_id)["Type"]))
        if judge(states, operation) is Verdict.ILLEGAL:
            ways = {str(plan(state, "deleted")) for state in states}  # type: ignore[arg-type]
            raise OrderStateError(f"not now: {operation}; to delete it: {' or '.join(ways)}")
        return self.call(operation, OrderId=order_id)


headers = {"x-acs-version": VERSION}
with mock_cas() as server, httpx.Client(base_url=server.api, headers=headers, trust_env=False) as http:
    orders = Orders(http)
    created = orders.call(Operation.CREATE_FOR_PACKAGE, Domain="example.com")
    order_id = int(str(created["OrderId"]))
    try:
        orders.checked(Operation.DELETE, order_id)
    except OrderStateError as refusal:
        print(refusal)
    orders.checked(Operation.CANCEL, order_id)
    orders.checked(Operation.DELETE, order_id)
    try:
        orders.checked(Operation.DELETE, order_id)
    except NotFoundOrder as gone:
        print("gone:", gone.code)
