"""Others move the instance between every read and call, answers get lost, words lag: the client ends in the truth."""

from __future__ import annotations

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from cloud import RULED, Cloud, raised_or_returned
from hypothesis import event, given
from hypothesis import strategies as st
from Tea.exceptions import TeaException, UnretryableException

from orderfsm import OrderStateError, Unreachable
from orderfsm.client import OutcomeUnknown
from orderfsm.client.call import calling
from orderfsm.client.carry_out import carrying_out, completed
from orderfsm.client.observation import read_as
from orderfsm.client.preflight import Preflight
from orderfsm.client.sdk import Answer, answer_or_raise, request
from orderfsm.client.steps import Pause, run
from orderfsm.client.wait import waiting
from orderfsm.rows import Actor
from orderfsm.tables.instances import LIFECYCLE, Operation, State
from orderfsm.trace import Outcome

SPOILT = ["lost before", "lost after", "throttled", "unreadable", "unknown word"]
EVENTS = {rule.trigger for rule in LIFECYCLE.triggers if rule.actor is not Actor.CLIENT}


class Hostile:
    """Performs the steps of a process against a service that obeys the table, with whatever the test draws in between.

    Time is that of the pauses. At every pause the service completes what is under way, if it is not kept from that.
    """

    def __init__(self, data, state, *, left=8):
        self.cloud, self.draw, self.now = Cloud(), data.draw, 0.0
        self.name = self.cloud.put(state, domain="example.com")
        self.visited, self.accepted, self.refused, self.lost, self.left = [state], [], [], 0, left
        self.silent = False
        self.pauses = 0

    @property
    def state(self):
        return self.cloud.states[self.name]

    @property
    def read(self):
        """The states that some answer about those which it was in may mean."""
        return {each for state in self.visited for answer in read_as(state, LIFECYCLE) for each in {state} | answer}

    def clock(self):
        return self.now

    def move(self, *, others=True):
        """Others do something that the table allows, or nothing."""
        rows = [row for row in LIFECYCLE.outgoing(self.state) if others or row.trigger in EVENTS]
        row = self.draw(st.sampled_from([None, *rows])) if self.left and rows else None
        if row is not None:
            self.left -= 1
            self.to(row.target)

    def to(self, state):
        self.cloud.states[self.name] = state
        self.visited.append(state)

    def complete(self):
        """The service completes what is under way, after a while."""
        for row in LIFECYCLE.outgoing(self.state):
            if LIFECYCLE.trigger_rules[row.trigger].follows is not None:
                self.to(row.target)
                return

    def perform(self, step):
        if isinstance(step, Pause):
            self.now += max(step.seconds, 300)
            self.pauses += 1
            if self.left and self.draw(st.booleans()):
                self.left -= 1
            else:
                self.complete()
            return None
        self.move()
        spoilt = self.draw(st.sampled_from([None, None, *SPOILT])) if self.left else None
        self.left -= spoilt is not None
        if spoilt == "throttled":
            return refused("Throttling.User", 429)
        if spoilt == "lost before":
            return self.lose()
        answer = self.answered(step, spoilt)
        return self.lose() if spoilt == "lost after" else answer

    def answered(self, step, spoilt):
        """What the service answers, by words that the table has for the state."""
        before = self.state
        rule = LIFECYCLE.state_rules[before]
        words = [self.draw(st.sampled_from(rule.readings(at) or (None,))) or None for at in range(2)]
        self.cloud.shown[self.name] = dict(zip(("status", "certificate_status"), words, strict=True))
        if spoilt == "unknown word":
            self.cloud.shown[self.name]["status"] = "asleep"
        silent = LIFECYCLE.is_silent(before, step.operation)
        self.silent |= silent
        self.cloud.accepts_silent = silent and self.draw(st.booleans())
        try:
            response = self.cloud.answer(step.operation, step.request)
        except TeaException as error:
            self.refused += [(before, step.operation)] * (step.operation in RULED)
            return answer_or_raise(step.operation, error, LIFECYCLE)
        if step.operation in RULED:
            self.accepted.append(step.operation)
            self.visited.append(self.state)
        if spoilt == "unreadable" and step.operation == Operation.GET:
            response.body = None
        return Answer.of_response(step.operation, response, LIFECYCLE)

    def lose(self):
        self.lost += 1
        error = UnretryableException(None, RuntimeError("lost"))
        return Answer(Outcome.UNKNOWN, error=error, lifecycle=LIFECYCLE)


