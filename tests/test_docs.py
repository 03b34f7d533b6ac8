"""What the pages under docs/ take from the table is the table's."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from orderfsm import ORDER_LIFECYCLE, Basis
from orderfsm.export import divergences

DOCS = Path(__file__).parent.parent / "docs"


def test_the_divergences_in_the_table_are_generated_from_it():
    page = (DOCS / "divergences.md").read_text()
    (generated,) = re.findall(r"<!-- generated: .*? -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert generated == divergences()


def test_every_inferred_rule_is_a_divergence():
    lifecycle = ORDER_LIFECYCLE
    inferred = [rule for rules in (lifecycle.transitions, lifecycle.states, lifecycle.triggers) for rule in rules]
    count = sum(rule.basis is Basis.INFERRED for rule in inferred) + sum(
        bool(row.note) for row in lifecycle.transitions
    )
    assert len(divergences().splitlines()) == count + 2


def test_the_examples_of_the_machine_run():
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testfile(str(DOCS / "machine.md"), module_relative=False, optionflags=options).failed == 0
