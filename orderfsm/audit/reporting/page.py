"""An audit's report as one HTML page: verdict and violations first, and the histories as flow over the lifecycle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from orderfsm import drawing
from orderfsm.audit.columns import moment
from orderfsm.audit.report import WITH_BEFORE
from orderfsm.extras import needs

from .table import violations_csv
from .timeline import timeline

with needs("audit"):
    from jinja2 import Environment, FileSystemLoader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orderfsm.audit.report import Report, Violation
    from orderfsm.rows import State, Transition

SHOWN, OPEN = 200, 10
"""How many violations of each sort the page lists, and how many of them are seen at once."""

TOLD = 5
"""How many of the lines before each it has."""

_SIZE = re.compile(r'viewBox="0 0 (\d+) (\d+)" width="\d+" height="\d+"')

_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent / "static"), autoescape=True, trim_blocks=True)


class _Flow(NamedTuple):
    """How often the orders of one table took each of its rows, drawn and as rows."""

    noun: str
    report: Report
    drawn: str
    steps: list[tuple[Transition, int]]
    most: int
    name: Callable[[State | None], str]


def _flow(report: Report) -> _Flow:
    lifecycle = report.lifecycle

    def name(state: State | None) -> str:
        return lifecycle.name_of(state).replace("_", " ")

    steps = sorted(report.flow.items(), key=lambda step: (-step[1], str(step[0].source), step[0].trigger))
    most = max(report.flow.values(), default=1)
    return _Flow(lifecycle.noun, report, _drawn(report), steps, most, name)


def _drawn(report: Report) -> str:
    """The lifecycle with the flow; what is not drawn is said in the picture itself, which may be passed on alone."""
    drawn = drawing.svg(report.lifecycle, flow=report.flow)
    if not report.unclear:
        return drawn
    every = sum(report.flow.values()) + report.unclear
    missing = (
        f"{report.unclear:,} of {every:,} steps are not drawn, since the lines do not say from which state they were"
    )
    width, height = map(int, _SIZE.findall(drawn)[0])
    drawn = _SIZE.sub(f'viewBox="0 0 {width} {height + 24}" width="{width}" height="{height + 24}"', drawn, count=1)
    return drawn.replace("</svg>", f'<text class="thin" x="16" y="{height + 8}">{missing}</text>\n</svg>')


def _anchor(violation: Violation) -> str:
    """Where on the page a violation stands."""
    return f"{violation.lifecycle.name}-{violation.order_id}"


def _listed(violations: Sequence[Violation]) -> dict[str, Any]:
    """What the page's buttons give of violations: ids to be copied, and a table."""
    some = violations[:WITH_BEFORE]
    return {"ids": [each.order_id for each in some], "csv": violations_csv(some)}


def page(report: Report) -> str:
    """The page, complete in itself; text from the log is escaped."""
    nouns = " and ".join(f"{part.lifecycle.noun}s" for part in report.by_table)
    new = [each for each in report.violations if each.is_new]
    known = [each for each in report.violations if not each.is_new]
    parts = [
        (title, some)
        for title, some in (
            ("New violations" if report.new.goes_on else "Violations", new),
            ("Violations that earlier audits found", known),
        )
        if some
    ]
    periods = timeline(report)
    return _TEMPLATES.get_template("audit.html").render(
        report=report,
        edition=" and ".join(part.lifecycle.edition for part in report.by_table),
        nouns=nouns,
        totals=[
            ("conform", report.conforms),
            ("of these, only with events that nobody saw", report.with_unseen_events),
            ("violate the table", report.violates),
            ("undecided", report.undecided),
            ("hold quota", report.holding_quota),
            ("wait for their client", report.waiting),
            (f"lines about {nouns}", report.events),
            ("other lines", report.other),
            ("bad lines", report.bad_lines),
        ],
        flows=[_flow(part) for part in report.by_table],
        parts=parts,
        listed=[_listed(some) for _, some in parts],
        periods=periods,
        unit={10: "day", 7: "month", 4: "year"}[len(periods[0].name)] if periods else "",
        most_lines=max((each.lines for each in periods), default=0) or 1,
        most_wrong=max((len(each.violations) for each in periods), default=0) or 1,
        anchor=_anchor,
        linked={_anchor(each) for _, some in parts for each in some[:SHOWN]},
        told=TOLD,
        shown=SHOWN,
        open=OPEN,
        moment=moment,
        number="{:,}".format,
    )
