"""What a reader finds in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from orderfsm.identity import Id


class Said(NamedTuple):
    """What stands in the columns of `LINES` but the first three, in their order."""

    finer: int | None = None
    new_order_id: Id | None = None
    event_id: str | None = None
    bad: str | None = None
    operation: str | None = None
    event: str | None = None
    outcome: str | None = None
    code: str | None = None
    state: str | None = None
    certificate_state: str | None = None
    timed: bool = False
    whole: bool = False
    table: int = -1
    """The place of its table among those that are judged; -1: it is of none."""
    byte: int | None = None


Row: TypeAlias = "tuple[int | None, Id | None, int, Said]"
"""A line: its time in microseconds since 1970, its order, its number, and what else there is to say of it."""


def at_byte(row: Row, byte: int) -> Row:
    """A line that begins at this byte of its file."""
    instant, order, number, said = row
    return instant, order, number, said._replace(byte=byte)
