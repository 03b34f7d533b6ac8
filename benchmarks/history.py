"""What the linearizability checker costs: `python -m benchmarks.history`, 2,000 calls of 8 clients on one order."""

from __future__ import annotations

import sys
import time
from itertools import count
from random import Random
from typing import Any

from benchmarks.core import machine
from orderfsm import ORDER_LIFECYCLE, Actor, Event, Operation, State, Trigger
from orderfsm.testing import check_history
from orderfsm.trace import Line, Outcome
from orderfsm.wire import type_of

CALLS = 2_000
CLIENTS = 8
TRIGGERS: list[Trigger] = [Operation.DESCRIBE, Operation.CANCEL, Operation.RENEW, Event.SUBMITTED]
MOMENT = "2026-08-05T06:10:01Z"


def history(random: Random, lost: float = 0.0) -> list[Line]:
    """A history that is linearizable: each call takes effect at its turn, and takes up to 8 turns.

    The order is withdrawn and submitted again and again, read, and in vain deleted; the share `lost` of the answers is.
    """
    lines = [Line(time=MOMENT, order_id=7, trigger=Operation.CREATE, started=-1, ended=-1)]
    state: State = State.PENDING_REVIEW
    for turn in count():
        if len(lines) > CALLS:
            break
        trigger = random.choice(TRIGGERS)
        row = ORDER_LIFECYCLE.table[state][trigger]
        fields: dict[str, Any] = {"order_id": 7, "trigger": trigger, "time": MOMENT, "client": turn % CLIENTS}
        if row is not None:
            assert row.target is not None
            state = row.target
        if isinstance(trigger, Event):
            if row is not None:
                lines.append(Line(started=turn, ended=turn, **fields))
            continue
        early, late = random.random() * CLIENTS / 2, random.random() * CLIENTS / 2
        interval: dict[str, Any] = {"started": turn - early, "ended": turn + late}
        if random.random() < lost and ORDER_LIFECYCLE.trigger_rules[trigger].actor is Actor.CLIENT:
            lines.append(Line(outcome=Outcome.UNKNOWN, **interval, **fields))
        elif row is None:
            lines.append(Line(outcome=Outcome.REFUSED, code="OrderStateError", **interval, **fields))
        else:
            word = type_of(state) if trigger is Operation.DESCRIBE else None
            lines.append(Line(state=word, **interval, **fields))
    return lines


def main() -> None:
    """Measure and print."""
    sys.stdout.write(f"{machine()}\n\n")
    for share in (0.0, 0.005):
        lines = history(Random(7), share)
        started = time.perf_counter()
        found = check_history(lines, events="complete", budget=60)
        took = time.perf_counter() - started
        sys.stdout.write(f"{found.calls} calls, {share:.1%} of the answers lost: {found.verdict}, {took:.2f} s\n")


if __name__ == "__main__":
    main()
