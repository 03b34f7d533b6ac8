"""An executable specification of the life cycle of an Alibaba Cloud certificate order (CAS API 2020-04-07)."""

from .errors import (
    InvalidLifecycle,
    InvalidValue,
    NotFoundOrder,
    OrderFSMError,
    OrderStateError,
    ServiceError,
    Unreachable,
)
from .lifecycle import (
    ORDER_LIFECYCLE,
    Lifecycle,
    Verdict,
    allowed,
    can,
    check,
    explain,
    judge,
    narrow,
    plan,
    reachable,
    verify,
)
from .order import Order
from .spec import Actor, Basis, Event, Operation, State, Transition, Trigger

__all__ = [
    "ORDER_LIFECYCLE",
    "Actor",
    "Basis",
    "Event",
    "InvalidLifecycle",
    "InvalidValue",
    "Lifecycle",
    "NotFoundOrder",
    "Operation",
    "Order",
    "OrderFSMError",
    "OrderStateError",
    "ServiceError",
    "State",
    "Transition",
    "Trigger",
    "Unreachable",
    "Verdict",
    "allowed",
    "can",
    "check",
    "explain",
    "judge",
    "narrow",
    "plan",
    "reachable",
    "verify",
]
__version__ = "0.1.0"
