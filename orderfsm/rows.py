"""What a table is made of: rows, and the rules of its states, triggers, refusals and readings. No table stands here.

"No order" is not a state: it is ``None`` wherever a state is expected.
"""

from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

import attrs

State: TypeAlias = StrEnum
"""A state of any table: a member of the enum that the table has for them."""

Operation: TypeAlias = StrEnum
"""What a client can call, in any table."""

Event: TypeAlias = StrEnum
"""What others do, in any table."""

Trigger: TypeAlias = StrEnum
"""An operation or an event of any table."""

DAY = 86_400
"""Seconds in a day."""

ABSENT = ""
"""The word of a field that an answer has not, has empty, or has as null, where a table says what that means."""


class Basis(StrEnum):
    """What a rule stands on, the firmest first.

    The documents state it; or somebody's public code or a real server shows it; or it was concluded from these.
    """

    DOCUMENTED = "documented"
    OBSERVED = "observed"
    INFERRED = "inferred"


class Actor(StrEnum):
    """Who fires a trigger. What completes by itself, some time after a call, is done by the service."""

    CLIENT = "client"
    OWNER = "owner"
    CA = "ca"
    CONSOLE = "console"
    CALENDAR = "calendar"
    SERVICE = "service"


class Term(StrEnum):
    """What comes to an end when its time is over."""

    CERTIFICATE = "certificate"
    SUBSCRIPTION = "subscription"


