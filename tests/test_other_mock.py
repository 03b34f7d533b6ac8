"""The mock's ports with other tables: those of certificate orders are served, any other is told where it can live."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("click", reason="the extra `cli` is not installed")

import other_table
from orders import call
from test_serve import ask, create, served

from orderfsm import ORDER_LIFECYCLE, InvalidValue, Operation, State
from orderfsm.mock import Fault, Request, Service, mock_cas
from orderfsm.mock.http import dashboard
from orderfsm.mock.http.control import Control
from orderfsm.mock.http.serve import Settings, _service
from orderfsm.rows import RefusalRule

OF_ORDERS_BY_ANOTHER_NAME = f"{other_table.__name__}:LIFECYCLE"
TABLE = """
from orderfsm import ORDER_LIFECYCLE, Operation, State

CAREFUL = ORDER_LIFECYCLE.without(ORDER_LIFECYCLE.transition(State.PENDING_REVIEW, Operation.CANCEL))
"""

WITHOUT_CANCEL = ORDER_LIFECYCLE.without(ORDER_LIFECYCLE.transition(State.PENDING_REVIEW, Operation.CANCEL))


def answered(service, operation, order):
    """The status and the code of the answer to a call."""
    response = call(service, operation, OrderId=order.id)
    return response.status, response.json.get("Code")


# -- which tables are served -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        other_table.LIFECYCLE,
        attrs.evolve(ORDER_LIFECYCLE, name="texts", identity=other_table.LIFECYCLE.identity),
        attrs.evolve(ORDER_LIFECYCLE, name="unread", vocabularies=()),
    ],
    ids=lambda table: table.name,
)
def test_a_table_that_the_api_cannot_speak_of_is_named_and_told_what_takes_it(table):
    accepted = f"table '{table.name}': expected one of the CAS API's operations: over HTTP no other is served"
    with pytest.raises(InvalidValue, match=accepted) as caught:
        Service(lifecycle=table)
    assert "`Engine` of orderfsm.mock.engine" in str(caught.value)
    with pytest.raises(InvalidValue, match=accepted), mock_cas(lifecycle=table):
        pass


def test_serve_says_so_in_one_line():
    command = [sys.executable, "-m", "orderfsm.cli", "serve", "--table", OF_ORDERS_BY_ANOTHER_NAME]
    ended = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    *_, last = ended.stderr.splitlines()
    assert last.startswith(f"orderfsm: table '{OF_ORDERS_BY_ANOTHER_NAME}': expected one of the CAS API's operations")


# -- tables of certificate orders that are not quite theirs ------------------------------------------------------------


def test_a_table_that_lacks_a_row_is_served_as_it_is():
    service = Service(lifecycle=WITHOUT_CANCEL)
    order = service.begin(State.PENDING_REVIEW, {"Domain": "example.com"})
    assert answered(service, Operation.CANCEL, order) == (403, "OrderStateError")


def test_an_operation_that_a_table_lacks_is_no_action_of_its_api():
    triggers = [rule for rule in ORDER_LIFECYCLE.triggers if rule.trigger is not Operation.DELETE]
    rows = [row for row in ORDER_LIFECYCLE.transitions if row.trigger is not Operation.DELETE]
    table = attrs.evolve(ORDER_LIFECYCLE, triggers=triggers, transitions=rows)
    service = Service(lifecycle=table)
    order = service.begin(State.VERIFY_FAIL, {"Domain": "example.com"})
    assert answered(service, Operation.DELETE, order) == (404, "InvalidAction.NotFound")
    limits = _service(Settings(lifecycle=table, limits=True)).limits
    assert limits.keys() & set(ORDER_LIFECYCLE.operations) == set(table.operations)


def test_a_fault_is_one_of_the_table_that_it_is_added_to():
    rules = [rule for rule in ORDER_LIFECYCLE.triggers if rule.trigger is not Operation.DELETE]
    rows = [row for row in ORDER_LIFECYCLE.transitions if row.trigger is not Operation.DELETE]
    service = Service(lifecycle=attrs.evolve(ORDER_LIFECYCLE, triggers=rules, transitions=rows))
    with pytest.raises(InvalidValue, match=r"Operation .*DELETE"):
        service.add_fault(Fault(operation="delete", code="DeleteFail"))
    assert service.fault_rules() == []


class TooLate(ORDER_LIFECYCLE.not_found):
    """An error of a table of one's own."""

    code = "TooLate"
    http_status = 410
    text = "it is too late"


def test_codes_are_those_of_the_table():
    table = attrs.evolve(ORDER_LIFECYCLE, not_found=TooLate, refusal_rules=(RefusalRule(ORDER_LIFECYCLE.errors[4]),))
    assert Fault(code="TooLate", lifecycle=table).answers == ("TooLate", 410)
    assert Fault(code="TooLate").answers == ("TooLate", 500)
    service = Service(lifecycle=table)
    service.add_fault(Fault(read="missing", operation="describe"))
    order = service.begin(State.PENDING_REVIEW, {"Domain": "example.com"})
    assert answered(service, Operation.DESCRIBE, order) == (410, "TooLate")
    control = Control(service)
    answer = control.handle(Request("GET", "/orders/5"))
    assert (answer.status, answer.json["Code"]) == (404, "TooLate")


def test_the_dashboard_calls_an_order_what_the_table_calls_it():
    nothing = ORDER_LIFECYCLE.state_rules[None]
    states = [rule._replace(words="no application") if rule == nothing else rule for rule in ORDER_LIFECYCLE.states]
    service = Service(lifecycle=attrs.evolve(ORDER_LIFECYCLE, noun="application", states=states))
    empty, absent = dashboard.page(service), dashboard.page(service, order_id=5)
    assert "No application yet." in empty
    assert "The life of an application" in empty
    assert "There is no application 5." in absent
    assert "Application 5" in absent


# -- the command line --------------------------------------------------------------------------------------------------


def test_serve_takes_a_table_of_ones_own_and_its_workers_too(tmp_path, monkeypatch):
    (tmp_path / "careful.py").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    table, database = ["--table", "careful:CAREFUL"], ["--db", f"sqlite:///{tmp_path}/some.db", "--workers", "2"]
    for options in ([], database):
        with served(*table, *options) as (_, ready):
            order = create(ready["api"])[1]["OrderId"]
            status, body = ask(ready["api"], "POST", f"/?OrderId={order}", action="CancelOrderRequest")
            assert (status, body["Code"]) == (403, "OrderStateError")
            assert ask(ready["control"], "GET", f"/orders/{order}")[1]["State"] == "pending_review"
