"""What is written in the SVG, and how wide that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orderfsm.rows import DAY, Basis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, StateRule, Transition

_WIDTHS = (
    dict.fromkeys("fijlt.,:;|'!()[] -I/", 0.32)
    | dict.fromkeys("mwMW", 0.9)
    | dict.fromkeys("ABCDEGHKNOPQRSUVXYZ", 0.72)
)
"""How wide a character of Arial is, in font sizes; if it is not here 0.56, or 1 if it is Chinese, say."""


def text_width(text: str, size: float = 12, *, bold: bool = False) -> float:
    """About how wide `text` is in Arial or a face like it; rather a little too much than too little."""
    ems = sum(_WIDTHS.get(character, 0.56 if character < "\u2e80" else 1) for character in text)
    return ems * size * (1.09 if bold else 1.02)


LEADING = 15
"""How far a line of a label is below the one before it."""


class Text(NamedTuple):
    """A line of a label: what it says, of which row, and whether that is a client's operation."""

    words: str
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
    return [f"{field} {' or '.join(words)}" for field, words in fields if words]


def texts_of(row: Transition, lifecycle: Lifecycle, flow: Mapping[Transition, int]) -> list[Text]:
    """The lines of a label that are about `row`; `flow`: how often each row was taken."""
    by_client = lifecycle.by_client(row.trigger)
    name = row.trigger.name.replace("_", " ").lower()
    words = [name if by_client else f"({lifecycle.actor(row)}) {name}"]
    if row.quota:
        words.append(f"{row.quota:+d}".replace("-", "\N{MINUS SIGN}"))
    if row.quota_within is not None:
        words.append(within_days(row.quota_within))
    words += filter(None, [mark(row.basis)])
    count = f": {flow[row]:,}" if row in flow else ""
    texts = [Text(" ".join(words) + count, row, by_client)]
    if row.creates is not None:
        texts.append(Text(f"new {lifecycle.noun}: {state_name(row.creates, lifecycle)}", row, by_client, note=True))
    return texts


def within_days(seconds: int) -> str:
    return f"\N{LESS-THAN OR EQUAL TO} {seconds / DAY:g} d"
