"""Between the API's words and the spec's: the states that a word may mean, and the words of a state.

The API of the orders has two vocabularies for their state: `Type` in DescribeCertificateState and `Status` in
ListUserCertificateOrder. A word of either means a set of states. `vocabulary` has those of any table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import words
from .invalid import InvalidValue
from .questions import ORDER_LIFECYCLE
from .tables.api import PARAMETERS, RATE_LIMITS, VERSION, Parameters, error_body
from .verdict import Verdict

__all__ = [
    "PARAMETERS",
    "RATE_LIMITS",
    "VERSION",
    "Parameters",
    "error_body",
    "judge_type",
    "parse_states",
    "parse_trigger",
    "states_from_status",
    "states_from_type",
    "status_of",
    "statuses",
    "type_of",
    "types",
    "vocabulary",
]

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .lifecycle import Lifecycle
    from .rows import State, Trigger


def vocabulary(field: str, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Mapping[str, frozenset[State | None]]:
    """Every word of the vocabulary of `field`, and the states that it may mean; `InvalidValue` if there is none."""
    for each in lifecycle.vocabularies:
        if each.field == field:
            return words.meanings(lifecycle, each)
    raise InvalidValue("field", field, [each.field for each in lifecycle.vocabularies] or ["none: nothing is read"])


def types(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> dict[str, frozenset[State | None]]:
    """Every `Type`, and the states that it may mean."""
    return dict(vocabulary("Type", lifecycle))


def statuses(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> dict[str, frozenset[State | None]]:
    """Every `Status`, and the states that it may mean."""
    return dict(vocabulary("Status", lifecycle))


def type_of(state: State | None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str | None:
    """The `Type` that DescribeCertificateState answers in `state`; None where it answers NotFoundOrder instead."""
    return _word_of(state, "Type", lifecycle)


def status_of(state: State | None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str | None:
    """The `Status` that ListUserCertificateOrder answers in `state`; None where the order is not in the list."""
    return _word_of(state, "Status", lifecycle)


def states_from_type(word: str, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> frozenset[State | None]:
    """The states that `word`, a `Type`, may mean; `InvalidValue` if the spec does not know it.

    >>> from orderfsm.wire import states_from_type
    >>> states_from_type("process")
    frozenset({<State.BEING_REVIEWED: 'being_reviewed'>})
    """
    return words.states_read(word, "Type", vocabulary("Type", lifecycle))


def states_from_status(word: str, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> frozenset[State | None]:
    """The states that `word`, a `Status`, may mean; `InvalidValue` if the spec does not know it."""
    return words.states_read(word, "Status", vocabulary("Status", lifecycle))


def parse_states(word: str, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> frozenset[State | None]:
    """The states that a person means by `word`: a State's value, the documents' name, a word of a field, or `none`.

    In any case; `InvalidValue` if it is none of them. A word that is both a State's value and another word is that
    state; `Status=pending` is the word of the field, `Status=normal,CertificateStatus=` the words of two in one answer,
    of which the second is absent.

    >>> from orderfsm.wire import parse_states
    >>> sorted(parse_states("CHECKING"))
    [<State.BEING_REVIEWED: 'being_reviewed'>, <State.PENDING_REVIEW: 'pending_review'>]
    """
    return words.states_meant(word, lifecycle)


def parse_trigger(word: str, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Trigger:
    """The trigger that a person means by `word`: a member's name or value, in any case; else `InvalidValue`.

    >>> from orderfsm.wire import parse_trigger
    >>> parse_trigger("delete"), parse_trigger("review_passed")
    (<Operation.DELETE: 'DeleteCertificateRequest'>, <Event.REVIEW_PASSED: 'review_passed'>)
    """
    return words.trigger_called(word, lifecycle)


def judge_type(
    word: str, trigger: Trigger, *, lenient: bool = False, lifecycle: Lifecycle = ORDER_LIFECYCLE
) -> Verdict:
    """The verdict on `trigger` for an order that was last read with `word`, a `Type`.

    A word that the spec does not know (a future one) raises `InvalidValue`; with `lenient`, it gives UNDECIDED.

    >>> from orderfsm import Operation
    >>> from orderfsm.wire import judge_type
    >>> judge_type("domain_verify", Operation.DELETE), judge_type("unknow", Operation.DELETE)
    (<Verdict.ILLEGAL: 'illegal'>, <Verdict.UNDECIDED: 'undecided'>)
    """
    trigger = lifecycle.trigger(trigger)
    if lenient and isinstance(word, str) and word not in types(lifecycle):
        return Verdict.UNDECIDED
    return lifecycle.judge(states_from_type(word, lifecycle), trigger)


def _word_of(state: State | None, field: str, lifecycle: Lifecycle) -> str | None:
    vocabulary(field, lifecycle)
    at = [each.field for each in lifecycle.vocabularies].index(field)
    return next(iter(lifecycle.state_rules[lifecycle.state(state)].readings(at)), None)
