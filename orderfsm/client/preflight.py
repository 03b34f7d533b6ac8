"""What a guarded client goes by: its settings, what they decide, and what it reads and remembers."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from orderfsm.clocks import monotonic
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import Basis
from orderfsm.tables import instances

from .arguments import beginning, id_of, looks_like_id_of, seconds
from .memory import Memory
from .reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orderfsm.lifecycle import Lifecycle

    from .call import Divergence

_FIRMEST_FIRST = tuple(Basis)

TABLES = (ORDER_LIFECYCLE, instances.LIFECYCLE)
"""The tables of what a client of the SDK calls; the first is the default one."""

_Choice = TypeVar("_Choice", bound=StrEnum)


class Mode(StrEnum):
    """What a guard does with a call that the table refuses: raise, warn and send it, or not even look."""

    ENFORCE = "enforce"
    WARN = "warn"
    OFF = "off"


def _mode(value: object) -> Mode:
    return _choice("mode", value, Mode)


def _trust(value: object) -> Basis:
    return _choice("trust", value, Basis)


def _choice(kind: str, value: object, accepted: type[_Choice]) -> _Choice:
    if isinstance(value, str) and value in tuple(accepted):
        return accepted(value)
    raise InvalidValue(kind, value, accepted)


@attrs.define(eq=False)
class Preflight:
    """The settings of a guard (see `guard`), and with what it decides: its memory, and its readers.

    `clock` gives seconds that never go back; it may be replaced.
    """

    mode: Mode = attrs.field(default=Mode.ENFORCE, converter=_mode)
    trust: Basis = attrs.field(default=Basis.INFERRED, converter=_trust)
    max_age: float = attrs.field(default=0, converter=seconds)
    grace: float = attrs.field(default=10, converter=seconds)
    on_divergence: Callable[[Divergence], object] | None = None
    lifecycle: Lifecycle = ORDER_LIFECYCLE
    clock: Callable[[], float] = monotonic
    memory: Memory = attrs.field(init=False)
    reading: Reading = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.memory = Memory(self.max_age, self.grace, self._now, self.lifecycle)
        self.reading = Reading(self.lifecycle, self.memory)

    def refuses(self, basis: Basis | None) -> bool:
        """Whether a call that the table refuses on this basis is not sent: it is as firm as those that are trusted."""
        firmness = _FIRMEST_FIRST.index(basis or Basis.INFERRED)
        return self.mode is Mode.ENFORCE and firmness <= _FIRMEST_FIRST.index(self.trust)

    def _now(self) -> float:
        return self.clock()


class Preflights:
    """The preflights of a client, one for each of the tables of which it calls operations, with the same settings."""

    def __init__(self, tables: Iterable[Lifecycle], **settings: Any) -> None:
        self._settings = settings
        self._of = {table: Preflight(lifecycle=table, **settings) for table in tables}

    def of(self, lifecycle: Lifecycle | None = None) -> Preflight:
        """That of a table; one is made for a table that is another. None: that of the client's first table."""
        table = next(iter(self._of)) if lifecycle is None else lifecycle
        if table not in self._of:
            self._of[table] = Preflight(lifecycle=table, **self._settings)
        return self._of[table]

    def of_id(self, value: object) -> Preflight:
        """That of the first table whose ids look like `value`; without one, that of the first table."""
        likely = [each for table, each in self._of.items() if looks_like_id_of(value, table)]
        if likely or value is None:
            return likely[0] if likely else self.of()
        first, *others = self._of
        try:
            id_of(value, first)
        except InvalidValue as wrong:
            texts = [f"an {each.identity.words} ({beginning(each)}...)" for each in others if each.identity.is_text]
            raise InvalidValue(first.identity.words, value, [*wrong.accepted, *texts]) from None
        return self.of()
