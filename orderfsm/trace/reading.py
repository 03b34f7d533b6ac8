"""What a line says of an order: which answer the order gave, and which states the word of a read may mean."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from orderfsm import words
from orderfsm.errors import Meaning
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import ABSENT
from orderfsm.verdict import Uncertain

from .lines import Line, Outcome, roles, roles_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger


class Answer(Uncertain, StrEnum):
    """How a trigger went, as far as the rules tell answers apart."""

    ACCEPTED = "accepted"
    PERHAPS = "perhaps accepted"
    STATE_FORBIDS = "refused by the state"
    NOT_FOUND = "no such order"
    NOT_CARRIED_OUT = "allowed, but not carried out"
    TURNED_AWAY = "refused for another known reason"
    NO_CODE = "refused without a code"
    UNKNOWN_CODE = "refused with an unknown code"
    BEGUN = "named by a renewal"


class Reading(NamedTuple):
    """What a line says of one order; `word` is the state answered: in lower case, or `?` if nobody knows it.

    Two words stand as `normal/issued`, `normal/-` if the answer had no second one.
    """

    trigger: Trigger
    answer: Answer
    word: str | None = None

    def __str__(self) -> str:
        return f"{self.trigger} {self.answer}" + (f", {self.word}" if self.word else "")

    @property
    def vague(self) -> bool:
        """Whether it can be read strictly, or in the order's favour."""
        return self.answer in STRICTLY or (self.word is not None and UNKNOWN_WORD in self.word.split(BETWEEN))

    @property
    def named(self) -> bool:
        """Whether a renewal of another order names the order."""
        return self.answer is Answer.BEGUN

    def may_come_late(self, *, favour: bool) -> bool:
        """Whether nobody knows what became of the call, so that it may happen at any later time, or never."""
        return Answer.PERHAPS in (IN_FAVOUR if favour else STRICTLY).get(self.answer, (self.answer,))


_ANSWERS: Mapping[Meaning | None, Answer] = {
    **dict.fromkeys(Meaning, Answer.TURNED_AWAY),
    Meaning.STATE_FORBIDS: Answer.STATE_FORBIDS,
    Meaning.NOT_FOUND: Answer.NOT_FOUND,
    Meaning.NOT_CARRIED_OUT: Answer.NOT_CARRIED_OUT,
    Meaning.PERHAPS: Answer.PERHAPS,
    None: Answer.UNKNOWN_CODE,
}
STRICTLY: Mapping[Answer, tuple[Answer, ...]] = {
    Answer.NO_CODE: (Answer.STATE_FORBIDS, Answer.NOT_FOUND),
    Answer.UNKNOWN_CODE: (),
}
IN_FAVOUR: Mapping[Answer, tuple[Answer, ...]] = {
    Answer.NO_CODE: (Answer.PERHAPS,),  # what any other refusal explains, this explains as well
    Answer.UNKNOWN_CODE: (Answer.TURNED_AWAY,),
}
UNKNOWN_WORD = "?"


BETWEEN = "/"
"""Stands between the words of a line that has two."""
NO_WORD = "-"
"""The second word where the answer had none."""
_NONE = {ABSENT, "absent"}
"""How a line says so."""


class Words:
    """What the words of reads mean, by a table: the states that one may mean as a state's value or in any vocabulary.

    Of a line with two words, the second is of the vocabulary that is told apart, and the first of another one, or a
    state's value: the states are those that both may mean.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self.words: dict[str, frozenset[State | None]] = {}
        self._first: dict[str, frozenset[State | None]] = {}
        self._second: dict[str, frozenset[State | None]] = {}
        self._anywhere = frozenset(lifecycle.state_rules) - {None}
        for state in lifecycle.state_rules:
            if state is not None:
                self.words[state.lower()] = self._first[state.lower()] = frozenset([state])
        for vocabulary in lifecycle.vocabularies:
            for each, states in words.meanings(lifecycle, vocabulary).items():
                word = each.lower()
                own = self._second if vocabulary.apart else self._first
                own[word] = own.get(word, frozenset()) | states
                if word != ABSENT:
                    self.words[word] = self.words.get(word, frozenset()) | states

    def said(self, state: str | None, second: str | None) -> str | None:
        """The word, or the two, that a line says: in lower case, `?` for each that nobody knows."""
        if second is None:
            word = None if state is None else state.lower()
            return word if word is None or word in self.words else UNKNOWN_WORD
        first, other = "" if state is None else state.lower(), second.lower()
        if other == ABSENT or other not in self._second:
            is_none = other in _NONE and ABSENT in self._second
            other = NO_WORD if is_none else UNKNOWN_WORD
        return f"{first if not first or first in self._first else UNKNOWN_WORD}{BETWEEN}{other}"

    def first(self, text: str) -> str | None:
        """The word that means the same as `text`, as a line's `state`; None if nobody knows it."""
        word = text.lower()
        return word if word in self.words or word in self._first else None

    def second(self, text: str) -> str | None:
        """The same of a line's second word."""
        word = text.lower()
        return word if word in self._second or word in _NONE else None

    def states(self, word: str, unknown: frozenset[State | None]) -> frozenset[State | None]:
        """The states that a word, or two as `said`, may mean; what is unknown may mean these."""
        if word in self.words:
            return self.words[word]
        if BETWEEN not in word:
            return unknown
        first, _, second = word.rpartition(BETWEEN)
        possible = unknown if UNKNOWN_WORD in {first, second} else self._anywhere
        if first and first != UNKNOWN_WORD:
            possible &= self._first[first]
        return possible if second == UNKNOWN_WORD else possible & self._second[ABSENT if second == NO_WORD else second]


@lru_cache(maxsize=8)
def words_of(lifecycle: Lifecycle) -> Words:
    """What the words of reads mean by this table."""
    return Words(lifecycle)


def meanings_of(lifecycle: Lifecycle) -> Mapping[str, frozenset[State | None]]:
    """The states that a read's word may mean, as a state's value or in any vocabulary; by the word in lower case."""
    return words_of(lifecycle).words


def reading_of(line: Line, lifecycle: Lifecycle) -> Reading:
    """What `line` says of its order, by the table of `lifecycle`."""
    trigger, own = line.trigger, line.lifecycle
    if line.outcome is not Outcome.ACCEPTED:
        return Reading(trigger, Answer.PERHAPS if line.outcome is Outcome.UNKNOWN else _answer(line.code, lifecycle))
    if trigger not in own.reads | own.account_reads | roles(own).saying_what_follows:
        return Reading(trigger, Answer.ACCEPTED)
    return Reading(trigger, Answer.ACCEPTED, words_of(lifecycle).said(line.state, line.certificate_state))


def readings(line: Line, order: Id, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> list[Reading]:
    """What `line` says of `order`: nothing if it is of the account, two things if a renewal names its own order.

    `InvalidValue` if the line is of another table than `lifecycle`.
    """
    roles = roles_of(line, lifecycle)
    said = [] if line.order_id != order or roles.of_the_account(line) else [reading_of(line, lifecycle)]
    return [*said, Reading(line.trigger, Answer.BEGUN)] if roles.begins(line) == order else said


def _answer(code: str | None, lifecycle: Lifecycle) -> Answer:
    return Answer.NO_CODE if code is None else _ANSWERS[lifecycle.codes.meaning_of(code)]
