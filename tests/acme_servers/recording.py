"""What a real server answers to each call in each state of an order, and where the kit finds that it departs."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from orderfsm.tables.acme import LIFECYCLE, Event, Operation, State
from orderfsm.testing import AcmeDriver, Result, check_conformance
from orderfsm.trace import Outcome
from orderfsm.verdict import Verdict

from . import running

BUDGET = 110.0
POLLS, PAUSE = 40, 0.05
SEED = 16
OF_THIS_RUN = re.compile(r",? *(order URL )?https?://\S+")

FLAWED, TWICE, HALF = " with a CSR for another name", " twice at once", " of all names but one"
ASKED = [
    (state, operation)
    for state in State
    for operation in Operation
    if operation not in LIFECYCLE.creates | LIFECYCLE.reads or operation is Operation.DOWNLOAD_CERTIFICATE
]


def rows():
    """Each row of the table: a state, a trigger, and what is particular to the call."""
    yield State.PENDING, Event.ALL_AUTHORIZATIONS_VALID, HALF
    yield State.PENDING, Event.ALL_AUTHORIZATIONS_VALID, ""
    yield State.PENDING, Event.AUTHORIZATION_FAILED, ""
    for state, operation in ASKED:
        yield state, operation, ""
        if operation is Operation.FINALIZE:
            yield state, operation, FLAWED
            if state is State.READY:
                yield state, operation, TWICE


def record(name, *, budget=BUDGET):
    """What there is to say of a server, as JSON; and the kit's report.

    Its `answers` to each row, the `departures` that the kit found in how many `seconds`, and how many pairs passed.
    """
    with running(name) as server, AcmeDriver(server.directory, ca=server.ca, http_port=server.http_port) as driver:
        answers = {key(*row): answer(driver, *row) for row in rows()}
        begun = time.monotonic()
        report = check_conformance(driver, lifecycle=LIFECYCLE, budget=budget, seed=SEED)
        recorded = {
            "server": name,
            "version": server.version,
            "seconds": round(time.monotonic() - begun),
            "verdict": str(report.verdict),
            "checked": report.checked,
            "passed": report.counted(Result.PASSED),
            "answers": answers,
            "departures": [departure(violation) for violation in report.violations],
        }
    return recorded, report


def departure(violation):
    """A violation in short, without addresses, which are others in each run."""
    done = [(each.get("call") or each.get("force") or "read", each) for each in violation.calls]
    calls = [f"{name}{FLAWED * ('flawed' in each)}: {OF_THIS_RUN.sub('', each['got'])}" for name, each in done]
    return {
        "state": violation.state,
        "trigger": violation.trigger,
        "particular": FLAWED * violation.flawed or TWICE * (violation.part == "concurrent"),
        "strength": violation.strength,
        "reference": violation.reference,
        "expected": violation.expected,
        "got": OF_THIS_RUN.sub("", violation.got),
        "calls": calls,
    }


def key(state, trigger, particular=""):
    """What a row is called."""
    return f"{state} {trigger}{particular}"


def answer(driver, state, trigger, particular):
    """What comes of a trigger in a state: each answer, how it turned out, and the status after it.

    `after` is None if no order could be brought to that state.
    """
    order = brought_to(driver, state)
    if order is None:
        return {"came": [], "outcomes": [], "after": None}
    if particular == TWICE:
        together = Barrier(2)

        def finalize(_):
            together.wait(10)
            return driver.call(trigger, order)

        with ThreadPoolExecutor(2) as pool:
            came = sorted(pool.map(finalize, range(2)), key=told)
    elif particular:
        came = [driver.flawed(trigger, order)]
    else:
        came = [driver.happen(order, trigger) if trigger in Event else driver.call(trigger, order)]
    outcomes = ["" if each is None else str(each.outcome) for each in came]
    return {"came": [told(each) for each in came], "outcomes": outcomes, "after": status(driver, order)}


def told(came):
    """An answer in a few words."""
    if came is None:
        return "never settled"
    shown = (came.body or {}).get("status")
    words = [came.http_status, came.code or None, shown]
    return " ".join(str(word) for word in words if word is not None) or (
        "done" if came.outcome is Outcome.ACCEPTED else "nothing to ask"
    )


def departs(state, trigger, particular, recorded):
    """Whether an answer is none that the table allows in a state, or in one to which the order may have gone unseen."""
    if recorded["after"] is None or recorded["outcomes"] == [""]:
        return False
    if recorded["after"] not in set(State):
        return True
    possible = {state} if recorded["after"] == state else {state, *gone_to(state)}
    return not any(allows(each, trigger, particular, recorded) for each in possible)


def allows(state, trigger, particular, recorded):
    """Whether the table allows an answer in a state."""
    if LIFECYCLE.explain(state, trigger).verdict is Verdict.UNDECIDED:
        return True
    row, accepted = LIFECYCLE.table[state].get(trigger), recorded["outcomes"].count("accepted")
    if row is None or particular in {FLAWED, HALF} or (row.optional and not accepted):
        wanted, ends = 0, {state}
    else:
        wanted, ends = 1, set(LIFECYCLE.targets(row))
    coded = row is not None or all(came.endswith(code_of(state, trigger)) for came in recorded["came"])
    return accepted == wanted and recorded["after"] in ends.union(*map(gone_to, ends)) and coded


def gone_to(state):
    """The states to which an order may have gone while nobody looked."""
    return {row.target for row in LIFECYCLE.outgoing(state) if happens_unseen(row.trigger)}


def happens_unseen(trigger):
    """Whether an event may happen that nobody is told of."""
    return trigger in Event and not LIFECYCLE.trigger_rules[trigger].seen


def code_of(state, trigger):
    """The code that a refusal must have, if any."""
    return LIFECYCLE.refusal(state, trigger).error.code


def status(driver, order):
    """The order's status, as a read shows it."""
    seen = driver.observe(order)
    return seen["status"] if isinstance(seen, dict) else "not found"


def brought_to(driver, state):
    """An order in a state; None if the server has none come there."""
    order = driver.create().order_id
    if state is State.INVALID:
        driver.happen(order, Event.AUTHORIZATION_FAILED)
    elif state is not State.PENDING:
        driver.happen(order, Event.ALL_AUTHORIZATIONS_VALID)
    if state is State.PROCESSING:
        if (driver.call(Operation.FINALIZE, order).body or {}).get("status") != state:
            order = brought_to(driver, State.READY)  # where a CSR that is refused leads there, it stays there
            driver.flawed(Operation.FINALIZE, order)
    elif state is State.VALID:
        driver.call(Operation.FINALIZE, order)
        for _ in range(POLLS):
            if status(driver, order) != State.PROCESSING:
                break
            time.sleep(PAUSE)
    return order if status(driver, order) == state else None
