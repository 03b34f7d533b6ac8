"""A table as a notebook shows it: drawn, and its rows state by state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm import showing

from .labels import fields_of, mark, state_name
from .picture import svg

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition


def card(lifecycle: Lifecycle) -> str:
    """The picture; folded, for each state what it is read as, what a client may call there and what others do."""
    rows = [_of_state(state, lifecycle) for state in lifecycle.state_rules]
    columns = ("state", "read as", "a client may call", "others do")
    silent = len(lifecycle.state_rules) * len(lifecycle.trigger_rules) - sum(map(len, lifecycle.table.values()))
    return showing.card(
        showing.joined(lifecycle.title, showing.element("span", f" {lifecycle.edition}", class_="soft")),
        showing.Html(svg(lifecycle)),
        showing.folded(
            f"{len(lifecycle.transitions)} rows: what is allowed in each state",
            showing.table(columns, rows, most=len(rows)),
            f"Else refused{f', but for {silent} pairs of which no source says anything' * (silent > 0)}; "
            "reads are left out. `?`: inferred, `*`: observed.",
        ),
    )


def _of_state(state: State | None, lifecycle: Lifecycle) -> tuple[showing.Part, ...]:
    rows = lifecycle.outgoing(state)
    by_client = [row for row in rows if lifecycle.by_client(row.trigger)]
    others = [row for row in rows if row not in by_client]
    words = fields_of(lifecycle.state_rules[state], lifecycle)
    return state_name(state, lifecycle), ", ".join(words), _lines(by_client, lifecycle), _lines(others, lifecycle)


def _lines(rows: list[Transition], lifecycle: Lifecycle) -> showing.Html:
    return showing.joined(*(showing.element("div", _line(row, lifecycle)) for row in rows))


def _line(row: Transition, lifecycle: Lifecycle) -> showing.Html:
    who = "" if lifecycle.by_client(row.trigger) else f"({lifecycle.actor(row)}) "
    leads = "changes what it says" if row.target == row.source else f"→ {state_name(row.target, lifecycle)}"
    begins = f", another in {state_name(row.creates, lifecycle)}" if row.creates is not None else ""
    leads = f"a new {lifecycle.noun}" if begins and row.target == row.source else leads
    quota = f" {row.quota_text}" if row.quota else ""
    within = "" if row.within is None else f", {row.within}"
    return showing.joined(who, showing.code(row.trigger), f" {leads}{begins}{quota}{within} {mark(row.basis)}".rstrip())
