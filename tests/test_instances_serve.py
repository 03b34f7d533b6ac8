"""`orderfsm serve` and `Service` with instances: both products are answered, whatever table is named."""

from __future__ import annotations

import attrs
import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("click", reason="the extra `cli` is not installed")

from other_table import LIFECYCLE as PARCELS
from test_serve import ask, create, served

from orderfsm import ORDER_LIFECYCLE, InvalidValue
from orderfsm.cli import main
from orderfsm.mock import Service
from orderfsm.mock.http.serve import Settings
from orderfsm.tables.instances import LIFECYCLE, Operation, State

WITHOUT_REFUND = LIFECYCLE.without(LIFECYCLE.transition(State.UNUSED, Operation.REFUND))


@pytest.mark.parametrize("table", ["orders", "instances"])
def test_both_products_are_answered_whatever_table_is_named(table):
    with served("--table", table, "--takes", "refund_completed=0", "--takes", "purchase_settled=0.5") as (_, ready):
        assert create(ready["api"])[0] == 200
        status, instance = ask(ready["control"], "POST", "/instances", {"State": "settling"})
        assert status == 201
        ask(ready["control"], "POST", "/clock", {"advance": 1})
        path = f"/?InstanceId={instance['InstanceId']}"
        assert ask(ready["api"], "POST", path, action="RefundInstance")[0] == 200
        assert ask(ready["api"], "POST", path, action="GetInstanceDetail")[1]["Status"] == "refund"
        assert ask(ready["control"], "GET", "/health")[1] == {"status": "ok", "orders": 1, "instances": 1}


def test_workers_complete_nothing_where_it_is_done_by_hand(tmp_path):
    options = ["--database", f"sqlite:///{tmp_path}/both.db", "--workers", "2", "--completions", "manual"]
    with served(*options) as (_, ready):
        instance = ask(ready["control"], "POST", "/instances", {"State": "settling"})[1]["InstanceId"]
        ask(ready["control"], "POST", "/clock", {"advance": 3600})
        answer = ask(ready["api"], "POST", f"/?InstanceId={instance}", action="RefundInstance")
        assert (answer[0], answer[1]["Code"]) == (400, "CouldNotRefund.NotSupport")
        assert ask(ready["control"], "PUT", "/completions", {"Mode": "clock"}) == (200, {"Mode": "clock"})
        assert ask(ready["api"], "POST", f"/?InstanceId={instance}", action="RefundInstance")[0] == 200
    with served(*options) as (_, ready):
        assert ask(ready["control"], "GET", "/completions")[1] == {"Mode": "clock"}
        assert ask(ready["control"], "GET", f"/instances/{instance}")[1]["State"] == "refunding"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--takes", "refund_completed"], "takes 'refund_completed': expected EVENT=SECONDS"),
        (["--takes", "refund_completed=soon"], "takes 'refund_completed=soon': expected EVENT=SECONDS"),
        (["--takes", "shut_down=1"], "completion 'shut_down': expected purchase_settled"),
    ],
)
def test_a_time_that_makes_no_sense_is_one_line_and_exit_2(options, said, capsys):
    assert main(["serve", *options]) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert said in last


def test_a_table_of_instances_may_be_given_under_either_name():
    for service in (Service(lifecycle=WITHOUT_REFUND), Service(instances=WITHOUT_REFUND)):
        assert service.lifecycles == (ORDER_LIFECYCLE, WITHOUT_REFUND)
        with pytest.raises(LIFECYCLE.refusal(State.UNUSED, Operation.REFUND).error):
            service.instances.fire(service.begin_instance().id, Operation.REFUND)
    assert Settings(lifecycle=WITHOUT_REFUND).tables() == (ORDER_LIFECYCLE, WITHOUT_REFUND)


def test_a_table_of_something_else_is_none_of_instances():
    with pytest.raises(InvalidValue, match=r"table of instances 'parcels': expected one of the V2\.0 API's operations"):
        Service(instances=attrs.evolve(PARCELS, name="parcels"))
    with pytest.raises(InvalidValue, match="table of instances 'orders'"):
        Service(instances=ORDER_LIFECYCLE)
