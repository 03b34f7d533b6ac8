"""The lines of a log, and the violations in it, along the time: by days, months or years, so that a page has room."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from orderfsm.rows import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orderfsm.audit.report import Report, Violation

DAYS, MONTHS = 92, 240
"""How many days, and how many months, are shown one by one at the most."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).date()
_LENGTHS = (10, 7, 4)
"""How much of a date says the day, the month, the year."""


class Period(NamedTuple):
    """A day, month or year: how many `lines` it had, and which of the violations given were in it."""

    name: str
    lines: int
    violations: Sequence[Violation]


def timeline(report: Report) -> list[Period]:
    """The periods of an audit's lines, and of the violations whose time is known; those without any too."""
    days = {day: count for day, count in report.days.items() if _is_date(day)}
    when = [(each.time // (DAY * 10**6), each) for each in report.violations if each.time is not None]
    dated = [(day, each) for day, each in when if _is_date(day)]
    every = [*days, *(day for day, _ in dated)]
    if not every:
        return []
    first, last = (_date(of(every)) for of in (min, max))
    months = (last.year - first.year) * 12 + last.month - first.month
    length = _LENGTHS[((last - first).days >= DAYS) + (months >= MONTHS)]
    lines: dict[str, int] = {}
    found: dict[str, list[Violation]] = {}
    for name in _names(first, last, length):
        lines[name], found[name] = 0, []
    for day, count in days.items():
        lines[_date(day).isoformat()[:length]] += count
    for day, each in dated:
        found[_date(day).isoformat()[:length]].append(each)
    return [Period(name, count, found[name]) for name, count in lines.items()]


def _names(first: date, last: date, length: int) -> Iterator[str]:
    """The periods from the first to the last one."""
    if length == _LENGTHS[0]:
        yield from ((first + timedelta(days)).isoformat() for days in range((last - first).days + 1))
        return
    for year in range(first.year, last.year + 1):
        months = range(first.month if year == first.year else 1, (last.month if year == last.year else 12) + 1)
        yield from [f"{year:04}"] if length == _LENGTHS[2] else (f"{year:04}-{month:02}" for month in months)


def _date(day: int) -> date:
    return _EPOCH + timedelta(day)


def _is_date(day: int) -> bool:
    return date.min.toordinal() <= day + _EPOCH.toordinal() <= date.max.toordinal()
