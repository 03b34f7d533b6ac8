"""What a check of conformance found: a verdict, each pair of a state and a trigger, and what shows violations."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.explanation import explain, listed
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import Basis
from orderfsm.trace import Events, Judged, Outcome
from orderfsm.verdict import Uncertain
from orderfsm.words import meanings

from .concurrency.clients import WHO_LOOKS
from .curl import curl_lines
from .drivers.driver import Answer
from .model.account import tell
from .model.failure import Kind, key_of, named
from .model.roles import roles
from .model.steps import Observe, as_json, begun_by
from .programs.script import script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Strength, Trigger, Vocabulary
    from orderfsm.trace import Finding, Line

    from .concurrency.run import Problem, Raced
    from .drivers.exchanges import Exchange
    from .model.failure import Done, Failure, Key
    from .model.session import Session

EMPTYING, AT_ONCE = "to begin with an empty account", "one of the calls at once"
"""What is said of requests that belong to no call of a program."""

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
    shows it with the fewest calls, and what came of each; `script` is a Python program that makes them, `curl` are
    lines of a shell that do, and `exchanges` what went over the wire, as far as the driver tells. `part` is the part of
    the check that found it, `rule` the rule that was broken, `reference` the source of the rule. What concurrent calls
    showed has a `picture` of them. `strength` is the word by which the documents state the rule, if they use one: MUST
    or SHOULD. `flawed`: the trigger was fired so that it could not be carried out.
    """

    state: State | None
    trigger: Trigger
    kind: Kind
    expected: str
    got: str
    calls: tuple[Mapping[str, Any], ...] = ()
    part: str
    rule: str
    reference: str
    script: str = attrs.field(default="", repr=False)
    picture: str = attrs.field(default="", repr=False)
    strength: Strength | None = None
    flawed: bool = False
    where: str = attrs.field(default="", repr=False)
    """What the state is called in a text."""
    exchanges: tuple[Exchange, ...] = attrs.field(default=(), eq=False, repr=False)
    curl: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)

    @property
    def headline(self) -> str:
        """What it accuses, what was expected, and what came, in one line."""
        accused = f"{named(self.trigger, flawed=self.flawed)} in {self.where or self.state}"
        return f"{accused}: expected {self.expected}, got {self.got}"

    @property
    def key(self) -> Key:
        """What it accuses, and of what."""
        return key_of(self.state, self.trigger, self.kind, flawed=self.flawed)

    def as_json(self) -> dict[str, Any]:
        """The violation as PROTOCOLS.md has it."""
        left_out = {"where", "exchanges", *(name for name in ("flawed", "strength", "curl") if not getattr(self, name))}
        fields = {name: value for name, value in attrs.asdict(self, recurse=False).items() if name not in left_out}
        return fields | {"calls": [dict(call) for call in self.calls]}

    def _repr_html_(self) -> str:  # as IPython calls it
        from .shown import of_violation

        return of_violation(self)

    @property
    def told(self) -> list[str]:
        """Its calls one by one, as lines of text; those of concurrent clients are in its picture."""
        return [_told(call) for call in self.calls if "client" not in call]

    def __str__(self) -> str:
        lines = [self.headline, f"  the rule: {self.rule}", f"  says who: {self.reference}"]
        lines += [f"  {number}. {told}" for number, told in enumerate(self.told, 1)]
        return "\n".join([*lines, *self.picture.splitlines()])


def write_script(folder: Path, violation: Violation) -> Path:
    """Write the program of a violation to a file in a folder, which is made if it is not there; the file."""
    flawed = ["flawed"] if violation.flawed else []
    words = (*flawed, violation.trigger.name.lower(), "in", violation.where, violation.kind)
    path = folder / f"{'_'.join(words).replace(' ', '_')}.py"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(violation.script, encoding="utf-8")
    return path


def _told(call: Mapping[str, Any]) -> str:
    """A call as a line of text."""
    said = {"wait": "wait for ", "read": "read "}
    how = next(name for name in ("call", "force", "wait", "read") if name in call)
    done = f"{said.get(how, '')}{call[how]}"
    rest = {name: value for name, value in call.items() if name not in {how, "got"}}
    return f"{done}({', '.join(f'{name}={value!r}' for name, value in rest.items())}): {call['got']}"


