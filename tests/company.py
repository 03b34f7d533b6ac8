"""Logs of a company's orders for the tests of the audit, and what a plain fold by the core says of them."""

from __future__ import annotations

import json
from itertools import pairwise, permutations, product

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from orderfsm import Event, Operation, trace
from orderfsm.trace import Events, Finding, Line, Outcome

ENGINES = ["duckdb", "polars"]
FEW = settings(
    max_examples=settings().max_examples // 8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
COMPLETE, PARTIAL = Events
CODES = [None, "OrderStateError", "NotFoundOrder", "DeleteFail", "Error", "Throttling.User", "Surprise"]
WORDS = [None, "issued", "PROCESS", "CHECKING", "unknow", "suspended"]
ORDERS = [7, 8, 9]
BAD = [
    "nonsense",
    '{"time": "2026-08-05T06:10:01Z", "order_id": 7}',
    '{"time": "never", "order_id": 7, "event": "submitted"}',
]


def moment(second, fraction=""):
    """A time, in RFC 3339."""
    return f"2026-08-05T{6 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{fraction}Z"


SOME = [
    Line(time=moment(0), order_id=7, trigger=Operation.CREATE),
    Line(time=moment(1), order_id=7, trigger=Operation.DELETE),
    Line(time=moment(2), order_id=8, trigger=Operation.CANCEL),
]

TIMES = st.builds(moment, st.integers(0, 20), st.sampled_from(["", ".25", ".5"]))


def lines(times=TIMES, orders=ORDERS):
    """Lines of a few orders, many of them about the same thing, so that they meet."""
    order = st.sampled_from(orders)
    interval = st.sampled_from([{}] * 7 + [{"started": 0.5, "ended": 1}])
    call = st.builds(
        lambda time, order_id, operation, outcome, code, state, new, timed: Line(
            time=time,
            order_id=order_id,
            trigger=operation,
            outcome=outcome,
            code=code if outcome == "refused" else None,
            state=state,
            new_order_id=new if operation is Operation.RENEW else None,
            **timed,
        ),
        times,
        order,
        st.sampled_from(list(Operation)),
        st.sampled_from(["accepted", "accepted", "accepted", "refused", "unknown"]),
        st.sampled_from(CODES),
        st.sampled_from(WORDS),
        st.sampled_from([None, *orders]),
        interval,
    )
    event = st.builds(Line, time=times, order_id=order, trigger=st.sampled_from(list(Event)))
    return st.lists(call | event | likely(times, order), max_size=25)


def companies(number=8):
    """Lines of as many companies in one log, each with orders of its own: what an audit costs hardly depends on it."""
    apart = [lines(orders=[order + 10 * company for order in ORDERS]) for company in range(number)]
    return st.tuples(*apart).map(lambda each: [line for some in each for line in some])


def likely(times, order):
    """Lines as they come in histories that conform."""
    operations = [Operation.CREATE, Operation.CANCEL, Operation.DELETE, Operation.RENEW]
    return st.builds(Line, time=times, order_id=order, trigger=st.sampled_from(operations))


def folded(report):
    """What a plain fold by the core finds, in a form to be compared."""
    return {
        "orders": report.orders,
        "events": report.lines - report.account_lines - report.other_lines - len(report.bad_lines),
        "other": report.account_lines + report.other_lines,
        "bad_lines": len(report.bad_lines),
        "undecided": len(report.undecided),
        "holding": len(report.holding_quota),
        "violations": [(v.order_id, v.index, v.file, v.line, v.said, v.possible, v.legal) for v in report.violations],
    }


def found(report):
    """The same of an audit's report."""
    return {
        "orders": report.orders,
        "events": report.events,
        "other": report.other,
        "bad_lines": report.bad_lines,
        "undecided": report.undecided,
        "holding": report.holding_quota,
        "violations": [(v.order_id, v.index, v.file, v.line, v.said, v.possible, v.legal) for v in report.violations],
    }


def placeless(report):
    """The document of a report without what a later run cannot know: where an earlier line stood, say."""
    from orderfsm.audit.columns import CONTEXT

    document = report.as_json()
    document.pop("bad_lines_file")
    document.pop("new")
    for violation in document["violations"]:
        for key in ("file", "line", "time", "before", "new", *CONTEXT):
            del violation[key]
    return document


def write_jsonl(file, some, events=None):
    """Lines (and texts, which are bad lines) as JSON Lines."""
    head = [] if events is None else [trace.header(events)]
    file.write_text("".join(f"{x}\n" for x in [*head, *(x if isinstance(x, str) else trace.dumps(x) for x in some)]))
    return str(file)


def write_parquet(file, some, *, typed=True):
    """Lines as Parquet: with times and ids, or with texts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [json.loads(trace.dumps(line)) for line in some]
    kinds = {
        "time": pa.string(),
        "order_id": pa.int64(),
        **dict.fromkeys(["operation", "event", "outcome", "code", "state"], pa.string()),
        "new_order_id": pa.int64(),
        "started": pa.float64(),
    }
    table = pa.table({key: pa.array([row.get(key) for row in rows], kind) for key, kind in kinds.items()})
    if typed:
        import pyarrow.compute as pc

        stripped = pc.replace_substring(table["time"], "Z", "")
        table = table.set_column(0, "time", stripped.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")))
    pq.write_table(table, file)
    return str(file)


# -- ActionTrail -------------------------------------------------------------------------------------------------------


def delivered(line, event_id, **others):
    """An event of ActionTrail that becomes `line`."""
    creates = line.trigger.name.startswith("CREATE")
    accepted = line.outcome is Outcome.ACCEPTED
    asked = {"AcsProduct": "cas"} if creates else {"OrderId": str(line.order_id)}
    answered = {"RequestId": "R", "OrderId": line.order_id if creates and accepted else line.new_order_id}
    return {
        "eventId": event_id,
        "serviceName": "Cas",
        "eventName": str(line.trigger),
        "eventTime": line.time,
        "requestParameters": asked,
        "responseElements": answered | {"Type": line.state},
        "errorCode": line.code if line.outcome is Outcome.REFUSED else None,
    } | others


def arrangements(some):
    """Every order in which lines that are sorted by whole seconds may have happened."""
    seconds = {}
    for line in some:
        seconds.setdefault(line.time, []).append(line)
    for each in product(*map(permutations, seconds.values())):
        yield [line for second in each for line in second]


def best(some, events):
    """The verdict on one order's lines if those of one second may have happened in any order: by trying every one.

    It holds quota only if it does after each arrangement that conforms.
    """
    ranks = [Finding.VIOLATES, Finding.UNDECIDED, Finding.CONFORMS]
    chosen, rank, holds = None, (-1, -1), True
    for arranged in arrangements(some):
        timed = [
            Line(
                time=moment(at),
                order_id=x.order_id,
                trigger=x.trigger,
                outcome=x.outcome,
                code=x.code,
                state=x.state,
                new_order_id=x.new_order_id,
            )
            for at, x in enumerate(arranged)
        ]
        judgement = trace.judge(timed, events=events)
        holds = holds and (judgement.holds_quota or judgement.verdict is not Finding.CONFORMS)
        here = ranks.index(judgement.verdict), -1 if judgement.index is None else judgement.index
        if here > rank:
            chosen, rank = (judgement, arranged), here
    judgement, arranged = chosen
    return attrs.evolve(judgement, holds_quota=judgement.holds_quota and holds), arranged


def parted(some, cuts):
    """`some` in consecutive parts."""
    ends = sorted({0, len(some), *(cut % (len(some) + 1) for cut in cuts)})
    return [some[begin:end] for begin, end in pairwise(ends)] or [[]]


def in_days(some, cuts):
    """`some` in order of time, in parts of which each is later than the one before."""
    ordered = sorted(some, key=lambda line: line.instant)
    days = {}
    for line in ordered:
        days.setdefault(line.instant, []).append(line)
    return [[line for day in part for line in day] for part in parted(list(days.values()), cuts)]
