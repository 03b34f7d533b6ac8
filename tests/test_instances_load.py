"""Instances under many clients at once and in processes that are killed: every answer is true, and ends are single."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
import time

import load
import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
psutil = pytest.importorskip("psutil", reason="psutil, of the test group, is not installed")

import stores

from orderfsm import trace
from orderfsm.errors import Refusal
from orderfsm.mock import Clock, Service, SQLStore, mock_cas
from orderfsm.tables.instances import LIFECYCLE, Event, Operation, State
from orderfsm.trace import Events, Finding

CLIENTS = 6
START = 1_800_000_000.0


@pytest.fixture(params=stores.KINDS)
def store(request, tmp_path):
    """A store of each kind."""
    made = stores.opened(request.param, request, tmp_path)
    yield made
    made.close()


@pytest.fixture(params=stores.KINDS)
def services(request, tmp_path):
    """Two services that share what a store of each kind keeps, as two processes do."""
    if request.param == "memory":
        one = other = stores.opened("memory", request, tmp_path)
    else:
        url = f"sqlite:///{tmp_path}/both.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
        one, other = SQLStore(url), SQLStore(url)
    yield [Service(store=store, clock=Clock(lambda: START), completions="manual") for store in (one, other)]
    one.close()
    other.close()


def conforms(service):
    """Whether the whole history of the instances conforms."""
    report = trace.replay(service.instances.history(), lifecycle=LIFECYCLE, events=Events.COMPLETE)
    return (report.verdict, report.bad_lines) == (Finding.CONFORMS, ())


def at_once(*actions):
    """What each of the actions returns or was refused with, all of them begun together."""
    barrier = threading.Barrier(len(actions))
    results = [None] * len(actions)

    def act(number):
        barrier.wait(30)
        try:
            results[number] = actions[number]()
        except Refusal as refusal:
            results[number] = refusal

    threads = [threading.Thread(target=act, args=(number,)) for number in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# -- one ending --------------------------------------------------------------------------------------------------------


def test_a_withdrawal_against_an_issuance_has_exactly_one_ending(services):
    here, there = (service.instances for service in services)
    for _ in range(40):
        instance = here.place(State.PENDING).id

        def withdraw(instance=instance):
            here.fire(instance, Operation.CANCEL)
            return here.happen(instance, Event.WITHDRAWAL_COMPLETED)

        withdrawn, issued = at_once(
            withdraw, lambda instance=instance: there.happen(instance, Event.CERTIFICATE_ISSUED)
        )
        accepted = [not isinstance(each, Refusal) for each in (withdrawn, issued)]
        ending = here.order(instance).state
        assert accepted.count(True) == 1
        assert ending is (State.IDLE if accepted[0] else State.ISSUED)
    assert conforms(services[0])


def test_of_two_withdrawals_at_once_one_is_accepted(services):
    here, there = (service.instances for service in services)
    for _ in range(20):
        instance = here.place(State.PENDING).id
        answers = at_once(
            lambda instance=instance: here.fire(instance, Operation.CANCEL),
            lambda instance=instance: there.fire(instance, Operation.CANCEL),
        )
        assert sorted(isinstance(answer, Refusal) for answer in answers) == [False, True]
        assert here.order(instance).state is State.WITHDRAWING
    assert conforms(services[0])


def test_what_is_due_is_completed_once_whoever_sees_it(services):
    for service in services:
        service.put_completions("clock")
        service.refresh()
    here, there = (service.instances for service in services)
    refunding = [here.place(State.REFUNDING).id for _ in range(20)]
    services[0].store.advance(60)
    for service in services:
        service.refresh()
    at_once(here.catch_up, there.catch_up)
    for instance in refunding:
        assert there.order(instance).state is State.REFUNDED
        told = [line.trigger for line in here.history(instance)]
        assert told.count(Event.REFUND_COMPLETED) == 1


# -- many clients ------------------------------------------------------------------------------------------------------


def test_of_many_clients_every_answer_is_one_that_an_order_of_the_calls_explains(store, tmp_path):
    service = Service(store=store, random=random.Random(7), completions="manual")
    with mock_cas(service) as server:
        made = load.run(server.api, server.control, CLIENTS, 80, kind=load.INSTANCES)
        assert all(call.status is not None for call in made)
        assert load.check(server.control, made, tmp_path, load.INSTANCES) >= CLIENTS * 50
        assert conforms(service)


# -- kill -9 -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(database):
    """`orderfsm serve` with two workers on a database: the process, and its two URLs."""
    command = [sys.executable, "-m", "orderfsm.cli", "serve", "--database", database, "--workers", "2", "--seed", "7"]
    command += ["--table", "instances", "--completions", "manual"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    try:
        ready = json.loads(process.stdout.readline())
        yield process, ready["api"], ready["control"]
    finally:
        process.terminate()
        process.wait(timeout=300)
        process.stdout.close()


def workers(process):
    """The processes that serve the API port: the children that are not multiprocessing's own helper."""
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_during_load_nothing_acknowledged_is_lost_and_nothing_happens_twice(request, kind, tmp_path):
    database = f"sqlite:///{tmp_path}/both.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    with served(database) as (process, api, control):
        killed = []

        def kill():
            while len(killed) < 5:
                time.sleep(0.4)
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim = random.choice(workers(process))
                    victim.kill()
                    killed.append(victim.pid)

        killer = threading.Thread(target=kill)
        killer.start()
        calls = []
        while killer.is_alive():
            pause = lambda: time.sleep(0.005)  # noqa: E731
            calls += load.run(api, control, CLIENTS, 40, pause=pause, kind=load.INSTANCES)
        killer.join()
        assert len(killed) == 5
        assert load.check(control, calls, tmp_path, load.INSTANCES) > 150
