"""Every short sequence of triggers and every legal history, against `oracle.py` and against pytransitions.

`oracle.py` is a second statement of the documents. pytransitions, in `OrderMachine`, runs the same rows as the table
does, so that it checks how they are applied, not whether they are right.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import oracle
import pytest

from orderfsm import Event, Operation, Order, OrderStateError, ServiceError, State, can, check
from orderfsm.machine import OrderMachine

pytestmark = pytest.mark.usefixtures("untraced")

TRIGGERS = (*Operation, *Event)
STARTS = (None, *State)


def by_the_sentences(state, trigger):
    """The oracle's name of the state after a step; None if it is refused."""
    return oracle.after("no order" if state is None else state.value, trigger.name.lower())


MACHINE = OrderMachine()


@cache
def by_the_machine(state, trigger):
    """The name of pytransitions' state after a step; None if it is refused. A create makes a machine."""
    if state is None:
        begun = trigger.name.lower() in oracle.CREATES
        account = trigger.name.lower() in oracle.READS_OF_THE_ACCOUNT
        return OrderMachine().state.value if begun else "no order" if account else None
    if trigger.name.lower() not in MACHINE.events:
        return None
    MACHINE.set_state(state)
    try:
        assert getattr(MACHINE, trigger.name.lower())()
    except OrderStateError:
        assert MACHINE.state is state
        return None
    return MACHINE.state.value


@pytest.mark.parametrize("length", [1, 2, 3])
def test_all_sequences_from_every_start_are_judged_alike(length):
    """After a refusal the sequence goes on: a refusal changes nothing."""
    for start, sequence in product(STARTS, product(TRIGGERS, repeat=length)):
        state = start
        for trigger in sequence:
            says = by_the_sentences(state, trigger)
            assert by_the_machine(state, trigger) == says
            assert can(state, trigger) is (says is not None)
            if says is not None:
                state = check(state, trigger)
                assert (state or "no order") == says
            else:
                with pytest.raises(ServiceError):
                    check(state, trigger)


def histories(start, length, triggers):
    """Every legal history up to `length` from `start`, each with the state that it leads to, depth first."""
    stack = [(start, ())]
    while stack:
        state, history = stack.pop()
        yield state, history
        if len(history) < length:
            stack += [(check(state, t), (*history, t)) for t in triggers if can(state, t)]


def agreed(start, length, triggers):
    """How many histories there are, all of which the sentences, the machine and `Order.replay` explain alike."""
    count = 0
    for state, history in histories(start, length, triggers):
        count += 1
        said = start
        for trigger in history:
            says = by_the_sentences(said, trigger)
            assert by_the_machine(said, trigger) == says
            said = None if says == "no order" else State(says)
        assert said is state
        if start is not None:
            assert Order(1, start).replay(history).state is state
    return count


@cache
def counted(said, length, triggers):
    """How many legal histories up to `length` there are by the oracle."""
    after = [oracle.after(said, trigger.name.lower()) for trigger in triggers] if length else []
    return 1 + sum(counted(state, length - 1, triggers) for state in after if state is not None)


ON_ONE_ORDER = tuple(trigger for trigger in TRIGGERS if trigger.name.lower() not in oracle.READS_OF_THE_ACCOUNT)


def test_all_legal_histories_up_to_length_8_lead_where_the_oracles_say():
    for start in STARTS:
        assert agreed(start, 8, ON_ONE_ORDER) == counted(start or "no order", 8, ON_ONE_ORDER)


@pytest.mark.long
def test_with_the_reads_of_the_account_too():
    for start in STARTS:
        assert agreed(start, 8, TRIGGERS) == counted(start or "no order", 8, TRIGGERS)
