"""An audit's report as one HTML page: its histories as flow over the drawn lifecycle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from orderfsm import drawing
from orderfsm.audit.columns import moment
from orderfsm.extras import needs

with needs("audit"):
    from jinja2 import Environment, FileSystemLoader

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.audit.report import Report
    from orderfsm.rows import State, Transition

SHOWN = 500
"""How many violations the page lists."""

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
    return _Flow(lifecycle.noun, report, drawing.svg(lifecycle, flow=report.flow), steps, most, name)


def page(report: Report) -> str:
    """The page, complete in itself; text from the log is escaped."""
    nouns = " and ".join(f"{part.lifecycle.noun}s" for part in report.by_table)
    new = [each for each in report.violations if each.is_new]
    known = [each for each in report.violations if not each.is_new]
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
        parts=[
            ("New violations" if report.new.goes_on else "Violations", new),
            ("Violations that earlier audits found", known),
        ],
        shown=SHOWN,
        moment=moment,
        number="{:,}".format,
    )
