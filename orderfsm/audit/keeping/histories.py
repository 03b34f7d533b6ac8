"""Histories, and the lines of violations, as a state file keeps them: as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orderfsm.audit.judging.judge import Assumption, History, Judge, Summary
from orderfsm.audit.judging.ties import Stuck
from orderfsm.audit.report import Seen, Violation
from orderfsm.trace import Answer, Events, Possible, Reading, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orderfsm.lifecycle import Lifecycle


def history_as_json(history: History) -> Any:
    """The codes, or what there is of a summary, as JSON."""
    if history.summary is None:
        return list(history.codes)
    summary = history.summary
    return {
        "lines": summary.lines,
        "named": summary.named,
        "without_unit": summary.without_unit,
        "timed": summary.timed,
        "ways": [[list(way), _way(found)] for way, found in summary.ways.items()],
        "refused": [
            [str(events), [[str(trigger), foreseen, count] for (trigger, foreseen), count in counts.items()]]
            for events, counts in summary.refused.items()
        ],
    }


def _way(found: Any) -> Any:
    if isinstance(found, Stuck):
        said = {"index": found.index, "line": found.line, "said": said_of(found.said), "possible": list(found.possible)}
        return said | ({"front": _way(found.front)} if found.front else {})
    return [[_runs(possible.strict), _runs(possible.favour)] for possible in found]


def _runs(runs: Iterable[Run]) -> list[Any]:
    return sorted((_run(run) for run in runs), key=repr)


def _run(run: Run) -> list[Any]:
    """A run as JSON; what a table without such rules never has is left out."""
    more = [sorted(run.since), run.owed] if run.since or run.owed else []
    return [run.state, list(run.lost), *more]


def history_from_json(said: Any, judge: Judge) -> History:
    """The history that this JSON is."""
    if isinstance(said, list):
        return History(tuple(said))
    ways = {Assumption(Events(way[0]), way[1], way[2]): found for way, found in said["ways"]}
    summary = Summary(
        lines=said["lines"],
        named=said["named"],
        without_unit=said.get("without_unit", said["named"]),
        timed=said["timed"],
        ways={way: _read_way(found, way, judge) for way, found in ways.items()},
        refused={
            Events(events): {(judge.lifecycle.trigger(trigger), foreseen): count for trigger, foreseen, count in counts}
            for events, counts in said["refused"]
        },
    )
    return History(summary=summary)


def _read_way(found: Any, way: Assumption, judge: Judge) -> Any:
    if isinstance(found, dict):
        states = tuple(judge.lifecycle.state(state) for state in found["possible"])
        front = _read_way(found.get("front", []), way, judge)
        return Stuck(found["index"], found["line"], reading_of(found["said"], judge.lifecycle), states, front)
    machine = judge.machine(way.events, late=way.late)

    def run(state: Any, lost: Any, since: Any = (), owed: bool = False) -> Run:
        return Run(judge.lifecycle.state(state), tuple(lost), frozenset(map(judge.lifecycle.trigger, since)), owed)

    def possible(strict: Any, favour: Any) -> Possible:
        return machine.possible([run(*each) for each in strict], [run(*each) for each in favour])

    return tuple(possible(*each) for each in found)


def witness(violation: Violation) -> str:
    """What is kept of a violation, but for where it stood."""
    before = [[said_of(each.said), each.time, each.file, each.line, dict(each.who)] for each in violation.before]
    return json.dumps([violation.time, dict(violation.who), before])


def witnessed(kept: str | None, lifecycle: Lifecycle) -> tuple[int | None, Mapping[str, str], tuple[Seen, ...]]:
    """When the line of a violation was, who was behind it, and the lines before it, as they were `kept`."""
    time, who, before = json.loads(kept) if kept else (None, {}, [])
    return time, who, tuple(Seen(reading_of(each[0], lifecycle), *each[1:]) for each in before)


def said_of(reading: Reading) -> list[str | None]:
    """A reading as JSON."""
    return [str(reading.trigger), str(reading.answer), reading.word]


def reading_of(said: list[Any], lifecycle: Lifecycle) -> Reading:
    """The reading that this JSON is, of a line of this table."""
    return Reading(lifecycle.trigger(said[0]), Answer(said[1]), said[2])
