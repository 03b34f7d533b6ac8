"""Every interpreter does with every event in every state of every table what the table says, in either statechart."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import product
from pathlib import Path

import node_packages
import other_table
import pytest

from orderfsm import ORDER_LIFECYCLE
from orderfsm.export import exported
from orderfsm.tables import acme, instances

TABLES = {each.name: each for each in (ORDER_LIFECYCLE, instances.LIFECYCLE, acme.LIFECYCLE, other_table.LIFECYCLE)}
SCXML = "{http://www.w3.org/2005/07/scxml}"

every_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def named(state):
    return "none" if state is None else str(state)


def pairs_of(table):
    """Of each pair of a state and an event whether the table has a row, and where an order is afterwards."""
    pairs = {}
    for state, trigger in product(table.state_rules, table.trigger_rules):
        row = table.table[state].get(trigger)
        pairs[named(state), str(trigger)] = (row is not None, named(state if row is None else row.target))
    return pairs


def run_by_node(script, text):
    node_packages.install_node_packages()
    environment = os.environ | {"NODE_PATH": str(node_packages.INSTALLED / "node_modules")}
    command = ["node", node_packages.NODE / script]
    done = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


# -- XState ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_xstate():
    """What XState says of a table, which is asked once."""
    said = {}

    def ask(table):
        if table.name not in said:
            said[table.name] = run_by_node("xstate.cjs", exported("xstate", table))
        return said[table.name]

    return ask


@every_table
def test_an_actor_of_xstate_and_its_pure_function_agree_with_the_table(table, by_xstate):
    pairs = {(each["state"], each["event"]): each for each in by_xstate(table)["pairs"]}
    expected = pairs_of(table)
    named_events = {event for _, event in pairs}
    assert {pair for pair, (allowed, _) in expected.items() if allowed} <= set(pairs)
    for pair, (allowed, after) in expected.items():
        if pair[1] in named_events:
            said = pairs[pair]
            assert (said["accepted"], said["next"], said["pure"]) == (allowed, after, after)


@every_table
def test_a_read_enters_no_state_in_xstate_and_an_order_is_never_done(table, by_xstate):
    for each in by_xstate(table)["pairs"]:
        assert each["entered"] is (each["next"] != each["state"])
        assert each["status"] == "active"


@every_table
def test_the_shortest_paths_of_xstate_are_shortest_in_the_table(table, by_xstate):
    expected, pairs = {"none": 0}, pairs_of(table)
    for state in (reached := ["none"]):
        for (source, _), (_, after) in pairs.items():
            if source == state and after not in expected:
                expected[after] = expected[state] + 1
                reached.append(after)
    paths = by_xstate(table)["paths"]
    assert {state: len(path) for state, path in paths.items()} == expected
    for state, path in paths.items():
        at = "none"
        for event in path:
            at = pairs[at, event][1]
        assert at == state


# -- SCXML -------------------------------------------------------------------------------------------------------------


def by_scion(document, states, events):
    asked = {"document": document, "states": states, "events": events}
    said = run_by_node("scion.cjs", json.dumps(asked))
    assert said["started"] == "none"  # whatever the snapshot was
    return {(each["state"], each["event"]): (bool(each["entered"]), each["next"]) for each in said["pairs"]}


def by_sismic(document, states, events):
    """Sismic has a format of its own; these lines read SCXML for it."""
    model = pytest.importorskip("sismic.model", reason="sismic is not installed")
    from sismic.interpreter import Interpreter

    root, said = ET.fromstring(document.encode()), {}
    for state in states:
        chart = model.Statechart("order")
        chart.add_state(model.CompoundState("all", initial=state), None)
        for each in root.iter(f"{SCXML}state"):
            chart.add_state(model.BasicState(each.get("id")), "all")
        for each in root.iter(f"{SCXML}state"):
            for way in each.iter(f"{SCXML}transition"):
                chart.add_transition(model.Transition(each.get("id"), way.get("target"), event=way.get("event")))
        for event in events:
            interpreter = Interpreter(chart)
            interpreter.execute()
            entered = [name for step in interpreter.queue(event).execute() for name in step.entered_states]
            said[state, event] = (bool(entered), interpreter.configuration[-1])
    return said


def by_python_statemachine(document, states, events):
    loader = pytest.importorskip("statemachine.io", reason="python-statemachine is not installed")
    chart, said = loader.load(document, format="scxml", name="order"), {}
    for state, event in product(states, events):
        entered = []
        machine = chart(start_value=state, listeners=[Entered(entered)])
        entered.clear()
        machine.send(event)
        said[state, event] = (bool(entered), *(each.id for each in machine.configuration))
    return said


class Entered:
    """Notes the states that a machine enters."""

    def __init__(self, notes):
        self._notes = notes

    def on_enter_state(self, state):
        """Called by the machine when it enters one."""
        self._notes.append(state)


def by_qt(document, states, events):
    """Qt's own interpreter, in a process of its own; it needs no display."""
    if importlib.util.find_spec("PySide6") is None:
        pytest.skip("PySide6 is not installed: pip install PySide6-Addons")
    asked = json.dumps({"document": document, "states": states, "events": events})
    command = [sys.executable, Path(__file__).with_name("qt_interpreter.py")]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    return {(state, event): (entered, *active) for state, event, entered, active in json.loads(done.stdout)}


@every_table
@pytest.mark.parametrize("interpret", [by_scion, by_sismic, by_python_statemachine, by_qt])
def test_an_interpreter_of_scxml_agrees_with_the_table_and_enters_a_state_anew_for_a_read(interpret, table):
    states, events = list(map(named, table.state_rules)), list(map(str, table.trigger_rules))
    assert interpret(exported("scxml", table), states, events) == pairs_of(table)
