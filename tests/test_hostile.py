"""Others move the order between check and call, answers get lost, reads are vague: the guard ends in the truth."""

from __future__ import annotations

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("starlette", reason="the extra `mock` is not installed")

from alibabacloud_cas20200407 import models
from hypothesis import event, given
from hypothesis import strategies as st
from orders import call, obeyed, order_in
from Tea.exceptions import TeaException, UnretryableException

from orderfsm import ORDER_LIFECYCLE, Operation, OrderFSMError, State, Unreachable, can
from orderfsm.client import OutcomeUnknown
from orderfsm.client.call import calling
from orderfsm.client.carry_out import carrying_out
from orderfsm.client.errors import SDKNotFoundOrder, SDKOrderStateError
from orderfsm.client.preflight import Preflight
from orderfsm.client.sdk import Answer, request
from orderfsm.client.steps import Pause, run
from orderfsm.mock import Service
from orderfsm.trace import Outcome

RULED = [Operation.CANCEL, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE, Operation.RENEW]
SPOILT = ["lost before", "lost after", "throttled", "unknow"]
REFUSALS = (SDKOrderStateError, SDKNotFoundOrder)


class Hostile:
    """Performs the steps of a process against a service, with whatever the test draws in between."""

    def __init__(self, data, state):
        self.service = Service()
        self.service.put_package("digicert-free-1-free", 1000)
        self.order_id = order_in(self.service, state)
        self.draw = data.draw
        self.visited = [state]
        self.accepted = []
        self.refused = False
        self.lost = 0
        self.left = 6  # moves and spoilt calls, so that every run comes to rest

    @property
    def state(self):
        return self.service.store.get(self.order_id).order.state

    def move(self):
        """Others do something that the table allows, or nothing."""
        rows = ORDER_LIFECYCLE.outgoing(self.state)
        row = self.draw(st.sampled_from([None, *rows])) if self.left else None
        if row is not None:
            self.left -= 1
            if isinstance(row.trigger, Operation):
                assert call(self.service, row.trigger, OrderId=self.order_id).status == 200
            else:
                self.service.happen(self.order_id, row.trigger)
            self.visited.append(self.state)

    def perform(self, step):  # noqa: PLR0911
        if isinstance(step, Pause):
            return None
        self.move()
        spoilt = self.draw(st.sampled_from([None, *SPOILT])) if self.left else None
        self.left -= spoilt is not None
        if spoilt == "throttled":
            return refused("Throttling.User", 429)
        if spoilt == "lost before":
            return self.lose()
        if spoilt == "unknow" and step.operation is Operation.DESCRIBE and self.state is not State.DELETED:
            return answered(step.operation, {"Type": "unknow"})
        parameters = {name: value for name, value in step.request.to_map().items() if value is not None}
        response = call(self.service, step.operation, **parameters)
        if step.operation in RULED:
            self.note(step.operation, response.status == 200)
        if spoilt == "lost after":
            return self.lose()
        if response.status == 200:
            return answered(step.operation, response.json)
        return refused(response.json["Code"], response.status)

    def note(self, operation, accepted):
        if accepted:
            self.accepted.append(operation)
            self.visited.append(self.state)
        else:
            self.refused = True

    def lose(self):
        self.lost += 1
        return Answer(Outcome.UNKNOWN, error=UnretryableException(None, RuntimeError("lost")))


def answered(operation, body):
    response = getattr(models, f"{operation}Response")()
    response.body = getattr(models, f"{operation}ResponseBody")().from_map(body)
    response.headers = {}
    return Answer(Outcome.ACCEPTED, response=response)


def refused(code, status):
    error = TeaException({"code": code, "message": "no", "data": {"statusCode": status}})
    return Answer(Outcome.REFUSED, code, error=error)


def outcome_of(process, perform):
    """What a process returns or raises."""
    try:
        return run(process, perform)
    except (OrderFSMError, TeaException) as error:
        return error


@given(st.data(), st.sampled_from(State), st.sampled_from(RULED), st.sampled_from(["enforce", "warn"]))
def test_a_guarded_call_ends_in_the_truth(data, state, operation, mode):
    world = Hostile(data, state)
    preflight = Preflight(mode, grace=0)
    came_to = outcome_of(calling(preflight, operation, request(operation, order_id=world.order_id)), world.perform)
    event(type(came_to).__name__)
    if isinstance(came_to, REFUSALS):
        assert world.accepted == []
        assert any(not can(visited, operation) for visited in world.visited)
        assert not came_to.possible or {*world.visited, None} & came_to.possible
    elif isinstance(came_to, OutcomeUnknown):
        assert world.lost
    elif isinstance(came_to, TeaException):
        assert came_to.code == "Throttling.User" or world.lost
        assert world.accepted == []
    else:
        targets = {row.target for row in ORDER_LIFECYCLE.transitions if row.trigger is operation}
        assert operation in world.accepted or (world.lost and targets & set(world.visited))
    if operation is Operation.RENEW:
        assert len(world.accepted) <= 1
    obeyed(world.service)


@given(st.data(), st.sampled_from(State), st.sampled_from([State.DELETED, State.PENDING_APPLICATION, State.REVOKED]))
def test_carry_out_ends_in_the_truth(data, state, goal):
    world = Hostile(data, state)
    came_to = outcome_of(carrying_out(Preflight(grace=0), world.order_id, goal), world.perform)
    event(type(came_to).__name__)
    if isinstance(came_to, Unreachable):
        assert goal not in ORDER_LIFECYCLE.reachable(state) or came_to.states & {*world.visited, None}
    elif isinstance(came_to, SDKNotFoundOrder):
        assert State.DELETED in world.visited
    elif isinstance(came_to, Exception):
        assert world.lost or world.left < 6
    else:
        assert goal in world.visited
        assert [step.trigger for step in came_to.steps] == world.accepted or world.lost
    obeyed(world.service)
