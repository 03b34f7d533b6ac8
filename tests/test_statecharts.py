"""The table as a statechart, run by XState and by python-statemachine: they allow what the documents allow."""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ET

import node_packages
import oracle
import pytest

from orderfsm import ORDER_LIFECYCLE, Basis, Event, Operation, State
from orderfsm.export import exported
from orderfsm.tables.orders import STATES

NAMES = ["none", *State]
PAIRS = [(state, trigger) for state in NAMES for trigger in (*Operation, *Event)]
SCXML = "{http://www.w3.org/2005/07/scxml}"
OURS = "{urn:orderfsm}"
TERMINAL = {"expired", "revoked", "deleted"}


def expected(state, trigger):
    """What the oracle says, in the names of the statecharts: the state after; None if it is refused."""
    after = oracle.after("no order" if state == "none" else state, trigger.name.lower())
    return "none" if after == "no order" else after


# -- XState ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_by_xstate():
    """What XState says of a config: the initial state, and what it does with each pair."""
    node_packages.install_node_packages()

    def run(config):
        environment = os.environ | {"NODE_PATH": str(node_packages.INSTALLED / "node_modules")}
        done = subprocess.run(
            ["node", node_packages.NODE / "xstate.cjs"],
            input=config,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        said = json.loads(done.stdout)
        return said["initial"], {(each["state"], each["event"]): each for each in said["pairs"]}

    return run


def test_xstate_allows_in_every_state_what_the_documents_allow(run_by_xstate):
    initial, pairs = run_by_xstate(exported("xstate"))
    assert initial == "none"
    assert len(pairs) == len(PAIRS) == 170
    for state, trigger in PAIRS:
        after = expected(state, trigger)
        said = pairs[state, trigger]
        assert said["accepted"] is (after is not None), (state, trigger)
        assert said["next"] == (after or state), (state, trigger)


def test_xstate_runs_another_table_otherwise(run_by_xstate):
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    _, pairs = run_by_xstate(exported("xstate", ORDER_LIFECYCLE.without(row)))
    assert not pairs["verify_fail", Operation.DELETE]["accepted"]
    assert pairs["pending_application", Operation.DELETE]["accepted"]


def test_the_config_says_where_each_rule_is_from_and_what_it_does_to_quota():
    config = json.loads(exported("xstate"))
    assert list(config["states"]) == NAMES
    assert {state for state, has in config["states"].items() if "terminal" in has["tags"]} == TERMINAL
    for row in ORDER_LIFECYCLE.transitions:
        said = config["states"][row.source or "none"]["on"][row.trigger]
        assert said["target"] == row.target
        assert said["meta"]["basis"] == row.basis
        assert said["meta"]["reference"] == row.reference
        assert (said["meta"]["quota"], said["meta"]["creates"]) == (row.quota, row.creates)


# -- SCXML -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def interpreted():
    """The class that python-statemachine makes of a document."""
    loader = pytest.importorskip("statemachine.io", reason="python-statemachine is not installed")
    return lambda document: loader.load(document, format="scxml", name="order")


def ids(machine):
    """The states that a machine is in."""
    return {state.id for state in machine.configuration}


def test_python_statemachine_allows_in_every_state_what_the_documents_allow(interpreted):
    chart = interpreted(exported("scxml"))
    assert ids(chart()) == {"none"}
    for state, trigger in PAIRS:
        taken = []
        machine = chart(start_value=str(state), listeners=[Taken(taken)])
        taken.clear()
        assert ids(machine) == {state}
        machine.send(str(trigger))
        after = expected(state, trigger)
        assert bool(taken) is (after is not None), (state, trigger)
        assert ids(machine) == {after or state}, (state, trigger)


class Taken:
    """Notes the transitions that a machine takes."""

    def __init__(self, notes):
        self._notes = notes

    def on_transition(self, event):
        """Called by the machine when it takes one."""
        self._notes.append(event)


def test_python_statemachine_runs_another_table_otherwise(interpreted):
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    machine = interpreted(exported("scxml", ORDER_LIFECYCLE.without(row)))(start_value="verify_fail")
    machine.send(str(Operation.DELETE))
    assert ids(machine) == {"verify_fail"}


def test_the_document_says_where_each_rule_is_from_and_which_states_are_terminal():
    root = ET.fromstring(exported("scxml").encode())
    assert root.get(f"{OURS}edition") == ORDER_LIFECYCLE.edition
    states = {state.get("id"): state for state in root.findall(f"{SCXML}state")}
    assert list(states) == NAMES
    assert {name for name, state in states.items() if state.get(f"{OURS}terminal")} == TERMINAL
    assert [state.get(f"{OURS}words") for state in states.values()] == [rule.words for rule in STATES]
    for row in ORDER_LIFECYCLE.transitions:
        state = states[row.source or "none"]
        (said,) = [t for t in state.findall(f"{SCXML}transition") if t.get("event") == row.trigger]
        assert Basis(said.get(f"{OURS}basis")) is row.basis
        assert said.get(f"{OURS}reference") == row.reference
        assert said.get(f"{OURS}quota", "") == row.quota_text
        assert said.get(f"{OURS}creates") == row.creates
