"""What a state keeps of a violation's line, and of the lines before it: as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from orderfsm.audit.report import Seen, Violation
from orderfsm.trace import Answer, Reading

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle

    class Row(Protocol):
        """Where a violation stood, and what was written of it."""

        @property
        def file(self) -> str | None: ...
        @property
        def line(self) -> int | None: ...
        @property
        def witnessed(self) -> str | None: ...


def witness(violation: Violation) -> str:
    """What is kept of a violation, but for where it stood."""
    before = [[said_of(each.said), each.time, each.file, each.line, dict(each.who)] for each in violation.before]
    return json.dumps([violation.time, dict(violation.who), before])


def witnessed(row: Row, said: Reading, lifecycle: Lifecycle) -> tuple[Seen, tuple[Seen, ...]]:
    """The line of a violation, which `said` that, and the lines before it, as they were kept."""
    time, who, before = json.loads(row.witnessed) if row.witnessed else (None, {}, [])
    lines = tuple(Seen(reading_of(each[0], lifecycle), *each[1:]) for each in before)
    return Seen(said, time, row.file, row.line, who), lines


def said_of(reading: Reading) -> list[str | None]:
    """A reading as JSON."""
    return [str(reading.trigger), str(reading.answer), reading.word]


def reading_of(said: list[Any], lifecycle: Lifecycle) -> Reading:
    """The reading that this JSON is, of a line of this table."""
    return Reading(lifecycle.trigger(said[0]), Answer(said[1]), said[2])
