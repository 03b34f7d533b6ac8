"""An audit's report as a notebook shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm import drawing, showing
from orderfsm.audit.columns import moment

if TYPE_CHECKING:
    from orderfsm.audit.report import Report, Violation


def shown(report: Report) -> str:
    """The verdict, the counts, the first violations with who did it and when, and the flow drawn over the table."""
    new_first = sorted(report.violations, key=lambda each: not each.is_new)
    violations = [_violation(each) for each in new_first]
    held = [
        (f"{part.lifecycle.noun} {each.order_id}", f"{each.days:,.1f}")
        for part in report.by_table
        for each in part.held
    ]
    refused = [(name, f"{each.refusals:,}", f"{each.foreseeable:,}") for name, each in report.refusals.items()]
    return showing.card(
        f"{report.nouns}, {report.events:,} lines, {moment(report.first) or '?'} to {moment(report.last) or '?'}",
        showing.facts(
            ("conform", _of_them(report.conforms, report.with_unseen_events, "only with events that nobody saw")),
            ("violate the table", _of_them(report.violates, report.new.violates, "new", wanted=report.new.goes_on)),
            ("undecided", f"{report.undecided:,}"),
            ("hold quota", f"{report.holding_quota:,}"),
            ("wait for their client", f"{report.waiting:,}"),
            ("bad lines", f"{report.bad_lines:,}"),
        ),
        showing.table(("", "when", "where", "said", "could only be in", "who"), violations),
        showing.folded("quota held longest", showing.table(("", "days without a line"), held)),
        showing.folded("refusals", showing.table(("operation", "refused", "could have been foreseen"), refused)),
        *(
            showing.folded(f"the way of {part.nouns}", showing.Html(drawing.svg(part.lifecycle, flow=part.flow)))
            for part in report.by_table
        ),
        said=report.badge,
    )


def _of_them(number: int, some: int, what: str, *, wanted: bool = True) -> str:
    return f"{number:,}{f', of these {some:,} {what}' if wanted and some else ''}"


def _violation(each: Violation) -> tuple[showing.Part, ...]:
    where = "" if each.file is None else f"{each.file}:{each.line}"
    return (
        showing.whole(f"{each.lifecycle.noun} {each.order_id}"),
        showing.whole(moment(each.time) or ""),
        where,
        str(each.said),
        ", ".join(map(each.lifecycle.name_of, each.possible)),
        ", ".join(f"{key} {value}" for key, value in each.who.items() if value),
    )
