"""The table as a page of markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.explanation import listed, with_article
from orderfsm.questions import ORDER_LIFECYCLE

from .divergences import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, StateRule, Transition, Trigger


def markdown(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """The states, which operation is allowed where, every row with its source, what is refused and with which error.

    And the pairs of which the sources say nothing, if there are any.
    """
    sections = [
        ("States", _states(lifecycle)),
        (f"Which operations change {with_article(lifecycle.noun)}, and to which state", _matrix(lifecycle)),
        ("Every transition", _transitions(lifecycle)),
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
    read_as = lifecycle.vocabularies[:1]
    rows = [
        [
            _code(rule.state),
            *(_words(rule, at) for at, _ in enumerate(read_as)),
            *(_cell(lifecycle, rule.state, column) for column in columns),
        ]
        for rule in lifecycle.states
        if rule.state is not None
    ]
    return _table(["state", *("read as" for _ in read_as), *(_code(column.name) for column in columns)], rows)


def _cell(lifecycle: Lifecycle, state: State | None, trigger: Trigger) -> str:
    if lifecycle.is_silent(state, trigger):
        return "?"
    row = lifecycle.table[state][trigger]
    return "" if row is None else f"→ {_code(row.target)} {row.quota_text}".rstrip()


def _states(lifecycle: Lifecycle) -> str:
    fields = lifecycle.vocabularies
    rows = [
        [
            _name(rule.state, lifecycle),
            rule.words,
            *(_words(rule, at) for at, _ in enumerate(fields)),
            "yes" if rule.terminal else "",
            f"{rule.basis}: {short(rule.reference)}",
        ]
        for rule in lifecycle.states
    ]
    heading = ["state", "the documents' words", *(_code(each.field) for each in fields), "terminal", "source"]
    unspecific = [_code(each.unspecific) for each in fields if each.unspecific is not None]
    if not unspecific:
        return _table(heading, rows)
    mean = "name no state: they" if len(unspecific) > 1 else "names no state: it"
    return f"{_table(heading, rows)}\n\n{listed(unspecific)} {mean} may mean any that has a word."


def _transitions(lifecycle: Lifecycle) -> str:
    quota = any(row.quota for row in lifecycle.transitions)
    rows = [
        [
            _name(row.source, lifecycle),
            f"`{row.trigger}`",
            lifecycle.actor(row),
            _code(row.target) + (f", creates another {lifecycle.noun} in {_code(row.creates)}" if row.creates else ""),
            *([row.quota_text] if quota else []),
            f"{row.basis}: {short(row.reference)}" + (f" ({row.note})" if row.note else ""),
        ]
        for row in (*lifecycle.transitions, *_reads_of_the_account(lifecycle))
    ]
    return _table(["from", "trigger", "by", "to", *(["quota"] if quota else []), "source"], rows)


def _reads_of_the_account(lifecycle: Lifecycle) -> list[Transition]:
    """The rows that the account's reads have in the first state; they have the same in every other."""
    rows = next(iter(lifecycle.table.values())).values()
    return [row for row in rows if row is not None and row.trigger in lifecycle.account_reads]


def _silences(lifecycle: Lifecycle) -> str:
    """A line for each trigger and source; nothing at all if the sources say something of every pair."""
    rows = [
        [f"`{trigger}`", ", ".join(_name(state, lifecycle) for state in silence.states), short(silence.reference)]
        for silence in lifecycle.silences
        for trigger in silence.triggers
    ]
    return _table(["trigger", "neither allowed nor refused in", "nearest source"], rows) if rows else ""


def _refusals(lifecycle: Lifecycle) -> str:
    rows = [
        [
            f"`{rule.trigger}`",
            ", ".join(
                _name(state, lifecycle)
                for state, rows in lifecycle.table.items()
                if rows.get(rule.trigger, ...) is None
            ),
            f"{rule.basis}: {short(rule.reference)}",
        ]
        for rule in lifecycle.triggers
        if not rule.account
    ]
    codes = "; in ".join(filter(None, (_codes_in(state, lifecycle) for state in lifecycle.state_rules)))
    how = f"A refused trigger changes nothing. The error is, in {codes}."
    return f"{_table(['trigger', 'refused in', 'source'], rows)}\n\n{how}"


def _codes_in(state: State | None, lifecycle: Lifecycle) -> str:
    """Which error what is refused in a state is refused with: the most frequent one, and for which triggers another."""
    refused = [trigger for trigger, row in lifecycle.table[state].items() if row is None]
    said: dict[str, list[Trigger]] = {}
    for trigger in refused:
        rule = lifecycle.refusal(state, trigger)
        passes = " (the same call succeeds later, by itself)" if rule.passes else ""
        said.setdefault(f"`{rule.error.code}`{passes}", []).append(trigger)
    if not said:
        return ""
    first, *others = sorted(said, key=lambda error: -len(said[error]))
    errors = [first, *(f"but {error} for {listed([*map(_code, said[error])])}" for error in others)]
    model, service = (
        {error_in(state, trigger).error.code for trigger in refused}
        for error_in in (lifecycle.refusal, lifecycle.service_refusal)
    )
    if service != model:
        errors.append(f"and the service answers {listed([*map(_code, sorted(service))])}")
    return f"{_code(state) or lifecycle.name_of(None)}: {', '.join(errors)}"


def _errors(lifecycle: Lifecycle) -> str:
    errors = lifecycle.codes.errors
    return _table(
        ["code", "HTTP", "text"], [[f"`{error.code}`", str(error.http_status), error.text] for error in errors]
    )


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(" ".join(f"| {' | '.join(line)} |".split()) for line in lines)


def _name(state: State | None, lifecycle: Lifecycle) -> str:
    return f"({lifecycle.name_of(None)})" if state is None else _code(state)


def _words(rule: StateRule, at: int) -> str:
    return " or ".join(map(_code, rule.readings(at)))


def _code(word: str | None) -> str:
    return "" if word is None else f"`{word}`"
