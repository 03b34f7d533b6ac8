"""Test vectors: what an implementation of the table, in any language, must answer."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from orderfsm import trace
from orderfsm.errors import Meaning
from orderfsm.invalid import Unreachable
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.words import meanings

from .document import errors, ordered, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.paths import Plan
    from orderfsm.rows import State, Transition, Trigger

LENGTH = 6
"""How many steps the longest histories have: on the real table, enough for every row."""


def vectors(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> dict[str, Any]:
    """The test vectors of `lifecycle`, ready for JSON; no order is `null`.

    * `pairs`: every state with every trigger: the `next` state, or the `code` and `http_status` with which the model
      refuses it, and those with which the service does, and whether that `passes`; or that the sources are `silent`.
    * `histories`: `triggers` that lead from no order through `states`, of all lengths up to `length`; there are no
      others. Reads are not among them: they change nothing. Nothing happens at once in them.
    * `updates`: for every word of every field of the API, the `states` that it may mean; with every trigger the
      `verdict` on that set, and what is possible after it was `accepted`, where events may have happened at once, or
      `refused`, which what is optional may be. Where the sources are silent it may have been either, and may have led
      anywhere.
    * `readings`: the same for the words that the fields of one `answer` may have together; an empty word: the answer
      has not that field. There are none in a table of which every answer has one field.
    * `windows`: a trigger at the last `age`, in seconds since the order began, at which it is `accepted`, and a second
      later, when it is `late` and refused with that `code`.
    * `plans`: for every two states the shortest plan `steps`, over operations and the events that complete them, or
      also over all `events`; without operations that are `grave`; null if there is none. Of equally short ones it is
      the first, breadth first: in each state the client's operations come before the events, each in the order of the
      table's rows. Before length counts how much of it nobody hopes for (`adverse`): first how many
      failures, then how many ends that the calendar brings.
    * `traces`: recorded histories of one order in the trace format, with the judge's `verdict`, and for a violation the
      `index` of the first line that nothing explains, counted from 0, the states `possible` just before it and the
      triggers that are `legal` in one of them. `events` says whether events may be missing. A read that shows two
      words has the second under the key that its field has `apart`. The word of a call that changed the order is that
      of the state after it.
    """
    return {
        "vectors": 1,
        "table": lifecycle.name,
        "edition": lifecycle.edition,
        "length": LENGTH,
        "pairs": [
            _pair(lifecycle, *pair) for pair in itertools.product(lifecycle.state_rules, lifecycle.trigger_rules)
        ],
        "histories": list(_histories(lifecycle)),
        "updates": list(_updates(lifecycle)),
        "readings": list(_readings(lifecycle)),
        "windows": list(_windows(lifecycle)),
        "plans": list(_plans(lifecycle)),
        "traces": list(_traces(lifecycle)),
    }


def as_text(lifecycle: Lifecycle) -> str:
    """`vectors()` as JSON, one vector on a line."""
    entries = ",\n".join(itertools.starmap(_entry, vectors(lifecycle).items()))
    return f"{{\n{entries}\n}}\n"


def _entry(key: str, value: Any) -> str:
    if isinstance(value, list):
        lines = ",\n".join(f"  {json.dumps(each, ensure_ascii=False)}" for each in value)
        return f'"{key}": [\n{lines}\n]'
    return f'"{key}": {json.dumps(value)}'


def _pair(lifecycle: Lifecycle, state: State | None, trigger: Trigger) -> dict[str, Any]:
    pair = {"state": state, "trigger": trigger}
    if lifecycle.is_silent(state, trigger):
        return pair | {"outcome": "silent"}
    row = lifecycle.table[state][trigger]
    if row is None:
        return pair | {"outcome": "refused", "next": state} | errors(state, trigger, lifecycle)
    return pair | {"outcome": "accepted", "next": row.target, "http_status": 200}


def _histories(lifecycle: Lifecycle) -> Iterator[dict[str, Any]]:
    histories: list[tuple[Transition, ...]] = [()]
    for _ in range(LENGTH):
        histories = [
            (*history, row)
            for history in histories
            for row in lifecycle.outgoing(history[-1].target if history else None)
            if row.target in lifecycle.table
        ]
        for history in histories:
            yield {"triggers": [row.trigger for row in history], "states": [row.target for row in history]}


def _updates(lifecycle: Lifecycle) -> Iterator[dict[str, Any]]:
    for vocabulary in lifecycle.vocabularies:
        for word, states in meanings(lifecycle, vocabulary).items():
            yield from _judgements(lifecycle, {"vocabulary": vocabulary.field, "word": word}, states)


def _readings(lifecycle: Lifecycle) -> Iterator[dict[str, Any]]:
    answers: dict[Trigger, dict[str, Iterable[str]]] = {}
    for vocabulary in lifecycle.vocabularies:
        answers.setdefault(vocabulary.operation, {})[vocabulary.field] = meanings(lifecycle, vocabulary)
    for fields in (fields for fields in answers.values() if len(fields) > 1):
        for words in itertools.product(*fields.values()):
            answer = dict(zip(fields, words, strict=True))
            yield from _judgements(lifecycle, {"answer": answer}, lifecycle.reading(answer))


def _judgements(
    lifecycle: Lifecycle, said: dict[str, Any], states: frozenset[State | None]
) -> Iterator[dict[str, Any]]:
    """Of every trigger, what is true of an order of which that was said; nothing if it cannot be said of any."""
    for trigger in lifecycle.trigger_rules if states else ():
        after = {
            outcome: ordered(lifecycle.narrow(states, trigger, accepted=outcome == "accepted"), lifecycle)
            for outcome in ("accepted", "refused")
        }
        verdict = lifecycle.judge(states, trigger)
        yield said | {"states": ordered(states, lifecycle), "trigger": trigger, "verdict": verdict} | after


def _windows(lifecycle: Lifecycle) -> Iterator[dict[str, Any]]:
    for row in lifecycle.transitions:
        if row.within is not None:
            known, last = {"state": row.source, "trigger": row.trigger}, row.within.seconds
            yield known | {"age": last, "outcome": "accepted"}
            yield known | {"age": last + 1, "outcome": "late", "code": row.within.error.code}


def _plans(lifecycle: Lifecycle) -> Iterator[dict[str, Any]]:
    for events, state, goal in itertools.product((False, True), lifecycle.state_rules, lifecycle.state_rules):
        plan = plan_or_none(lifecycle, state, goal, events=events)
        yield {"from": state, "to": goal, "events": events, "steps": None if plan is None else plan.triggers}


def plan_or_none(
    lifecycle: Lifecycle, state: State | None, goal: State | None, *, events: bool, grave: bool = False
) -> Plan | None:
    """A shortest plan, None if there is none."""
    try:
        return lifecycle.plan(state, goal, events=events, grave=grave)
    except Unreachable:
        return None


def _traces(lifecycle: Lifecycle) -> Iterator[dict[str, Any]]:
    """In every state that an order gets to: every last line that could tell one implementation from another."""
    for state in lifecycle.state_rules:
        way = plan_or_none(lifecycle, None, state, events=True, grave=True)
        if state is not None and way is not None:
            before = [_step(lifecycle, row.trigger) for row in way.steps]
            for events in trace.Events:
                for last in _last_lines(lifecycle, events):
                    yield _judged(lifecycle, [*before, last], events)
                for end in _last_two(lifecycle, state):
                    yield _judged(lifecycle, [*before, *end], events)


def _step(lifecycle: Lifecycle, trigger: Trigger) -> dict[str, Any]:
    return {"operation": trigger, "outcome": "accepted"} if lifecycle.by_client(trigger) else {"event": trigger}


def _last_lines(lifecycle: Lifecycle, events: trace.Events) -> Iterator[dict[str, Any]]:
    triggers = [trigger for trigger in lifecycle.trigger_rules if trigger not in lifecycle.account_reads]
    yield from (_step(lifecycle, trigger) for trigger in triggers)
    yield from (_told(operation, word) for operation, word in _words_told(lifecycle))
    if events is trace.Events.COMPLETE:
        yield from _two_words(lifecycle)
        codes = lifecycle.codes
        throttled = [f"{code}.User" for code, means in codes.gateway if means is Meaning.THROTTLED][:1]
        of_any = {error.code: None for error in codes.errors if error.means.of_the_state}
        prefixed = [f"{codes.prefix}{code}" for code in codes.by_code if codes.prefix]
        of_one = [*codes.by_code, *prefixed, *throttled, "SomethingNew", None]
        # A refused create is about no order.
        on_an_order = [each for each in triggers if lifecycle.by_client(each) and each not in lifecycle.creates]
        for trigger in on_an_order:
            for code in of_one if lifecycle.trigger_rules[trigger].fails else of_any:
                yield {"operation": trigger, "outcome": "refused"} | ({"code": code} if code else {})
        for trigger in (trigger for trigger in on_an_order if trigger not in lifecycle.reads):
            yield {"operation": trigger, "outcome": "unknown"}


def _told(operation: Trigger, word: str) -> dict[str, Any]:
    return {"operation": operation, "outcome": "accepted", "state": word}


def _words_told(lifecycle: Lifecycle) -> dict[tuple[Trigger, str], None]:
    """The operations whose answer says the state of an order, also where they have changed it, with every word."""
    reads = lifecycle.reads | lifecycle.account_reads
    return {
        (operation, word): None
        for each in lifecycle.vocabularies
        for operation in (each.operation, *(other for other in each.elsewhere if other not in reads))
        for word in (*filter(None, meanings(lifecycle, each)), "a new word")
    }


def _last_two(lifecycle: Lifecycle, state: State) -> Iterator[list[dict[str, Any]]]:
    """What may be refused once something has happened; what a read shows, after one that shows nothing."""
    for row in filter(None, lifecycle.table[state].values()):
        for happened, code in itertools.product(row.optional_after, (None, "SomethingNew")):
            refused = {"operation": row.trigger, "outcome": "refused"} | ({"code": code} if code else {})
            yield [_step(lifecycle, happened), refused]
    if any(rule.seen for rule in lifecycle.triggers):
        for operation, word in _words_told(lifecycle):
            yield [_step(lifecycle, each.operation) for each in lifecycle.vocabularies] + [_told(operation, word)]


def _two_words(lifecycle: Lifecycle) -> Iterator[dict[str, Any]]:
    """Reads that show the words of two fields, one of which lines of traces have apart: known ones, or one is new."""
    for second in (each for each in lifecycle.vocabularies if each.apart):
        others = [each for each in lifecycle.vocabularies if each.operation == second.operation and not each.apart]
        for first in others:
            known = [*meanings(lifecycle, first)], [*meanings(lifecycle, second)]
            new = [(known[0][0], "a new word"), ("a new word", known[1][-1])]
            for word, word_apart in (*itertools.product(*known), *new):
                yield {"operation": first.operation, "outcome": "accepted", "state": word, second.apart: word_apart}


def _judged(lifecycle: Lifecycle, steps: list[dict[str, Any]], events: trace.Events) -> dict[str, Any]:
    order = {lifecycle.identity.key: lifecycle.identity.new(7)}
    lines = [{"time": f"2026-08-05T06:10:{at:02}Z"} | order | step for at, step in enumerate(steps)]
    read = [trace.loads(json.dumps(line), lifecycle=lifecycle) for line in lines]
    judgement = trace.judge(read, events=events, lifecycle=lifecycle)
    return {"events": events, "lines": lines} | said(judgement, "verdict", "index", "possible", "legal")
