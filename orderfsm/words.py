"""The words by which people and the API name the states and triggers of a table.

A state is named by its value, by what the documents or the API call it, or by the words that the fields of one answer
have (`Status=normal,CertificateStatus=`); a trigger by the value or the name of its member; all of them in any case. A
member of another enum is never taken for a word, so that swapped arguments are found out.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from .invalid import InvalidValue
from .rows import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .rows import State, StateRule, Trigger, TriggerRule, Vocabulary
    from .table import Table

_Meaning = TypeVar("_Meaning")
LONGEST = 80
"""How many characters a word may have for one close to it to be looked for."""


def meanings(table: Table, vocabulary: Vocabulary) -> Mapping[str, frozenset[State | None]]:
    """Every word of `vocabulary`, one of the table's, and the states that it may mean."""
    return _meanings(table.states, table.vocabularies.index(vocabulary), vocabulary.unspecific)


@lru_cache
def _meanings(rules: tuple[StateRule, ...], at: int, unspecific: str | None) -> Mapping[str, frozenset[State | None]]:
    known: dict[str, frozenset[State | None]] = {}
    for rule in rules:
        for word in rule.readings(at):
            known[word] = known.get(word, frozenset()) | {rule.state}
    if unspecific is not None:
        known[unspecific] = frozenset().union(*known.values())
    return known


def word_in(answer: Mapping[str, object], vocabulary: Vocabulary, table: Table) -> object | None:
    """The word that `answer` has for the field of `vocabulary`; None if it says nothing there.

    A field that is there and empty or null says nothing, unless the table says what its absence means.
    """
    if vocabulary.field not in answer:
        return None
    word = answer[vocabulary.field]
    if word is None or word == ABSENT:
        return ABSENT if ABSENT in meanings(table, vocabulary) else word
    return word


def named(word: str) -> str:
    """What a word is called in a text: the absence of a field, which has no letters, as well."""
    return word or "absent"


def states_read(word: object, field: str, known: Mapping[str, frozenset[State | None]]) -> frozenset[State | None]:
    """The states that `word` means in a `field` whose words are `known`; `InvalidValue` if nobody knows it."""
    if isinstance(word, str) and word in known:
        return known[word]
    raise InvalidValue(field, word, known)


def states_meant(word: object, table: Table, accepted: Iterable[str | None] = ()) -> frozenset[State | None]:
    """The states that `word` may mean, `none` for no order. A state's value means that state, whatever else it may be.

    `FIELD=WORD`, or several separated by commas, means the states of which an answer may say all of that; without a
    word the answer has not that field. `InvalidValue`, which lists what is `accepted`, if nobody knows it.
    """
    if isinstance(word, str) and "=" in word and not isinstance(word, Enum):
        return _read_as(word, table)
    known: dict[str, frozenset[State | None]] = {"none": frozenset([None])}
    for rule in table.states:
        if rule.state is not None:
            known[rule.state.lower()] = frozenset([rule.state])
    for rule in table.states:
        known.setdefault(rule.words.lower(), frozenset([rule.state]))
    for name, states in _in_any_vocabulary(table).items():
        known.setdefault(name, states)
    return _meant("state", word, known, accepted or known)


def _read_as(said: str, table: Table) -> frozenset[State | None]:
    """The states of which an answer may say `FIELD=WORD,FIELD=WORD`; `InvalidValue` if there are none."""
    fields = {vocabulary.field.lower(): vocabulary for vocabulary in table.vocabularies}
    possible = frozenset(table.state_rules)
    for each in said.split(","):
        field, _, word = (part.strip() for part in each.partition("="))
        vocabulary = fields.get(field.lower())
        if vocabulary is None:
            raise InvalidValue("field", field, [vocabulary.field for vocabulary in table.vocabularies])
        known = meanings(table, vocabulary)
        states = next((states for one, states in known.items() if one.lower() == word.lower()), None)
        if states is None:
            raise InvalidValue(vocabulary.field, word, map(named, known))
        possible &= states
    if not possible:
        raise InvalidValue("state", said, ["words that may stand in one answer"])
    return possible


def other_meaning(word: str, table: Table) -> str:
    """What the word for one state may mean as well, in a sentence: as a word of a field, other states; else empty."""
    states = states_meant(word, table)
    for vocabulary in table.vocabularies if len(states) == 1 else ():
        for known, others in meanings(table, vocabulary).items():
            if known.lower() == word.lower() and others - states:
                listed = ", ".join(str(rule.state) for rule in table.states if rule.state in others)
                field = vocabulary.field
                return f"{word} is taken for the state; read as {field} it may be {listed}: write {field}={known}"
    return ""


def state_meant(word: object, table: Table) -> State | None:
    """The one state that `word` means; `InvalidValue` if nobody knows it, or if it may mean several."""
    states = states_meant(word, table, [rule.state for rule in table.states])
    if len(states) > 1:
        several = ", ".join(str(rule.state) for rule in table.states if rule.state in states)
        raise InvalidValue("state", word, [f"one state, and this may be any of {several}: judge takes such a word"])
    return next(iter(states))


def _in_any_vocabulary(table: Table) -> dict[str, frozenset[State | None]]:
    """The words of all vocabularies, in small letters, and the states that they may mean in any of them."""
    known: dict[str, frozenset[State | None]] = {}
    for vocabulary in table.vocabularies:
        for word, states in meanings(table, vocabulary).items():
            if word != ABSENT:
                known[word.lower()] = known.get(word.lower(), frozenset()) | states
    return known


def trigger_called(word: object, table: Table) -> Trigger:
    """The trigger of a table that a person calls `word`; else `InvalidValue`, which lists the names of all."""
    return trigger_meant(word, table.triggers, [rule.trigger.name.lower() for rule in table.triggers])


def trigger_meant(word: object, rules: Iterable[TriggerRule], accepted: Iterable[str]) -> Trigger:
    """The trigger whose name or value is `word`; `InvalidValue`, with what is `accepted`, if there is none."""
    known: dict[str, Trigger] = {}
    for rule in rules:
        known[rule.trigger.name.lower()] = known[rule.trigger.lower()] = known[rule.trigger] = rule.trigger
    return _meant("trigger", word, known, accepted)


def _meant(kind: str, word: object, known: Mapping[str, _Meaning], accepted: Iterable[str | None]) -> _Meaning:
    """What `word` means, of words that are `known` in lower case; else `InvalidValue`, which names the closest one."""
    if isinstance(word, str) and word in known:
        meant = known[word]
        if not isinstance(word, Enum) or word in (meant if isinstance(meant, frozenset) else {meant}):
            return meant
    if isinstance(word, str) and not isinstance(word, Enum):
        plain = word.lower()
        if plain in known:
            return known[plain]
        raise InvalidValue(kind, word, accepted, close(plain, known))
    raise InvalidValue(kind, word, accepted)


def close(word: str, known: Iterable[str]) -> str:
    """The one of the `known` words that is closest to a misspelt `word`; empty if none is close."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, known, n=1)), "") if len(word) <= LONGEST else ""
