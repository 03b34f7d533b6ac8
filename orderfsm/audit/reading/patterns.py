"""Objects of JSON of one structure: but for their texts and numbers they are the same, letter for letter.

A structure is learnt from one object, and is then a regular expression, which fits an object of the same structure and
nothing else: what it fits is JSON if the first one was.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Span: TypeAlias = tuple[int, int]

_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"|(-?[0-9][0-9.eE+-]*)|[^"0-9-]+', re.DOTALL)
_KEY = re.compile(rb"\s*:").match
_IS_INTEGER = re.compile(rb"[1-9][0-9]{0,17}").fullmatch

_PLAIN = b'[^"]*+'
_CAREFUL = rb'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+'
_INTEGER = b"[1-9][0-9]{0,17}"
_NUMBER = rb"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,99})?(?:[eE][+-]?[0-9]{1,9})?"


class Slot(NamedTuple):
    """Where in a structure a text stands, or a number; `name` is that of the member, empty in a list."""

    name: str
    kind: str
    """`text`, `integer` (a positive one of at most 18 digits) or `number` (any)."""
    is_taken: bool
    """Whether what stands there is looked at."""

    def pattern(self, text: bytes) -> bytes:
        """What fits it; `text` fits the inside of a text."""
        fitting = {"text": text, "integer": _INTEGER, "number": _NUMBER}[self.kind]
        return b"(%b)" % fitting if self.is_taken else fitting


Structure: TypeAlias = "tuple[bytes | Slot, ...]"


class Example(NamedTuple):
    """An object from which a structure is learnt: its text, where the values stand, and the structure."""

    text: bytes
    spans: Sequence[Span]
    structure: Structure

    @property
    def slots(self) -> list[Slot]:
        """Those of the values."""
        return [part for part in self.structure if isinstance(part, Slot)]

    @property
    def taken(self) -> list[bytes]:
        """The values that are looked at."""
        pairs = zip(self.slots, self.spans, strict=True)
        return [self.text[begin:end] for slot, (begin, end) in pairs if slot.is_taken]

    def filled(self, values: Mapping[int, str]) -> bytes:
        """The text with other values for some, by their places."""
        parts, done = [], 0
        for place in sorted(values):
            begin, end = self.spans[place]
            parts += [self.text[done:begin], values[place].encode()]
            done = end
        return b"".join([*parts, self.text[done:]])


def example_of(text: bytes, taken: Collection[str]) -> Example | None:
    """The structure of an object, of whose members the values `taken` are looked at; None if it is no object."""
    if decoded(text) is None:
        return None
    parts: list[bytes | Slot] = []
    spans: list[Span] = []
    literal, name = b"", ""
    for token in _TOKEN.finditer(text):
        which = token.lastindex
        if which is None or (which == 1 and _KEY(text, token.end())):
            literal += token[0]
            name = json.loads(token[0]) if which else name if token[0].strip() == b":" else ""
            continue
        kind = "text" if which == 1 else "integer" if _IS_INTEGER(token[0]) else "number"
        quote = b'"' if which == 1 else b""
        parts += [literal + quote, Slot(name, kind, name in taken and kind != "number")]
        spans.append(token.span(which))
        literal, name = quote, ""
    return Example(text, spans, (*parts, literal))


def decoded(text: bytes) -> dict[str, Any] | None:
    """The JSON object that a text is; None if it is none."""
    try:
        value = json.loads(text.decode(), parse_constant=_no_such_number)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _no_such_number(constant: str) -> NoReturn:
    raise ValueError(constant)


class Leaf(NamedTuple):
    """The end of a structure in `Patterns`: its number, and the groups of the values that are looked at."""

    number: int
    groups: tuple[int, ...]


class Patterns:
    """What fits objects of some structures: `plain` if no text has a backslash or a control character, else `careful`.

    The last group of a match leads to its leaf.
    """

    def __init__(self, structures: Sequence[Structure]) -> None:
        tree: dict[Any, Any] = {}
        for number, structure in enumerate(structures):
            node = tree
            for part in structure:
                node = node.setdefault(part, {})
            node[None] = number
        self._tree = tree
        self.leaves: dict[int, Leaf] = {}
        self.plain = re.compile(self._pattern(tree, _PLAIN))

    @cached_property
    def careful(self) -> re.Pattern[bytes]:
        """Made only if there is need of it, which takes some milliseconds."""
        return re.compile(self._pattern(self._tree, _CAREFUL))

    def _pattern(self, tree: Mapping[Any, Any], text: bytes) -> bytes:
        groups = count(1)

        def of(node: Mapping[Any, Any], taken: tuple[int, ...]) -> bytes:
            ways = []
            for part, after in node.items():
                if part is None:
                    group = next(groups)
                    self.leaves[group] = Leaf(after, taken)
                    ways.append(b"()")
                elif isinstance(part, Slot):
                    ways.append(part.pattern(text) + of(after, (*taken, next(groups)) if part.is_taken else taken))
                else:
                    ways.append(re.escape(part) + of(after, taken))
            return ways[0] if len(ways) == 1 else b"(?:%b)" % b"|".join(ways)

        return of(tree, ()) if tree else b"(?!)"
