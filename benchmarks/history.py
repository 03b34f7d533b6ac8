"""What recorded histories cost: `python -m benchmarks.history` times `check_history` and `replay`.

The histories are those of a server that does one thing after the other, told to clients that never rest. A wrong answer
is put near the end of a history, which makes the checker try every order of the calls before it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, cast

import attrs

from benchmarks.core import machine
from orderfsm import ORDER_LIFECYCLE, Event, Operation, State, Transition
from orderfsm.testing import check_history
from orderfsm.trace import Events, Line, Outcome, read, replay, write
from orderfsm.wire import type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from enum import StrEnum

    from orderfsm.identity import Id

CLIENTS = 8
CALLS = 2_000
TIME = "2026-08-05T06:10:01Z"
LIVING = [Operation.CANCEL, Operation.RENEW, Operation.DESCRIBE]
ALL = [*LIVING, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE]


def spans(random: Random) -> list[tuple[float, float, float, int]]:
    """For each call when it took effect, began and ended, and its client; in the order in which they took effect."""
    free = [0.0] * CLIENTS
    made = []
    for _ in range(CALLS):
        client = free.index(min(free))
        started = free[client] + random.uniform(0, 0.2)
        free[client] = started + random.uniform(0.1, 1)
        made.append((random.uniform(started, free[client]), started, free[client], client))
    return sorted(made)


def history(orders: int, operations: list[Operation], lost: float, seed: int = 7) -> list[Line]:
    """What the clients were told; a deleted order is replaced by a new one, and a share of the answers is `lost`."""
    random = Random(seed)
    ids = count(1)
    states: dict[int, StrEnum | None] = {next(ids): State.PENDING_REVIEW for _ in range(orders)}
    lines = []
    for _, started, ended, client in spans(random):
        order_id = random.choice(list(states)[-2 * orders :])
        states[order_id] = _after_an_event(states[order_id], random)
        operation = random.choice(operations)
        row = ORDER_LIFECYCLE.table[states[order_id]][operation]
        line = Line(time=TIME, order_id=order_id, trigger=operation, client=client, started=started, ended=ended)
        if row is None:
            refusal = ORDER_LIFECYCLE.service_refusal(states[order_id], operation)
            line = attrs.evolve(line, outcome=Outcome.REFUSED, code=refusal.error.code)
        else:
            states[order_id] = row.target
            line = attrs.evolve(line, state=type_of(row.target))
            if ORDER_LIFECYCLE.state_rules[row.target].terminal:
                states[next(ids)] = State.PENDING_REVIEW
        lines.append(attrs.evolve(line, outcome=Outcome.UNKNOWN, code=None) if random.random() < lost else line)
    return lines


def _after_an_event(state: StrEnum | None, random: Random) -> StrEnum | None:
    """Where an order is after what others did to it, if they did; no certificate is issued."""
    rows: list[Transition] = [
        row
        for row in ORDER_LIFECYCLE.outgoing(state)
        if not ORDER_LIFECYCLE.by_client(row.trigger) and row.trigger is not Event.REVIEW_PASSED
    ]
    return random.choice(rows).target if rows and random.random() < 0.3 else state


def with_wrong_answer(lines: list[Line]) -> list[Line]:
    """The same, and near the end a create of an order that exists."""
    wrong = attrs.evolve(lines[-20], trigger=Operation.CREATE, outcome=Outcome.ACCEPTED, code=None, state=None)
    return [*lines, wrong]


def checked(lines: Iterable[Line]) -> Callable[[], object]:
    """A check of every order of a history."""
    orders: defaultdict[Id | None, list[Line]] = defaultdict(list)
    for line in lines:
        orders[line.order_id].append(line)
    return lambda: [
        check_history(own, initial=[State.PENDING_REVIEW], events=Events.PARTIAL) for own in orders.values()
    ]


def milliseconds(work: Callable[[], object], rounds: int = 5) -> float:
    """The median of some rounds."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return median(taken)


def main() -> None:
    """Measure, and print a table."""
    rows = [
        ("calls on", "all answered", "1 % lost", "5 % lost", "a wrong answer at the end"),
        ("---",) * 5,
        _costs("one order, never deleted", 1, LIVING),
        _costs("4 orders, replaced when deleted", 4, ALL),
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    head = f"`check_history`, {CALLS:,} calls of {CLIENTS} clients that never rest, ms:"
    sys.stdout.write(f"{machine()}\n\n{head}\n\n{table}\n`replay`: {_lines_a_second():,.0f} lines a second\n")


def _costs(name: str, orders: int, operations: list[Operation]) -> tuple[str, ...]:
    answered = history(orders, operations, 0)
    lost = [history(orders, operations, share) for share in (0.01, 0.05)]
    cells = [milliseconds(checked(lines)) for lines in (answered, *lost, with_wrong_answer(answered))]
    return (name, *(f"{cell:,.0f}" for cell in cells))


def _lines_a_second() -> float:
    """How fast a file is read and judged."""
    lines = [
        attrs.evolve(line, order_id=cast("int", line.order_id) + CALLS * seed, started=None, ended=None)
        for seed in range(20)
        for line in history(4, ALL, 0, seed)
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.jsonl"
        write(lines, file, Events.PARTIAL)
        return len(lines) / milliseconds(lambda: replay(read(file))) * 1000


if __name__ == "__main__":
    main()
