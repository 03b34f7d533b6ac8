"""Every short word of triggers and every legal history, against two independent oracles.

One is pytransitions, driven by `OrderMachine`; the other is `oracle.py`, the documents' sentences said a second time.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import oracle
import pytest

from orderfsm import Event, Operation, Order, OrderStateError, ServiceError, State, can, check
from orderfsm.machine import OrderMachine

TRIGGERS = (*Operation, *Event)
STARTS = (None, *State)


def by_the_sentences(state, trigger):
    """The oracle's state after a step, in words; None if it is refused."""
    return oracle.after("no order" if state is None else state.value, trigger.name.lower())


MACHINE = OrderMachine()


@cache
def by_the_machine(state, trigger):
    """Pytransitions' state after a step, in words; None if it is refused. A create makes a machine."""
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
def test_all_words_from_every_start_are_judged_alike(length):
    """After each refusal the word goes on: a refusal changes nothing."""
    for start, word in product(STARTS, product(TRIGGERS, repeat=length)):
        state = start
        for trigger in word:
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
        state, word = stack.pop()
        yield state, word
        if len(word) < length:
            stack += [(check(state, t), (*word, t)) for t in triggers if can(state, t)]


def agreed(start, length, triggers):
    """How many histories there are, all of which the sentences, the machine and `Order.replay` explain alike."""
    count = 0
    for state, word in histories(start, length, triggers):
        count += 1
        said = start
        for trigger in word:
            says = by_the_sentences(said, trigger)
            assert by_the_machine(said, trigger) == says
            said = None if says == "no order" else State(says)
        assert said is state
        if start is not None:
            assert Order(1, start).replay(word).state is state
    return count


ON_ONE_ORDER = [trigger for trigger in TRIGGERS if trigger not in {Operation.LIST, Operation.DESCRIBE_PACKAGE}]


def test_all_legal_histories_up_to_length_8_lead_where_the_oracles_say():
    assert sum(agreed(start, 8, ON_ONE_ORDER) for start in STARTS) == 55_462


@pytest.mark.long
def test_with_the_reads_of_the_account_too():
    assert sum(agreed(start, 8, TRIGGERS) for start in STARTS) == 3_604_392
