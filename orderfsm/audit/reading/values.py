"""Times and ids out of many places of a text at once: those that are written plainly, as logs do.

What is written otherwise is left to the core, and a test holds that what is read here is what the core reads there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes: TypeAlias = NDArray[np.uint8]
    Places: TypeAlias = NDArray[np.intp]

PADDING = 32
"""How many bytes follow a text, so that windows on its end are not too short."""

_ZERO, _Z, _MINUS, _BACKSLASH = b"0Z-\\"
_SECOND, _ZONE = len("2026-08-05T06:10:01"), len("+08:00")
_DIGITS = 18
"""How many digits an id has at most that is read here."""


def instants(text: Bytes, begins: Places, ends: Places) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The times that stand there, in microseconds since 1970; and which of them are written plainly."""
    found, plain = np.zeros(len(begins), np.int64), np.zeros(len(begins), np.bool_)
    lengths = ends - begins
    in_utc = text[ends - 1] == _Z
    for digits in range(7):
        width = _SECOND + digits + (digits > 0)
        for some, zone in ((in_utc & (lengths == width + 1), 1), (~in_utc & (lengths == width + _ZONE), _ZONE)):
            if some.any():
                window = sliding_window_view(text, width + zone)[begins[some]]
                found[some], plain[some] = _instants(window, digits, zone)
    return found, plain


def _instants(window: Bytes, digits: int, zone: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The times in rows of text, which have so many digits of a fraction, and characters of a zone."""
    like = "dddd-dd-ddTdd:dd:dd" + ("." + "d" * digits if digits else "") + ("Z" if zone == 1 else "+dd:dd")
    plain = np.ones(len(window), np.bool_)
    columns: list[NDArray[np.int64]] = []
    for at, sign in enumerate(like):
        column = window[:, at]
        if sign == "d":
            column = column - _ZERO
            plain &= column < 10
            columns.append(column.astype(np.int64))
        elif sign in "T+":
            plain &= (column == ord(sign)) | (column == ord("T -"[" T+".index(sign)]))
        else:
            plain &= column == ord(sign)
    two = [tens * 10 + ones for tens, ones in zip(columns[:14:2], columns[1:14:2], strict=True)]
    century, year, month, day, hour, minute, second = two
    months = (century * 100 + year - 1970) * 12 + month - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    date = first + (day - 1)
    plain &= (century >= 19) & (century < 99) & (month > 0) & (month < 13)
    plain &= (day > 0) & (date.astype("datetime64[M]").astype(np.int64) == months)
    plain &= (hour < 24) & (minute < 60) & (second < 60)
    found = ((date.astype(np.int64) * 24 + hour) * 60 + minute) * 60 + second
    if zone > 1:
        hours, minutes = (columns[at] * 10 + columns[at + 1] for at in (-4, -2))
        plain &= (hours < 24) & (minutes < 60)
        found -= np.where(window[:, -_ZONE] == _MINUS, -60, 60) * (hours * 60 + minutes)
    for at in range(6):
        found = found * 10 + (columns[14 + at] if at < digits else 0)
    return found, plain


def integers(text: Bytes, begins: Places, ends: Places) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The numbers whose digits stand there; and which of them are written plainly: from 1 on, without a zero before."""
    found, plain = np.zeros(len(begins), np.int64), np.zeros(len(begins), np.bool_)
    lengths = ends - begins
    for length in range(1, _DIGITS + 1):
        some = lengths == length
        if some.any():
            digits = sliding_window_view(text, length)[begins[some]] - _ZERO
            plain[some] = (digits < 10).all(axis=1) & (digits[:, 0] > 0)
            number = np.zeros(len(digits), np.int64)
            for at in range(length):
                number = number * 10 + digits[:, at]
            found[some] = number
    return found, plain


def gathered(text: Bytes, begins: Places, ends: Places) -> tuple[Bytes, NDArray[np.int32]]:
    """The texts that stand there, one after the other; and where each ends, the first place being 0."""
    lengths = ends - begins
    places = np.concatenate([[0], np.cumsum(lengths)])
    return text[np.repeat(begins - places[:-1], lengths) + np.arange(places[-1])], places.astype(np.int32)


def are_plain(text: Bytes, ends: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which texts, as `gathered` gives them, are of printable ASCII, have no space and no backslash, and some."""
    plain = ends[1:] > ends[:-1]
    wrong = np.flatnonzero((text < 33) | (text > 126) | (text == _BACKSLASH))
    plain[np.searchsorted(ends[1:], wrong, "right")] = False
    return plain
