"""An executable specification of the life cycle of an Alibaba Cloud certificate order (CAS API 2020-04-07)."""

from .errors import NotFoundOrder, OrderStateError, ServiceError, Unspecified
from .invalid import InvalidLifecycle, InvalidValue, OrderFSMError, Unreachable
from .lifecycle import Lifecycle
from .order import Order
from .questions import ORDER_LIFECYCLE, allowed, can, check, explain, judge, narrow, plan, reachable, verify
from .rows import Actor, Basis, Transition
from .tables.orders import Event, Operation, State, Trigger
from .verdict import Verdict

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
    "Unspecified",
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
