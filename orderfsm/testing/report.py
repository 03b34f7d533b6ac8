"""What a check of conformance found: a verdict, each pair of a state and a trigger, and what shows violations."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.trace import Events, Judged
from orderfsm.verdict import Uncertain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orderfsm.rows import State, Trigger
    from orderfsm.trace import Finding

    from .model.contradiction import Kind
    from .model.failure import Key

Pair = tuple["State | None", "Trigger"]


class Result(Uncertain, StrEnum):
    """What became of a pair of a state and a trigger. It is no condition: compare it."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_FORCED = "not forced"
    NOT_OFFERED = "not offered"


@attrs.frozen(kw_only=True)
class Violation:
    """A contradiction between the server and the table.

    In `state`, `trigger` should have done what is `expected`, and did what was `got`, which is of a `kind`. `calls`
    shows it with the fewest calls, and what came of each; `script` is a Python program that makes them. `part` is the
    part of the check that found it, `rule` the rule that was broken, `reference` the source of the rule. What
    concurrent calls showed has a `picture` of them.
    """

    state: State | None
    trigger: Trigger
    kind: Kind
    expected: str
    got: str
    part: str
    rule: str
    reference: str
    calls: tuple[Mapping[str, Any], ...] = ()
    script: str = attrs.field(default="", repr=False)
    picture: str = attrs.field(default="", repr=False)

    @property
    def key(self) -> Key:
        """What it accuses, and of what."""
        return self.state, self.trigger, self.kind

    def as_json(self) -> dict[str, Any]:
        """The violation as PROTOCOLS.md has it."""
        return {
            "state": self.state,
            "trigger": self.trigger,
            "kind": self.kind,
            "expected": self.expected,
            "got": self.got,
            "calls": [dict(call) for call in self.calls],
            "part": self.part,
            "rule": self.rule,
            "reference": self.reference,
            "script": self.script,
            "picture": self.picture,
        }

    def __str__(self) -> str:
        lines = [f"{self.trigger} in {self.state or 'no order'}: expected {self.expected}, got {self.got}"]
        lines += [f"  the rule: {self.rule}", f"  says who: {self.reference}"]
        one_by_one = [call for call in self.calls if "client" not in call]
        lines += [f"  {number}. {_told(call)}" for number, call in enumerate(one_by_one, 1)]
        return "\n".join([*lines, *self.picture.splitlines()])


def write_script(folder: Path, violation: Violation) -> Path:
    """Write the program of a violation to a file in a folder, which is made if it is not there; the file."""
    words = (violation.trigger.name.lower(), "in", violation.state or "no_order", violation.kind.replace(" ", "_"))
    path = folder / f"{'_'.join(words)}.py"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(violation.script, encoding="utf-8")
    return path


def _told(call: Mapping[str, Any]) -> str:
    """A call as a line of text."""
    done = call.get("call") or call.get("force") or f"read {call['read']}"
    rest = {name: value for name, value in call.items() if name not in {"call", "force", "read", "got"}}
    return f"{done}({', '.join(f'{name}={value!r}' for name, value in rest.items())}): {call['got']}"


@attrs.frozen(kw_only=True)
class Report(Judged):
    """What a check found.

    `checked` counts the answers that were judged; `coverage` has each pair of a state and a trigger that was to be
    tried, and `not_forced` why a pair could not be. `violations` shows what was found, the gravest first; `failed`
    names all of it, also what is not shown. What was `known` before is told apart. The verdict is VIOLATES if anything
    failed that was not known; CONFORMS if nothing did, every trial was made and some pair passed; else UNDECIDED, and
    `reason` says why. `seed` repeats the random and the concurrent part.
    """

    verdict: Finding
    checked: int
    coverage: Mapping[Pair, Result]
    violations: tuple[Violation, ...]
    events: Events
    seed: int
    reason: str = ""
    failed: tuple[Key, ...] = ()
    known: tuple[Key, ...] = ()
    not_forced: Mapping[Pair, str] = attrs.field(factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The report as PROTOCOLS.md has it."""
        return {
            "verdict": self.verdict,
            "checked": self.checked,
            "coverage": [
                {"state": state, "trigger": trigger, "result": result} | self._why((state, trigger))
                for (state, trigger), result in self.coverage.items()
            ],
            "violations": [violation.as_json() for violation in self.violations],
            "failed": [_key(key) for key in self.failed],
            "known": [_key(key) for key in self.known],
            "events": self.events,
            "reason": self.reason,
            "seed": self.seed,
        }

    def _why(self, pair: Pair) -> dict[str, str]:
        return {"why": self.not_forced[pair]} if pair in self.not_forced else {}

    def counted(self, result: Result) -> int:
        """How many pairs had that result."""
        return sum(each is result for each in self.coverage.values())

    def __str__(self) -> str:
        return "\n\n".join([*map(str, self.violations), "\n".join(self._summary())])

    def _summary(self) -> Iterator[str]:
        yield from self._by_state()
        lacking = dict.fromkeys(t.name.lower() for (_, t), r in self.coverage.items() if r is Result.NOT_OFFERED)
        if lacking:
            yield f"not offered: {', '.join(lacking)}"
        for why, pairs in Counter(self.not_forced.values()).most_common():
            yield f"not forced: {pairs} pairs, because {why}"
        hidden = len(self.failed) - len(self.violations)
        if hidden > 0:
            yield f"not shown: {hidden} violations more"
        for state, trigger, kind in self.known:
            yield f"known before: {trigger} in {state or 'no order'} ({kind})"
        results = [result for result in Result if result is not Result.NOT_OFFERED or lacking]
        counts = ", ".join(f"{self.counted(result)} {result}" for result in results)
        yield f"{self.verdict}: {self.checked} answers checked; of {len(self.coverage)} pairs {counts}"
        if self.reason:
            yield f"undecided because {self.reason}"
        if self.events is not Events.COMPLETE:
            yield "orders were taken to be moved by others as well"
        yield f"seed: {self.seed}"

    def _by_state(self) -> Iterator[str]:
        """A line for each state: how many triggers passed in it, and which did not."""
        for state in dict.fromkeys(state for state, _ in self.coverage):
            here = {trigger: result for (of, trigger), result in self.coverage.items() if of == state}
            passed = sum(result is Result.PASSED for result in here.values())
            line = f"{state or 'no order'}: {passed} of {len(here)} triggers passed"
            for result in (Result.FAILED, Result.NOT_FORCED):
                others = [trigger.name.lower() for trigger in here if here[trigger] is result]
                if others:
                    line += f"; {result}: {', '.join(others) if passed or result is Result.FAILED else 'all others'}"
            yield line


def _key(key: Key) -> dict[str, Any]:
    state, trigger, kind = key
    return {"state": state, "trigger": trigger, "kind": kind}
