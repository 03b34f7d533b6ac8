"""Between the API's words and the spec's: states, names, parameters, error bodies.

The API has two vocabularies for the state of an order: `Type` in DescribeCertificateState and `Status` in
ListUserCertificateOrder. A word of either means a set of states: see `spec.STATES`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import attrs

from . import words
from .errors import InvalidValue
from .lifecycle import ORDER_LIFECYCLE, Lifecycle, Verdict
from .spec import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .spec import State, Trigger

VERSION = "2020-04-07"
"""The API version."""


def types(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> dict[str, frozenset[State | None]]:
    """Every `Type`, and the states that it may mean."""
    return dict(_types(lifecycle))


def statuses(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> dict[str, frozenset[State | None]]:
    """Every `Status`, and the states that it may mean."""
    return dict(_statuses(lifecycle))


def type_of(state: State | None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str | None:
    """The `Type` that DescribeCertificateState answers in `state`; None where it answers NotFoundOrder instead."""
    return lifecycle.state_rules[lifecycle.state(state)].type


def status_of(state: State | None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str | None:
    """The `Status` that ListUserCertificateOrder answers in `state`; None where the order is not in the list."""
    return lifecycle.state_rules[lifecycle.state(state)].status


def states_from_type(word: str, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> frozenset[State | None]:
    """The states that `word`, a `Type`, may mean; `InvalidValue` if the spec does not know it.

    >>> from orderfsm.wire import states_from_type
    >>> states_from_type("process")
    frozenset({<State.BEING_REVIEWED: 'being_reviewed'>})
    """
    return _states(word, "Type", _types(lifecycle))


def states_from_status(word: str, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> frozenset[State | None]:
    """The states that `word`, a `Status`, may mean; `InvalidValue` if the spec does not know it."""
    return _states(word, "Status", _statuses(lifecycle))


def parse_states(word: str, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> frozenset[State | None]:
    """The states that a person means by `word`: a State's value, the documents' name, a `Type`, a `Status`, or `none`.

    In any case; `InvalidValue` if it is none of them. A word that is both a State's value and another word is that
    state.

    >>> from orderfsm.wire import parse_states
    >>> sorted(parse_states("CHECKING"))
    [<State.BEING_REVIEWED: 'being_reviewed'>, <State.PENDING_REVIEW: 'pending_review'>]
    """
    return words.states_meant(word, lifecycle.states)


def parse_trigger(word: str, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Trigger:
    """The trigger that a person means by `word`: a member's name or value, in any case; else `InvalidValue`.

    >>> from orderfsm.wire import parse_trigger
    >>> parse_trigger("delete"), parse_trigger("review_passed")
    (<Operation.DELETE: 'DeleteCertificateRequest'>, <Event.REVIEW_PASSED: 'review_passed'>)
    """
    return words.trigger_meant(word, lifecycle.triggers, [rule.trigger.name.lower() for rule in lifecycle.triggers])


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


@lru_cache
def _types(lifecycle: Lifecycle) -> Mapping[str, frozenset[State | None]]:
    return words.types(lifecycle.states)


@lru_cache
def _statuses(lifecycle: Lifecycle) -> Mapping[str, frozenset[State | None]]:
    return words.statuses(lifecycle.states)


def _states(word: str, kind: str, meanings: Mapping[str, frozenset[State | None]]) -> frozenset[State | None]:
    try:
        return meanings[word]
    except (KeyError, TypeError):
        raise InvalidValue(kind, word, meanings) from None


@attrs.frozen
class Parameters:
    """The parameters of an operation by name: `required`, `any_of` (at least one of these) and `optional`."""

    required: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_CONTACT = ("Email", "Phone", "Username")
PARAMETERS: Mapping[Operation, Parameters] = {
    Operation.CREATE: Parameters(("Domain", *_CONTACT, "ValidateType"), (), ("ProductCode", "Tags")),
    Operation.CREATE_FOR_PACKAGE: Parameters(
        (), ("Domain", "Csr"), (*_CONTACT, "ValidateType", "CompanyName", "ProductCode", "Tags")
    ),
    Operation.CREATE_WITH_CSR: Parameters(("Csr", *_CONTACT, "ValidateType"), (), ("ProductCode", "Tags")),
    Operation.DESCRIBE: Parameters(("OrderId",)),
    Operation.LIST: Parameters(
        (), (), ("CurrentPage", "ShowSize", "Keyword", "OrderType", "Status", "ResourceGroupId")
    ),
    Operation.CANCEL: Parameters(("OrderId",)),
    Operation.DELETE: Parameters(("OrderId",)),
    Operation.CANCEL_FOR_PACKAGE: Parameters(("OrderId",)),
    Operation.RENEW: Parameters(("OrderId",), (), ("Csr", "Tags")),
    Operation.DESCRIBE_PACKAGE: Parameters((), (), ("ProductCode",)),
}
"""The parameters of each operation: those of the SDK's models (alibabacloud_cas20200407 3.9.4)."""


RATE_LIMITS: Mapping[Operation, int] = dict.fromkeys(Operation, 10) | {Operation.CANCEL: 100}
"""Calls a second: the documented limits; where none is documented, that of the other operations."""


def error_body(code: str, message: str, request_id: str, host: str) -> dict[str, str]:
    """The JSON body of a failure, from which the official SDKs make their exceptions."""
    recommend = f"https://api.aliyun.com/troubleshoot?q={code}&product=cas&requestId={request_id}"
    return {"RequestId": request_id, "HostId": host, "Code": code, "Message": message, "Recommend": recommend}
