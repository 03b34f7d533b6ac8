"""`orderfsm demo`: the official SDK client against the mock over HTTP, with the guard and without it.

It moves two orders to each state of the table and tries to delete both, one through the guard and one without it. Both
must get the same answer. Then it leads two instances from purchase to deletion (`demo_instance`).
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

from orderfsm.client import guard
from orderfsm.client.sdk import method_name, request
from orderfsm.errors import Refusal
from orderfsm.extras import needs
from orderfsm.mock import Server, mock_cas
from orderfsm.questions import ORDER_LIFECYCLE as TABLE
from orderfsm.tables.orders import Operation, State

from . import demo_instance

with needs("client"):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding
    from Tea.exceptions import TeaException

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

    Rows = list[tuple[str, ...]]

PRODUCT = "digicert-free-1-free"
UNITS = 100
CONTACT = {"email": "owner@example.com", "phone": "13800000000", "username": "owner", "validate_type": "DNS"}


def run(say: Callable[[str], Any] = print, columns: Callable[[Rows], Any] = print) -> dict[str, Any]:
    """Run the demonstration and return what it found; `agreed` is the verdict.

    Each line is given to `say`, and each list of rows, of which the first is the header, to `columns`.
    """
    with mock_cas() as server:
        server.service.put_package(PRODUCT, UNITS)
        demo = _Demo(server)
        say("Delete in every state: what the guard does, and what the server says without it\n")
        attempts = [demo.attempt(state) for state in State]
        columns([("STATE", "TYPE", "THE GUARD", "THE SERVER", "AGREE"), *map(_attempt, attempts)])
        say("\nFrom being reviewed to deleted: the plan, and what it does to the quota\n")
        steps = demo.follow_plan(State.BEING_REVIEWED, State.DELETED)
        did = [(step["did"], step["state"], str(step["held"])) for step in steps]
        columns([("WHAT", "STATE", "UNITS HELD"), *did])
        returned = steps[-1]["held"] == steps[0]["held"]
        life = demo_instance.lives(server)
        say("\nThe life of a V2.0 instance: bought, applied for, withdrawn, refunded, deleted\n")
        if life:
            columns([("STATUS", "CALL", "THE GUARD", "THE SERVER", "AGREE", "REMARK"), *map(_step, life)])
        else:
            say("(the official SDK that is installed knows no instances)")
        agreed = returned and all(each["agree"] for each in (*attempts, *life))
        say("\nGuard and server agree everywhere, and the unit came back." if agreed else "\nThey do NOT agree.")
        return {"agreed": agreed, "attempts": attempts, "plan": steps, "instance": life}


def _attempt(found: dict[str, Any]) -> tuple[str, ...]:
    guarded = "lets it go" if found["guard"] == "accepted" else f"stops it: {found['guard']}"
    return found["state"], found["type"], guarded, found["server"], _agreed(found)


def _step(found: dict[str, Any]) -> tuple[str, ...]:
    return found["words"], found["call"], found["guard"], found["server"], _agreed(found), found["remark"]


def _agreed(found: dict[str, Any]) -> str:
    return "yes" if found["agree"] else "NO"


class _Demo:
    def __init__(self, server: Server) -> None:
        self.service = server.service
        self.bare = server.client()
        self.guarded = guard(self.bare)
        creates = [
            (Operation.CREATE, {"domain": "example.com"} | CONTACT),
            (Operation.CREATE_FOR_PACKAGE, {"domain": "example.com"}),
            (Operation.CREATE_WITH_CSR, {"csr": _csr("example.com")} | CONTACT),
        ]
        self._creates = cycle(creates)

    def attempt(self, state: State) -> dict[str, Any]:
        """Delete one order in `state` through the guard, and another without it; what each was answered."""
        first, second = self.order_in(state), self.order_in(state)
        word = self.type_of(first)
        guard_says, stopped = self._delete(self.guarded, first)
        server_says, _ = self._delete(self.bare, second)
        agree = guard_says == server_says and stopped == (server_says != "accepted")
        return {"state": state, "type": word, "guard": guard_says, "server": server_says, "agree": agree}

    def order_in(self, goal: State) -> int:
        """The id of a new order that was moved to `goal` on a shortest path: calls by the SDK, events by the mock."""
        operation, application = next(self._creates)
        order_id = int(_call(self.bare, operation, product_code=PRODUCT, **application).order_id)
        for step in TABLE.plan(TABLE.check(None, Operation.CREATE), goal, events=True).steps:
            if TABLE.by_client(step.trigger):
                _call(self.bare, step.trigger, order_id=order_id)
            else:
                self.service.happen(order_id, step.trigger)
        return order_id

    def follow_plan(self, start: State, goal: State) -> list[dict[str, Any]]:
        """The units held and the order's `Type`: before the order, at `start`, and after each step to `goal`."""
        story = [{"did": "(before)", "state": TABLE.name_of(None), "held": self._held()}]
        order_id = self.order_in(start)
        story.append({"did": "(moved here)", "state": self.type_of(order_id), "held": self._held()})
        for step in TABLE.plan(start, goal).steps:
            _call(self.guarded, step.trigger, order_id=order_id)
            story.append({"did": step.trigger, "state": self.type_of(order_id), "held": self._held()})
        return story

    def type_of(self, order_id: int) -> str:
        """The `Type` that the service answers, or the code of its refusal."""
        try:
            return str(_call(self.bare, Operation.DESCRIBE, order_id=order_id).type)
        except TeaException as error:
            return str(error.code)

    @staticmethod
    def _delete(client: Any, order_id: int) -> tuple[str, bool]:
        """`accepted` or the code of the refusal, and whether the refusal came from the guard."""
        try:
            _call(client, Operation.DELETE, order_id=order_id)
        except TeaException as error:
            return str(error.code), isinstance(error, Refusal)
        return "accepted", False

    def _held(self) -> int:
        return int(_call(self.bare, Operation.DESCRIBE_PACKAGE, product_code=PRODUCT).used_count or 0)


def _call(client: Any, operation: StrEnum, **fields: Any) -> Any:
    """The body that `client` is answered, by the SDK's method and model for the operation."""
    return getattr(client, method_name(operation))(request(operation, **fields)).body


def _csr(domain: str) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, domain)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return csr.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM).decode()
