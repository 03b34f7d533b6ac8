"""Programs for a server, as data: what is called, forced and read, in order.

A step names an order by the number that the program gives it: 1 for the first one that it creates. A text stands for
itself: an id that is malformed, or that no order has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from orderfsm.tables.api import PARAMETERS, VERSION
from orderfsm.tables.orders import Operation

if TYPE_CHECKING:
    from orderfsm.rows import Event, Trigger

UNITS = 20
"""The size of the package with which a program begins, unless it says otherwise."""

ON_AN_ORDER = tuple(operation for operation, taken in PARAMETERS.items() if "OrderId" in taken.required)
"""The operations that take an OrderId."""


@attrs.frozen
class Create:
    """Create the order `order`, from the first package or another one."""

    operation: Operation
    order: int
    package: int = 1

    def __str__(self) -> str:
        return f"order {self.order} = {self.operation}{_of_package(self.package)}"


@attrs.frozen
class Call:
    """Call an operation on `order`; the order that a renewal creates is to be `begins`."""

    operation: Operation
    order: int | str
    begins: int | None = None

    def __str__(self) -> str:
        begins = "" if self.begins is None else f"order {self.begins} = "
        return f"{begins}{self.operation} on {_named(self.order)}"


@attrs.frozen
class Happen:
    """Let an event happen to `order`."""

    event: Event
    order: int | str

    def __str__(self) -> str:
        return f"{self.event} happens to {_named(self.order)}"


@attrs.frozen
class Observe:
    """Read the state of `order`, in the driver's way."""

    order: int

    def __str__(self) -> str:
        return f"read the state of order {self.order}"


@attrs.frozen
class ReadList:
    """Read a page of the list of orders: those with `status`, and with the domain of order `like`."""

    status: str | None = None
    like: int | None = None
    page: int = 1
    size: int = 50

    def __str__(self) -> str:
        filters = [] if self.status is None else [f"with status {self.status}"]
        filters += [] if self.like is None else [f"with the domain of order {self.like}"]
        filters += [] if (self.page, self.size) == (1, 50) else [f"page {self.page} of {self.size}"]
        return " ".join([f"{Operation.LIST}", *filters])


@attrs.frozen
class ReadQuota:
    """Read the counts of a package."""

    package: int = 1

    def __str__(self) -> str:
        return f"{Operation.DESCRIBE_PACKAGE}{_of_package(self.package)}"


@attrs.frozen
class Ask:
    """Send a request that is to be turned away with `code` and an HTTP `status`: any action, parameters, version."""

    action: str
    code: str
    status: int
    parameters: tuple[tuple[str, str], ...] = ()
    version: str = VERSION

    def __str__(self) -> str:
        version = "" if self.version == VERSION else f" of version {self.version}"
        given = ", ".join(f"{name}={value!r:.40}" for name, value in self.parameters)
        return f"{self.action}{version} with {given or 'no parameters'}"


Step: TypeAlias = Create | Call | Happen | Observe | ReadList | ReadQuota | Ask


@attrs.frozen
class Program:
    """Steps on an account that is empty but for packages of `units` each (None: no package)."""

    steps: tuple[Step, ...]
    units: int | None = UNITS

    def __len__(self) -> int:
        return len(self.steps)


def trigger_of(step: Step) -> Trigger | None:
    """The trigger that a step fires; None if it only observes."""
    match step:
        case Create(operation) | Call(operation):
            return operation
        case Happen(event):
            return event
        case ReadList():
            return Operation.LIST
        case ReadQuota():
            return Operation.DESCRIBE_PACKAGE
        case Ask(action):
            return Operation(action) if action in tuple(Operation) else Operation.DESCRIBE_PACKAGE
        case Observe():
            return None


def orders_of(step: Step) -> frozenset[int]:
    """The numbers of the orders that a step needs to be there."""
    order = getattr(step, "like", None) if isinstance(step, ReadList) else getattr(step, "order", None)
    return frozenset([order]) if isinstance(order, int) and not isinstance(step, Create) else frozenset()


def begun_by(step: Step) -> int | None:
    """The number of the order that a step creates."""
    if isinstance(step, Create):
        return step.order
    return step.begins if isinstance(step, Call) else None


def as_json(step: Step, got: str) -> dict[str, Any]:
    """A step and what came of it, for a report: a `call`, `force` or `read`, the `order`'s number, what it `got`."""
    call: dict[str, Any]
    match step:
        case Create(operation, order, package):
            call = {"call": operation, "order": order, **_other(package)}
        case Call(operation, order, begins):
            second = {} if begins is None else {"begins": begins}
            call = {"call": operation, "order": order, **second}
        case Happen(event, order):
            call = {"force": event, "order": order}
        case Observe(order):
            call = {"read": "state", "order": order}
        case ReadList(status, like, page, size):
            filters = {"status": status, "like": like, "page": page, "size": size}
            call = {"call": Operation.LIST, **{k: v for k, v in filters.items() if v is not None}}
        case Ask(action, _, _, parameters, version):
            call = {"call": action, "version": version, **dict(parameters)}
        case ReadQuota(package):
            call = {"call": Operation.DESCRIBE_PACKAGE, **_other(package)}
    return {**call, "got": got}


def _other(package: int) -> dict[str, int]:
    return {} if package == 1 else {"package": package}


def _of_package(package: int) -> str:
    return "" if package == 1 else f" of package {package}"


def _named(order: int | str) -> str:
    return f"order {order}" if isinstance(order, int) else f"the OrderId {order!r}"


def renumbered(program: Program) -> Program:
    """The same program with its orders numbered 1, 2, ... in the order in which they begin."""
    begun = [order for step in program.steps if (order := begun_by(step)) is not None]
    numbers: dict[object, int] = {order: number for number, order in enumerate(begun, 1)}
    fields = ("order", "begins", "like")
    steps = [
        attrs.evolve(step, **{f: numbers.get(old, old) for f in fields if (old := getattr(step, f, None)) is not None})
        for step in program.steps
    ]
    return attrs.evolve(program, steps=tuple(steps))
