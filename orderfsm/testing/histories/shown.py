"""A history of concurrent calls as a notebook shows it: a lane for each client, a bar for each call."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from orderfsm import showing
from orderfsm.trace import Outcome

from .intervals import by_end, lanes_of, told

if TYPE_CHECKING:
    from .history import HistoryCheck
    from .intervals import TimedCall

SHOWN = 200
"""How many calls are drawn at most."""

_COLOURS = {Outcome.ACCEPTED: "good", Outcome.REFUSED: "soft", Outcome.UNKNOWN: "unsure"}


def of_history(check: HistoryCheck) -> str:
    """The verdict, the calls as bars, and what could have been where one is that nothing explains."""
    name = check.lifecycle.name_of
    violates = check.culprit is not None
    return showing.card(
        str(check),
        _drawn(check) if len(check.calls) <= SHOWN else f"{len(check.calls):,} calls, too many to be drawn",
        showing.facts(
            ("state before these calls", " or ".join(map(name, check.initial)) if violates else None),
            ("just before the marked call", " or ".join(map(name, check.possible))),
            ("allowed there", ", ".join(check.legal)),
        ),
        said=check.badge,
    )


def _drawn(check: HistoryCheck) -> showing.Html:
    """The lanes as a grid whose columns are the moments in order: what came before what, not how long it took."""
    calls = by_end(check.calls)
    column = {at: number for number, at in enumerate(sorted({at for call in calls for at in call[:2]}), 2)}
    cells: list[showing.Html] = []
    for row, (client, lane) in enumerate(lanes_of(sorted(calls, key=attrgetter("start")), check.lifecycle), 1):
        cells.append(showing.element("span", client, style=f"grid-area: {row} / 1; white-space: nowrap"))
        cells += [_bar(call, check, f"{row} / {column[call.start]} / auto / {column[call.end]}") for call in lane]
    style = "display: grid; gap: 4px 0; overflow-x: auto; justify-content: start; column-gap: 4px; margin: 6px 0"
    return showing.element("div", *cells, style=style)


def _bar(call: TimedCall, check: HistoryCheck, area: str) -> showing.Html:
    is_culprit = call.line is check.culprit
    style = f"grid-area: {area}; border-radius: 4px; text-align: center; white-space: nowrap"
    return showing.element(
        "span",
        told(call.line, check.lifecycle),
        class_=f"badge {'bad' if is_culprit else _COLOURS[call.line.outcome]}",
        style=f"{style}; font-weight: 700; border-width: 2px" if is_culprit else style,
        title=f"{call.line.started} to {call.line.ended}",
    )
