"""What the forms of the dashboard do, each by a method of the service; errors are those that the service raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from orderfsm.mock.cas.service import settled
from orderfsm.mock.faults import Fault
from orderfsm.quantities import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.cas.service import Service
    from orderfsm.rows import State, Trigger

    Given: TypeAlias = Mapping[str, str]
    """The fields of a form that were filled in."""

_INTEGERS = ("Times", "Status", "RetryAfter")
_NUMBERS = ("Probability", "Delay")


def happen(service: Service, order_id: Id, given: Given) -> None:
    """Let an event happen to an order or an instance."""
    service.happen(order_id, cast("Trigger", given.get("Event", "")))


def _begin_order(service: Service, given: Given) -> Id:
    asked = {name: given[name] for name in ("Domain", "ProductCode") if name in given}
    return service.begin(given.get("State") or begins_in(service.lifecycle), asked).id


def _begin_instance(service: Service, given: Given) -> Id:
    asked = {name: given[name] for name in ("Spec", "Domain") if name in given}
    return service.begin_instance(given.get("State"), asked).id


def begins_in(lifecycle: Lifecycle) -> State:
    """The state in which one begins of which nothing else is said: where the table's first create leads to."""
    return next(row.target for row in lifecycle.transitions if row.source is None and row.target is not None)


def settles_in(lifecycle: Lifecycle) -> State:
    """The state in which an instance begins of which nothing else is said: bought, and settled."""
    return settled(lifecycle)[-1]


def _put_package(service: Service, given: Given) -> None:
    service.put_package(given.get("ProductCode", ""), _integer(given.get("TotalCount", "")))


def _add_fault(service: Service, given: Given) -> None:
    rule: dict[str, Any] = {name: value for name, value in given.items() if name != "Id"}
    rule |= {name: _integer(given[name]) for name in _INTEGERS if name in given}
    rule |= {name: _number(given[name]) for name in _NUMBERS if name in given}
    if "Id" in given:
        is_number = given["Id"].isascii() and given["Id"].isdigit()
        rule["OrderId" if is_number else "InstanceId"] = _integer(given["Id"])
    service.add_fault(Fault.parse(rule, *service.lifecycles))


def _clear_faults(service: Service, _given: Given) -> None:
    service.clear_faults()


def _advance(service: Service, given: Given) -> None:
    service.advance(seconds(given.get("By", ""), "By", bare=True))


def _put_completions(service: Service, given: Given) -> None:
    service.put_completions(given.get("Mode", ""))


def _integer(text: str) -> Any:
    """The integer that `text` says, or itself, for an error to name it."""
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20 else text


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


FORMS: dict[str, Callable[[Service, Given], Id | None]] = {
    "orders": _begin_order,
    "instances": _begin_instance,
    "packages": _put_package,
    "faults": _add_fault,
    "faults/clear": _clear_faults,
    "clock": _advance,
    "completions": _put_completions,
}
"""What is done by the form of that name; a new order or instance is what is shown then."""