class Strength(StrEnum):
    """The word of RFC 2119 by which a document states a rule."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Window(NamedTuple):
    """How long a row allows its trigger: `seconds` from when the order began and was paid, the end included.

    Later the service refuses the call with `error`, a `ServiceError` that means `TOO_LATE`.
    """

    seconds: float
    error: Any

    def is_open(self, age: float) -> bool:
        """Whether the row still holds `age` seconds after the order began."""
        return age <= self.seconds

    def __str__(self) -> str:
        return f"within {self.seconds / DAY:g} days"


def _basis(word: str) -> Basis:
    return Basis(word)


@attrs.frozen
class Transition:
    """One row of the table: in `source`, `trigger` is allowed and leads to `target`.

    `source` is None if there is no order yet. `reference` is the document that states the rule, or the nearest one if
    the rule is inferred. `quota` is the effect on the order's package: +1 takes a unit, -1 returns the unit that the
    order holds, 0 does neither. With `quota_within` (seconds) the unit is returned only if the certificate was issued
    no longer ago than that, the end included. `creates` is the state in which a second order begins, on the row that
    creates one, and `holds` the units of quota that the second order holds. `within` is the time in which the row
    holds, if not always. `edits`: it changes what the order says of itself, whatever the state. `note` says which part
    of a documented rule is inferred.

    `at_once` are events that may have happened already when the call is answered. `optional`: the service may refuse it
    as it likes, and then nothing changes; it may do so once one of `optional_after` has happened to the order.
    `strength` is the word by which the document states the rule, if it is one of these.
    """

    source: State | None
    trigger: Trigger
    target: State | None
    basis: Basis = attrs.field(converter=_basis)
    reference: str
    quota: int = 0
    creates: State | None = None
    quota_within: int | None = None
    note: str = ""
    holds: int = 0
    within: Window | None = None
    edits: bool = False
    at_once: tuple[Trigger, ...] = ()
    optional: bool = False
    optional_after: tuple[Trigger, ...] = ()
    strength: Strength | None = None

    @property
    def may_be_refused(self) -> bool:
        """Whether the service may refuse what the row allows, perhaps only after something else has happened."""
        return self.optional or bool(self.optional_after)

    @property
    def changes(self) -> bool:
        """Whether the order changes, its state or what it says, or a second order begins; a read does none of these."""
        return self.target != self.source or self.creates is not None or self.edits

    @property
    def quota_text(self) -> str:
        """The effect on quota as text: `+1`, `-1`, `-1 within 30 days`, or nothing."""
        if not self.quota:
            return ""
        within = "" if self.quota_within is None else f" within {self.quota_within / DAY:g} days"
        return f"{self.quota:+d}{within}"

    def holds_at(self, age: float | None) -> bool:
        """Whether the row allows its trigger `age` seconds after the order began (None: nobody knows)."""
        return self.within is None or age is None or self.within.is_open(age)

    def gives_back(self, age: float | None) -> bool:
        """Whether this step returns the unit, `age` seconds after the certificate was issued (None: never issued)."""
        return self.quota < 0 and (self.quota_within is None or (age is not None and age <= self.quota_within))


class StateRule(NamedTuple):
    """What the API calls a state, and what that state implies.

    `words` is the documents' English name. `read_as` has, for each of the table's vocabularies, the word that this
    state is read as, a tuple of the words that it may be read as, or None if the API has none for it; empty: none at
    all. `basis` is inferred if any part of the row is, and `reference` is the document that states it, or the nearest
    one. `found`: the service still finds the order. `terminal`: no transition leaves the state. `certified`: the order
    has a certificate.
    """

    state: State | None
    words: str
    read_as: tuple[str | tuple[str, ...] | None, ...]
    basis: Basis
    reference: str
    found: bool = True
    terminal: bool = False
    certified: bool = False

    def readings(self, at: int) -> tuple[str, ...]:
        """The words of the vocabulary `at` that place in the table which the state may be read as; perhaps none."""
        words = self.read_as[at] if at < len(self.read_as) else None
        return words if isinstance(words, tuple) else () if words is None else (words,)


class TriggerRule(NamedTuple):
    """Who fires a trigger, and the basis and reference of its refusal where no transition allows it.

    `account`: the operation reads the account, not one order; it is allowed in every state and changes nothing.
    `abandons`: the caller gives the order up, so where it is refused, any other way to end the order serves as well.
    `before_end`: how many seconds before the end of `term` the calendar fires it. `fails`: the error (a `ServiceError`)
    that says that the call was allowed, and could not be carried out. `grave`: no plan takes it unless it is asked to,
    since it cannot be taken back, or costs money. `follows`: the operation that an event of the service completes, and
    `takes`: how many seconds later, the least and the most. `adverse`: nobody hopes for it, so a plan waits for it only
    if there is no other way. `certifies`: it brings a certificate, also where there was one. `seen`: it does not happen
    unseen, so that only what tells of it, or a later read that shows it, says that it has. `fails_strength` is the word
    by which the document states that nothing changes where a call `fails`. `due`: the field of answers that show an
    order that says from when on it may happen, in RFC 3339.
    """

    trigger: Trigger
    actor: Actor
    basis: Basis
    reference: str
    account: bool = False
    abandons: bool = False
    before_end: int | None = None
    fails: Any = None
    grave: bool = False
    follows: Trigger | None = None
    takes: tuple[float, float] | None = None
    adverse: bool = False
    certifies: bool = False
    term: Term = Term.CERTIFICATE
    seen: bool = False
    fails_strength: Strength | None = None
    due: str = ""


class RefusalRule(NamedTuple):
    """How what no row allows is refused: with `error`, a `Refusal` with its code and HTTP status.

    It holds for `triggers` in `states`; empty: for all. Of several that hold, the first decides. `passes`: the same
    call succeeds later, by itself. `because` says why it is refused, where that is not clear from the state. `basis`
    and `reference` are those of the trigger's rule, unless given; `strength` is the word by which it is stated.
    """

    error: Any
    triggers: tuple[Trigger, ...] = ()
    states: tuple[State | None, ...] = ()
    passes: bool = False
    basis: Basis | None = None
    reference: str = ""
    because: str = ""
    strength: Strength | None = None

    def holds(self, state: State | None, trigger: Trigger) -> bool:
        """Whether it is about that pair."""
        return (not self.triggers or trigger in self.triggers) and (not self.states or state in self.states)


class Silence(NamedTuple):
    """The pairs of `triggers` with `states` of which the sources say nothing; `reference` is the nearest one.

    They are neither allowed nor refused: nobody may conclude anything from them.
    """

    triggers: tuple[Trigger, ...]
    states: tuple[State | None, ...]
    reference: str


class Vocabulary(NamedTuple):
    """The words by which one field of an operation's answer names the states of an order.

    `unspecific` is the word that names none of them: it may mean any state that has a word here. `closed`: the API
    promises that there are no other words, so another one is an error of the server, and not merely unknown.
    `elsewhere` are other operations whose answers have the same field with the same words; where they change the order,
    it says what state that is in afterwards. `apart` is the key under
    which a line of a trace has this field's word by itself, beside a `state` that then is a word of another field.
    `reference` is where the words are documented.
    """

    operation: Trigger
    field: str
    unspecific: str | None = None
    closed: bool = False
    elsewhere: tuple[Trigger, ...] = ()
    apart: str = ""
    reference: str = ""

    @property
    def operations(self) -> tuple[Trigger, ...]:
        """The operations in whose answers the field is."""
        return (self.operation, *self.elsewhere)

    @property
    def key(self) -> str:
        """Its name in documents: the field in small letters."""
        return self.field.lower()
