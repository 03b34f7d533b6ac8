"""The bars that commands show: on a terminal, and nowhere else."""

from __future__ import annotations

import io
import sys

import pytest

pytest.importorskip("click", reason="the extra `cli` is not installed")

from orderfsm.cli.progress import Progress, bar

CURSOR = "\x1b[?25h"
"""The end of a bar shows the cursor again."""


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def on_a_terminal(monkeypatch):
    """Runs something; what it showed on a terminal."""

    def shown(run):
        with monkeypatch.context() as only_now:
            only_now.setattr("sys.stderr", Terminal())
            run()
            return sys.stderr.getvalue().replace(CURSOR, "")

    return shown


def told(*calls, unit=None):
    """Progress is told that, and ended."""
    with Progress(unit) as progress:
        for call in calls:
            progress(*call)


def test_nothing_is_shown_where_there_is_no_terminal(capsys):
    with Progress() as progress, bar("sweeping", 2) as shown:
        progress("reading", 1, 2)
        shown.update(2, "gone: 2")
    assert capsys.readouterr() == ("", "")


def test_what_is_done_in_turn_has_a_bar_each(on_a_terminal):
    shown = on_a_terminal(lambda: told(("pairs", 1, 3), ("pairs", 2, 3), ("pairs", 3, 3), ("programs", 1, 4)))
    pairs, programs, rest = shown.split("\n")
    assert rest == ""
    assert "pairs:" in pairs
    assert pairs.split("]")[-1].split() == ["100%", "3", "of", "3"]
    assert "programs:" in programs
    assert programs.split("]")[-1].split() == ["25%", "1", "of", "4"]


def test_how_many_a_second_are_done_is_shown_of_what_has_a_unit(on_a_terminal):
    shown = on_a_terminal(lambda: told(("reading", 1_000, None), ("reading", 2_000, None), unit="lines"))
    assert "reading:" in shown
    assert "  1,000 lines, " in shown
    assert "  2,000 lines, " in shown
    assert shown.count(" lines/s") == 2
    assert "%" not in shown


def test_a_bar_does_not_go_back(on_a_terminal):
    """A database's share of what is done begins anew with each of its statements."""
    shown = on_a_terminal(lambda: told(("sorting", 80, 100), ("sorting", 10, 100), ("sorting", 90, 100)))
    assert " 80%" in shown
    assert " 10%" not in shown
    assert " 90%" in shown


def test_what_is_printed_after_a_bar_was_closed_stands_on_a_line_of_its_own(on_a_terminal):
    def run():
        with Progress() as progress:
            progress("pairs", 1, 1)
            progress.close()
            sys.stderr.write("conforms")

    assert on_a_terminal(run).endswith("\nconforms")
