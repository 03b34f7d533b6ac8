"""What an audit comes to."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import DAY, State, Transition, Trigger
from orderfsm.trace import Finding, Judged, Reading

from .columns import CONTEXT, date_of, moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle

BEFORE = 20
"""How many lines before a violation are told."""

WITH_BEFORE = 10_000
"""Of how many violations they are, new ones first."""


@attrs.frozen
class Seen:
    """A line of an order: what it `said`, its `time` in microseconds since 1970, where it stands, `who` was behind it.

    `who` has those of `CONTEXT` that are known. Of a line that an earlier audit read only what it said may be known.
    """

    said: Reading
    time: int | None = None
    file: str | None = None
    line: int | None = None
    who: Mapping[str, str] = attrs.field(factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The line in the document of `orderfsm audit`."""
        return {
            "file": self.file,
            "line": self.line,
            "time": moment(self.time),
            "said": str(self.said),
            **{key: self.who.get(key) for key in CONTEXT},
        }


@attrs.frozen(kw_only=True)
class Violation(Seen):
    """The first line of an order that nothing explains.

    `index` counts the order's lines from 0; the states `possible` just before it, unseen events counted in (None: no
    order), and the triggers that are `legal` in one of them. `before`: the order's lines before it, the last `BEFORE`
    of them, and those of the same second, if times are whole seconds. `is_new`: no earlier audit of the state found
    that the order violates the table, which is `lifecycle`.
    """

    order_id: Id
    index: int
    possible: tuple[State | None, ...]
    legal: tuple[Trigger, ...]
    before: tuple[Seen, ...] = ()
    is_new: bool = True
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, eq=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The violation in the document of `orderfsm audit`; no order is `null`."""
        return {
            self.lifecycle.identity.key: self.order_id,
            "index": self.index,
            **Seen.as_json(self),
            "new": self.is_new,
            "possible": [None if state is None else str(state) for state in self.possible],
            "legal": list(map(str, self.legal)),
            "before": [seen.as_json() for seen in self.before],
        }


@attrs.frozen
class Common:
    """What `orders` orders have in common: what their lines said, and the verdict on it."""

    said: tuple[Reading, ...]
    orders: int
    verdict: Finding

    def as_json(self) -> dict[str, Any]:
        """The history in the document of `orderfsm audit`."""
        return {"said": list(map(str, self.said)), "orders": self.orders, "verdict": str(self.verdict)}


@attrs.frozen
class Held:
    """An order that holds its unit of quota, or waits: when its last line was, and how long before the log's last one.

    `key` is what the table calls an id.
    """

    order_id: Id
    last: int
    idle: int
    key: str = attrs.field(default="order_id", eq=False, repr=False)

    @property
    def days(self) -> float:
        """The days since its last line, as the log's last line has it."""
        return self.idle / DAY / 1e6

    def as_json(self) -> dict[str, Any]:
        """The order in the document of `orderfsm audit`."""
        return {self.key: self.order_id, "last": moment(self.last), "days": round(self.days, 1)}