def others_may_have(failure: Failure, session: Session) -> bool:
    """Whether the table explains a failure if owner, CA and calendar act by themselves."""
    account = session.new_account(Events.PARTIAL, failure.units)
    if failure.done[-1].result is None:
        return False
    for each in failure.done:
        account.time_passes()
        told = [] if each.result is None else tell(account, each.step, each.result)
        if any(wrong.kind is failure.kind for wrong in told):
            return False
    return True


class Rule(NamedTuple):
    """A rule of the table that was broken: what it says, who says so, and by which word of RFC 2119, if by one."""

    text: str
    reference: str
    strength: Strength | None


def rule_of(key: Key, lifecycle: Lifecycle, after: Iterable[State | None] = ()) -> Rule:
    """The rule that a failure broke: of a call that was to fail, what the table says of its failing.

    Of one that was made again in the states that come `after`, why it is refused there.
    """
    state, trigger, _, *flawed = key
    why = explain(lifecycle, [*after] or [state], trigger)
    text, basis, reference, strength = why.reason, why.basis, why.reference, why.strength
    if flawed and lifecycle.table[state].get(trigger) is not None:
        said = lifecycle.trigger_rules[trigger]
        text = f"{trigger} that is not completed changes nothing. {why.reason}"
        if said.fails is not None:
            code = f" with {said.fails.code}" if said.fails.code else ""
            text = (
                f"{trigger} that cannot be carried out in {lifecycle.name_of(state)} fails{code}: it changes nothing."
            )
            basis, reference, strength = said.basis, said.reference, said.fails_strength
    return Rule(f"{text} ({basis}{f' {strength}' if strength else ''})", reference, strength)


def rule_of_words(vocabulary: Vocabulary, lifecycle: Lifecycle) -> Rule:
    """What the table says of the words of a field."""
    said = listed([*meanings(lifecycle, vocabulary)], "or")
    text = f"the {vocabulary.field} of an {lifecycle.noun} is {said}. ({Basis.DOCUMENTED})"
    return Rule(text, vocabulary.reference, None)


def violation_of(failure: Failure, session: Session, part: str) -> Violation:
    """A failure, for a report; `part` is the part of the check that found it."""
    rule = rule_of(failure.key, session.lifecycle)
    if failure.vocabulary is not None and failure.vocabulary.reference:
        rule = rule_of_words(failure.vocabulary, session.lifecycle)
    noun = session.lifecycle.noun
    calls = tuple(as_json(each.step, each.got, noun) for each in failure.done)
    exchanges = (*_commented(failure.opening, EMPTYING), *_told_apart(failure.done, calls))
    return Violation(
        state=failure.state,
        trigger=failure.trigger,
        kind=failure.kind,
        expected=failure.expected,
        got=failure.got,
        part=part,
        rule=rule.text,
        reference=rule.reference,
        strength=rule.strength,
        flawed=failure.flawed,
        calls=calls,
        exchanges=exchanges,
        curl=curl_lines(exchanges, _begun(failure.done, noun), session.lifecycle.identity.parameter),
        script=script(session.driver, failure.units, failure, session.lifecycle),
        where=failure.where,
    )


def _told_apart(done: Iterable[Done], calls: Iterable[Mapping[str, Any]]) -> Iterator[Exchange]:
    """What went over the wire for the steps of a program, with the number of the call that it was made for."""
    for number, (each, call) in enumerate(zip(done, calls, strict=True), 1):
        yield from _commented(each.exchanges, f"{number}. {_told(call)}")


def _commented(exchanges: Iterable[Exchange], comment: str) -> Iterator[Exchange]:
    return (attrs.evolve(exchange, comment=comment) for exchange in exchanges)


def _begun(done: Iterable[Done], noun: str) -> dict[str, Id]:
    """The ids of the orders that a program begins, by names of variables."""
    made = ((order, each.result) for each in done for order in begun_by(each.step))
    return {
        f"{noun.replace(' ', '_')}_{order}": result.order_id
        for order, result in made
        if isinstance(result, Answer) and result.order_id is not None
    }


