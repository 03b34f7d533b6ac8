"""What the core costs: `python -m benchmarks.core` prints its targets and its peers as two tables, measured in one run.

Times are medians of interleaved rounds, the timing loop's own time subtracted; README.md says what is compared to what.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks import tables
from benchmarks.harness import Statement, bytes_each, import_milliseconds, nanoseconds
from benchmarks.peers import contenders
from orderfsm import ORDER_LIFECYCLE, Operation, Order, OrderStateError, State, can, check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from benchmarks.peers import Contender
    from orderfsm import rows

    Pair = tuple[rows.State | None, rows.Trigger]

PAIRS = [(state, trigger) for state in ORDER_LIFECYCLE.table for trigger in ORDER_LIFECYCLE.trigger_rules]
LEGAL = [pair for pair in PAIRS if can(*pair)]
REFUSED = [pair for pair in PAIRS if not can(*pair)]
FIRST_ID = 123_451_222


@attrs.frozen
class BareOrder:
    """An order without a rule: what a frozen attrs class costs at least."""

    id: int
    state: State


class PlainRefusal(Exception):
    """What an exception with two fields costs at least."""

    def __init__(self, state: State, trigger: rows.Trigger) -> None:
        self.state = state
        self.trigger = trigger


def refuse(state: State, trigger: rows.Trigger) -> None:
    """Refuse whatever is asked."""
    raise PlainRefusal(state, trigger)


NAMES = {
    "BareOrder": BareOrder,
    "LIFECYCLE": ORDER_LIFECYCLE,
    "Order": Order,
    "OrderStateError": OrderStateError,
    "PlainRefusal": PlainRefusal,
    "CANCEL": Operation.CANCEL,
    "DELETE": Operation.DELETE,
    "ISSUED": State.ISSUED,
    "PENDING_APPLICATION": State.PENDING_APPLICATION,
    "can": can,
    "check": check,
    "order": Order(FIRST_ID, State.PENDING_REVIEW),
    "order_id": FIRST_ID,
    "refuse": refuse,
    "table": dict.fromkeys(LEGAL),
}


@attrs.frozen(eq=False)
class Comparison:
    """Two statements that are timed beside each other; ours is to cost at most `limit` times the baseline."""

    name: str
    ours: Statement
    baseline_name: str
    baseline: Statement
    limit: float | None

    def measured(self, times: Mapping[Statement, float]) -> tables.Target:
        """The line of the table, from the nanoseconds of both."""
        return tables.Target(self.name, times[self.ours], self.baseline_name, times[self.baseline], self.limit)


def comparisons() -> list[Comparison]:
    """What is timed beside a baseline."""
    construct = Statement("Order(order_id, PENDING_APPLICATION)", NAMES)
    return [
        _can("a legal pair", [(State.VERIFY_FAIL, Operation.DELETE)], 1.2),
        _can(f"all {len(LEGAL)} legal pairs", LEGAL, 1.2),
        _can("a refused pair", [(State.ISSUED, Operation.DELETE)], 1.9),
        _can(f"all {len(REFUSED)} refused pairs", REFUSED, 1.9),
        Comparison(
            "`order.apply(trigger)`", Statement("order.apply(CANCEL)", NAMES), "`Order(id, state)`", construct, 1.5
        ),
        Comparison(
            "a refusal, raised by `check` and caught",
            _caught("check(ISSUED, DELETE)", "OrderStateError"),
            "a function that raises an exception class of two fields",
            _caught("refuse(ISSUED, DELETE)", "PlainRefusal"),
            1.15,
        ),
        Comparison(
            "the bare `raise` of it, caught",
            _caught("raise OrderStateError(LIFECYCLE, ISSUED, DELETE)", "OrderStateError"),
            "the bare `raise` of that class",
            _caught("raise PlainRefusal(ISSUED, DELETE)", "PlainRefusal"),
            None,
        ),
        Comparison(
            "`Order(id, state)`",
            construct,
            "a bare frozen attrs class of two fields",
            Statement("BareOrder(order_id, PENDING_APPLICATION)", NAMES),
            2.0,
        ),
    ]


def against(older: Path) -> list[Comparison]:
    """The same questions, timed beside those of an older checkout: `older` is its folder."""
    theirs = {**NAMES, **vars(_loaded(older))}
    theirs |= {
        "CANCEL": theirs["Operation"].CANCEL,
        "DELETE": theirs["Operation"].DELETE,
        "ISSUED": theirs["State"].ISSUED,
        "order": theirs["Order"](FIRST_ID, theirs["State"].PENDING_REVIEW),
    }
    asked = {
        "`can(ISSUED, DELETE)`": [Statement("can(ISSUED, DELETE)", names) for names in (NAMES, theirs)],
        "`order.apply(trigger)`": [Statement("order.apply(CANCEL)", names) for names in (NAMES, theirs)],
        "a refusal, raised by `check` and caught": [
            _caught("check(ISSUED, DELETE)", "OrderStateError", names) for names in (NAMES, theirs)
        ],
    }
    return [
        Comparison(f"{name}, beside the older one", ours, "the same there", older_one, 1.05)
        for name, (ours, older_one) in asked.items()
    ]


def _loaded(checkout: Path) -> ModuleType:
    """The package of another checkout, beside this one's."""
    name = "orderfsm_older"
    spec = spec_from_file_location(name, checkout / "orderfsm/__init__.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(checkout)
    sys.modules[name] = package = module_from_spec(spec)
    spec.loader.exec_module(package)
    return package


def _can(which: str, pairs: list[Pair], limit: float) -> Comparison:
    """`can` beside the inline expression, on each of `pairs` in turn."""
    repeated = pairs * 20

    def each(code: str) -> Statement:
        return Statement(code, {**NAMES, "pairs": repeated}, "for state, trigger in pairs: {}", len(repeated))

    inline = "(state, trigger) in table"
    return Comparison(f"`can`, {which}", each("can(state, trigger)"), f"`{inline}`", each(inline), limit)


def _caught(code: str, error: str, names: Mapping[str, object] = NAMES) -> Statement:
    """`code` that must raise `error`, which is caught and not printed."""
    return Statement(f"try:\n    {code}\nexcept {error}:\n    pass\nelse:\n    raise AssertionError", names)


# -- peers -----------------------------------------------------------------------------------------------------------


def questions(contender: Contender) -> dict[str, Statement]:
    """What a library is asked, by the name of the column; without the question for which it has no public way."""
    names = {
        **contender.names,
        "Refused": contender.refused,
        "create": contender.create,
        "order": contender.create(FIRST_ID),
        "order_id": FIRST_ID,
    }
    asked = {
        "transition": Statement(contender.cancel_and_submit, names, times=2),
        "refusal": _caught(contender.delete, "Refused", names),
        "create": Statement("create(order_id)", names),
    }
    for column, code in (("legal", contender.may_cancel), ("illegal", contender.may_delete)):
        if code is not None:
            asked[column] = Statement(code, names)
    return asked


# -- the run ---------------------------------------------------------------------------------------------------------


@attrs.frozen
class Effort:
    """How much is measured: rounds of timing, orders and machines that are kept at once, fresh interpreters."""

    rounds: int
    orders: int
    machines: int
    imports: int


FULL = Effort(rounds=101, orders=100_000, machines=1_000, imports=31)
QUICK = Effort(rounds=9, orders=10_000, machines=200, imports=15)


def measure(effort: Effort, older: Path | None) -> tuple[list[tables.Target], list[tables.Peer]]:
    """Both tables: all statements are timed in the same rounds, and all modules are imported in the same rounds."""
    compared = comparisons() + (against(older) if older is not None else [])
    asked = {contender: questions(contender) for contender in contenders()}
    statements = [statement for each in compared for statement in (each.ours, each.baseline)]
    statements += [statement for each in asked.values() for statement in each.values()]
    times = nanoseconds(statements, effort.rounds)
    modules = [("attrs",), ("attrs", "orderfsm"), *((contender.module,) for contender in asked)]
    imports = import_milliseconds(modules, effort.imports)

    targets = [each.measured(times) for each in compared]
    peers = [
        tables.Peer(
            name=str(contender),
            **{column: times[statement] for column, statement in columns.items()},
            bytes=bytes_each(contender.create, _ids(effort.machines)),
            import_ms=imports[contender.module,],
        )
        for contender, columns in asked.items()
    ]
    return [*targets, *_memory(effort.orders), _import(imports)], peers


def _memory(count: int) -> list[tables.Target]:
    """What an order holds besides its int, by both ways of counting."""

    def order(order_id: int) -> Order:
        return Order(order_id, State.PENDING_REVIEW)

    def bare(order_id: int) -> BareOrder:
        return BareOrder(order_id, State.PENDING_REVIEW)

    def line(way: str, ours: float, baseline: float) -> tables.Target:
        return tables.Target(f"memory of an `Order`, {way}", ours, "the bare class", baseline, 64, "B", absolute=True)

    ids = _ids(count)
    return [
        line(f"tracemalloc over {count:,}", bytes_each(order, ids), bytes_each(bare, ids)),
        line("`sys.getsizeof`", sys.getsizeof(order(FIRST_ID)), sys.getsizeof(bare(FIRST_ID))),
    ]


def _ids(count: int) -> list[int]:
    return list(range(FIRST_ID, FIRST_ID + count))


def _import(imports: Mapping[tuple[str, ...], float]) -> tables.Target:
    return tables.Target(
        "`import orderfsm` after `import attrs`",
        imports["attrs", "orderfsm"],
        "`import attrs`",
        imports["attrs",],
        6,
        "ms",
        absolute=True,
    )


# -- the command -----------------------------------------------------------------------------------------------------


def machine() -> str:
    """The processor, the Python and the date of the run."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{processor}, {platform.system()}, {python}, {datetime.now(UTC).date()}"


def main() -> None:
    """Measure, print, and write the JSON if it was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.core", description="What the core costs.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: ten seconds, and noisier")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the unrounded figures there, too")
    parser.add_argument("--older", type=Path, metavar="FOLDER", help="a checkout to compare with, in the same run")
    arguments = parser.parse_args()
    targets, peers = measure(QUICK if arguments.quick else FULL, arguments.older)
    where = machine()
    sys.stdout.write(f"{where}\n\n{tables.markdown(tables.TARGETS, targets)}\n{tables.markdown(tables.PEERS, peers)}")
    if arguments.json:
        figures = {
            "machine": where,
            "targets": [{**attrs.asdict(target), "ratio": target.ratio, "met": target.met} for target in targets],
            "peers": [attrs.asdict(peer) for peer in peers],
        }
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