@attrs.frozen
class Avoidable:
    """An order, and how many refusals of calls on it a check before the call would have saved.

    `key` is what the table calls an id.
    """

    order_id: Id
    refusals: int
    key: str = attrs.field(default="order_id", eq=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The order in the document of `orderfsm audit`."""
        return {self.key: self.order_id, "refusals": self.refusals}


@attrs.frozen
class Refused:
    """How many refusals of an operation there were, and how many of them were `foreseeable`.

    A refusal is foreseeable if the table refuses the operation wherever the order's earlier lines may have left it: a
    check before the call would have saved it.
    """

    refusals: int
    foreseeable: int


@attrs.frozen
class New(Judged):
    """What is new since the last audit of a state; if none went before, all is.

    `goes_on`: one did. `violates`, `undecided`: how many orders are that which were not. The rest: how many lines this
    audit read that are about orders, about none, or bad.
    """

    goes_on: bool
    violates: int
    undecided: int
    events: int
    other: int
    bad_lines: int

    @property
    def verdict(self) -> Finding:
        """The verdict on what is new."""
        return Finding.of_all(violating=self.violates, undecided=self.undecided)

    def as_json(self) -> dict[str, Any]:
        """What is new, in the document of `orderfsm audit`."""
        return {"verdict": str(self.verdict), **attrs.asdict(self)}


_NAMED = 5
"""How many violations the text of a report names."""


@attrs.frozen(kw_only=True)
class Report(Judged):
    """What an audit comes to.

    `orders`: how many were judged, and how many of them are what; `with_unseen_events`: how many of those that conform
    do so only because events that are not in the log may have happened. `events`: lines about them, duplicates removed;
    `other`: lines about no order; `bad_lines`. `violations` go by order id. `histories`: the commonest, and how many
    `distinct` ones there are, those longer than `longest` lines left out: `longer` is the number of their orders.
    `holding_quota` orders hold a unit; `held` are those whose last line is the longest ago. `standing`: how many orders
    that conform stand where after their last line; `waiting` of them get a certificate only if their client goes on,
    and `left` are those whose last line is the longest ago. `refusals`: of operations,
    by the state or the existence of the order; `avoidable`: the orders with the most of those that were foreseeable.
    `flow`: how often orders took each row of the table, as far as their
    lines say which one; `unclear`: how often they took one of several. `errors`: how often each operation met each
    error code, `unknown` answers counted in. `first` and `last`: when the first and the last line was, in microseconds
    since 1970. `days`: how many lines were of which day, counted from 1970 on. `bad_lines_file`: where the
    bad lines were put. `new`: what the last audit of the state did not know.
    `lifecycle`: the table. In a log of several tables all that is listed goes by table first, and `parts` are the
    reports on each; lines that are about no order are those of any of them.
    """

    orders: int
    conforms: int
    with_unseen_events: int
    violates: int
    undecided: int
    undecided_orders: tuple[Id, ...]
    events: int
    other: int
    bad_lines: int
    violations: tuple[Violation, ...]
    histories: tuple[Common, ...]
    distinct: int
    longer: int
    longest: int
    holding_quota: int
    held: tuple[Held, ...]
    waiting: int
    left: tuple[Held, ...]
    standing: Mapping[str, int]
    refusals: Mapping[str, Refused]
    avoidable: tuple[Avoidable, ...]
    errors: Mapping[str, Mapping[str, int]]
    first: int | None
    last: int | None
    new: New
    flow: Mapping[Transition, int] = attrs.field(factory=dict)
    unclear: int = 0
    days: Mapping[int, int] = attrs.field(factory=dict)
    bad_lines_file: str | None = None
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, eq=False, repr=False)
    parts: tuple[Report, ...] = ()

    @property
    def by_table(self) -> tuple[Report, ...]:
        """The report on each table: itself, if there is but one."""
        return self.parts or (self,)

    @property
    def nouns(self) -> str:
        """How many orders there are, and what they are called: `3 orders and 2 instances`."""
        return " and ".join(f"{part.orders:,} {part.lifecycle.noun}s" for part in self.by_table)

    @property
    def verdict(self) -> Finding:
        """The verdict on all orders together."""
        return Finding.of_all(violating=self.violates, undecided=self.undecided)

    def __str__(self) -> str:
        counts = f"{self.violates:,} violate the table and {self.undecided:,} are undecided"
        lines = [f"{self.verdict}: of {self.nouns} {counts}"]
        lines += [f"{each.lifecycle.noun} {each.order_id}: {each.said}" for each in self.violations[:_NAMED]]
        if len(self.violations) > _NAMED:
            lines.append(f"... {len(self.violations) - _NAMED:,} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:  # as IPython calls it
        from .reporting.shown import shown

        return shown(self)

    def as_json(self) -> dict[str, Any]:
        """The document of `orderfsm audit`; of a log of several tables it also says how each of them came out."""
        document = {
            "table": ",".join(part.lifecycle.name for part in self.by_table),
            "verdict": str(self.verdict),
            "orders": self.orders,
            "events": self.events,
            "bad_lines": self.bad_lines,
            "conforms": self.conforms,
            "conforms_with_unseen_events": self.with_unseen_events,
            "violates": self.violates,
            "undecided": self.undecided,
            "new": self.new.as_json(),
            "undecided_orders": list(self.undecided_orders),
            "other": self.other,
            "violations": [violation.as_json() for violation in self.violations],
            "holding_quota": self.holding_quota,
            "held": [held.as_json() for held in self.held],
            "standing": {part.lifecycle.name: dict(part.standing) for part in self.by_table},
            "waiting": self.waiting,
            "left": [left.as_json() for left in self.left],
            "histories": [history.as_json() for history in self.histories],
            "distinct_histories": self.distinct,
            "longer_histories": {"lines": self.longest, "orders": self.longer},
            "refusals": {name: attrs.asdict(refused) for name, refused in self.refusals.items()},
            "avoidable": [avoidable.as_json() for avoidable in self.avoidable],
            "errors": {name: dict(codes) for name, codes in self.errors.items()},
            "first": moment(self.first),
            "last": moment(self.last),
            "days": {date_of(day): count for day, count in self.days.items()},
            "bad_lines_file": self.bad_lines_file,
        }
        if self.parts:
            document["tables"] = {part.lifecycle.name: part.counts for part in self.parts}
        return document

    @property
    def counts(self) -> dict[str, Any]:
        """How the orders came out, in numbers."""
        return {
            "verdict": str(self.verdict),
            "orders": self.orders,
            "events": self.events,
            "conforms": self.conforms,
            "violates": self.violates,
            "undecided": self.undecided,
        }


_SUMS = ("orders", "conforms", "with_unseen_events", "violates", "undecided", "distinct", "longer")
_SUMS_OF_LINES = ("events", "other", "bad_lines", "holding_quota", "waiting", "unclear")
_CHAINS = ("undecided_orders", "violations")


def merged(reports: Sequence[Report], top: int) -> Report:
    """The report on a log of several tables, of the reports on each; those without an order are not `parts`."""
    parts = [each for each in reports if each.orders] or reports[:1]
    every: dict[str, Any] = {name: sum(getattr(each, name) for each in reports) for name in (*_SUMS, *_SUMS_OF_LINES)}
    errors = {name: codes for each in reports for name, codes in each.errors.items()}
    new = New(
        goes_on=any(each.new.goes_on for each in reports),
        **{
            name: sum(getattr(each.new, name) for each in reports)
            for name in ("violates", "undecided", "events", "other", "bad_lines")
        },
    )
    days: Counter[int] = Counter()
    for each in reports:
        days.update(each.days)
    every["days"] = dict(sorted(days.items()))
    if len(parts) == 1:
        return attrs.evolve(parts[0], **every, errors=errors, new=new)
    firsts = [each.first for each in parts if each.first is not None]
    lasts = [each.last for each in parts if each.last is not None]
    chains: dict[str, Any] = {
        name: tuple(chain.from_iterable(getattr(each, name) for each in parts)) for name in _CHAINS
    }
    return Report(
        **every,
        **chains,
        histories=tuple(sorted(chain(*(each.histories for each in parts)), key=lambda one: -one.orders)[:top]),
        longest=parts[0].longest,
        held=tuple(sorted(chain(*(each.held for each in parts)), key=lambda one: one.last)[:top]),
        left=tuple(sorted(chain(*(each.left for each in parts)), key=lambda one: one.last)[:top]),
        standing={},
        avoidable=tuple(sorted(chain(*(each.avoidable for each in parts)), key=lambda one: -one.refusals)[:top]),
        refusals={name: refused for each in parts for name, refused in each.refusals.items()},
        errors=dict(sorted(errors.items())),
        first=min(firsts, default=None),
        last=max(lasts, default=None),
        new=new,
        flow={row: count for each in parts for row, count in each.flow.items()},
        lifecycle=parts[0].lifecycle,
        parts=tuple(parts),
    )
