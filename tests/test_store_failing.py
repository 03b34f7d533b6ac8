"""The place where the orders are fails: full, gone, damaged, shut down. Both ports still answer, in their own words."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orders import call, created, order_in
from test_waiting import ask, create, ended, orders, served

from orderfsm import InvalidValue, Operation, State
from orderfsm.mock import Request, Service, SQLStore, mock_cas
from orderfsm.mock.http.control import Control
from orderfsm.mock.stores.store import StoreError

READS = ["/health", "/orders", "/history", "/faults", "/orders/100000001"]
WRITES = [
    ("POST", "/reset", ""),
    ("PUT", "/packages/p", '{"TotalCount": 3}'),
    ("POST", "/orders/100000001/events", '{"Event": "domain_validated"}'),
    ("POST", "/faults", "{}"),
    ("DELETE", "/faults", ""),
    ("POST", "/clock", '{"advance": 1}'),
]
CONTROL = [*(("GET", path, "") for path in READS), *WRITES]


def said(caplog):
    """What an operator sees; each is one line."""
    texts = [caplog.handler.format(record) for record in caplog.records]
    assert not [text for text in texts if "\n" in text], texts[0]
    return texts


def hold_api(service):
    """What the API port answers has its form, whatever the store does."""
    statuses = set()
    for operation in Operation:
        response = call(service, operation, OrderId=100000001, Domain="example.com")
        if response.status != 200:
            assert set(response.json) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
        statuses.add(response.status)
        assert response.status < 500 or (response.status, response.json["Code"]) == (500, "Error")
    return statuses


def hold_control(service):
    """What the control port answers is JSON, whatever the store does."""
    statuses = set()
    for method, path, body in CONTROL:
        response = Control(service).handle(Request(method, path, {}, {}, body.encode()))
        statuses.add(response.status)
        if response.status != 204 and path != "/history":
            assert response.json
        assert response.status < 500 or (response.status, response.json["Code"]) == (503, "ServiceUnavailable")
    return statuses


# -- gone --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_database_file_that_is_gone_is_told_and_nothing_is_written_where_nobody_reads(tmp_path, how, caplog):
    path = tmp_path / "orders.db"
    store = SQLStore(f"sqlite:///{path}")
    with contextlib.closing(store), mock_cas(Service(store=store)) as server:
        assert create(server.api)[0] == 200
        path.unlink()
        if how == "replaced":
            SQLStore(f"sqlite:///{path}").close()
        assert create(server.api)[1]["Code"] == "Error"
        assert orders(server.api)[0] == 500
        for method, url, body in [*CONTROL, ("GET", "/", ""), ("GET", "/dashboard/orders/100000001", "")]:
            assert ask(server.control, method, url, body=body)[0] == 503
        assert all("the database file" in line for line in said(caplog))
        assert path.exists() == (how == "replaced")


def test_a_database_whose_server_went_away_is_told_until_it_is_back(postgres_url, caplog):
    import psycopg

    store = SQLStore(postgres_url)
    with contextlib.closing(store), mock_cas(Service(store=store)) as server:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("ALTER TABLE packages RENAME TO hidden")
            assert create(server.api)[1]["Code"] == "Error"
            assert ask(server.control, "PUT", "/packages/p", body='{"TotalCount": 3}')[0] == 503
            assert ask(server.control, "GET", "/")[0] == 503
            other.execute("ALTER TABLE hidden RENAME TO packages")
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            other.execute(f"SELECT pg_terminate_backend(pid) {others}")
        assert orders(server.api)[0] in {200, 500}
        assert orders(server.api)[0] == 200
        assert create(server.api)[0] == 200
        assert said(caplog)


# -- full --------------------------------------------------------------------------------------------------------------

SMALL_DISK = """
import json, resource, sys
from orderfsm.mock.http.serve import Settings, serve
resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))
raise SystemExit(serve(Settings(**json.loads(sys.argv[1]))))
"""


def test_on_a_full_disk_calls_are_refused_and_what_was_answered_200_is_kept(tmp_path):
    (tmp_path / "program.py").write_text(SMALL_DISK)
    settings = {"database": f"sqlite:///{tmp_path}/orders.db", "packages": {"digicert-free-1-free": 10_000}}
    made = []
    with served(tmp_path / "program.py", **settings) as (process, api, control):
        for _ in range(1000):
            status, answer = create(api)
            if status != 200:
                break
            made.append(answer["OrderId"])
        assert (status, answer["Code"]) == (500, "Error")
        assert len(made) > 5
        assert ask(control, "POST", "/faults", body="{}")[0] == 503
        assert orders(api)[1]["TotalCount"] == len(made)
        process.kill()
        complaints = ended(process)[1]
        assert [line.startswith("orderfsm: ") for line in complaints] == [True, True]
    with served(**settings) as (_, api, control):
        listed = ask(control, "GET", "/orders")[1]["Orders"]
        assert [order["OrderId"] for order in listed] == made
        assert create(api)[0] == 200


# -- damaged -----------------------------------------------------------------------------------------------------------


def filled(path):
    """A database with orders in every state, in one file."""
    with contextlib.closing(SQLStore(f"sqlite:///{path}")) as store:
        service = Service(store=store, random=random.Random(1))
        service.put_package("digicert-free-1-free", 1000)
        for state in State:
            order_in(service, state, Tags_1_Key="k", Tags_1_Value="v")
        for _ in range(10):
            call(service, Operation.DESCRIBE, OrderId=created(service))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        return connection.execute("PRAGMA page_size").fetchone()[0]


def hold_damaged(path, damaged, caplog):
    """Whatever the file holds, the ports answer; or it cannot be opened, which is one error."""
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(damaged)
    with contextlib.suppress(InvalidValue, StoreError), contextlib.closing(SQLStore(f"sqlite:///{path}")) as store:
        service = Service(store=store)
        hold_api(service)
        hold_control(service)
    said(caplog)


@pytest.mark.parametrize("filling", [b"\0", b"\xff", None], ids=["zeros", "ones", "noise"])
def test_with_any_page_of_the_file_damaged_the_ports_answer(tmp_path, filling, caplog):
    path = tmp_path / "orders.db"
    size = filled(path)
    whole, noise = path.read_bytes(), random.Random(2)
    for page in range(len(whole) // size):
        damage = noise.randbytes(size) if filling is None else filling * size
        hold_damaged(path, whole[: page * size] + damage + whole[(page + 1) * size :], caplog)


@pytest.mark.parametrize("seed", range(8))
def test_with_bytes_of_the_file_damaged_the_ports_answer(tmp_path, seed, caplog):
    path = tmp_path / "orders.db"
    filled(path)
    whole, draw = path.read_bytes(), random.Random(seed)
    for _ in range(10):
        damaged = bytearray(whole)
        for _ in range(60):
            damaged[draw.randrange(100, len(whole))] = draw.randrange(256)
        hold_damaged(path, bytes(damaged), caplog)


def test_a_damaged_database_does_not_start_a_program_and_says_so_in_one_line(tmp_path):
    path = tmp_path / "orders.db"
    size = filled(path)
    path.write_bytes(path.read_bytes()[:size] + b"\xff" * size * 20)
    command = [sys.executable, "-m", "orderfsm.cli", "serve", "--database", f"sqlite:///{path}"]
    keys = {**os.environ, "ORDERFSM_ACCESS_KEYS": "a:b"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=keys)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_an_error_of_the_mock_itself_is_json_on_the_control_port_too(service, monkeypatch, caplog):
    monkeypatch.setattr(service.store, "shared", lambda: 1 / 0)
    response = Control(service).handle(Request("GET", "/health"))
    assert (response.status, json.loads(response.body)["Code"]) == (500, "InternalError")
    assert "ZeroDivisionError" in caplog.text
