"""The README's table and diagram are the table's; its examples run as doctests."""

from __future__ import annotations

import re
from pathlib import Path

from orderfsm import ORDER_LIFECYCLE, Operation, State, wire
from orderfsm.drawing import mermaid

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_diagram_is_the_drawing():
    (drawn,) = re.findall(r"```mermaid\n(.*?)```", README, re.DOTALL)
    assert drawn == mermaid()


def cell(state, operation):
    """What stands in the table for an operation in a state."""
    row = ORDER_LIFECYCLE.table[state][operation]
    if row is None:
        return ""
    return f"→ `{row.target}`" + (f" {row.quota:+d}" if row.quota else "")


def test_the_table_is_the_tables():
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", README, re.MULTILINE)
    ]
    start = next(number for number, line in enumerate(lines) if line[0] == "state")
    columns = [Operation[name.strip("`")] for name in lines[start][2:]]
    assert set(columns) == {row.trigger for row in ORDER_LIFECYCLE.transitions if row.source and row.changes} & {
        *Operation
    }
    for state, line in zip(State, lines[start + 2 :], strict=False):
        word = wire.type_of(state)
        expected = [f"`{state}`", f"`{word}`" if word else "", *(cell(state, column) for column in columns)]
        assert line == expected
