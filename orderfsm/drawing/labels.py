"""What is written in the SVG, and how wide that is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from orderfsm.explanation import standing
from orderfsm.paths import time_taken
from orderfsm.rows import DAY, Basis
from orderfsm.words import named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, StateRule, Transition, Window

_WIDTHS = (
    dict.fromkeys("fijlt.,:;|'!()[] -I/", 0.32)
    | dict.fromkeys("mwMW", 0.9)
    | dict.fromkeys("ABCDEGHKNOPQRSUVXYZ", 0.72)
)
"""How wide a character of Arial is, in font sizes; if it is not here 0.56, or 1 if it is Chinese, say."""


def text_width(text: str, size: float = 12, *, bold: bool = False) -> float:
    """About how wide `text` is in Arial or a face like it; rather a little too much than too little."""
    ems = math.fsum(_WIDTHS.get(character, 0.56 if character < "\u2e80" else 1) for character in text)
    return ems * size * (1.09 if bold else 1.02)


LEADING = 15
"""How far a line of a label is below the one before it."""


class Text(NamedTuple):
    """A line of a label: what it says, and as a tooltip, of which row, and whether that is a client's operation."""

    words: str
    title: str
    row: Transition
    by_client: bool
    note: bool = False

    @property
    def kind(self) -> tuple[bool, Basis]:
        """What tells one strand of a line from another: whose it is, and what the rule stands on."""
        return self.by_client, self.row.basis

    @property
    def width(self) -> float:
        return text_width(self.words, bold=self.by_client and not self.note)


def classes_of(by_client: bool, basis: Basis) -> str:
    """The classes of a label, or of a strand."""
    return ("operation" if by_client else "event") + ("" if basis is Basis.DOCUMENTED else f" {basis}")


def mark(basis: Basis) -> str:
    """What is written at a rule that no document states: `?` if it is inferred, `*` if it was observed."""
    return {Basis.INFERRED: "?", Basis.OBSERVED: "*"}.get(basis, "")


def state_name(state: State | None, lifecycle: Lifecycle) -> str:
    """What a box is called."""
    return lifecycle.name_of(state).replace("_", " ")


def fields_of(rule: StateRule, lifecycle: Lifecycle) -> list[str]:
    """What a state is read as, field by field: `Type payed`, `Phase moving or waiting`."""
    fields = ((each.field, rule.readings(at)) for at, each in enumerate(lifecycle.vocabularies))
    return [f"{field} {' or '.join(map(named, words))}" for field, words in fields if words]


def time_of(row: Transition, lifecycle: Lifecycle) -> str:
    """How long after which call an event completes it, if the table says so: `3 to 6 seconds after CreateInstance`."""
    rule = lifecycle.trigger_rules[row.trigger]
    return "" if rule.takes is None else f"{time_taken(*rule.takes)} after {rule.follows}"


def states_at_once(row: Transition, lifecycle: Lifecycle) -> list[State | None]:
    """In table order, where else than at its target an order may be when the call is answered."""
    others = lifecycle.targets(row) - {row.target}
    return [state for state in lifecycle.state_rules if state in others]


def source_of(row: Transition) -> str:
    """What the rule stands on, and the word by which it is stated: `documented MUST: RFC 8555, section 7.6`."""
    return f"{standing(row.basis, row.strength)}: {row.reference}"


def texts_of(row: Transition, lifecycle: Lifecycle, flow: Mapping[Transition, int]) -> list[Text]:
    """The lines of a label that are about `row`; `flow`: how often each row was taken."""
    by_client = lifecycle.by_client(row.trigger)
    name = row.trigger.name.replace("_", " ").lower()
    words = [name if by_client else f"({lifecycle.actor(row)}) {name}"]
    if row.quota:
        words.append(f"{row.quota:+d}".replace("-", "\N{MINUS SIGN}"))
    if row.quota_within is not None:
        words.append(within_days(row.quota_within))
    if row.within is not None:
        words.append(first_days(row.within))
    words += filter(None, [mark(row.basis)])
    count = f": {flow[row]:,}" if row in flow else ""
    refusable = "the service may refuse it" if row.may_be_refused else ""
    said = ", ".join(filter(None, [row.trigger, time_of(row, lifecycle), refusable]))
    title = f"{said} ({source_of(row)})"
    texts = [Text(" ".join(words) + count, title, row, by_client)]
    texts += [
        Text(f"or {state_name(state, lifecycle)} at once", title, row, by_client, note=True)
        for state in states_at_once(row, lifecycle)
    ]
    if row.creates is not None:
        texts.append(
            Text(f"new {lifecycle.noun}: {state_name(row.creates, lifecycle)}", title, row, by_client, note=True)
        )
    return texts


def within_days(seconds: int) -> str:
    """How long after issuance a unit is given back: `<= 30 d`, with the sign for it."""
    return f"\N{LESS-THAN OR EQUAL TO} {seconds / DAY:g} d"


def first_days(window: Window) -> str:
    """How long from its beginning an order may be treated so: `first 7 d`."""
    return f"first {window.seconds / DAY:g} d"
