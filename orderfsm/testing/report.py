"""What a check of conformance found: a verdict, each pair of a state and a trigger, and what shows violations."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import Uncertain
from orderfsm.trace import Events, Judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orderfsm.spec import State, Trigger
    from orderfsm.trace import Finding

Pair = tuple["State | None", "Trigger"]


class Result(Uncertain, StrEnum):
    """What became of a pair of a state and a trigger. It is no condition: compare it."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_FORCED = "not forced"


@attrs.frozen(kw_only=True)
class Violation:
    """A contradiction between the server and the table.

    In `state`, `trigger` should have done what is `expected`, and did what was `got`. `calls` shows it with the fewest
    calls, and what came of each; `script` is a Python program that makes them. `part` is the part of the check that
    found it, `rule` the rule that was broken, `reference` the source of the rule. What concurrent calls showed has a
    `picture` of them.
    """

    state: State | None
    trigger: Trigger
    expected: str
    got: str
    part: str
    rule: str
    reference: str
    calls: tuple[Mapping[str, Any], ...] = ()
    script: str = attrs.field(default="", repr=False)
    picture: str = attrs.field(default="", repr=False)

    def as_json(self) -> dict[str, Any]:
        """The violation as PROTOCOLS.md has it."""
        return {
            "state": self.state,
            "trigger": self.trigger,
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


def _told(call: Mapping[str, Any]) -> str:
    """A call as a line of text."""
    done = call.get("call") or call.get("force") or f"read {call['read']}"
    rest = {name: value for name, value in call.items() if name not in {"call", "force", "read", "got"}}
    return f"{done}({', '.join(f'{name}={value!r}' for name, value in rest.items())}): {call['got']}"


@attrs.frozen(kw_only=True)
class Report(Judged):
    """What a check found.

    `checked` counts the answers that were judged; `coverage` has each pair of a state and a trigger of the table. The
    verdict is VIOLATES if there is a violation; CONFORMS if there is none, every trial was made and some pair passed;
    else UNDECIDED, and `reason` says why. `seed` repeats the random and the concurrent part.
    """

    verdict: Finding
    checked: int
    coverage: Mapping[Pair, Result]
    violations: tuple[Violation, ...]
    events: Events
    seed: int
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The report as PROTOCOLS.md has it."""
        return {
            "verdict": self.verdict,
            "checked": self.checked,
            "coverage": [
                {"state": state, "trigger": trigger, "result": result}
                for (state, trigger), result in self.coverage.items()
            ],
            "violations": [violation.as_json() for violation in self.violations],
            "events": self.events,
            "reason": self.reason,
            "seed": self.seed,
        }

    def counted(self, result: Result) -> int:
        """How many pairs had that result."""
        return sum(each is result for each in self.coverage.values())

    def __str__(self) -> str:
        counts = ", ".join(f"{self.counted(result)} {result}" for result in Result)
        shown = [f"{self.verdict}: {self.checked} answers checked; of {len(self.coverage)} pairs {counts}"]
        shown += [f"undecided because {self.reason}"] if self.reason else []
        shown += [] if self.events is Events.COMPLETE else ["orders were taken to be moved by others as well"]
        return "\n\n".join([*map(str, self.violations), "\n".join([*self._by_state(), *shown, f"seed: {self.seed}"])])

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
