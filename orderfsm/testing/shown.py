"""What a check of conformance found, as a notebook shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm import showing

from .model.failure import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .report import Report, Violation

_SIGNS = {"passed": ("✓", True), "failed": ("✗", False), "not forced": ("·", None), "not offered": ("-", None)}


def of_report(report: Report, remarks: Sequence[str]) -> str:
    """The verdict, each pair of a state and a trigger as a mark, and the violations."""
    states = dict.fromkeys(state for state, _ in report.coverage)
    triggers = dict.fromkeys(trigger for _, trigger in report.coverage)
    name = report.lifecycle.name_of
    rows = []
    for state in states:
        marks = []
        for trigger in triggers:
            result = report.coverage.get((state, trigger))
            sign, yes = _SIGNS.get(str(result), ("", None))
            why = report.not_forced.get((state, trigger), "")
            title = f"{trigger} in {name(state)}: {result}{f', because {why}' if why else ''}"
            marks.append(showing.mark(sign, yes, "" if result is None else title))
        rows.append((name(state), marks))
    return showing.card(
        f"{report.checked:,} answers checked",
        *(_violation(each, is_open=number == 0) for number, each in enumerate(report.violations)),
        showing.matrix([trigger.name.lower() for trigger in triggers], rows),
        *(showing.element("div", remark, class_="soft") for remark in remarks),
        said=report.badge,
    )


def of_violation(violation: Violation) -> str:
    """What was expected, what came, and the calls that show it."""
    return showing.card(_accused(violation), _details(violation))


def _accused(violation: Violation) -> showing.Html:
    trigger = named(violation.trigger, flawed=violation.flawed)
    return showing.joined(
        showing.code(trigger), f" in {violation.where or violation.state}: ", showing.badge(violation.kind, yes=False)
    )


def _details(violation: Violation) -> showing.Html:
    return showing.joined(
        showing.facts(
            ("expected", violation.expected),
            ("got", violation.got),
            ("the rule", violation.rule),
            ("says who", showing.source(violation.reference)),
        ),
        showing.element("ol", *(showing.element("li", each) for each in violation.told)) if violation.told else None,
        showing.element("pre", violation.picture) if violation.picture else None,
        showing.folded("a program that shows it", showing.element("pre", violation.script))
        if violation.script
        else None,
    )


def _violation(violation: Violation, *, is_open: bool) -> showing.Html:
    summary = showing.element("summary", _accused(violation))
    return showing.element("details", summary, _details(violation), open="open" if is_open else "")
