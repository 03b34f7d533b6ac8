"""Durations and sizes as people write them: a number and its unit, such as `7d`, `500MB` or `4GiB`."""

from __future__ import annotations

import re

from orderfsm.invalid import InvalidValue

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""Units of duration, in seconds."""

BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
"""Units of size, in bytes."""

_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_DURATION = re.compile(f"{_NUMBER}([{''.join(SECONDS)}]?)")
_SIZE = re.compile(rf"{_NUMBER}\s*({'|'.join(BYTES)})")


def seconds(text: str, kind: str = "duration", *, bare: bool = False) -> float:
    """The seconds that `text` says; if `bare`, a number without a unit is seconds. Else `InvalidValue` of that `kind`.

    >>> seconds("7d"), seconds("0.5H"), seconds("60", bare=True)
    (604800.0, 1800.0, 60.0)
    """
    match = _DURATION.fullmatch(text.lower())
    if match is None or not (match[2] or bare):
        accepted = "a number of seconds, or one with m, h, d or w, such as 60s"
        raise InvalidValue(kind, text, [accepted if bare else "a number and s, m, h, d or w, such as 7d"])
    return float(match[1]) * SECONDS[match[2] or "s"]


def size(text: str, kind: str = "size") -> int:
    """The bytes that `text` says, rounded down; else `InvalidValue` of that `kind`.

    >>> size("500MB"), size("1.5 GiB")
    (500000000, 1610612736)
    """
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise InvalidValue(kind, text, ["a size such as 500MB or 4GB"])
    return int(float(match[1]) * BYTES[match[2]])
