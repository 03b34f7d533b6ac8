"""What the pages under docs/ take from the table is the table's."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from suites import run_pytest

from orderfsm import ORDER_LIFECYCLE, Basis
from orderfsm.export import divergences, words_of_states
from orderfsm.mock.http.snippets import snippets
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


def shown_in(page):
    """The commands of a page in a shell, each with what stands below it."""
    for block in re.findall(r"```console\n(.*?)```", (DOCS / page).read_text(), re.DOTALL):
        for part in block.removeprefix("$ ").split("\n$ "):
            command, _, said = part.partition("\n")
            yield command, said.rstrip("\n")


@pytest.mark.parametrize(("command", "said"), list(shown_in("cli.md")))
def test_the_page_of_the_command_line_shows_what_it_prints(command, said, tmp_path):
    pytest.importorskip("click", reason="the extra `cli` is not installed")
    (tmp_path / "orderfsm").write_text(f'#!/bin/sh\nexec {sys.executable} -m orderfsm "$@"\n')
    (tmp_path / "orderfsm").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(DOCS.parent)}
    shell = subprocess.run(
        ["sh", "-c", f"{command} 2>&1"], capture_output=True, text=True, check=False, env=environment
    )
    assert shell.stdout.rstrip("\n") == said


@pytest.mark.parametrize("page", ["machine.md", "instances.md"])
def test_the_examples_of_a_page_run(page):
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    done = doctest.testfile(str(DOCS / page), module_relative=False, optionflags=options)
    assert (done.failed, done.attempted > 0) == (0, True)


BLOCK = re.compile(r"^```(python|javascript|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_tests_on_the_page_of_testing_pass(tmp_path):
    """Each block that begins with the name of a file is that file."""
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    files = [text for _, text in BLOCK.findall((DOCS / "testing.md").read_text()) if re.match(r"# \w+\.py\n", text)]
    for text in files:
        (tmp_path / text.split()[1]).write_text(text)
    done = run_pytest(tmp_path, "--strict-markers", "-n", "0")
    twice = 2  # two of them have two parameters each
    assert f"\n{sum(text.count('def test_') for text in files) + twice} passed in" in done.stdout, done.stdout


def test_the_shortest_programs_stand_there_as_they_are_shown_elsewhere():
    page = (DOCS / "testing.md").read_text()
    (shown,) = re.findall("<!-- snippets -->\n(.*?)<!-- end of snippets -->", page, re.DOTALL)
    assert [text.rstrip("\n") for _, text in BLOCK.findall(shown)] == list(snippets("http://127.0.0.1:8080").values())


def test_the_states_of_an_instance_stand_there_with_both_words():
    (generated,) = re.findall(
        r"<!-- generated: .*? -->\n(.*?)<!-- end -->", (DOCS / "instances.md").read_text(), re.DOTALL
    )
    assert generated == words_of_states(named("instances"))
    assert "| `refunding` | refund under way | `inactive` or `normal` | absent or `revoked` |" in generated
