"""The audit: from paths, or a frame, to a report."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import attrs
import narwhals as nw

from orderfsm import scratch
from orderfsm.invalid import InvalidValue
from orderfsm.outputs import check_target, stamp
from orderfsm.rows import DAY
from orderfsm.trace import Events, Finding, all_or_some
from orderfsm.trace.tables import tables_of

from . import engines
from .columns import place, schema_of
from .judging.counts import Counts
from .judging.judge import LONGEST, Judge
from .judging.judged_orders import JudgedOrders
from .judging.orders import Orders
from .keeping import state_file
from .keeping.digest import sha256
from .keeping.state_file import Knowledge
from .reading.frames import read_frame
from .reading.log import Log, read_files
from .reading.sources import find, spooled
from .reading.symbols import Meanings, combinations, meanings
from .report import New, Report, Violation, merged
from .reporting.bad_lines import bad_lines_of, check_files, write_bad_lines
from .reporting.results import write_results

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from os import PathLike

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace import BadLine

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
    lifecycle: Lifecycle | None = None,
) -> Report:
    """Hold the histories of a company's orders against the table under whose key their ids stand.

    With `lifecycle` only the lines of that table are judged, and those of others are counted.

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
    _check(top, engine, state, rescan=rescan)
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
        with reading as (running, logs):
            before = stamp(state)
            known = before is not None and not rescan
            so_far = state_file.load(state, tables_of(lifecycle)) if state is not None and known else {}
            digests = {} if state is None else {sha256(source.path): source for source in sources or ()}
            _refuse_again(running, logs, digests, so_far)
            tables = _read(running, logs, so_far)
            lines, done = sum(each.found.lines for each in tables), 0
            names = {digest: source.name for digest, source in digests.items()}
            for each in tables:
                each.so_far.learn(each.found, logs[0].headers, names)
                each.judge_all(
                    running,
                    events,
                    state=state if each.log.lifecycle.name in so_far else None,
                    tell=partial(_sorting, tell, done, lines),
                    all_orders=state is not None or results is not None,
                )
                done += each.found.lines
            report = merged([each.report(top, known=known) for each in tables], top)
            if bad_lines is not None and any(each.found.bad for each in tables):
                write_bad_lines(chain.from_iterable(each.bad_lines(running) for each in tables), bad_lines)
                report = attrs.evolve(report, bad_lines_file=str(bad_lines))
            kept = [each for each in tables if each.says_something] or tables[:1]
            if results is not None:
                write_results(results, [(each.judged_orders, each.violations) for each in kept])
            if stamp(state) != before:
                raise InvalidValue("state file", str(state), ["one that no other audit writes meanwhile"])
            deliver(report)
            if state is not None:
                state_file.save([each.kept for each in kept], state)
            return report


def _check(top: int, engine: str, state: object, *, rescan: bool) -> None:
    if top < 0:
        raise InvalidValue("top", top, ["a number of 0 or more"])
    if engine not in engines.NAMES:
        raise InvalidValue("engine", engine, engines.NAMES)
    if rescan and state is None:
        raise InvalidValue("state file", state, ["one to begin anew, for a rescan"])


def _read(engine: Engine, logs: Sequence[Log], known: Mapping[str, Knowledge]) -> list[_OfTable]:
    """What the lines of each table mean; `InvalidValue` if none of those of a file is of any use."""
    places = logs[0].tables.places
    every = sorted((*logs, *_without_lines(engine, logs, known)), key=lambda log: places[log.lifecycle.identity.key])
    tables = [_OfTable.read(engine, log, known) for log in every]
    check_files(engine, [(each.log, each.found.bad) for each in tables])
    read = sum(each.found.lines - sum(one.times for one in each.found.bad) for each in tables)
    if read and read == sum(each.found.others for each in tables) and logs[0].tables.others and not logs[0].whole:
        names = ", ".join(logs[0].names) or "the frame"
        accepted = f"one of {logs[0].tables.first.name}: they are all of other tables"
        raise InvalidValue("lines of", names, [accepted])
    return tables


def _sorting(tell: Tell, before: int, lines: int, done: int) -> None:
    """Tell that so many lines are sorted, after those of other tables `before`."""
    tell("sorting", before + done, lines)


