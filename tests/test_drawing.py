"""The drawn table shows every row that changes something."""

from __future__ import annotations

import random
import re

from orderfsm import ORDER_LIFECYCLE, Basis, Event, Lifecycle, Operation, State
from orderfsm.drawing import mermaid
from orderfsm.spec import TRANSITIONS

EDGE = re.compile(r"    (\S+) --> (\S+) : (.*)")


def test_every_row_that_changes_something_is_one_edge():
    edges = {match.groups() for line in mermaid().splitlines() if (match := EDGE.fullmatch(line))}
    rows = [row for row in TRANSITIONS if row.changes]
    assert len(edges) == len(rows) == 21
    for row in rows:
        labels = [label for source, target, label in edges if (source, target) == (row.source or "[*]", row.target)]
        (label,) = [label for label in labels if row.trigger in label.split(", ")[0].split()]
        assert label.startswith("(") is isinstance(row.trigger, Event)
        assert label.endswith("?") is (row.basis is Basis.INFERRED)


def test_terminal_states_lead_to_the_end():
    ends = [line.split()[0] for line in mermaid().splitlines() if line.endswith("--> [*]")]
    assert ends == [State.DELETED, State.EXPIRED, State.REVOKED]


def test_the_drawing_is_sorted_and_the_same_for_the_same_rows():
    rows = list(TRANSITIONS)
    random.Random(7).shuffle(rows)
    assert mermaid(Lifecycle(tuple(rows))) == mermaid()


def test_a_changed_table_is_drawn_changed():
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    assert "verify_fail --> deleted" in mermaid()
    assert "verify_fail --> deleted" not in mermaid(ORDER_LIFECYCLE.without(row))


def test_quota_and_second_orders_are_written_on_the_edge():
    drawn = mermaid()
    assert "issued --> revoked : CancelCertificateForPackageRequest, -1 within 30 days\n" in drawn
    assert "[*] --> pending_review : CreateCertificateRequest, +1\n" in drawn
    assert "RenewCertificateOrderForPackageRequest, a new order in pending_application\n" in drawn
