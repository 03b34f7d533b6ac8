"""The table as a page of markdown, and a table of those of its rules that no document says outright."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.drawing import states_at_once
from orderfsm.explanation import listed, standing, with_article
from orderfsm.paths import time_taken
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import DAY, Basis
from orderfsm.words import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orderfsm.errors import ServiceError
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, StateRule, Strength, Transition, Trigger, TriggerRule


def markdown(lifecycle: Lifecycle) -> str:
    """The states, which operation is allowed where, every row with its source, what is refused and with which error.

    And the pairs of which the sources say nothing, if there are any.
    """
    sections = [
        ("States", _states(lifecycle)),
        (f"Which operations change {with_article(lifecycle.noun)}, and to which state", _matrix(lifecycle)),
        ("Every transition", _transitions(lifecycle)),
        ("What is peculiar to some triggers", _triggers(lifecycle)),
        ("Of this the sources say nothing", _silences(lifecycle)),
        ("Everything else is refused", _refusals(lifecycle)),
        ("Error codes", _errors(lifecycle)),
    ]
    title = f"# {lifecycle.title}\n\nEdition {lifecycle.edition} of the table."
    return "\n\n".join([title, *(f"## {heading}\n\n{body}" for heading, body in sections if body)]) + "\n"


def _matrix(lifecycle: Lifecycle) -> str:
    """A line for each state, a column for each operation that changes an existing order.

    Empty cells are refused; of those with `?` the sources say nothing.
    """
    changing = {row.trigger for row in lifecycle.transitions if row.source is not None and row.changes}
    columns = [operation for operation in lifecycle.operations if operation in changing]
    read_as = ["read as"][: len(lifecycle.vocabularies)]
    rows = [
        [_code(rule.state), *(_words(rule, 0) for _ in read_as), *(_cell(lifecycle, rule.state, at) for at in columns)]
        for rule in lifecycle.states
        if rule.state is not None
    ]
    return _table(["state", *read_as, *(_code(column.name) for column in columns)], rows)


def _cell(lifecycle: Lifecycle, state: State | None, trigger: Trigger) -> str:
    if lifecycle.is_silent(state, trigger):
        return "?"
    row = lifecycle.table[state][trigger]
    if row is None:
        return ""
    at_once = [f"or {_code(target)}" for target in states_at_once(row, lifecycle)]
    return " ".join(filter(None, [f"→ {_code(row.target)}", *at_once, row.quota_text, str(row.within or "")]))


def _states(lifecycle: Lifecycle) -> str:
    fields = lifecycle.vocabularies
    rows = [
        [
            _name(rule.state, lifecycle),
            rule.words,
            *(_words(rule, at) for at, _ in enumerate(fields)),
            "yes" if rule.terminal else "",
            f"{rule.basis}: {_short(rule.reference)}",
        ]
        for rule in lifecycle.states
    ]
    heading = ["state", "the documents' words", *(_code(each.field) for each in fields), "terminal", "source"]
    unspecific = [_code(each.unspecific) for each in fields if each.unspecific is not None]
    if not unspecific:
        return _table(heading, rows)
    mean = "name no state: they" if len(unspecific) > 1 else "names no state: it"
    return f"{_table(heading, rows)}\n\n{listed(unspecific)} {mean} may mean any that has a word."


def words_of_states(lifecycle: Lifecycle) -> str:
    """A table of the states of an order: what each is called, and the words of every field at once."""
    fields = lifecycle.vocabularies
    rows = [
        [_code(rule.state), rule.words, *(_words(rule, at) for at, _ in enumerate(fields))]
        for rule in lifecycle.states
        if rule.found
    ]
    return _table(["state", "what it is", *(_code(each.field) for each in fields)], rows) + "\n"


def _transitions(lifecycle: Lifecycle) -> str:
    quota = any(row.quota for row in lifecycle.transitions)
    first_state = next(iter(lifecycle.table.values()))  # the account's reads have the same rows in every other
    reads_of_the_account = [row for row in first_state.values() if row and row.trigger in lifecycle.account_reads]
    rows = [
        [
            _name(row.source, lifecycle),
            _code(row.trigger),
            lifecycle.actor(row),
            _code(row.target) + _effects(row, lifecycle),
            *([row.quota_text] if quota else []),
            _source(row.basis, row.reference, row.strength) + (f" ({row.note})" if row.note else ""),
        ]
        for row in (*lifecycle.transitions, *reads_of_the_account)
    ]
    return _table(["from", "trigger", "by", "to", *(["quota"] if quota else []), "source"], rows)


def _effects(row: Transition, lifecycle: Lifecycle) -> str:
    creates = f", creates another {lifecycle.noun} in {_code(row.creates)}" if row.creates else ""
    edits = f", changes what the {lifecycle.noun} says" if row.edits else ""
    late = "" if row.within is None else f", {row.within}, later {_code(row.within.error.code)}"
    targets = [*map(_code, states_at_once(row, lifecycle))]
    at_once = f", or at once {listed(targets, 'or')}" if targets else ""
    refusable = ", but the service may refuse it" if row.may_be_refused else ""
    after = f" after {listed([*map(_code, row.optional_after)], 'or')}" if row.optional_after else ""
    return at_once + creates + edits + late + refusable + after


def _triggers(lifecycle: Lifecycle) -> str:
    """A line for each trigger of which more is known than who fires it; nothing at all if there is none."""
    rows = [
        [_code(rule.trigger), rule.actor, "; ".join(remarks)]
        for rule in lifecycle.triggers
        if (remarks := [*_remarks(rule, lifecycle)])
    ]
    return _table(["trigger", "by", "what"], rows) if rows else ""


def _remarks(rule: TriggerRule, lifecycle: Lifecycle) -> Iterator[str]:
    if rule.abandons:
        yield f"gives the {lifecycle.noun} up"
    if rule.grave:
        yield "no plan takes it unasked"
    if rule.fails is not None:
        unmoved = "" if rule.fails_strength is None else f", which {rule.fails_strength} change nothing"
        yield f"may be allowed and fail, with {_code(rule.fails.code)}{unmoved}"
    if rule.follows is not None:
        yield f"completes {_code(rule.follows)}" + (f", {time_taken(*rule.takes)} later" if rule.takes else "")
    if rule.before_end is not None:
        yield (
            f"{rule.before_end / DAY:g} days before the end of the {rule.term}"
            if rule.before_end
            else f"at the end of the {rule.term}"
        )
    if rule.due:
        yield f"when {_code(rule.due)} of the answers says"
    if rule.certifies:
        yield "brings a certificate, also where there was one"
    if rule.seen:
        yield "does not happen unseen"
    if rule.adverse:
        yield "nobody hopes for it: plans wait for it only if there is no other way"


def _silences(lifecycle: Lifecycle) -> str:
    """A line for each trigger and source; nothing at all if the sources say something of every pair."""
    rows = [
        [_code(trigger), ", ".join(_name(state, lifecycle) for state in silence.states), _short(silence.reference)]
        for silence in lifecycle.silences
        for trigger in silence.triggers
    ]
    return _table(["trigger", "neither allowed nor refused in", "nearest source"], rows) if rows else ""


def _refusals(lifecycle: Lifecycle) -> str:
    rows = []
    for rule in (rule for rule in lifecycle.triggers if not rule.account):
        states = [state for state, answers in lifecycle.table.items() if answers.get(rule.trigger, ...) is None]
        where = ", ".join(_name(state, lifecycle) for state in states)
        strengths = {lifecycle.refusal(state, rule.trigger).strength for state in states if state is not None}
        strength = strengths.pop() if len(strengths) == 1 else None
        rows.append([_code(rule.trigger), where, _source(rule.basis, rule.reference, strength)])
    codes = "; in ".join(filter(None, (_codes_in(state, lifecycle) for state in lifecycle.state_rules)))
    how = f"A refused trigger changes nothing. The error is, in {codes}."
    return f"{_table(['trigger', 'refused in', 'source'], rows)}\n\n{how}"


def _codes_in(state: State | None, lifecycle: Lifecycle) -> str:
    """Which error what is refused in a state is refused with: the most frequent one, and for which triggers another."""
    refused = [trigger for trigger, row in lifecycle.table[state].items() if row is None]
    said: dict[str, list[Trigger]] = {}
    for trigger in refused:
        rule = lifecycle.refusal(state, trigger)
        because = f"{rule.because}; " if rule.because else ""
        passes = f" ({because}the same call succeeds later, by itself)" if rule.passes else ""
        said.setdefault(f"{_error(rule.error)}{passes}", []).append(trigger)
    if not said:
        return ""
    first, *others = sorted(said, key=lambda error: -len(said[error]))
    errors = [first, *(f"but {error} for {listed([*map(_code, said[error])])}" for error in others)]
    service = {_error(lifecycle.service_refusal(state, trigger).error) for trigger in refused}
    if service != {_error(lifecycle.refusal(state, trigger).error) for trigger in refused}:
        errors.append(f"and the service answers {listed(sorted(service))}")
    return f"{_code(state) or lifecycle.name_of(None)}: {', '.join(errors)}"


def _errors(lifecycle: Lifecycle) -> str:
    named = [error for error in lifecycle.codes.errors if error.code]
    table = _table(["code", "HTTP", "text"], [[_code(each.code), str(each.http_status), each.text] for each in named])
    prefix = f"\n\nOn the wire they begin with {_code(lifecycle.code_prefix)}." if lifecycle.code_prefix else ""
    return table + prefix


# -- what no document says outright ------------------------------------------------------------------------------------


def divergences(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """Every row, reading and refusal that no document states, every part of a row, and every silence.

    They are inferred unless it says `observed`. In table order.
    """
    lines = ["| rule | what is inferred | nearest document |", "|---|---|---|"]
    lines += [f"| {rule} | {what} | {_short(reference)} |" for rule, what, reference in _undocumented(lifecycle)]
    return "\n".join(lines) + "\n"


def _undocumented(lifecycle: Lifecycle) -> Iterator[tuple[str, str, str]]:
    for row in lifecycle.transitions:
        rule = f"`{lifecycle.name_of(row.source)}`: {row.trigger} → `{row.target}`"
        if row.basis is not Basis.DOCUMENTED:
            yield rule, f"that it is allowed{_seen(row.basis)}", row.reference
        if row.note:
            yield rule, row.note, row.reference
    for state in lifecycle.states:
        if state.basis is not Basis.DOCUMENTED:
            reads = f"that it reads as {_read(state, lifecycle)}{_seen(state.basis)}"
            yield f"`{lifecycle.name_of(state.state)}`", reads, state.reference
    yield from _undocumented_refusals(lifecycle)
    for silence in lifecycle.silences:
        where = ", ".join(f"`{lifecycle.name_of(state)}`" for state in silence.states)
        yield f"{where}: {', '.join(silence.triggers)}", "nothing: it may be allowed, or refused", silence.reference


def _undocumented_refusals(lifecycle: Lifecycle) -> Iterator[tuple[str, str, str]]:
    for trigger in lifecycle.triggers:
        if trigger.basis is not Basis.DOCUMENTED:
            refused = f"that it is refused where no row allows it{_seen(trigger.basis)}"
            yield f"{trigger.trigger}", refused, trigger.reference
    for each in lifecycle.refusal_rules:
        if each.basis is not None and each.basis is not Basis.DOCUMENTED:
            where = ", ".join(f"`{lifecycle.name_of(state)}`" for state in each.states) or "every state"
            passes = ", and succeeds later by itself" if each.passes else ""
            refused = f"that it is refused with {_error(each.error)}{passes}{_seen(each.basis)}"
            yield f"{where}: {', '.join(each.triggers) or 'every trigger'}", refused, each.reference


def _seen(basis: Basis) -> str:
    return "" if basis is Basis.INFERRED else f" ({basis})"


def _read(rule: StateRule, lifecycle: Lifecycle) -> str:
    words = filter(None, [_words(rule, at) for at, _ in enumerate(lifecycle.vocabularies)])
    missing = lifecycle.not_found.code or "any error"
    return ", ".join(words) or ("nothing" if rule.found else f"{missing}, and is absent from lists")


# -- how it is written ------------------------------------------------------------------------------------------------


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(" ".join(f"| {' | '.join(line)} |".split()) for line in lines)


def _name(state: State | None, lifecycle: Lifecycle) -> str:
    return f"({lifecycle.name_of(None)})" if state is None else _code(state)


def _words(rule: StateRule, at: int) -> str:
    return " or ".join(_code(word) if word else named(word) for word in rule.readings(at))


def _error(error: type[ServiceError]) -> str:
    """The code of an error, or that the documents name none."""
    return _code(error.code) if error.code else "any code"


def _source(basis: Basis, reference: str, strength: Strength | None) -> str:
    return f"{standing(basis, strength)}: {_short(reference)}"


def _code(word: str | None) -> str:
    return "" if word is None else f"`{word}`"


def _short(reference: str) -> str:
    """A link to the document of a reference, named for its last part; a reference without an address as it is."""
    if "https://" not in reference:
        return reference
    url, _, step = reference.rpartition("https://")[2].partition(" ")
    name = url.rsplit("/", 1)[-1].removesuffix(".html")
    return f"[{name}](https://{url}){f', {step}' if step else ''}"