class _OfTable:
    """What an audit does with the lines of one table."""

    judge: Judge
    orders: Orders
    counts: Counts
    judged_orders: JudgedOrders
    violations: tuple[Violation, ...]
    count: int
    """How many orders there are."""

    def __init__(self, log: Log, found: Meanings, so_far: Knowledge) -> None:
        self.log, self.found, self.so_far = log, found, so_far

    @classmethod
    def read(cls, engine: Engine, log: Log, known: Mapping[str, Knowledge]) -> Self:
        """Find out what its lines mean."""
        so_far = known.get(log.lifecycle.name) or _like(known)
        distinct, lines = combinations(engine, log.lines, log.lifecycle)
        found = meanings(distinct, so_far.symbols, log.lifecycle, log.tables)
        return cls(attrs.evolve(log, lines=lines), found, so_far)

    def judge_all(
        self,
        engine: Engine,
        events: Events | None,
        *,
        state: str | PathLike[str] | None,
        tell: Callable[[int], object],
        all_orders: bool,
    ) -> None:
        """Judge its orders: the new lines, after those of the `state` that has some, if there is one."""
        self.judge = Judge(self.so_far.symbols, all_or_some(events, self.so_far.headers), self.log.lifecycle)
        self.orders = Orders.of(engine, self.log, self.found, known=self.so_far.histories, state_file=state, tell=tell)
        self.counts = Counts(self.judge)
        self.judged_orders = JudgedOrders.of(self.orders, self.judge, self.counts, all_orders=all_orders)
        self.violations = tuple(self.judged_orders.violations())
        self.so_far.days.update(_days(engine, self.log))

    @property
    def says_something(self) -> bool:
        """Whether there is anything to be kept of it."""
        return bool(self.count or self.so_far.other or self.so_far.bad_lines)

    @property
    def kept(self) -> state_file.Kept:
        """What a state keeps."""
        return state_file.Kept(self.so_far, self.judged_orders, self.violations, self.judge)

    def bad_lines(self, engine: Engine) -> Iterator[BadLine]:
        """Its bad lines."""
        return bad_lines_of(engine, self.log, self.found.bad) if self.found.bad else iter(())

    def report(self, top: int, *, known: bool) -> Report:
        """The report on it; `known`: there was an earlier audit."""
        so_far, counts, found = self.so_far, self.counts, self.found
        self.count, first, last = self.orders.totals()
        undecided, newly_undecided = self.judged_orders.undecided()
        flow = counts.flow()
        unclear = flow.pop(None, 0)
        return Report(
            orders=self.count,
            conforms=counts.findings[Finding.CONFORMS],
            with_unseen_events=counts.unseen,
            violates=counts.findings[Finding.VIOLATES],
            undecided=counts.findings[Finding.UNDECIDED],
            undecided_orders=undecided,
            events=so_far.events,
            other=so_far.other,
            bad_lines=so_far.bad_lines,
            violations=self.violations,
            histories=counts.commonest(top),
            distinct=counts.distinct,
            longer=counts.longer,
            longest=LONGEST,
            holding_quota=counts.holding,
            held=self.judged_orders.held(last, top),
            waiting=counts.waiting,
            left=self.judged_orders.left(last, top),
            standing=counts.standing(),
            refusals=counts.refusals(),
            avoidable=self.judged_orders.avoidable(top),
            errors=_errors(so_far.answers),
            first=first,
            last=last,
            new=New(
                goes_on=known,
                violates=sum(each.is_new for each in self.violations),
                undecided=newly_undecided,
                events=found.events,
                other=found.other,
                bad_lines=sum(each.times for each in found.bad),
            ),
            flow={row: count for row, count in flow.items() if row is not None},
            unclear=unclear,
            days=dict(sorted(so_far.days.items())),
            lifecycle=counts.lifecycle,
        )


def _days(engine: Engine, log: Log) -> dict[int, int]:
    """How many lines are of which day, counted from 1970 on."""
    day = nw.col("instant") // (DAY * 10**6)
    dated = log.lines.filter(~nw.col("instant").is_null()).with_columns(day=day)
    counted = engine.table(dated.group_by("day").agg(count=nw.len()).sort("day").select("day", "count"))
    return dict(zip(*counted.to_pydict().values(), strict=True))


def _like(known: Mapping[str, Knowledge]) -> Knowledge:
    """What is known of a table of which a state has nothing: which files were read, and what they said."""
    for other in known.values():
        return Knowledge(headers=set(other.headers), files=dict(other.files))
    return Knowledge()


def _without_lines(engine: Engine, logs: Sequence[Log], known: Mapping[str, Knowledge]) -> Iterator[Log]:
    """Logs without a line, of the tables of which only the state has orders."""
    there = {log.lifecycle.name for log in logs}
    for table in logs[0].tables.judged:
        if table.name in known and table.name not in there:
            empty = engine.small(schema_of((table,)).empty_table())
            yield attrs.evolve(logs[0], lines=empty, lifecycle=table)


def _refuse_again(
    engine: Engine, logs: Sequence[Log], digests: Mapping[str, Source], known: Mapping[str, Knowledge]
) -> None:
    """An `InvalidValue` for a file that was audited before; many files without a line are the same."""
    files = {digest: name for each in known.values() for digest, name in each.files.items()}
    for digest in digests.keys() & files.keys():
        source = digests[digest]
        begins, ends = (place(number, 0) for number in (source.number, source.number + 1))
        inside = (nw.col("place") >= begins) & (nw.col("place") < ends)
        if any(engine.table(log.lines.filter(inside).select("place").head(1)).num_rows for log in logs):
            has = f"the state has what is in it, from {files[digest]}"
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
    engine: Engine,
    sources: Sequence[Source],
    columns: Mapping[str, str] | None,
    progress: Tell,
    lifecycle: Lifecycle | None,
) -> Iterator[tuple[Engine, list[Log]]]:
    read = 0

    def tell(lines: int) -> None:
        nonlocal read
        read += lines
        progress("reading", read, None)

    with engine.at_work():
        yield engine, read_files(engine, sources, columns, tell, lifecycle)
