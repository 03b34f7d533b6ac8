"""The test vectors: what an implementation of the table in any language must answer; one in JavaScript does."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import oracle
import pytest

from orderfsm import ORDER_LIFECYCLE, Event, Operation, State
from orderfsm.export import document, exported, vectors
from orderfsm.tables.orders import TRANSITIONS

CONSUMER = Path(__file__).parent.parent / "examples" / "vectors.mjs"
VECTORS = json.loads(exported("vectors"))
KINDS = ["pairs", "histories", "updates", "readings", "windows", "plans", "traces"]
OF_ORDERS = [kind for kind in KINDS if kind not in {"readings", "windows"}]


def consumed(folder, table, given):
    """What the JavaScript consumer says of vectors, by the rules of a table: its exit status and its output."""
    if not shutil.which("node"):
        pytest.skip("node is not on this machine")
    files = folder / "lifecycle.json", folder / "vectors.json"
    for file, content in zip(files, (document(table), given), strict=True):
        file.write_text(json.dumps(content), encoding="utf-8")
    done = subprocess.run(["node", CONSUMER, *files], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_consumer_of_50_lines_passes_them_without_python(tmp_path):
    status, said = consumed(tmp_path, ORDER_LIFECYCLE, VECTORS)
    assert (status, said.strip().endswith("pass")) == (0, True), said
    for kind in KINDS:
        assert f"{len(VECTORS[kind])} {kind}" in said
    code = [line for line in CONSUMER.read_text().splitlines() if not line.startswith("//")]
    assert len(code) <= 50


def flipped(value):
    """Another answer than `value`."""
    if isinstance(value, int):
        return value + 1
    return [*value, "issued"] if isinstance(value, list) else "something else"


@pytest.mark.parametrize("kind", OF_ORDERS)
def test_the_consumer_does_not_pass_wrong_vectors(tmp_path, kind):
    """Each answer of the last vector of its kind, changed: as many are wrong as were changed."""
    given = copy.deepcopy(VECTORS)
    answers = {
        "pairs": ["outcome", "next", "code", "http_status", "service_code", "service_http_status"],
        "histories": ["states"],
        "updates": ["states", "verdict", "accepted", "refused"],
        "plans": ["steps"],
        "traces": ["verdict", "index", "possible", "legal"],
    }[kind]
    last = given[kind][-1]
    given[kind] += [last | {answer: flipped(last[answer])} for answer in answers]
    status, said = consumed(tmp_path, ORDER_LIFECYCLE, given)
    assert status == 1
    assert said.count(f'["{kind}"') == len(answers), said


def test_the_consumer_finds_a_table_that_lacks_a_row(tmp_path):
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    status, said = consumed(tmp_path, ORDER_LIFECYCLE.without(row), VECTORS)
    assert status == 1
    assert [kind for kind in OF_ORDERS if f'["{kind}"' not in said] == []


def test_every_pair_is_there_once_with_what_the_documents_say():
    assert [(pair["state"], pair["trigger"]) for pair in VECTORS["pairs"]] == [
        (state, rule.trigger) for state in (None, *State) for rule in ORDER_LIFECYCLE.triggers
    ]
    names = {trigger.value: trigger.name.lower() for trigger in (*Operation, *Event)}
    for pair in VECTORS["pairs"]:
        state = pair["state"] or "no order"
        after = oracle.after(state, names[pair["trigger"]])
        assert pair["outcome"] == ("refused" if after is None else "accepted")
        assert (pair["next"] or "no order") == (state if after is None else after)
        if after is None:
            missing = state == "no order"
            assert (pair["code"], pair["http_status"]) == (
                ("NotFoundOrder", 404) if missing else ("OrderStateError", 403)
            )
            gone = state in {"no order", "deleted"}
            assert (pair["service_code"], pair["service_http_status"]) == (
                ("NotFoundOrder", 404) if gone else ("OrderStateError", 403)
            )
        else:
            assert pair["http_status"] == 200


def test_the_histories_are_all_that_the_documents_allow_and_use_every_row():
    changing = [trigger for trigger in (*Operation, *Event) if trigger.name.lower() not in oracle.READS_OF_THE_ACCOUNT]
    frontier, expected = [((), ("no order",))], set()
    for _ in range(VECTORS["length"]):
        frontier = [
            ((*triggers, trigger.value), (*states, after))
            for triggers, states in frontier
            for trigger in changing
            if trigger is not Operation.DESCRIBE and (after := oracle.after(states[-1], trigger.name.lower()))
        ]
        expected |= {(triggers, states[1:]) for triggers, states in frontier}
    listed = [(tuple(each["triggers"]), tuple(each["states"])) for each in VECTORS["histories"]]
    assert len(listed) == len(set(listed)) == 300
    assert set(listed) == expected
    used = {step for triggers, states in listed for step in zip((None, *states), triggers, states, strict=False)}
    assert used == {(row.source, row.trigger, row.target) for row in TRANSITIONS if row.changes}


def test_the_traces_are_of_every_state_and_every_verdict():
    verdicts = Counter((trace["events"], trace["verdict"]) for trace in VECTORS["traces"])
    assert set(verdicts) == {(e, v) for e in ("complete", "partial") for v in ("conforms", "violates", "undecided")}
    assert {state for trace in VECTORS["traces"] for state in trace["possible"]} == {*State}
    assert all(trace["index"] == len(trace["lines"]) - 1 for trace in VECTORS["traces"] if trace["index"] is not None)


def test_they_are_one_vector_a_line_and_another_tables_are_others():
    lines = exported("vectors").splitlines()
    assert sum(line.startswith("  {") for line in lines) == sum(len(VECTORS[kind]) for kind in KINDS)
    row = ORDER_LIFECYCLE.transition(State.ABOUT_TO_EXPIRE, Operation.RENEW)
    other = vectors(ORDER_LIFECYCLE.without(row))
    assert all(json.loads(json.dumps(other[kind])) != VECTORS[kind] for kind in OF_ORDERS if kind != "plans")
