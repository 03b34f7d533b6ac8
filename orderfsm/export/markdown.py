"""The table as a page of markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.errors import BY_CODE
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import Actor
from orderfsm.tables.orders import UNSPECIFIC_STATUS, UNSPECIFIC_TYPE

from .divergences import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger


def markdown(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """The states, which operation is allowed where, every row with its source, what is refused and with which error."""
    sections = [
        ("States", _states(lifecycle)),
        ("Which operations change an order, and to which state", matrix(lifecycle)),
        ("Every transition", _transitions(lifecycle)),
        ("Everything else is refused", _refusals(lifecycle)),
        ("Error codes", _errors()),
    ]
    title = f"# The life cycle of a certificate order\n\nEdition {lifecycle.edition} of the table."
    return "\n\n".join([title, *(f"## {heading}\n\n{body}" for heading, body in sections)]) + "\n"


def matrix(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """A line for each state, a column for each operation that changes an existing order; empty cells are refused."""
    columns = [
        rule.trigger
        for rule in lifecycle.triggers
        if rule.actor is Actor.CLIENT
        and any(row.trigger == rule.trigger and row.source is not None and row.changes for row in lifecycle.transitions)
    ]
    rows = [
        [_code(rule.state), _code(rule.type), *(_cell(lifecycle, rule.state, column) for column in columns)]
        for rule in lifecycle.states
        if rule.state is not None
    ]
    return _table(["state", "read as", *(f"`{column.name}`" for column in columns)], rows)


def _cell(lifecycle: Lifecycle, state: State | None, trigger: Trigger) -> str:
    row = lifecycle.table[state][trigger]
    return "" if row is None else f"→ {_code(row.target)} {row.quota_text}".rstrip()


def _states(lifecycle: Lifecycle) -> str:
    rows = [
        [
            _code(rule.state) or "(no order)",
            rule.words,
            _code(rule.type),
            _code(rule.status),
            "yes" if rule.terminal else "",
            f"{rule.basis}: {short(rule.reference)}",
        ]
        for rule in lifecycle.states
    ]
    heading = ["state", "the documents' words", "`Type`", "`Status`", "terminal", "source"]
    unspecific = f"`{UNSPECIFIC_TYPE}` and `{UNSPECIFIC_STATUS}` name no state: they may mean any that has a word."
    return f"{_table(heading, rows)}\n\n{unspecific}"


def _transitions(lifecycle: Lifecycle) -> str:
    rows = [
        [
            _code(row.source) or "(no order)",
            f"`{row.trigger}`",
            lifecycle.actor(row),
            _code(row.target) + (f", creates another order in {_code(row.creates)}" if row.creates else ""),
            row.quota_text,
            f"{row.basis}: {short(row.reference)}" + (f" ({row.note})" if row.note else ""),
        ]
        for row in (*lifecycle.transitions, *_reads_of_the_account(lifecycle))
    ]
    return _table(["from", "trigger", "by", "to", "quota", "source"], rows)


def _reads_of_the_account(lifecycle: Lifecycle) -> list[Transition]:
    """The rows that the account's reads have in the first state; they have the same in every other."""
    reads = [rule.trigger for rule in lifecycle.triggers if rule.account]
    return [row for row in next(iter(lifecycle.table.values())).values() if row is not None and row.trigger in reads]


def _refusals(lifecycle: Lifecycle) -> str:
    rows = [
        [
            f"`{rule.trigger}`",
            ", ".join(
                _code(state) or "(no order)"
                for state, allowed in lifecycle.table.items()
                if allowed[rule.trigger] is None
            ),
            f"{rule.basis}: {short(rule.reference)}",
        ]
        for rule in lifecycle.triggers
        if not rule.account
    ]
    codes = [
        f"{_code(rule.state) or 'no order'}: `{rule.model_code}`"
        + ("" if rule.service_code == rule.model_code else f", and the service answers `{rule.service_code}`")
        for rule in lifecycle.states
    ]
    how = "A refused trigger changes nothing. The error is, in " + "; in ".join(codes) + "."
    return f"{_table(['trigger', 'refused in', 'source'], rows)}\n\n{how}"


def _errors() -> str:
    return _table(
        ["code", "HTTP", "text"],
        [[f"`{error.code}`", str(error.http_status), error.text] for error in BY_CODE.values()],
    )


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(" ".join(f"| {' | '.join(line)} |".split()) for line in lines)


def _code(word: str | None) -> str:
    return "" if word is None else f"`{word}`"
