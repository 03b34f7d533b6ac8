"""Objects of JSON by their sorts: of one sort are those that say the same, but for their times and ids.

In a log there are few sorts. The core reads one or two objects of each; of the others only times and ids are taken. So
no rule stands here: which members of an object decide what it says a `Form` tells, and the core reads it. Two objects
are of one sort if they have the same structure (see `patterns`), and the same texts where these decide anything. That
their times and ids can be exchanged is tried, once for each sort.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

import numpy as np

from orderfsm.streams import Found, Place, is_line

from .outlines import LONGEST, NONE, SPANS, Outlines, outline_of
from .patterns import Example, Patterns, Slot, Structure, decoded, example_of
from .row import at_byte

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from orderfsm.identity import Identity
    from orderfsm.streams import Value

    from .patterns import Span
    from .row import Row, Said

MOST = 10_000
"""How many sorts are remembered at a time."""
_STRUCTURES = 250
"""How many structures are looked for."""
_MISSED = 500
"""After how many objects read by the core few patterns are made anew, even for few new structures."""
_PARTS = 300
"""Of how many parts they are at the most."""
_NEWLINE = ord("\n")
_AFTER = re.compile(rb"[\s,]*(?:\][\s,]*\[[\s,]*)*(?=\{)").match
_MARK, _NUMBER_MARK, _FRACTION_MARK = "\ue000", 800_000_000_000_000_000, 0.8192736455
_EXAMPLES = (
    ("2001-02-03T04:05:06Z", 981_173_106_000_000, 11, 13, "a"),
    ("2007-08-09T10:11:12.345Z", 1_186_654_272_345_000, 12, 14, "b"),
)
"""Times, and these in microseconds since 1970; orders, second orders, and ids of events."""


class Roles(NamedTuple):
    """What stands in an object as its time, the id of the order, that of a second one, and its own; None for nothing.

    `identity` says what ids of orders are.
    """

    time: object = None
    order: object = None
    new_order: object = None
    event: object = None
    identity: Identity | None = None


class Form(Protocol):
    """A kind of objects: which members decide what one says, and what the core reads in it."""

    told: frozenset[str]
    """Members that decide it, of whose texts there are few."""
    valued: frozenset[str]
    """Members in which its time and its ids stand."""
    apart: frozenset[str]
    """Members that only an object has which is something else, or several things."""

    def row(self, number: int, value: Value) -> Row:
        """What the core reads in the object of that number."""
        ...

    def roles(self, text: str, marks: Collection[object]) -> Roles | None:
        """Which of the `marks`, that stand in an object for its texts and numbers but the told ones, are what.

        None if others decide what it says.
        """
        ...


class Sort(NamedTuple):
    """What objects of a sort say.

    `places`: which of the values of its structure that are looked at it has in the order of `Roles`, -1 for none.
    `read`: which of them say anything, and are not only to be such values. Besides these, all say what is `said`.
    """

    places: tuple[int, ...]
    read: tuple[bool, ...]
    identity: Identity | None
    said: Said


class Objects(NamedTuple):
    """Objects of some sorts, of each its number, the place of its sort among all, and where it stands in the text.

    The text itself begins at a `byte` of the file, perhaps `inside` of an array. Where in it the values of each stand,
    in the order of `Roles`, `spans` tell: for each object and role a begin and an end. Besides, `rows` of what the core
    has read in other objects between them.
    """

    sorts: list[Sort]
    numbers: NDArray[np.int64]
    which: NDArray[np.intp]
    spans: NDArray[np.intp]
    rows: list[Row]
    text: bytes
    byte: int
    inside: bool
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    def value(self, at: int) -> Value:
        """One of them."""
        return _value(self.text[self.begins[at] : self.ends[at]], inside=self.inside)


class _Some:
    """Objects that are being found; `begins` are their places, whatever that is."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        """Of those in an array."""
        self.which: list[int] = []
        self.begins: list[int] = []
        self.spans: list[Span] = []
        """Of each object four, in its text."""
        self.rows: list[Row] = []
        self.places: list[int] = []
        """Those of the rows."""

    def add(self, known: tuple[int, tuple[int, ...]], match: re.Match[bytes], at: int) -> None:
        """One that is known by its sort, and by the groups of its values."""
        sort, (one, two, three, four) = known
        span = match.span
        self.which.append(sort)
        self.begins.append(at)
        self.spans += (span(one), span(two), span(three), span(four))

    def all_spans(self) -> NDArray[np.intp]:
        """For each object and role a begin and an end."""
        return np.array(self.spans, np.intp).reshape(-1, *SPANS)


class _Leaf(NamedTuple):
    """A structure in the patterns: its number, the group at its end, those of what is looked at.

    `told` are the groups of the texts that tell sorts apart; `known` has, by these texts, the place of the sort, and
    the groups of its values.
    """

    number: int
    end: int
    groups: tuple[int, ...]
    told: tuple[int, ...]
    known: dict[bytes | tuple[bytes, ...], tuple[int, tuple[int, ...]]]


class Shapes:
    """Finds objects in texts; remembers the sorts of those of a form."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._taken = form.told | form.valued
        self._structures: dict[Structure, int] = {}
        self._most = _STRUCTURES
        self._learnt: set[bytes] = set()
        """The outlines of lines whose structure is among these, until there are patterns for them."""
        self._sorts: dict[tuple[int, bytes | tuple[bytes, ...]], Sort | None] = {}
        self._all: list[Sort] = []
        self._once: set[object] = set()
        self._missed = 0
        """How many objects the core has read since the patterns were made."""
        self._patterns = Patterns(())
        self._leaves: dict[int, _Leaf] = {}
        self._outlines = Outlines(form.told)

    def find(self, text: bytes, place: Place, *, whole: bool) -> Found | None:
        """The objects with which a text begins. See `streams.Find`."""
        self._renew()
        readable = _readable(text)
        if place.inside and 0 <= (end := text.find(b"\r")) < readable:
            readable = end  # lines may end there, which is for who reads on to find out
        whole = whole and readable == len(text)
        text = text[:readable]
        is_plain = b"\\" not in text and _controls(text) == (0 if place.inside else text.count(b"\n"))
        fits = self._patterns.plain if is_plain else self._patterns.careful
        if place.inside:
            return self._in_array(text, place, fits, whole=whole)
        return self._in_lines(text, place, fits, whole=whole, is_plain=is_plain)

    def _in_lines(
        self, text: bytes, place: Place, fits: re.Pattern[bytes], *, whole: bool, is_plain: bool
    ) -> Found | None:
        """Objects that are each a line; up to a line that may be anything else."""
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _NEWLINE)
        # What comes last has no end, or is nothing.
        rest = text[int(ends[-1]) + 1 if len(ends) else 0 :]
        if whole and rest and fits.fullmatch(rest) is not None:
            ends = np.append(ends, len(text))
        if not len(ends):
            return None
        begins = np.concatenate([[0], ends + 1])
        lines = text[: ends[-1]]
        found = self._outlines.of(lines, begins[:-1]) if is_plain else np.full(len(ends), NONE)
        some, passed = _Some(), len(ends)
        blank: list[int] = []
        fit = _with_returns(fits) if b"\r" in text else fits.fullmatch
        left = np.flatnonzero(found == NONE).tolist()
        each_line = lines.split(b"\n") if left else []
        leaves, learns = self._leaves, is_plain and self._outlines.may_be_learnt
        for at in left:
            each = each_line[at]
            match = fit(each)
            if match is not None:
                # Most of these end here; so what `_take` does with them is done at once.
                leaf = leaves[match.lastindex or 0]
                known = leaf.known.get(match.group(*leaf.told))
                if known is not None:
                    some.add(known, match, at)
                    if learns:
                        self._outline(each, some)
                    continue
            before = at - len(blank)
            if match is not None or (place.last + before and is_line(each) and b'"trace"' not in each):
                self._take(some, int(_numbers(place, at, before)), each, match, at)
            elif each.strip():
                passed = at
                break
            else:
                blank.append(at)
        size = min(int(begins[passed]), len(text))
        if not size:
            return None
        outlined = np.flatnonzero(found[:passed] != NONE)
        which, spans = np.full(passed, NONE), np.empty((passed, *SPANS), np.intp)
        which[outlined], spans[outlined] = self._outlines.sorts(found[outlined]), self._outlines.spans(found[outlined])
        which[some.begins], spans[some.begins] = some.which, some.all_spans()
        picked = np.flatnonzero(which != NONE)
        numbers = _numbers(place, picked, picked - np.searchsorted(blank, picked))
        rows = [at_byte(row, place.byte + int(begins[at])) for row, at in zip(some.rows, some.places, strict=True)]
        last = max([place.last, *numbers[-1:].tolist(), *(number for _, _, number, _ in rows[-1:])])
        begins, ends = begins[picked], ends[picked]
        spans = spans[picked] + begins[:, np.newaxis, np.newaxis]
        stands = Objects(self._all, numbers, which[picked], spans, rows, text, place.byte, place.inside, begins, ends)
        return Found(size, last, passed, 0, stands)

    def _in_array(self, text: bytes, place: Place, fits: re.Pattern[bytes], *, whole: bool) -> Found | None:
        """Objects that follow each other; up to one that may be anything else, or after which something else comes."""
        some = _Some()
        if whole:
            text += b"{"
        fit, has_lines, characters = fits.match, b"\n" in text, ""
        last, passed, at, ended = place.last, 0, 0, 0
        numbers, ends = [], []
        while True:
            match = fit(text, at)
            if match is None:
                characters = characters or text.decode("latin-1")
                end = self._end(characters, at)
            else:
                end = match.end()
            after = _AFTER(text, end) if end else None
            if after is None:
                break
            line = place.line + passed
            last = last + 1 if place.counts or last >= line else line
            if self._take(some, last, text[at:end], match, at, inside=True):
                numbers.append(last)
                ends.append(end)
            ended += 1
            if has_lines and (lines := text.count(b"\n", at, after.end())):
                passed += lines
                ended = int(text.find(b"\n", end, after.end()) < 0)
            at = after.end()
        if not at:
            return None
        rows = [at_byte(row, place.byte + begin) for row, begin in zip(some.rows, some.places, strict=True)]
        stands = Objects(
            self._all,
            np.array(numbers, np.int64),
            np.array(some.which, np.intp),
            some.all_spans(),
            rows,
            text,
            place.byte,
            place.inside,
            np.array(some.begins, np.int64),
            np.array(ends, np.int64),
        )
        return Found(at, last, passed, ended, stands)

    def _end(self, text: str, at: int) -> int:
        """Where the object ends that begins there; 0 if it is none, or something else."""
        try:
            value, end = _scan(text, at)
        except (ValueError, RecursionError):
            return 0
        return end if isinstance(value, dict) and self._form.apart.isdisjoint(value) else 0

    def _take(
        self, some: _Some, number: int, text: bytes, match: re.Match[bytes] | None, at: int, *, inside: bool = False
    ) -> bool:
        """Add an object that stands at a place: by its sort, or as the core reads it; whether it was the former."""
        if match is None:
            self._learn(text)
        else:
            leaf = self._leaves[match.lastindex or 0]
            told = match.group(*leaf.told)
            found = leaf.known.get(told) or self._known(leaf, told)
            if found is not None:
                some.add(found, match, at)
                return True
            self._sort(leaf.number, told, text)
        some.rows.append(self._form.row(number, _value(text, inside=inside)))
        some.places.append(at)
        self._missed += 1
        return False

    def _outline(self, text: bytes, some: _Some) -> None:
        """Learn the outline of the line that was added last, if it is of any use."""
        if self._outlines.wants(text) and (example := example_of(text, self._taken)) is not None:
            self._outlines.learn(example, some.which[-1], some.spans[-SPANS[0] :])

    def _known(self, leaf: _Leaf, told: bytes | tuple[bytes, ...]) -> tuple[int, tuple[int, ...]] | None:
        sort = self._sorts.get((leaf.number, told))
        if sort is None:
            return None
        self._all.append(sort)
        leaf.known[told] = (
            len(self._all) - 1,
            tuple(leaf.end if place < 0 else leaf.groups[place] for place in sort.places),
        )
        return leaf.known[told]

    def _learn(self, text: bytes) -> None:
        """Remember the structure of an object. Of those that are there only once, as many are, nothing is made."""
        if len(self._structures) >= self._most or (outline := outline_of(text)) in self._learnt:
            return
        example = example_of(text, self._taken)
        if example is None or len(example.structure) > _PARTS or not self._form.apart.isdisjoint(decoded(text) or ()):
            return
        if self._is_seen(example.structure):
            self._structures.setdefault(example.structure, len(self._structures))
            if len(outline) <= LONGEST and len(self._learnt) < MOST:
                self._learnt.add(outline)

    def _is_seen(self, what: object) -> bool:
        """Whether that was there before."""
        if what in self._once:
            return True
        if len(self._once) >= MOST:
            self._once.clear()
        self._once.add(what)
        return False

    def _renew(self) -> None:
        """Make the patterns anew, if there are structures that these do not have, and it is worth it."""
        if len(self._sorts) > MOST:
            self._sorts.clear()
            self._all = []
            self._outlines.clear()
            for leaf in self._leaves.values():
                leaf.known.clear()
        made = len(self._leaves)
        new = len(self._structures) - made
        if not new or (new <= made // 4 and self._missed < _MISSED * (1 + made // 8)):
            return
        try:
            self._patterns = Patterns(list(self._structures))
        except RecursionError:  # they differ at too many places, one after the other
            self._structures = {each: number for each, number in self._structures.items() if number < made}
            self._most = made
            return
        self._missed, self._all = 0, []
        self._outlines.clear()
        self._learnt.clear()
        slots = [[part for part in each if isinstance(part, Slot) and part.is_taken] for each in self._structures]
        self._leaves = {
            end: _Leaf(
                number,
                end,
                groups,
                tuple(group for slot, group in zip(slots[number], groups, strict=True) if slot.name in self._form.told)
                or (end,),
                {},
            )
            for end, (number, groups) in self._patterns.leaves.items()
        }

    def _sort(self, structure: int, told: bytes | tuple[bytes, ...], text: bytes) -> None:
        """Find out of which sort an object is, if there was one of its sort before."""
        key = structure, told
        if key in self._sorts or not self._is_seen(key):
            return
        example = example_of(text, self._taken)
        self._sorts[key] = None if example is None else self._sort_of(example)

    def _sort_of(self, example: Example) -> Sort | None:
        """The sort of an object; None if each one like it is for the core."""
        marks: dict[object, int] = {}
        for place, slot in enumerate(example.slots):
            if not (slot.is_taken and slot.name in self._form.told):
                kinds: dict[str, object] = {"text": f"{_MARK}{place}", "integer": place + _NUMBER_MARK}
                marks[kinds.get(slot.kind, place + _FRACTION_MARK)] = place
        roles = self._form.roles(example.filled({place: str(mark) for mark, place in marks.items()}).decode(), marks)
        if roles is None:
            return None
        *values, identity = roles
        slots = [None if value is None else marks[value] for value in values]
        if any(slot is not None and not example.slots[slot].is_taken for slot in slots):
            return None
        first, second = (self._tried(example, slots, *each) for each in _EXAMPLES)
        if first is None or first != second:
            return None
        taken = [place for place, slot in enumerate(example.slots) if slot.is_taken]
        places = tuple(-1 if slot is None else taken.index(slot) for slot in slots)
        return first._replace(places=places, identity=identity)

    def _tried(self, example: Example, slots: Sequence[int | None], time: str, *expected: Any) -> Sort | None:
        """The sort of an object with other values; None if these are not what the core reads."""
        given = zip(slots, (time, *map(str, expected[1:])), strict=True)
        text = example.filled({slot: value for slot, value in given if slot is not None})
        instant, order, _, said = self._form.row(0, text)
        read = instant, order, said.new_order_id, said.event_id
        fits = all(
            one is None or (slot is not None and one in {other, str(other)})
            for one, slot, other in zip(read, slots, expected, strict=True)
        )
        if not fits or said.bad is not None:
            return None
        nothing = said._replace(new_order_id=None, event_id=None)
        return Sort((), tuple(one is not None for one in read), None, nothing)


def _numbers(place: Place, lines: Any, before: Any) -> Any:
    """The numbers of objects so many lines after a place, and with so many before them."""
    return place.last + 1 + before if place.counts else np.maximum(place.line + lines, place.last + 1 + before)


def _value(text: bytes, *, inside: bool) -> Value:
    """An object as `streams` gives it: a line as its text, one in an array as it is."""
    return text if not inside and is_line(text) else json.loads(text)


def _with_returns(fits: re.Pattern[bytes]) -> Callable[[bytes], re.Match[bytes] | None]:
    """What fits a line that is one for everybody, wherever in it the ends of other lines may stand."""
    return lambda line: fits.fullmatch(line) if b"\r" not in line or is_line(line) else None


def _no_such_number(constant: str) -> NoReturn:
    raise ValueError(constant)


_scan = json.JSONDecoder(parse_constant=_no_such_number).raw_decode


def _readable(text: bytes) -> int:
    """How many bytes are UTF-8."""
    if text.isascii():
        return len(text)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(text)


def _controls(text: bytes) -> int:
    """How many control characters there are."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) < ord(" ")))
