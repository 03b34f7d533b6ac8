"""Programs for a server, as data: what is called, forced and read, in order.

A step names an order by the number that the program gives it: 1 for the first one that it creates. A text stands for
itself: an id that is malformed, or that no order has.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from orderfsm.tables.api import VERSION

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Event, Operation, Trigger

UNITS = 20
"""The size of the package with which a program begins, unless it says otherwise."""

YOUNG = 0.0
"""The age of the kit's certificates in seconds: they are as young as its run."""

PAGE = 50
"""Orders on a page of a list, unless it is said otherwise."""


@attrs.frozen
class Create:
    """Create the order `order`, from the first package or another one."""

    operation: Operation
    order: int
    package: int = 1


@attrs.frozen
class Call:
    """Call an operation on `order`; the order that a renewal creates is to be `begins`."""

    operation: Operation
    order: int | str
    begins: int | None = None


@attrs.frozen
class Happen:
    """Let an event happen to `order`."""

    event: Event
    order: int | str


@attrs.frozen
class Observe:
    """Read the state of `order`, in the driver's way."""

    order: int


@attrs.frozen
class ReadList:
    """Read a page of the list of orders by `operation`: those with `status`, and with the domain of order `like`."""

    operation: Operation
    status: str | None = None
    like: int | None = None
    page: int = 1
    size: int = PAGE


@attrs.frozen
class ReadQuota:
    """Read the counts of a package by `operation`."""

    operation: Operation
    package: int = 1


@attrs.frozen
class Ask:
    """Send a request that is to be turned away with `code` and an HTTP `status`: any action, parameters, version.

    `operation` answers for it.
    """

    operation: Operation
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
    if isinstance(step, Happen):
        return step.event
    return None if isinstance(step, Observe) else step.operation


def orders_of(step: Step) -> frozenset[int]:
    """The numbers of the orders that a step needs to be there."""
    order = getattr(step, "like", None) if isinstance(step, ReadList) else getattr(step, "order", None)
    return frozenset([order]) if isinstance(order, int) and not isinstance(step, Create) else frozenset()


def begun_by(step: Step) -> frozenset[int]:
    """The number of the order that a step creates, if it does."""
    begun = step.order if isinstance(step, Create) else getattr(step, "begins", None)
    return frozenset() if begun is None else frozenset([begun])


def as_json(step: Step, got: str, noun: str) -> dict[str, Any]:
    """A step and what came of it, for a report: a `call`, `force` or `read`, and what it `got`.

    The number of the order stands under the table's `noun`.
    """
    call: dict[str, Any]
    match step:
        case Create(operation, order, package):
            call = {"call": operation, noun: order, **other(package)}
        case Call(operation, order, begins):
            call = {"call": operation, noun: order, "begins": begins}
        case Happen(event, order):
            call = {"force": event, noun: order}
        case Observe(order):
            call = {"read": "state", noun: order}
        case ReadList(operation, status, like, page, size):
            call = {"call": operation, "status": status, "like": like, "page": page, "size": size}
        case Ask(_, action, _, _, parameters, version):
            call = {"call": action, "version": version, **dict(parameters)}
        case ReadQuota(operation, package):
            call = {"call": operation, **other(package)}
    return {name: value for name, value in call.items() if value is not None} | {"got": got}


def told(step: Step, lifecycle: Lifecycle) -> str:
    """A step as a line of text."""
    noun = lifecycle.noun

    def named(order: int | str) -> str:
        return f"{noun} {order}" if isinstance(order, int) else f"the {lifecycle.identity.parameter} {order!r}"

    match step:
        case Create(operation, order, package):
            text = f"{noun} {order} = {operation}{_of_package(package)}"
        case Call(operation, order, begins):
            second = "" if begins is None else f"{noun} {begins} = "
            text = f"{second}{operation} on {named(order)}"
        case Happen(event, order):
            text = f"{event} happens to {named(order)}"
        case Observe(order):
            text = f"read the state of {noun} {order}"
        case ReadList(operation, status, like, page, size):
            filters = [] if status is None else [f"with status {status}"]
            filters += [] if like is None else [f"with the domain of {noun} {like}"]
            filters += [] if (page, size) == (1, PAGE) else [f"page {page} of {size}"]
            text = " ".join([operation, *filters])
        case ReadQuota(operation, package):
            text = f"{operation}{_of_package(package)}"
        case Ask():
            text = str(step)
    return text


def other(package: int) -> dict[str, int]:
    """What a call names a package by; nothing for the first, which is the only one of most drivers."""
    return {} if package == 1 else {"package": package}


def _of_package(package: int) -> str:
    return "" if package == 1 else f" of package {package}"


def renumbered(program: Program) -> Program:
    """The same program with its orders numbered 1, 2, ... in the order in which they begin."""
    begun = chain.from_iterable(map(begun_by, program.steps))
    numbers: dict[object, int] = {order: number for number, order in enumerate(begun, 1)}
    fields = ("order", "begins", "like")
    steps = [
        attrs.evolve(step, **{f: numbers.get(old, old) for f in fields if (old := getattr(step, f, None)) is not None})
        for step in program.steps
    ]
    return attrs.evolve(program, steps=tuple(steps))
