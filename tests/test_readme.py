"""The README's table and diagram are the table's; its examples run as doctests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orderfsm import ORDER_LIFECYCLE, Operation, State, wire
from orderfsm.drawing import mermaid

README = (Path(__file__).parent.parent / "README.md").read_text()


def holds(block):
    """Fail with what the README must hold, unless it does."""
    if block not in README:
        pytest.fail(f"README.md must hold this:\n\n{block}", pytrace=False)


def test_the_diagram_is_the_drawing():
    holds(f"```mermaid\n{mermaid()}```\n")


def cell(state, operation):
    """What stands in the table for an operation in a state."""
    row = ORDER_LIFECYCLE.table[state][operation]
    return "" if row is None else f"→ `{row.target}` {row.quota_text}".rstrip()


def test_the_table_is_the_tables():
    ruled = {row.trigger for row in ORDER_LIFECYCLE.transitions if row.source is not None and row.changes}
    columns = [operation for operation in Operation if operation in ruled]
    lines = [["state", "read as", *(f"`{column.name}`" for column in columns)]]
    lines.append(["---"] * len(lines[0]))
    for state in State:
        word = wire.type_of(state)
        lines.append([f"`{state}`", f"`{word}`" if word else "", *(cell(state, column) for column in columns)])
    holds("".join(re.sub(" +", " ", f"| {' | '.join(line)} |\n") for line in lines))
