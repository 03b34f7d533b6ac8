"""What a shell completes: commands, options, and the words of the table that was chosen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("click", reason="the extra `cli` is not installed")

from orderfsm import ORDER_LIFECYCLE, Event, Operation, State
from orderfsm.cli import main
from orderfsm.tables import NAMES, instances


@pytest.fixture
def completed(monkeypatch, capsys):
    """The words that a shell offers for the last one of a command line, by the protocol that its script speaks."""

    def run(line, shell="bash"):
        words = line.split(" ")
        with monkeypatch.context() as asked:
            asked.setenv("_ORDERFSM_COMPLETE", f"{shell}_complete")
            asked.setenv("COMP_WORDS", line)
            asked.setenv("COMP_CWORD", str(len(words) - 1) if shell != "fish" else words[-1])
            with pytest.raises(SystemExit) as ended:
                main([])
        assert ended.value.code == 0
        said = capsys.readouterr()
        assert said.err == ""
        return said.out.splitlines()

    def offered(line, shell="bash"):
        said = list(filter(None, run(line, shell)))
        return [each.partition(",")[2].partition("\t")[0] for each in said] if shell != "zsh" else said[1::3]

    return offered


@pytest.mark.parametrize("command", ["check", "explain"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_triggers_are_offered_by_their_names(completed, command, shell):
    names = [trigger.name.lower() for trigger in (*Operation, *Event)]
    assert sorted(completed(f"orderfsm {command} ", shell)) == sorted(names)
    assert sorted(completed(f"orderfsm {command} de", shell)) == sorted(name for name in names if name[:2] == "de")


def test_actions_of_the_api_are_offered_to_who_begins_to_write_one(completed):
    assert completed("orderfsm check Del") == [Operation.DELETE]
    assert completed("orderfsm check deletec") == [Operation.DELETE]


@pytest.mark.parametrize("line", ["check delete --state", "plan --from", "plan --to", "orders list --status"])
def test_states_are_offered_and_the_words_of_the_api(completed, line):
    assert completed(f"orderfsm {line} ") == ["none", *State]
    assert completed(f"orderfsm {line} is") == ["issued"]
    assert completed(f"orderfsm {line} CH") == ["CHECKING", "CHECKED_FAIL"]
    assert completed(f"orderfsm {line} dom") == ["domain_verify"]
    assert completed(f"orderfsm {line} nothing") == []


def test_the_words_are_those_of_the_table_that_was_named(completed):
    assert completed("orderfsm check --table instances refund --state ") == ["none", *instances.State]
    assert completed("orderfsm check --table instances withdrawal_") == ["withdrawal_completed"]
    assert completed("orderfsm instances list --status clo") == ["closed"]
    assert completed("orderfsm check --table other_table:LIFECYCLE with") == ["withdraw"]


@pytest.mark.parametrize("command", ["check", "table", "export", "conform", "replay", "drift"])
def test_tables_are_offered(completed, command):
    assert completed(f"orderfsm {command} --table ") == list(NAMES)


def test_whatever_is_offered_is_taken(completed, capsys):
    states = completed("orderfsm check delete --state ")
    for word in completed("orderfsm check "):
        for state in states:
            assert main(["check", word, "--state", state, "--quiet"]) in {0, 1, 3}
    assert capsys.readouterr() == ("", "")


def test_a_table_that_nobody_knows_offers_the_orders_words(completed):
    assert completed("orderfsm check --table nonsense de") == ["delete", "describe", "describe_package"]


def test_what_a_trigger_means_is_shown_beside_it(monkeypatch, capsys):
    monkeypatch.setenv("_ORDERFSM_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", "orderfsm check review_p")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit):
        main([])
    actor = ORDER_LIFECYCLE.trigger_rules[Event.REVIEW_PASSED].actor
    assert capsys.readouterr().out.splitlines() == ["plain", "review_passed", f"review_passed ({actor})"]


def test_bash_completes_by_the_script_that_the_docs_name(tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    program = tmp_path / "orderfsm"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m orderfsm "$@"\n')
    program.chmod(0o755)
    script = """eval "$(_ORDERFSM_COMPLETE=bash_source orderfsm)"
        COMP_WORDS=(orderfsm check delete --state abou) COMP_CWORD=4
        _orderfsm_completion orderfsm abou --state
        printf '%s\\n' "${COMPREPLY[@]}" """
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=False, env=environment)
    if "version" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert (done.stdout, done.stderr) == ("about_to_expire\n", "")
