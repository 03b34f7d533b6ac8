"""The words by which people and the API name the states and triggers of a table.

A state is named by its value, or by what the documents or the API call it; a trigger by the value or the name of its
member; all of them in any case. A member of another enum is never taken for a word, so that swapped arguments are found
out.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from .errors import InvalidValue
from .spec import UNSPECIFIC_STATUS, UNSPECIFIC_TYPE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from .spec import State, StateRule, Trigger, TriggerRule

_Meaning = TypeVar("_Meaning")
LONGEST = 80
"""How many characters a word may have for one close to it to be looked for."""


def types(rules: Iterable[StateRule]) -> dict[str, frozenset[State | None]]:
    """Every `Type` of the API, and the states that it may mean."""
    return _vocabulary(((rule.type, rule.state) for rule in rules), UNSPECIFIC_TYPE)


def statuses(rules: Iterable[StateRule]) -> dict[str, frozenset[State | None]]:
    """Every `Status` of the API, and the states that it may mean."""
    return _vocabulary(((rule.status, rule.state) for rule in rules), UNSPECIFIC_STATUS)


def states_meant(
    word: object, rules: Collection[StateRule], accepted: Iterable[str | None] = ()
) -> frozenset[State | None]:
    """The states that `word` may mean, `none` for no order. A state's value means that state, whatever else it may be.

    `InvalidValue`, which lists what is `accepted`, if nobody knows it.
    """
    known: dict[str, frozenset[State | None]] = {"none": frozenset([None])}
    for rule in rules:
        if rule.state is not None:
            known[rule.state.lower()] = frozenset([rule.state])
    for rule in rules:
        known.setdefault(rule.words.lower(), frozenset([rule.state]))
    for vocabulary in (types(rules), statuses(rules)):
        for name, states in vocabulary.items():
            known.setdefault(name.lower(), states)
    return _meant("state", word, known, accepted or known)


def state_meant(word: object, rules: Collection[StateRule]) -> State | None:
    """The one state that `word` means; `InvalidValue` if nobody knows it, or if it may mean several."""
    states = states_meant(word, rules, [rule.state for rule in rules])
    if len(states) > 1:
        several = ", ".join(str(rule.state) for rule in rules if rule.state in states)
        raise InvalidValue("state", word, [f"one state, and this may be any of {several}: judge takes such a word"])
    return next(iter(states))


def trigger_meant(word: object, rules: Iterable[TriggerRule], accepted: Iterable[str]) -> Trigger:
    """The trigger whose name or value is `word`; `InvalidValue`, with what is `accepted`, if there is none."""
    known: dict[str, Trigger] = {}
    for rule in rules:
        known[rule.trigger.name.lower()] = known[rule.trigger.lower()] = known[rule.trigger] = rule.trigger
    return _meant("trigger", word, known, accepted)


def _meant(kind: str, word: object, known: Mapping[str, _Meaning], accepted: Iterable[str | None]) -> _Meaning:
    """What `word` means, of words that are `known` in lower case; else `InvalidValue`, which names the closest one."""
    if isinstance(word, str) and word in known:
        return known[word]
    if isinstance(word, str) and not isinstance(word, Enum):
        plain = word.lower()
        if plain in known:
            return known[plain]
        close = get_close_matches(plain, known, n=1) if len(plain) <= LONGEST else []
        raise InvalidValue(kind, word, accepted, *close)
    raise InvalidValue(kind, word, accepted)


def _vocabulary(
    words: Iterable[tuple[str | None, State | None]], unspecific: str
) -> dict[str, frozenset[State | None]]:
    meanings: dict[str, frozenset[State | None]] = {}
    for word, state in words:
        if word is not None:
            meanings[word] = meanings.get(word, frozenset()) | {state}
    meanings[unspecific] = frozenset().union(*meanings.values())
    return meanings
