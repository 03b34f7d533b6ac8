"""What has three values: a verdict on a set of possible states, and whatever else is no condition."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, NoReturn


class Uncertain:
    """What has three values, or says more than yes or no: as a condition it is a TypeError, like `pandas.NA`.

    A member of an enum, or of a class whose `_instead` is what to write in a condition, for the message.
    """

    __slots__ = ()
    _instead: ClassVar[str] = ""

    def __bool__(self) -> NoReturn:
        cls = type(self)
        instead = self._instead or f"compare it, as in `... is {cls.__name__}.{next(iter(cls)).name}`"  # type: ignore[call-overload]
        raise TypeError(f"{cls.__name__} is no condition: {instead}")


class Verdict(Uncertain, StrEnum):
    """What holds in every one of a set of possible states: legal, illegal, or not the same in all.

    It is no condition: `if judge(...)` is a TypeError. Compare it.
    """

    LEGAL = "legal"
    ILLEGAL = "illegal"
    UNDECIDED = "undecided"
