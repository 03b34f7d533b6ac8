"""What a line says of an order: which answer the order gave, and which states the word of a read may mean."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from orderfsm import words
from orderfsm.errors import Meaning
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.verdict import Uncertain

from .lines import Line, Outcome, roles_of

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
    """What a line says of one order; `word` is what a read answered: in lower case, or `?` if nobody knows it."""

    trigger: Trigger
    answer: Answer
    word: str | None = None

    def __str__(self) -> str:
        return f"{self.trigger} {self.answer}" + (f", {self.word}" if self.word else "")

    @property
    def vague(self) -> bool:
        """Whether it can be read strictly, or in the order's favour."""
        return self.answer in STRICTLY or self.word == UNKNOWN_WORD

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


@lru_cache(maxsize=8)
def meanings_of(lifecycle: Lifecycle) -> Mapping[str, frozenset[State | None]]:
    """The states that a read's word may mean, as a state's value or in any vocabulary; by the word in lower case."""
    known: dict[str, frozenset[State | None]] = {
        state.lower(): frozenset([state]) for state in lifecycle.state_rules if state is not None
    }
    for vocabulary in lifecycle.vocabularies:
        for word, states in words.meanings(lifecycle, vocabulary).items():
            known[word.lower()] = known.get(word.lower(), frozenset()) | states
    return known


def reading_of(line: Line, lifecycle: Lifecycle) -> Reading:
    """What `line` says of its order, by the table of `lifecycle`."""
    trigger, own = line.trigger, line.lifecycle
    if line.outcome is not Outcome.ACCEPTED:
        return Reading(trigger, Answer.PERHAPS if line.outcome is Outcome.UNKNOWN else _answer(line.code, lifecycle))
    if line.state is None or not (trigger in own.reads or trigger in own.account_reads):
        return Reading(trigger, Answer.ACCEPTED)
    word = line.state.lower()
    return Reading(trigger, Answer.ACCEPTED, word if word in meanings_of(lifecycle) else UNKNOWN_WORD)


def readings(line: Line, order: Id, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> list[Reading]:
    """What `line` says of `order`: nothing if it is of the account, two things if a renewal names its own order.

    `InvalidValue` if the line is of another table than `lifecycle`.
    """
    roles = roles_of(line, lifecycle)
    said = [] if line.order_id != order or roles.of_the_account(line) else [reading_of(line, lifecycle)]
    return [*said, Reading(line.trigger, Answer.BEGUN)] if roles.begins(line) == order else said


def _answer(code: str | None, lifecycle: Lifecycle) -> Answer:
    return Answer.NO_CODE if code is None else _ANSWERS[lifecycle.codes.meaning_of(code)]
