"""A report as JUnit XML, as test servers show it: a test for each pair of a state and a trigger."""

from __future__ import annotations

import io
import re
from itertools import groupby
from typing import TYPE_CHECKING

from orderfsm.extras import needs
from orderfsm.trace import Finding

from .naming import name_of
from .report import Result

with needs("testing"):
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from junitparser.junitparser import FinalResult

    from .report import Pair, Report, Violation

NOT_OF_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """The report as JUnit XML: the text of a file.

    There is a suite for each state, with a test for each trigger, which is skipped where that could not be forced or is
    not offered, or where nothing failed but what was known before; and a suite of the parts that play programs of many
    pairs. Failures have the calls that show them. If the verdict is undecided, a test of that name has an error, since
    nothing else need have failed.
    """
    document = JUnitXml(f"orderfsm conform, {report.lifecycle.name}")
    for state, pairs in groupby(report.coverage, key=lambda pair: pair[0]):
        name = f"{report.lifecycle.name}.{report.lifecycle.name_of(state).replace(' ', '_')}"
        suite = TestSuite(name)
        suite.add_testcases([_case(report, name, pair) for pair in pairs])
        document.add_testsuite(suite)
    programs = f"{report.lifecycle.name}.programs"
    suite = TestSuite(programs)
    for name in ("edition", "verdict", "checked", "seed", "reason"):
        value = report.lifecycle.edition if name == "edition" else getattr(report, name)
        suite.add_property(name, _text(str(value)))
    suite.add_testcases([*_parts(report, programs)])
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    written = io.BytesIO()
    document.write(written)
    return written.getvalue().decode()


def _case(report: Report, suite: str, pair: Pair) -> TestCase:
    case = TestCase(name_of(report.lifecycle, *pair), suite)
    outcome = _outcome(report, pair)
    if outcome is not None:
        case.result = [outcome]
    return case


def _outcome(report: Report, pair: Pair) -> FinalResult | None:
    match report.coverage[pair]:
        case Result.NOT_FORCED:
            return Skipped(_text(f"not forced: {report.not_forced.get(pair, '')}"))
        case Result.NOT_OFFERED:
            return Skipped("the server does not offer this operation")
        case Result.FAILED:
            shown = [violation for violation in report.violations if (violation.state, violation.trigger) == pair]
            if shown:
                return _failure(shown)
            kinds = [key[2] for key in report.failed if key[:2] == pair]
            if kinds:
                return _made(Failure(f"{', '.join(kinds)}: a violation that is not shown"), kinds[0], "")
            return Skipped("known before")
    return None


def _failure(shown: list[Violation]) -> FinalResult:
    """The violations of one test, the gravest first, as its one failure."""
    texts = ["\n".join([str(each), *(f"  {line}" for line in each.curl)]) for each in shown]
    return _made(Failure(_text(shown[0].headline)), shown[0].kind, "\n\n".join(texts))


def _made(outcome: FinalResult, kind: str, text: str) -> FinalResult:
    outcome.type = kind
    outcome.text = _text(text)
    return outcome


def _parts(report: Report, suite: str) -> Iterator[TestCase]:
    for part, why in report.parts.items():
        case = TestCase(f"test_{part}", suite)
        shown = [violation for violation in report.violations if violation.part == part]
        if shown:
            case.result = [_made(Failure(_text(shown[0].headline)), shown[0].kind, "\n\n".join(map(str, shown)))]
        elif why:
            case.result = [Skipped(_text(why))]
        yield case
    if report.verdict is Finding.UNDECIDED:
        case = TestCase("test_verdict", suite)
        case.result = [_made(Error(_text(f"undecided because {report.reason}")), str(report.verdict), report.reason)]
        yield case


def _text(text: str) -> str:
    """A text without characters that XML does not have."""
    return NOT_OF_XML.sub("\ufffd", text)
