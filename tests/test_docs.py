"""What the pages under docs/ take from the table is the table's."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from orderfsm import ORDER_LIFECYCLE, Basis
from orderfsm.export import divergences, words_of_states
from orderfsm.tables import named

DOCS = Path(__file__).parent.parent / "docs"


def test_the_divergences_in_the_table_are_generated_from_it():
    page = (DOCS / "divergences.md").read_text()
    (generated,) = re.findall(r"<!-- generated: .*? -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert generated == divergences()


def test_those_of_acme_are_generated_too():
    page = (DOCS / "divergences.md").read_text()
    (generated,) = re.findall(r"<!-- of acme -->\n(.*?)<!-- end of acme -->", page, re.DOTALL)
    assert generated == divergences(named("acme"))


def test_every_inferred_rule_is_a_divergence():
    lifecycle = ORDER_LIFECYCLE
    inferred = [rule for rules in (lifecycle.transitions, lifecycle.states, lifecycle.triggers) for rule in rules]
    count = sum(rule.basis is Basis.INFERRED for rule in inferred) + sum(
        bool(row.note) for row in lifecycle.transitions
    )
    assert len(divergences().splitlines()) == count + 2


@pytest.mark.parametrize("page", ["machine.md", "instances.md"])
def test_the_examples_of_a_page_run(page):
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    done = doctest.testfile(str(DOCS / page), module_relative=False, optionflags=options)
    assert (done.failed, done.attempted > 0) == (0, True)


def test_the_states_of_an_instance_stand_there_with_both_words():
    (generated,) = re.findall(
        r"<!-- generated: .*? -->\n(.*?)<!-- end -->", (DOCS / "instances.md").read_text(), re.DOTALL
    )
    assert generated == words_of_states(named("instances"))
    assert "| `refunding` | refund under way | `inactive` or `normal` | absent or `revoked` |" in generated