def refused(code, status):
    error = TeaException({"code": code, "message": "no", "data": {"statusCode": status}})
    return Answer(Outcome.REFUSED, code, error=error, lifecycle=LIFECYCLE)


def preflight_of(world, **settings):
    return Preflight(lifecycle=LIFECYCLE, clock=world.clock, **settings)


def possible(world, operation):
    """Whether the table refuses the call in some state that the instance was in, or says nothing of it."""
    return any(LIFECYCLE.table[state].get(operation) is None for state in world.visited)


@given(st.data(), st.sampled_from(State), st.sampled_from(RULED), st.sampled_from([0, 10]), st.sampled_from([0, 60]))
def test_a_guarded_call_ends_in_the_truth(data, state, operation, grace, max_age):
    world = Hostile(data, state)
    preflight = preflight_of(world, grace=grace, max_age=max_age)
    asked = request(operation, instance_id=world.name)
    came_to = raised_or_returned(run, calling(preflight, operation, asked), world.perform)
    event(type(came_to).__name__)
    if isinstance(came_to, OutcomeUnknown):
        assert world.lost
    elif isinstance(came_to, OrderStateError) or getattr(came_to, "not_found", False):
        assert possible(world, operation)
        assert not came_to.possible or {None, *world.read} & came_to.possible
        if came_to.local:
            assert all(LIFECYCLE.table[each].get(operation, ...) is None for each in came_to.possible)
            assert not any(LIFECYCLE.service_refusal(each, operation).passes for each in came_to.possible)
    elif isinstance(came_to, TeaException):
        assert came_to.code in {"Throttling.User", "NotFound"} or world.lost
    else:
        targets = {row.target for row in LIFECYCLE.transitions if row.trigger is operation}
        there = frozenset().union(*(completed(LIFECYCLE, target) for target in targets))
        assert operation in world.accepted or (world.lost and there & {*world.visited})
    if not world.silent:
        changes = [each for each in world.accepted if each is operation and each is not Operation.UPDATE]
        assert len(changes) <= 1 or world.left < 8


@given(st.data(), st.sampled_from([state for state in State if state is not State.DELETED]), st.booleans())
def test_carry_out_ends_in_the_truth(data, state, grave):
    world = Hostile(data, state)
    process = carrying_out(preflight_of(world), world.name, "deleted", grave=grave)
    came_to = raised_or_returned(run, process, world.perform)
    event(type(came_to).__name__)
    assert grave or Operation.REVOKE not in world.accepted
    if isinstance(came_to, Unreachable):
        assert came_to.states & {*world.visited, None}
    elif isinstance(came_to, Exception):
        assert world.left < 8
    else:
        assert State.DELETED in world.visited


@given(st.data(), st.sampled_from([state for state in State if state is not State.DELETED]), st.sampled_from(State))
def test_wait_ends_in_the_truth(data, state, goal):
    """It returns a state that the words may mean, or says that it cannot come to it any more."""
    world = Hostile(data, state)
    process = waiting(preflight_of(world), world.name, goal, 3600, None, 10)
    came_to = raised_or_returned(run, process, world.perform)
    event(type(came_to).__name__)
    if isinstance(came_to, Unreachable):
        assert came_to.states & {*world.visited, None}
    elif not isinstance(came_to, Exception):
        assert goal in world.read
