"""What may be seen of orders, instances, lines of a history and faults: picked field by field, never a key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orderfsm.trace import Outcome

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.cas.service import Service
    from orderfsm.mock.records import Record
    from orderfsm.rows import Transition
    from orderfsm.trace import Line

NOTHING = "\u2013"
"""What stands where there is nothing to say."""


def of_order(record: Record) -> dict[str, Any]:
    """What may be seen of an order: not its certificate, and never its key."""
    return {
        "id": record.id,
        "state": record.state,
        "kind": record.product_code,
        "domains": ", ".join(record.domains),
        "created": record.created,
        "tags": record.tags,
        "rows": [
            ("Domain", ", ".join(record.domains)),
            ("Validation", record.validate_type),
            ("Package", record.product_code),
            ("Unit of quota", "held" if record.holds_unit else "not held"),
            ("Created", moment(record.created)),
            ("Issued", moment(record.issued) or "not yet"),
            ("Expires", moment(record.expires) or NOTHING),
        ],
    }


def of_instance(service: Service, record: Record) -> dict[str, Any]:
    """What may be seen of an instance: the words that a read answers now, and what it says of itself."""
    answer = service.instance_fields(record)
    words = [(each.field, str(answer.get(each.field) or NOTHING)) for each in service.instances.lifecycle.vocabularies]
    return {
        "id": record.id,
        "state": record.state,
        "kind": " / ".join(word for _, word in words),
        "domains": ", ".join(record.domains),
        "created": record.created,
        "tags": record.tags,
        "rows": [
            *words,
            ("Domain", ", ".join(record.domains) or NOTHING),
            ("Spec", str(answer.get("Spec"))),
            ("Bought", moment(record.created)),
            ("Ends", moment(record.ends) or NOTHING),
            ("Issued", moment(record.issued) or "not yet"),
            ("Expires", moment(record.expires) or NOTHING),
            *([("Completed", moment(record.due))] if record.under_way else []),
        ],
    }


def of_line(line: Line, lifecycle: Lifecycle) -> dict[str, Any]:
    """What a line of a history says."""
    by_client = lifecycle.by_client(line.trigger)
    return {
        "time": line.time[:19].replace("T", " "),
        "trigger": line.trigger,
        "by_client": by_client,
        "outcome": line.code or (line.outcome if by_client else "happened"),
        "refused": line.outcome is not Outcome.ACCEPTED,
        "state": line.state,
        "new_order_id": line.new_order_id,
    }


def of_step(row: Transition, lifecycle: Lifecycle) -> dict[str, Any]:
    """What may happen next."""
    return {
        "trigger": str(row.trigger),
        "name": row.trigger.name.replace("_", " ").lower(),
        "actor": str(lifecycle.actor(row)),
        "target": row.target,
        "creates": row.creates,
        "basis": str(row.basis),
    }


_WHICH_CALLS = ("Operation", "OrderId", "InstanceId", "Times", "Probability")
_SAYS_NOTHING = (None, 0, "before")
_UNITS = {"Delay": " s", "RetryAfter": " ms"}


def of_fault(rule: dict[str, Any]) -> dict[str, Any]:
    """A fault rule: which calls, how often, and what happens to them."""
    return {
        "operation": rule.get("Operation") or "*",
        "order_id": rule.get("OrderId"),
        "instance_id": rule.get("InstanceId"),
        "times": rule.get("Times"),
        "probability": rule.get("Probability"),
        "effect": [
            f"{name} {value}{_UNITS.get(name, '')}"
            for name, value in rule.items()
            if name not in _WHICH_CALLS and value not in _SAYS_NOTHING
        ],
    }


def moment(seconds: float | None) -> str:
    """A time as people read it, UTC; empty for none."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
