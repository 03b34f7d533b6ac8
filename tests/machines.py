"""What the tests of the machines share: the triggers that a machine has, and how to ask either kind of machine."""

from __future__ import annotations

import asyncio
import atexit

import pytest

from orderfsm import Event, Operation, OrderStateError, State, can, check
from orderfsm.machine import AsyncOrderMachine, OrderMachine

CREATES = {Operation.CREATE, Operation.CREATE_FOR_PACKAGE, Operation.CREATE_WITH_CSR}
TRIGGERS = [trigger for trigger in (*Operation, *Event) if trigger not in CREATES]
PAIRS = [(state, trigger) for state in State for trigger in TRIGGERS]

RUNNER = asyncio.Runner()
"""One loop for all single calls."""
atexit.register(RUNNER.close)

BOTH = pytest.mark.parametrize("machine", [OrderMachine, AsyncOrderMachine])


class Plain:
    """A model without anything of its own."""


def answer(value):
    """What a method of a model answers, of either kind of machine."""
    return RUNNER.run(value) if asyncio.iscoroutine(value) else value


def obeys(model):
    """Every trigger in every state is what the table says, and leaves `model` where the table says."""
    for state, trigger in PAIRS:
        name = trigger.name.lower()
        model.state = state
        assert answer(getattr(model, f"may_{name}")()) is can(state, trigger)
        if can(state, trigger):
            assert answer(getattr(model, name)()) is True
            assert model.state == check(state, trigger)
        else:
            with pytest.raises(OrderStateError):
                answer(getattr(model, name)())
            assert model.state == state
