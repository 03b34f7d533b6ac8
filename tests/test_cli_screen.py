"""What the command line prints on a terminal fits its width; colours only where they are wanted; a pipe gets lines."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from contextlib import redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("click", reason="the extra `cli` is not installed")
pytest.importorskip("rich", reason="the extra `cli` is not installed")
pytest.importorskip("pty", reason="this system has no terminals of that kind")

from other_table import LIFECYCLE as PARCELS
from rich.cells import cell_len
from screens import on_a_terminal, plain, run_on_a_terminal

from orderfsm import ORDER_LIFECYCLE, trace
from orderfsm.cli import main
from orderfsm.cli.printing import print_columns, say
from orderfsm.cli.screen import shares
from orderfsm.export import exported
from orderfsm.tables import NAMES, named

WIDTHS = [40, 80, 120, 200]
TABLES = {name: named(name) for name in NAMES} | {"other_table:LIFECYCLE": PARCELS}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def fits(text, columns):
    """Whether a terminal shows each line of a text on one line."""
    return all(cell_len(line) <= columns for line in plain(text).split("\n"))


def words(text):
    return "".join(plain(text).split())


def every_question(lifecycle):
    """Questions about every trigger, state and way of a table."""
    states = [state or "none" for state in lifecycle.state_rules]
    possible = [word for state in states for word in ("--state", state)]
    for trigger in lifecycle.trigger_rules:
        yield "explain", trigger, *possible
        yield "check", trigger, *possible
    for start in states:
        yield "plan", "--from", start, "--to", states[-1], "--events", "--grave"


@pytest.mark.parametrize("table", TABLES)
def test_every_answer_fits_a_narrow_terminal_and_is_whole(table, capsys):
    for number, question in enumerate(every_question(TABLES[table])):
        columns = (40, 80)[number % 2]
        status, shown = run_on_a_terminal(columns, *question, "--table", table)
        assert main([*question, "--table", table]) == status
        assert fits(shown, columns), question
        assert words(shown) == words(capsys.readouterr().out)


def test_what_a_wide_terminal_shows_is_what_a_pipe_gets(capsys):
    for question in (["table"], *every_question(ORDER_LIFECYCLE)):
        _, shown = run_on_a_terminal(2_000, *question)
        main(question)
        assert [line.rstrip() for line in plain(shown).splitlines()] == capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("table", TABLES)
def test_every_cell_of_a_table_is_shown_and_fits_at_every_width(table, columns):
    _, shown = run_on_a_terminal(columns, "table", "--table", table)
    assert fits(shown, columns)
    apart = columns < 80 or {row.trigger for row in TABLES[table].transitions} <= {*plain(shown).split()}
    assert apart, "a column has no gap"
    shown = words(shown)
    for row in TABLES[table].transitions:
        for cell in (row.source or "none", row.trigger, row.target, row.basis, row.reference, row.note):
            assert words(cell or "") in shown


def test_a_line_goes_on_under_where_its_text_begins():
    _, shown = run_on_a_terminal(60, "explain", "delete", "--state", "issued")
    (at,) = [number for number, line in enumerate(plain(shown).splitlines()) if "why:" in line]
    first, second = plain(shown).splitlines()[at : at + 2]
    assert first.index("Delete") == len(second) - len(second.lstrip()) == 12


def test_the_sources_of_a_table_stand_below_it_once_where_they_have_no_room_in_it():
    shown = plain(run_on_a_terminal(120, "table")[1])
    references = {row.reference for row in ORDER_LIFECYCLE.transitions}
    assert "REFERENCE" not in shown
    assert all(words(shown).count(words(f". {each}")) >= 1 for each in references)
    assert words(shown).count("https://") <= len(references)


def bad_log(folder):
    """A log in which an order is withdrawn that was withdrawn already."""
    file = folder / "log.jsonl"
    line = {"time": "2026-08-05T06:10:01Z", "order_id": 7, "outcome": "accepted"}
    operations = ("CreateCertificateRequest", "CancelOrderRequest", "CancelOrderRequest")
    lines = [json.dumps(line | {"operation": operation}) for operation in operations]
    file.write_text("\n".join([trace.header(), *lines]) + "\n")
    return file


def other_editions(folder):
    """Two files of tables of which the second lacks rows."""
    files = folder / "old.json", folder / "new.json"
    fewer = ORDER_LIFECYCLE.without(ORDER_LIFECYCLE.transitions[4]).without(ORDER_LIFECYCLE.transitions[8])
    for file, table in zip(files, (ORDER_LIFECYCLE, fewer), strict=True):
        file.write_text(exported("json", table))
    return files


@pytest.mark.parametrize("columns", [40, 80])
def test_reports_fit(tmp_path, columns):
    log = bad_log(tmp_path)
    status, shown = run_on_a_terminal(columns, "replay", log)
    assert (status, "violates" in shown, fits(shown, columns)) == (1, True, True)
    status, shown = run_on_a_terminal(columns, "diff", *other_editions(tmp_path))
    assert (status, "BREAK" in shown, fits(shown, columns)) == (1, True, True)
    pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
    status, shown = run_on_a_terminal(columns, "audit", log)
    assert (status, "violates the table" in " ".join(plain(shown).split()), fits(shown, columns)) == (1, True, True)
    _, shown = run_on_a_terminal(columns, "simulate", "--orders", "3", "-o", tmp_path / "new")
    assert fits(shown, columns)


@pytest.mark.parametrize("columns", [40, 80])
def test_what_an_account_has_fits(columns, monkeypatch):
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    from orderfsm.mock import mock_cas

    with mock_cas() as server:
        ids = [server.order(state=state).id for state in ("verify_fail", "pending_review", "issued")]
        bought = server.instance("issued").id
        for line in (
            ["orders", "list"],
            ["orders", "list", "--status", "pending_review"],
            *(["orders", "show", order_id] for order_id in (*ids, 999)),
            ["orders", "delete", ids[1]],
            ["orders", "sweep"],
            ["instances", "list"],
            ["instances", "show", bought],
            ["instances", "delete", bought],
            ["instances", "sweep"],
            ["orders", "sweep", "--yes"],
        ):
            _, shown = run_on_a_terminal(columns, line[0], "--endpoint", server.api, *line[1:])
            assert shown
            assert fits(shown, columns), line


def test_the_demo_fits():
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    status, shown = run_on_a_terminal(80, "demo")
    assert (status, fits(shown, 80)) == (0, True)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Mn", "Cf", "Zl", "Zp", "Cn", "Co"]))


@given(text=TEXTS, columns=st.integers(20, 120))
def test_any_text_fits_and_is_whole(text, columns):
    _, shown = on_a_terminal(columns, lambda: say(f"  label:  {text}"))
    assert fits(shown, columns)
    assert words(shown) == words(f"label:{text}")


@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(TEXTS, min_size=width, max_size=width), min_size=1, max_size=4)
    ),
    columns=st.integers(30, 120),
)
def test_any_rows_fit(rows, columns):
    header = [f"COLUMN{number}" for number in range(len(rows[0]))]
    for below in ((), header[1:2]):
        _, shown = on_a_terminal(columns, lambda below=below: print_columns([header, *rows], below=below))
        assert fits(shown, columns)
        for cell in (cell for row in rows for cell in row if cell not in {"", "-"}):
            # What was broken is not in one piece where other cells stand beside it.
            assert Counter(words(cell)) <= Counter(words(shown))
            assert cell_len(cell) > 10 or words(cell) in words(shown)


@given(st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=8), st.integers(0, 200))
def test_columns_get_what_they_need_and_never_more_than_there_is(pairs, more):
    wanted, least = [max(pair) for pair in pairs], [min(pair) for pair in pairs]
    widths = shares(wanted, least, sum(least) + more)
    assert all(low <= width <= high for low, width, high in zip(least, widths, wanted, strict=True))
    assert sum(widths) == min(sum(wanted), sum(least) + more)


# -- colours -----------------------------------------------------------------------------------------------------------

QUESTION = ("check", "delete", "--state", "issued")


@pytest.mark.parametrize(
    ("environment", "options", "coloured"),
    [
        ({}, (), True),
        ({"NO_COLOR": "1"}, (), False),
        ({"NO_COLOR": ""}, (), True),
        ({"TERM": "dumb"}, (), False),
        ({"TERM": ""}, (), False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, (), True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, (), False),
        ({}, ("--no-color",), False),
        ({"FORCE_COLOR": "1"}, ("--no-color",), False),
        ({"NO_COLOR": "1"}, ("--color",), True),
    ],
)
def test_a_terminal_gets_colours_unless_somebody_says_no(monkeypatch, environment, options, coloured):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for line in ((*options, *QUESTION), (*QUESTION, *options)):
        _, shown = run_on_a_terminal(80, *line)
        assert ("\x1b" in shown) is coloured
        assert "illegal" in plain(shown)


@pytest.mark.parametrize(
    ("environment", "options", "coloured"),
    [
        ({}, (), False),
        ({"FORCE_COLOR": "1"}, (), True),
        ({"FORCE_COLOR": "0"}, (), False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, (), False),
        ({}, ("--color",), True),
        ({"COLUMNS": "30"}, (), False),
    ],
)
def test_a_pipe_gets_lines_that_are_whole_and_colours_only_where_they_are_asked_for(
    monkeypatch, capsys, environment, options, coloured
):
    main(QUESTION)
    expected = capsys.readouterr().out
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for question in (QUESTION, ("table",)):
        main([*question, *options])
        printed = capsys.readouterr().out
        assert ("\x1b" in printed) is coloured
        if question is QUESTION:
            assert plain(printed) == expected
        else:
            assert len(plain(printed).splitlines()) == 1 + len(ORDER_LIFECYCLE.transitions)


def test_a_file_gets_whole_lines_whatever_the_width_that_the_environment_names(tmp_path, monkeypatch, capsys):
    main(QUESTION)
    monkeypatch.setenv("COLUMNS", "30")
    with (tmp_path / "answer").open("w+") as file, redirect_stdout(file):
        main(QUESTION)
    assert (tmp_path / "answer").read_text() == capsys.readouterr().out


def test_columns_in_the_environment_are_those_of_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    assert fits(run_on_a_terminal(200, *QUESTION)[1], 50)
    monkeypatch.setenv("COLUMNS", "wide")
    assert not fits(run_on_a_terminal(200, *QUESTION)[1], 50)


def test_an_address_is_a_link_also_where_it_is_broken():
    _, shown = run_on_a_terminal(40, *QUESTION)
    reference = ORDER_LIFECYCLE.explain("issued", "delete").reference
    assert shown.count(f";{reference}\x1b\\") > 1


def test_documents_are_not_laid_out(capsys):
    for line in (["table", "--json"], ["table", "--csv"], ["export", "mermaid"], ["diagram"]):
        _, shown = run_on_a_terminal(40, *line)
        main(line)
        assert shown == capsys.readouterr().out


def test_texts_of_others_are_shown_and_not_obeyed_on_a_terminal_too():
    _, shown = on_a_terminal(80, lambda: print_columns([("NAME",), ("a\x1b[2Jb\u202e",)]))
    assert "a\\u001b[2Jb\\u202e" in plain(shown)
    assert "\x1b[2J" not in shown


# -- comma-separated values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_the_rows_of_a_table_are_there_as_comma_separated_values(table, capsys):
    assert main(["table", "--csv", "--table", table]) == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header[:3] == ["FROM", "TRIGGER", "TO"]
    for row, transition in zip(rows, TABLES[table].transitions, strict=True):
        assert row[:2] == [transition.source or "none", transition.trigger]
        assert row[-2:] == [transition.reference, transition.note]


# -- what a question costs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["orderfsm", "orderfsm.cli"])
def test_it_runs_as_a_module_and_loads_no_rich_where_there_is_no_terminal(module):
    program = [sys.executable, "-X", "importtime", "-m", module, *QUESTION, "--json"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (1, "illegal")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"attr", "click", "orderfsm.lifecycle"} <= imported
    assert not {"rich", "pathlib", "difflib", "locale", "orderfsm.wire"} & imported
