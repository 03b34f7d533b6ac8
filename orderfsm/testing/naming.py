"""What the test of a pair of a state and a trigger is called, by pytest and in JUnit reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger


def name_of(lifecycle: Lifecycle, state: State | None, trigger: Trigger) -> str:
    """The name of a test.

    >>> from orderfsm import ORDER_LIFECYCLE, Operation, State
    >>> name_of(ORDER_LIFECYCLE, State.ISSUED, Operation.DELETE)
    'test_delete_is_refused_when_issued'
    """
    refused = lifecycle.table[state].get(trigger) is None
    verb = "is_refused" if refused else "is_accepted"
    if refused and trigger in lifecycle.creates:
        verb = f"creates_another_{lifecycle.noun}"
    return f"test_{trigger.name.lower()}_{verb}_when_{state or f'there_is_no_{lifecycle.noun}'}"
