"""`orderfsm audit` and `orderfsm simulate`: a company's log, held against the table; and a log to try that on."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.trace import Events

from .choice import in_table, only_table
from .printing import as_json, print_json, say
from .progress import Progress, bar
from .replay import EXIT_OF

if TYPE_CHECKING:
    from orderfsm.audit import Report
    from orderfsm.audit.report import Seen, Violation

SHOWN = 20
"""How many violations are printed; the JSON document has all."""

LINES_BEFORE = 5
"""How many of the lines before a violation are printed with it."""

_EVENTS = click.Choice([each.value for each in Events])


def columns_of(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for key, mark, name in pairs:
        if not (key and mark and name):
            raise InvalidValue("column", f"{key}{mark}{name}", ["KEY=NAME, such as order_id=oid"])
    return {key: name for key, _, name in pairs}


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--engine", default="duckdb", show_default=True, help="duckdb, polars or spark.")
@click.option("--master", metavar="URL", help="The Spark cluster; default: this machine.")
@click.option("--events", type=_EVENTS, help="Whether all events are in the log; default: what the files' headers say.")
@click.option(
    "--column", "columns", metavar="KEY=NAME", multiple=True, callback=columns_of, help="How Parquet names a column."
)
@click.option("--state", metavar="FILE", help="Go on from what earlier audits found, and keep what this one finds.")
@click.option("--rescan", is_flag=True, help="Begin the state anew.")
@click.option(
    "--exit-on",
    type=click.Choice(["new", "all"]),
    default="new",
    show_default=True,
    help="With a state: whether only what the last audit did not know decides the exit status.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "html", "csv", "parquet"]),
    default="text",
    show_default=True,
    help="csv: one row for each violation; parquet: one for each order.",
)
@click.option("-o", "--output", metavar="FILE", help="Where to write it; default: standard output. parquet needs one.")
@click.option(
    "--top", type=click.IntRange(0), default=10, show_default=True, help="How many histories and orders to list."
)
@click.option("--bad-lines", metavar="FILE", help="Where to put bad lines. [default: orderfsm-bad-lines.jsonl, if any]")
@click.option("--memory-limit", metavar="SIZE", help="Such as 4GB; what does not fit goes to disk.")
@only_table
@as_json
def audit(
    *,
    paths: tuple[str, ...],
    format_: str,
    output: str | None,
    bad_lines: str | None,
    events: str | None,
    exit_on: str,
    as_json: bool,
    **options: Any,
) -> int:
    """Hold a whole company's history against the table.

    PATHs are files, directories and globs, - is standard input: the trace format as JSON Lines, also compressed, or
    Parquet; or what ActionTrail delivers. Lines of several tables may be mixed: each is judged by the one under whose
    key its id stands. Exit 0 if every order conforms, 1 if one violates the table, 3 if one is
    undecided, 2 if nothing in a file can be read; if a state goes on, what earlier audits found does not count.
    """
    form = "json" if as_json else format_
    if as_json and format_ not in {"text", "json"}:
        raise InvalidValue("format", format_, ["json, or no --json"])
    if form == "parquet" and output is None:
        raise InvalidValue("output", output, ["a file: Parquet is not for standard output"])
    with needs("audit"):
        from orderfsm.audit import audit as run
        from orderfsm.audit.reading.sources import BAD_LINES, find
        from orderfsm.outputs import check_target
    others = [file for file in (options["state"], bad_lines) if file is not None]
    check_target("output", output, [*others, *(source.name for source in find(paths))])
    with Progress("lines") as progress:
        report = run(
            paths,
            events=None if events is None else Events(events),
            results=output if form == "parquet" else None,
            bad_lines=bad_lines or BAD_LINES,
            progress=progress if sys.stderr.isatty() else None,
            deliver=partial(_deliver, form=form, output=output, progress=progress),
            **options,
        )
    return EXIT_OF[report.new.verdict if exit_on == "new" else report.verdict]


def _deliver(report: Report, *, form: str, output: str | None, progress: Progress) -> None:
    from orderfsm.audit.reporting.page import page
    from orderfsm.audit.reporting.table import violations_csv

    progress.close()
    if form == "json" and output is None:
        print_json(report.as_json())
        return
    if form == "parquet":
        return
    if form == "html":
        text = page(report)
    elif form == "csv":
        text = violations_csv(report.violations)
    else:
        text = _text(report) if form == "text" else json.dumps(report.as_json(), indent=2) + "\n"
    if output is None and form == "text":
        say(text.rstrip("\n"))
    elif output is None:
        click.echo(text, nl=False)
    else:
        Path(output).write_text(text, encoding="utf-8", newline="")


def _text(report: Report) -> str:
    nouns = " and ".join(f"{part.lifecycle.noun}s" for part in report.by_table)
    lines = _violations(report)
    for part in report.by_table:
        if part.undecided_orders:
            more = ", ..." if part.undecided > SHOWN else ""
            shown = ", ".join(map(str, part.undecided_orders[:SHOWN]))
            lines += ["", f"Undecided {part.lifecycle.noun}s: {shown}{more}"]
    if report.histories:
        lines += ["", f"The commonest of {report.distinct:,} histories:"]
        lines += [f"{each.orders:>12,}  {each.verdict}: {'; '.join(map(str, each.said))}" for each in report.histories]
    if report.longer:
        lines.append(f"{report.longer:>12,}  {nouns} have more than {report.longest} lines")
    lines += _where(report)
    if report.refusals:
        lines += ["", "Refusals, and how many a check before the call would have saved:"]
        lines += [f"{each.refusals:>12,}  {name}, {each.foreseeable:,} saved" for name, each in report.refusals.items()]
    if report.avoidable:
        lines += ["", "With the most of them that it would have saved:"]
        nouns_of = {part.lifecycle.identity.key: part.lifecycle.noun for part in report.by_table}
        lines += [f"{each.refusals:>12,}  {nouns_of[each.key]} {each.order_id}" for each in report.avoidable]
    if report.errors:
        lines += ["", "Errors:"]
        lines += [
            f"{count:>12,}  {name}: {code}" for name, codes in report.errors.items() for code, count in codes.items()
        ]
    unseen = f" ({report.with_unseen_events:,} only with events that nobody saw)" if report.with_unseen_events else ""
    bad = f" (in {report.bad_lines_file})" if report.bad_lines and report.bad_lines_file else ""
    lines += [
        "",
        f"{report.verdict}: of {report.nouns} {report.conforms:,} conform{unseen}, {report.violates:,} "
        f"violate the table, {report.undecided:,} are undecided; lines: {report.events:,} about them, "
        f"{report.other:,} others, {report.bad_lines:,} bad{bad}",
    ]
    since = report.new
    if since.goes_on:
        lines.append(
            f"since the last audit: {since.violates:,} new violations, {since.undecided:,} newly undecided; lines: "
            f"{since.events:,} about {nouns}, {since.other:,} others, {since.bad_lines:,} bad"
        )
    return "\n".join(lines).lstrip("\n") + "\n"


def _where(report: Report) -> list[str]:
    """Where orders stand: which of them hold quota, and which wait."""
    lines: list[str] = []
    for part in report.by_table:
        if part.holding_quota:
            noun, many = part.lifecycle.noun, f"{part.holding_quota:,}"
            lines += ["", f"{noun.capitalize()}s that hold a unit of quota: {many}. The longest without a line:"]
            lines += [f"{each.days:>12,.1f}  days: {noun} {each.order_id}" for each in part.held]
    for part in report.by_table:
        noun = part.lifecycle.noun
        if part.standing:
            lines += ["", f"Where {noun}s that conform stand after their last line:"]
            lines += [f"{count:>12,}  {states}" for states, count in part.standing.items()]
        if part.waiting:
            lines += [
                "",
                f"{noun.capitalize()}s that wait for their client: {part.waiting:,}. The longest without a line:",
            ]
            lines += [f"{each.days:>12,.1f}  days: {noun} {each.order_id}" for each in part.left]
    return lines


def _violations(report: Report) -> list[str]:
    new = [each for each in report.violations if each.is_new]
    known = [each for each in report.violations if not each.is_new]
    lines = [line for each in new[:SHOWN] for line in _violation(each)]
    if len(new) > SHOWN:
        lines.append(f"... {len(new) - SHOWN:,} more violations")
    if known:
        lines += ["", f"Violations that earlier audits found: {len(known):,}"]
        lines += [f"  {_stands(each)}{each.lifecycle.noun} {each.order_id}: {each.said}" for each in known[:SHOWN]]
        if len(known) > SHOWN:
            lines.append(f"  ... {len(known) - SHOWN:,} more")
    return lines


def _violation(each: Violation) -> list[str]:
    lines = [
        f"{_stands(each)}{each.lifecycle.noun} {each.order_id} violates the table: {each.said}",
        f"  it could only be in:  {', '.join(map(each.lifecycle.name_of, each.possible))}",
        f"  allowed there:        {', '.join(each.legal)}",
    ]
    seen = _seen(each)
    if seen:
        lines.append(f"  when and who:         {seen}")
    before = each.before[-LINES_BEFORE:]
    for number, line in enumerate(before):
        head = "the lines before it: " if number == 0 else ""
        text = ", ".join(filter(None, [f"{_stands(line)}{line.said}", _seen(line)]))
        lines.append(f"  {head:<21} {text}")
    return lines


def _stands(seen: Seen) -> str:
    """Where a line stands, to be followed by what it says; nothing if that is not known."""
    if seen.line is None:
        return ""
    return f"{seen.file}:{seen.line}: " if seen.file else f"row {seen.line}: "


def _seen(seen: Seen) -> str:
    """When a line was, and who was behind it."""
    from orderfsm.audit.columns import moment

    who = [f"{key.replace('_', ' ')} {value}" for key, value in seen.who.items()]
    return ", ".join(filter(None, [moment(seen.time), *who]))


@click.command()
@click.option("--orders", type=click.IntRange(1), required=True, help="How many orders.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Repeats it.")
@click.option(
    "--bad", type=click.FloatRange(0, 1), default=0.001, show_default=True, help="The share that violates the table."
)
@click.option("--days", type=click.IntRange(1, 36_500), default=1_095, show_default=True, help="In which orders begin.")
@click.option("--events", type=_EVENTS, default="complete", show_default=True, help="partial: calls only.")
@click.option(
    "--format", "format_", type=click.Choice(["jsonl", "jsonl.gz", "parquet"]), default="jsonl", show_default=True
)
@click.option("-o", "--output", metavar="DIR", required=True, help="An empty or a new directory.")
@in_table
@as_json
def simulate(*, output: str, events: str, format_: Any, as_json: bool, **options: Any) -> int:
    """Write an invented log, to try the audit on.

    Beside it, planted.json lists the violations in it.
    """
    with needs("audit"):
        from orderfsm.audit import simulate as run
    with bar("orders", options["orders"]) as shown:
        written = run(output, events=Events(events), format=format_, progress=shown.update, **options)
    if as_json:
        print_json(written.as_json())
    else:
        noun = options["lifecycle"].noun
        say(f"{written.lines:,} lines of {written.orders:,} {noun}s, of which {written.violations:,} violate the table")
    return 0
