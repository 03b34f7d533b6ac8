"""What a mock asks of the place where it keeps what it knows.

A store knows no rule. It takes an order as it was and as it shall be, and replaces the one by the other if nobody
else was faster. What else belongs to a change goes with it or not at all: the order that it begins, the counts of the
packages, the lines of the history.

It holds orders of several tables at once, all made of the numbers that it counts, and so in one order by which they
began. Of which table an order is, its state says: what equal words of two tables mean is told by the members' class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

import attrs

from orderfsm.invalid import OrderFSMError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.faults import Fault
    from orderfsm.mock.records import Happening, Package, Record
    from orderfsm.rows import State

FIRST_ID = 100_000_001

UNTIL_RESET = "until a reset: "
"""How the name of a setting begins that a reset forgets."""

PATIENCE = 8.0
"""Seconds that a change in a database waits at most for others; the SDKs wait 10 for an answer."""


@attrs.frozen
class Shared:
    """What all processes that serve one store have in common.

    That is how far the clock was moved, the faults by number, and the mode in which what is under way is completed,
    empty as long as nobody has said.
    """

    offset: float = 0.0
    faults: tuple[tuple[int, Fault], ...] = ()
    completions: str = ""


class StoreError(OrderFSMError):
    """A store cannot be read or written: it is locked, full, damaged or gone. Its text is one line that says why."""


Changes: TypeAlias = "Mapping[tuple[str, str], tuple[str | None, str | None]]"
"""Notes by kind and key: the text that is there, and the one that shall be."""

Together: TypeAlias = "Callable[[], AbstractContextManager[Callable[[], bool]]]"


class Store(Protocol):
    """What an `Engine` asks of the place where its orders are. Any method may raise `StoreError`.

    `blocking` says that methods may wait for others, so that an event loop must call them in a thread. `together` makes
    a block at whose end the store commits what the thread changes in it, all at once; None if that gains nothing. The
    block is given a function that says whether anything waits for that. If it said so, and nothing of that came to be
    after all, the block ends in a `StoreError`.
    """

    blocking: bool
    together: Together | None

    def hold(self, lifecycle: Lifecycle) -> None:
        """Be ready for orders of that table, too; `InvalidValue` if they cannot be kept here."""
        ...

    def new_id(self) -> int:
        """A number that was never given out before, of which the id of an order is made."""
        ...

    def get(self, order_id: Id) -> Record | None:
        """The order as it stands; None if there never was one."""
        ...

    def commit(
        self, old: Record | None, new: Record | None, begun: Record | None, happened: Iterable[Happening]
    ) -> bool:
        """Put `new` where `old` is, begin `begun`, and write down what happened: all of it, or nothing.

        False if `old` is no longer what is there, or if an order is there already that was made of the number of
        `begun`. If `new` or `begun` takes a unit and its package has none: `NotFoundPackage` or `NotRemainCount`.
        """
        ...

    def select(self, states: Collection[State], keyword: str, offset: int, limit: int) -> tuple[list[Record], int]:
        """A part of the orders in `states` whose domains contain `keyword`, oldest first; and how many those are."""
        ...

    def after(self, states: Collection[State], number: int, limit: int) -> list[Record]:
        """The first `limit` orders in `states` that were made of greater numbers than `number`, oldest first."""
        ...

    def latest(self, states: Collection[State], limit: int) -> list[Record]:
        """The last `limit` orders in `states`, newest first."""
        ...

    def count(self, states: Collection[State]) -> int:
        """How many orders are in `states`."""
        ...

    def due(self, now: float, kind: type[State] | None = None, *, completions: bool = True) -> list[Id]:
        """Ids of orders to which something happens by itself until `now`, the earliest first; not all of many.

        Of orders of all tables, or of that whose states are a `kind`; without `completions`, what the service would
        complete is left out.
        """
        ...

    def history(self, order_id: Id | None = None) -> Iterator[Happening]:
        """What happened, to one order or to all, in an order in which it may be told."""
        ...

    def revision(self) -> int:
        """A number that grows whenever anything changes."""
        ...

    def package(self, product_code: str) -> Package:
        """A package; `NotFoundPackage` if none of that product was bought."""
        ...

    def packages(self) -> list[Package]:
        """All packages, by product code."""
        ...

    def put_package(self, product_code: str, total: int) -> Package:
        """Buy a package, or change its size."""
        ...

    def shared(self) -> Shared:
        """What all processes have in common."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the clock of all processes."""
        ...

    def put_completions(self, mode: str) -> None:
        """Say for all processes in which mode what is under way is completed."""
        ...

    def add_fault(self, fault: Fault) -> None:
        """Add a rule behind the others."""
        ...

    def take_fault(self, number: int) -> bool:
        """Count a fault off; False if another call took its last time."""
        ...

    def clear_faults(self) -> None:
        """Forget all rules."""
        ...

    def draw(self) -> int:
        """The next of the numbers 0, 1, 2, ...: which draw from the generator this is."""
        ...

    def remember_nonce(self, nonce: str, until: float) -> bool:
        """Whether the nonce is new; it is remembered until the time `until`."""
        ...

    def hit(self, key: str, window: int) -> int:
        """Count a call of `key` in a window of time; how many there are by now."""
        ...

    def setting(self, name: str, make: Callable[[], str]) -> str:
        """A value that is made once, by whoever asks first, and kept; a reset forgets those called `UNTIL_RESET`..."""
        ...

    def note(self, kind: str, key: str) -> str | None:
        """What is noted under a key; None if nothing is. Notes are texts of a kind, which belong to no order."""
        ...

    def notes(self, kind: str) -> dict[str, str]:
        """All that is noted of a kind, by its keys."""
        ...

    def write_notes(self, changes: Changes) -> bool:
        """Put the second of each pair of texts where the first is, None being no note: all of that, or nothing.

        False if one of the first is no longer what is there.
        """
        ...

    def reset(self) -> None:
        """Forget orders, packages, faults, notes and history, and set the clock right.

        Ids go on, and the mode in which what is under way is completed.
        """
        ...

    def close(self) -> None:
        """Let go of what the store holds open."""
        ...