def _of_client(line: Line, lifecycle: Lifecycle) -> dict[str, Any]:
    """A call of a concurrent client, for a report: an order is given by its id; started and ended are seconds."""
    told = line.state or line.code or line.outcome
    when = {"client": line.client, "started": line.started, "ended": line.ended}
    return {
        "call" if lifecycle.by_client(line.trigger) else "force": line.trigger,
        lifecycle.noun: line.order_id,
        **when,
        "got": told,
    }


def of_race(raced: Raced, lifecycle: Lifecycle) -> Violation:
    """What clients were told in a race and cannot be, and what was done before it.

    What was seen after the race is the doing of the first of those that raced.
    """
    before = [each for each in raced.done if not isinstance(each.step, Observe)]
    done = tuple(as_json(each.step, each.got, lifecycle.noun) for each in before)
    seen = raced.problem.culprit.client == WHO_LOOKS
    state, triggers = raced.race.state, raced.race.triggers
    violation = of_clients(raced.problem, lifecycle, state, triggers[0] if seen else None)
    if {*triggers} <= {*roles(lifecycle).once[state]} and not seen:
        row = lifecycle.transition(state, violation.trigger)
        rule = rule_of(violation.key, lifecycle, lifecycle.targets(row))
        violation = attrs.evolve(violation, rule=rule.text, reference=rule.reference, strength=rule.strength)
        if raced.problem.culprit.outcome is Outcome.ACCEPTED:
            error = lifecycle.service_refusal(row.target, violation.trigger).error
            expected = f"it accepted from one client, and {error.code} (HTTP {error.http_status}) to the others at once"
            accepted = sum(line.outcome is Outcome.ACCEPTED for line in raced.problem.lines)
            violation = attrs.evolve(violation, expected=expected, got=f"it accepted from {accepted} clients")
    opening = _commented(raced.opening, EMPTYING)
    exchanges = (*opening, *_told_apart(before, done), *_commented(raced.exchanges, AT_ONCE))
    return attrs.evolve(violation, calls=done + violation.calls, exchanges=exchanges)


def of_clients(
    problem: Problem,
    lifecycle: Lifecycle,
    state: State | None = None,
    trigger: Trigger | None = None,
    exchanges: Iterable[Exchange] = (),
) -> Violation:
    """What concurrent clients were told and cannot be; it accuses `trigger`, or else the call that nothing explains.

    `state` is the one in which its order was before all calls, if that is known; `exchanges` are all that went over the
    wire, of which those are kept that name an order of the problem.
    """
    ids = {str(line.order_id) for line in problem.lines if line.order_id is not None}
    history, culprit = problem.history, problem.culprit
    if state is None and history is not None and history.possible:
        state = history.possible[0]
    accused = culprit.trigger if trigger is None else trigger
    rule = rule_of((state, accused, Kind.STATE_MACHINE), lifecycle)
    return Violation(
        state=state,
        trigger=accused,
        kind=Kind.STATE_MACHINE if history is not None else Kind.QUOTA,
        expected="answers that the table explains in some order of the calls",
        got=problem.sentence,
        part="concurrent",
        rule=rule.text,
        reference=rule.reference,
        strength=rule.strength,
        calls=tuple(_of_client(line, lifecycle) for line in problem.lines),
        picture=problem.picture,
        exchanges=tuple(_commented((each for each in exchanges if any(map(each.mentions, ids))), AT_ONCE)),
        where=lifecycle.name_of(state),
    )


