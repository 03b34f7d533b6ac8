"""Many clients at once, and processes that are killed: every answer is true, and nothing is lost or done twice."""

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

from orderfsm.mock import Service, mock_cas

CLIENTS = 8
UNITS = 200


@pytest.fixture(params=stores.KINDS)
def store(request, tmp_path):
    """A store of each kind."""
    made = stores.opened(request.param, request, tmp_path)
    yield made
    made.close()


def loaded(store, calls, tmp_path):
    """Load a service on `store` over HTTP, and hold the answers against its history."""
    service = Service(store=store, random=random.Random(7))
    service.put_package(load.PRODUCT, UNITS)
    with mock_cas(service) as server:
        made = load.run(server.api, server.control, CLIENTS, calls)
        assert all(call.status is not None for call in made)
        answers = load.check(server.control, made, tmp_path)
        load.check_quota(server.api, server.control)
        return answers


def test_of_eight_clients_every_answer_is_one_that_an_order_of_the_calls_explains(store, tmp_path):
    assert loaded(store, 150, tmp_path) >= CLIENTS * 100


@pytest.mark.long
def test_of_eight_clients_with_2000_calls_each_as_well(store, tmp_path):
    assert loaded(store, 2000, tmp_path) >= CLIENTS * 1500


# -- kill -9 -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(database, port=0, control_port=0):
    """`orderfsm serve` with two workers on a database: the process, and its two URLs."""
    command = [sys.executable, "-m", "orderfsm.cli", "serve", "--database", database, "--workers", "2", "--seed", "7"]
    command += ["--port", str(port), "--control-port", str(control_port), "--package", f"{load.PRODUCT}={UNITS}"]
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
def test_killed_ten_times_during_load_nothing_acknowledged_is_lost_and_nothing_happens_twice(request, kind, tmp_path):
    path = tmp_path / "orders.db"
    database = f"sqlite:///{path}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    with served(database) as (process, api, control):
        killed = []

        def kill():
            while len(killed) < 10:
                time.sleep(0.4)
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim = random.choice(workers(process))
                    victim.kill()
                    killed.append(victim.pid)

        killer = threading.Thread(target=kill)
        killer.start()
        calls = []
        while killer.is_alive():
            calls += load.run(api, control, CLIENTS, 60, pause=lambda: time.sleep(0.005))
        killer.join()
        assert len(killed) == 10
        assert load.check(control, calls, tmp_path) > 300
        load.check_quota(api, control)
