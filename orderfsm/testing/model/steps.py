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
    """Call an operation on `order`; the order that a renewal creates is to be `begins`.

    If it is `flawed`, it is called so that it cannot be carried out; that may also be an event that is not completed.
    """

    operation: Trigger
    order: int | str
    begins: int | None = None
    flawed: bool = False


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
class Buy:
    """Create the order `order` in the way that is paid for; if it buys `again`, by the very request that made that."""

    operation: Operation
    order: int
    again: int | None = None


@attrs.frozen
class Place:
    """Create the order `order` as it is once the service has completed that."""

    operation: Operation
    order: int


@attrs.frozen
class Wait:
    """Wait until `event`, by which the service completes something, has happened to `order`."""

    event: Event
    order: int


@attrs.frozen
class ReadList:
    """Read a page of the list of orders by `operation`: those with `status`, and with the domain of order `like`.

    `status` is a word of `field`, if that is not the first one of the list.
    """

    operation: Operation
    status: str | None = None
    like: int | None = None
    page: int = 1
    size: int = PAGE
    field: str | None = None


@attrs.frozen
class ReadAccount:
    """Read something else of the account by `operation`, of one order alone if that is given."""

    operation: Operation
    order: int | None = None


@attrs.frozen
class ReadCertificate:
    """Read the certificate of `order`, that a list of certificates, `operation`, tells of."""

    operation: Operation
    order: int


@attrs.frozen
class ReadQuota:
    """Read the counts of a package by `operation`."""

    operation: Operation
    package: int = 1


@attrs.frozen
class Ask:
    """Send a request that is to be turned away with `code` and an HTTP `status`: any action, parameters, version.

    `operation` answers for it. Where nobody says with which code, it is only not to be taken for a matter of the state
    (`is_loose`).
    """

    operation: Operation
    action: str
    code: str
    status: int
    parameters: tuple[tuple[str, str], ...] = ()
    version: str = VERSION
    is_loose: bool = False

    def __str__(self) -> str:
        version = "" if self.version == VERSION else f" of version {self.version}"
        given = ", ".join(f"{name}={value!r:.40}" for name, value in self.parameters)
        return f"{self.action}{version} with {given or 'no parameters'}"


Step: TypeAlias = (
    Create | Buy | Place | Call | Happen | Wait | Observe | ReadList | ReadQuota | ReadAccount | ReadCertificate | Ask
)


@attrs.frozen
class Program:
    """Steps on an account that is empty but for packages of `units` each (None: no package).

    What the service completes by itself happens by its clock, or else only when it is made to happen.
    """

    steps: tuple[Step, ...]
    units: int | None = UNITS
    by_the_clock: bool = False

    def __len__(self) -> int:
        return len(self.steps)


def trigger_of(step: Step) -> Trigger | None:
    """The trigger that a step fires; None if it only observes."""
    if isinstance(step, Happen | Wait):
        return step.event
    return None if isinstance(step, Observe) else step.operation


def is_flawed(step: Step) -> bool:
    """Whether a step fires a trigger so that it cannot be carried out."""
    return isinstance(step, Call) and step.flawed


def orders_of(step: Step) -> frozenset[int]:
    """The numbers of the orders that a step needs to be there."""
    needed = {ReadList: "like", Buy: "again", Create: "", Place: ""}.get(type(step), "order")
    order = getattr(step, needed, None)
    return frozenset([order]) if isinstance(order, int) else frozenset()


def begun_by(step: Step) -> frozenset[int]:
    """The number of the order that a step creates, if it does."""
    begun = step.order if isinstance(step, Create | Buy | Place) else getattr(step, "begins", None)
    return frozenset() if begun is None else frozenset([begun])


def as_json(step: Step, got: str, noun: str) -> dict[str, Any]:  # noqa: C901  # a case for each kind of step
    """A step and what came of it, for a report: a `call`, `force` or `read`, and what it `got`.

    The number of the order stands under the table's `noun`.
    """
    call: dict[str, Any]
    match step:
        case Create(operation, order, package):
            call = {"call": operation, noun: order, **other(package)}
        case Buy(operation, order, again):
            call = {"call": operation, noun: order, "again": again}
        case Place(operation, order):
            call = {"call": operation, noun: order, "completed": True}
        case Call(operation, order, begins, flawed):
            call = {"call": operation, noun: order, "begins": begins, "flawed": flawed or None}
        case Happen(event, order):
            call = {"force": event, noun: order}
        case Wait(event, order):
            call = {"wait": event, noun: order}
        case Observe(order):
            call = {"read": "state", noun: order}
        case ReadList(operation, status, like, page, size, field):
            call = {"call": operation, "status": status, "field": field, "like": like, "page": page, "size": size}
        case ReadAccount(operation, order) | ReadCertificate(operation, order):
            call = {"call": operation, noun: order}
        case Ask(_, action, _, _, parameters, version):
            call = {"call": action, "version": version, **dict(parameters)}
        case ReadQuota(operation, package):
            call = {"call": operation, **other(package)}
    return {name: value for name, value in call.items() if value is not None} | {"got": got}


def told(step: Step, lifecycle: Lifecycle) -> str:  # noqa: C901, PLR0912  # a case for each kind of step
    """A step as a line of text."""
    noun = lifecycle.noun

    def named(order: int | str) -> str:
        return f"{noun} {order}" if isinstance(order, int) else f"the {lifecycle.identity.parameter} {order!r}"

    match step:
        case Create(operation, order, package):
            text = f"{noun} {order} = {operation}{_of_package(package)}"
        case Buy(operation, order, again):
            text = f"{noun} {order} = {operation}{'' if again is None else f', the same as that of {noun} {again}'}"
        case Place(operation, order):
            text = f"{noun} {order} = {operation}, completed"
        case Call(operation, order, flawed=True):
            text = f"{operation}, flawed, on {named(order)}"
        case Call(operation, order, begins):
            second = "" if begins is None else f"{noun} {begins} = "
            text = f"{second}{operation} on {named(order)}"
        case Happen(event, order):
            text = f"{event} happens to {named(order)}"
        case Wait(event, order):
            text = f"wait for {event} of {noun} {order}"
        case Observe(order):
            text = f"read the state of {noun} {order}"
        case ReadAccount(operation, order):
            text = f"{operation}{'' if order is None else f' of {noun} {order}'}"
        case ReadCertificate(_, order):
            text = f"read the certificate of {noun} {order}"
        case ReadList(operation, status, like, page, size, field):
            filters = [] if status is None else [f"with {field or 'status'} {status}"]
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
    fields = ("order", "begins", "like", "again")
    steps = [
        attrs.evolve(step, **{f: numbers.get(old, old) for f in fields if (old := getattr(step, f, None)) is not None})
        for step in program.steps
    ]
    return attrs.evolve(program, steps=tuple(steps))