@attrs.frozen(kw_only=True)
class Report(Judged):
    """What a check found.

    `checked` counts the answers that were judged; `coverage` has each pair of a state and a trigger that was to be
    tried, and `not_forced` why a pair could not be. `violations` shows what was found, the gravest first; `failed`
    names all of it, also what is not shown. What was `known` before is told apart; what was, and was not found though
    it was looked for, has `vanished`. The verdict is VIOLATES if anything failed that was not known; CONFORMS if
    nothing did, every trial was made and some pair passed; else UNDECIDED, and `reason` says why. `parts` are the
    programs that were asked for beside the systematic trials, `random` and `concurrent`: why each was not played whole.
    `seed` repeats the random and the concurrent part. `lifecycle` is the table that decided.
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
    parts: Mapping[str, str] = attrs.field(factory=dict)
    vanished: tuple[Key, ...] = ()
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The report as PROTOCOLS.md has it."""
        return {
            "table": self.lifecycle.name,
            "verdict": self.verdict,
            "checked": self.checked,
            "coverage": [
                {"state": state, "trigger": trigger, "result": result} | self._why((state, trigger))
                for (state, trigger), result in self.coverage.items()
            ],
            "violations": [violation.as_json() for violation in self.violations],
            "failed": [_key(key) for key in self.failed],
            "known": [_key(key) for key in self.known],
            "vanished": [_key(key) for key in self.vanished],
            "parts": dict(self.parts),
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
        return self.text()

    def text(self, *, curl: bool = False) -> str:
        """The report as a text; with `curl`, a violation has the lines of a shell that show it as well."""
        violations = ["\n".join([str(each), *(f"  {line}" for line in each.curl if curl)]) for each in self.violations]
        return "\n\n".join([*violations, "\n".join(self._summary())])

    def _repr_html_(self) -> str:  # as IPython calls it
        from .shown import of_report

        return of_report(self, [*self._remarks()])

    def _summary(self) -> Iterator[str]:
        yield from self._by_state()
        yield from self._remarks()

    def _remarks(self) -> Iterator[str]:
        """What is said below the states: what was not tried or not shown, the counts, and how it was run."""
        lacking = dict.fromkeys(t.name.lower() for (_, t), r in self.coverage.items() if r is Result.NOT_OFFERED)
        if lacking:
            yield f"not offered: {', '.join(lacking)}"
        for why, pairs in Counter(self.not_forced.values()).most_common():
            yield f"not forced: {pairs} pairs, because {why}"
        hidden = len(self.failed) - len(self.violations)
        if hidden > 0:
            yield f"not shown: {hidden} violations more"
        for said, keys in (("known before", self.known), ("known before, and not found any more", self.vanished)):
            for state, trigger, kind, *flawed in keys:
                accused = named(trigger, flawed=bool(flawed))
                yield f"{said}: {accused} in {self.lifecycle.name_of(state)} ({kind})"
        for part, why in self.parts.items():
            if why:
                yield f"the {part} part: {why}"
        results = [result for result in Result if result is not Result.NOT_OFFERED or lacking]
        counts = ", ".join(f"{self.counted(result)} {result}" for result in results)
        yield f"{self.verdict}: {self.checked} answers checked; of {len(self.coverage)} pairs {counts}"
        yield from self._by_strength()
        if self.reason:
            yield f"undecided because {self.reason}"
        if self.events is not Events.COMPLETE:
            yield f"{self.lifecycle.noun}s were taken to be moved by others as well"
        yield f"seed: {self.seed}"

    def _by_strength(self) -> Iterator[str]:
        """How many violations break what the documents state by a word of RFC 2119."""
        shown = {each.key: each.strength for each in self.violations}
        said = [shown[key] if key in shown else rule_of(key, self.lifecycle).strength for key in self.failed]
        counts = Counter(filter(None, said))
        broken = [f"{number} break{'s' * (number == 1)} a {strength}" for strength, number in sorted(counts.items())]
        if broken:
            number = len(self.failed)
            yield f"{number} violation{'s' * (number != 1)}; of these, {' and '.join(broken)}"

    def _by_state(self) -> Iterator[str]:
        """A line for each state: how many triggers passed in it, and which did not."""
        for state in dict.fromkeys(state for state, _ in self.coverage):
            here = {trigger: result for (of, trigger), result in self.coverage.items() if of == state}
            passed = sum(result is Result.PASSED for result in here.values())
            line = f"{self.lifecycle.name_of(state)}: {passed} of {len(here)} triggers passed"
            for result in (Result.FAILED, Result.NOT_FORCED):
                others = [trigger.name.lower() for trigger in here if here[trigger] is result]
                if others:
                    line += f"; {result}: {', '.join(others) if passed or result is Result.FAILED else 'all others'}"
            yield line


def _key(key: Key) -> dict[str, Any]:
    state, trigger, kind, *flawed = key
    return {"state": state, "trigger": trigger, "kind": kind} | ({"flawed": True} if flawed else {})
