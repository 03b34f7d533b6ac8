"""The audit: from paths, or a frame, to a report."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import narwhals as nw

from orderfsm import scratch
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import Events, Finding, all_or_some

from . import engines
from .columns import place
from .judging.counts import Counts
from .judging.judge import LONGEST, Judge
from .judging.judged_orders import JudgedOrders
from .judging.orders import Orders
from .keeping import state_file
from .keeping.digest import sha256
from .keeping.state_file import Knowledge
from .reading.frames import read_frame
from .reading.log import Log, read_files, without_duplicates
from .reading.sources import find, spooled
from .reading.symbols import Meanings, combinations, meanings
from .report import New, Report
from .reporting.bad_lines import bad_lines_of, check_files, write_bad_lines
from .reporting.outputs import check_target, stamp
from .reporting.results import write_results

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from os import PathLike

    from orderfsm.lifecycle import Lifecycle

    from .engines.engine import Engine, Source

_PATHS = (str, os.PathLike, list, tuple, set, frozenset)

Tell: TypeAlias = "Callable[[str, int, int | None], object]"
"""Hears what is being done, with how many lines so far, and of how many, if that is known."""


def audit(
    paths_or_frame: str | PathLike[str] | Collection[str | PathLike[str]] | Any,
    *,
    engine: str = "duckdb",
    columns: Mapping[str, str] | None = None,
    events: Events | None = None,
    top: int = 10,
    state: str | PathLike[str] | None = None,
    rescan: bool = False,
    bad_lines: str | PathLike[str] | None = None,
    results: str | PathLike[str] | None = None,
    memory_limit: str | None = None,
    master: str | None = None,
    progress: Tell | None = None,
    deliver: Callable[[Report], object] = lambda _report: None,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
) -> Report:
    """Hold the histories of a company's orders against the table of `lifecycle`.

    `paths_or_frame`: files in the trace format (JSON Lines, also compressed, or Parquet) or as ActionTrail delivers
    them, directories and globs; or a frame of Polars, pandas, PyArrow, DuckDB or PySpark with the format's columns,
    whose own names `columns` gives by the format's: `{"order_id": "oid"}`. `engine` is `duckdb`, `polars` or `spark`,
    for files; a frame of Polars or PySpark is worked on where it is, any other by DuckDB. `events` says whether all
    events are in the log; if None, the files' headers do. `top`: how many of the commonest histories, and of the orders
    that hold quota the longest, are listed.

    `state` is a file that holds what earlier audits found, and then holds this one's too: of each order it takes only
    lines later than those that it knows, and no file twice; with `rescan` it is begun anew. `bad_lines` and `results`
    are files to write: the bad lines, if any (JSON Lines), and one row for each order (Parquet). `memory_limit` is a
    size such as `4GB`, `master` the URL of a Spark cluster. `progress` is told what is being done, with how many lines
    so far, and of how many, if that is known. `deliver` is given the report before the state is kept, and not if
    anything fails: if it fails, the same lines can be audited again.

    A path that names nothing, a missing column, a damaged state, or a line earlier than the state's are an
    `InvalidValue`. Bad lines are counted and skipped.
    """
    if top < 0:
        raise InvalidValue("top", top, ["a number of 0 or more"])
    if engine not in engines.NAMES:
        raise InvalidValue("engine", engine, engines.NAMES)
    if rescan and state is None:
        raise InvalidValue("state file", state, ["one to begin anew, for a rescan"])
    targets = {"state file": state, "file for bad lines": bad_lines, "file for results": results}
    sources = find(paths_or_frame) if isinstance(paths_or_frame, _PATHS) else None
    taken = [source.name for source in sources or ()]
    for kind, file in targets.items():
        check_target(kind, file, taken)
        taken += [] if file is None else [os.fspath(file)]
    tell = progress or (lambda *_: None)
    with scratch.folder() as folder:
        if sources is None:
            reading = read_frame(paths_or_frame, folder, columns, memory_limit, lifecycle)
        else:
            sources = spooled(sources, folder)
            started = engines.start(engine, folder, memory_limit=memory_limit, master=master)
            reading = _reading(started, sources, columns, tell, lifecycle)
        with reading as (running, given):
            before = stamp(state)
            known = before is not None and not rescan
            so_far = state_file.load(state, lifecycle) if state is not None and known else Knowledge()
            digests = {} if state is None else {sha256(source.path): source for source in sources or ()}
            _refuse_again(running, given, digests, so_far.files)
            distinct, lines = combinations(running, given.lines, lifecycle)
            log = attrs.evolve(given, lines=lines)
            found = meanings(distinct, so_far.symbols, lifecycle)
            check_files(running, log, found.bad)
            so_far.learn(found, log.headers, {digest: source.name for digest, source in digests.items()})
            judge = Judge(so_far.symbols, all_or_some(events, so_far.headers), lifecycle)
            orders = Orders.of(
                running,
                log,
                found,
                known=so_far.histories,
                state_file=state if known else None,
                tell=lambda done: tell("sorting", done, found.lines),
            )
            counts = Counts(judge)
            judged_orders = JudgedOrders.of(orders, judge, counts, all_orders=state is not None or results is not None)
            report = _report(so_far, orders, judged_orders, counts, top, known=known, found=found)
            if found.bad and bad_lines is not None:
                write_bad_lines(bad_lines_of(running, log, found.bad), bad_lines)
                report = attrs.evolve(report, bad_lines_file=str(bad_lines))
            if results is not None:
                write_results(results, judged_orders, report.violations, lifecycle.identity)
            if stamp(state) != before:
                raise InvalidValue("state file", str(state), ["one that no other audit writes meanwhile"])
            deliver(report)
            if state is not None:
                state_file.save(so_far, judged_orders, report.violations, state, judge)
            return report


def _report(
    so_far: Knowledge,
    orders: Orders,
    judged_orders: JudgedOrders,
    counts: Counts,
    top: int,
    *,
    known: bool,
    found: Meanings,
) -> Report:
    """The report; `known`: there was an earlier audit; `found`: what this one read."""
    count, first, last = orders.totals()
    violations = tuple(judged_orders.violations())
    undecided, newly_undecided = judged_orders.undecided()
    flow = counts.flow()
    unclear = flow.pop(None, 0)
    return Report(
        orders=count,
        conforms=counts.findings[Finding.CONFORMS],
        with_unseen_events=counts.unseen,
        violates=counts.findings[Finding.VIOLATES],
        undecided=counts.findings[Finding.UNDECIDED],
        undecided_orders=undecided,
        events=so_far.events,
        other=so_far.other,
        bad_lines=so_far.bad_lines,
        violations=violations,
        histories=counts.commonest(top),
        distinct=counts.distinct,
        longer=counts.longer,
        longest=LONGEST,
        holding_quota=counts.holding,
        held=judged_orders.held(last, top),
        refusals=counts.refusals(),
        errors=_errors(so_far.answers),
        first=first,
        last=last,
        new=New(
            goes_on=known,
            violates=sum(each.is_new for each in violations),
            undecided=newly_undecided,
            events=found.events,
            other=found.other,
            bad_lines=sum(each.times for each in found.bad),
        ),
        flow={row: count for row, count in flow.items() if row is not None},
        unclear=unclear,
        lifecycle=counts.lifecycle,
    )


def _refuse_again(engine: Engine, log: Log, digests: Mapping[str, Source], known: Mapping[str, str]) -> None:
    """An `InvalidValue` for a file that was audited before; many files without a line are the same."""
    for digest in digests.keys() & known.keys():
        source = digests[digest]
        begins, ends = (place(number, 0) for number in (source.number, source.number + 1))
        lines = log.lines.filter((nw.col("place") >= begins) & (nw.col("place") < ends))
        if engine.table(lines.select("place").head(1)).num_rows:
            has = f"the state has what is in it, from {known[digest]}"
            raise InvalidValue(
                "file", source.name, [f"one that was not audited before: {has}; or a rescan of all lines"]
            )


def _errors(answers: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """How often each operation met each error code; `unknown` if no answer came."""
    found: dict[str, dict[str, int]] = {}
    for (operation, answer), count in sorted(answers.items()):
        if answer != "accepted":
            found.setdefault(operation, {})[answer or "no code"] = count
    return found


@contextmanager
def _reading(
    engine: Engine, sources: Sequence[Source], columns: Mapping[str, str] | None, progress: Tell, lifecycle: Lifecycle
) -> Iterator[tuple[Engine, Log]]:
    read = 0

    def tell(lines: int) -> None:
        nonlocal read
        read += lines
        progress("reading", read, None)

    with engine.at_work():
        yield engine, without_duplicates(engine, read_files(engine, sources, columns, tell, lifecycle))
