"""Lines by their outlines: of one outline are those that are the same, letter for letter, but for their digits.

Times and ids then stand at the same bytes of all of them. An outline is learnt from a line whose sort `Shapes` has
found, unless a digit stands where it may decide what a line says.
"""

from __future__ import annotations

import re
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from .patterns import Example, Span

SPANS = (4, 2)
"""Of each line, and role of a value in it, there is a begin and an end."""
NONE = -1
"""Stands for the outline of a line that has none of those that were learnt."""
LONGEST = 1 << 10
"""How many bytes a line has at most whose outline is remembered."""

_DIGIT = re.compile(rb"[0-9]").search
_TO_OUTLINES = bytes.maketrans(b"123456789", b"000000000")
_ZERO = ord("0")
_MOST = 2_000
"""How many outlines are learnt; and how many more may be new than lines have had a known one, before that is no use."""


def outline_of(text: bytes) -> bytes:
    """A text, with a zero for each of its digits."""
    return text.translate(_TO_OUTLINES)


class Outlines:
    """Outlines of lines, with the sort of each; `told` are the members that tell sorts apart."""

    def __init__(self, told: Collection[str]) -> None:
        self._told = told
        self._known: dict[bytes, int] = {}
        self._sorts: list[int] = []
        self._spans: list[Sequence[Span]] = []
        self._leading: list[list[int]] = []
        self._once: set[bytes] = set()
        self._missed = 0
        """How many more outlines were new than lines had a known one, lately."""

    def clear(self) -> None:
        """Forget all of them."""
        self._known.clear()
        self._once.clear()
        for each in (self._sorts, self._spans, self._leading):
            each.clear()

    @property
    def may_be_learnt(self) -> bool:
        """Whether more of them are of any use."""
        return max(self._missed, len(self._known)) <= _MOST

    def wants(self, text: bytes) -> bool:
        """Whether to learn the outline of a line: if it is no long one, and there was one like it."""
        if len(text) > LONGEST:
            return False
        outline = outline_of(text)
        if outline in self._once:
            return outline not in self._known
        self._once.add(outline)
        self._missed += 1
        return False

    def learn(self, example: Example, sort: int, spans: Sequence[Span]) -> None:
        """Learn the outline of an object of a sort; its values, by their roles, stand at these `spans`."""
        if any(isinstance(part, bytes) and _DIGIT(part) for part in example.structure):
            return
        leading = []
        for slot, span in zip(example.slots, example.spans, strict=True):
            value = example.text[slice(*span)]
            if span in spans:
                continue
            if slot.kind == "text":
                if slot.is_taken and slot.name in self._told and _DIGIT(value):
                    return
            elif slot.kind == "integer" or value.lstrip(b"-")[1:2].isdigit():
                leading.append(span[0] + value.startswith(b"-"))
        self._known[outline_of(example.text)] = len(self._sorts)
        self._sorts.append(sort)
        self._spans.append(spans)
        self._leading.append(leading)

    def of(self, lines: bytes, begins: NDArray[np.intp]) -> NDArray[np.intp]:
        """The outlines of lines, that begin at these places of a text."""
        if not self._known or self._missed > _MOST:
            return np.full(len(begins), NONE)
        outlines = outline_of(lines).split(b"\n")
        found = np.fromiter(map(self._known.get, outlines, repeat(NONE)), np.intp, len(begins))
        text = np.frombuffer(lines, np.uint8)
        for number in np.unique(found[found != NONE]).tolist():
            for leading in self._leading[number]:
                some = np.flatnonzero(found == number)
                found[some[text[begins[some] + leading] == _ZERO]] = NONE
        self._missed = max(0, self._missed - int(np.count_nonzero(found != NONE)))
        return found

    def sorts(self, found: NDArray[np.intp]) -> NDArray[np.intp]:
        """The sorts of lines that have outlines."""
        return np.array(self._sorts, np.intp)[found]

    def spans(self, found: NDArray[np.intp]) -> NDArray[np.intp]:
        """Where in such lines their values stand, from 0: for each line and role a begin and an end."""
        return np.array(self._spans, np.intp).reshape(-1, *SPANS)[found]
