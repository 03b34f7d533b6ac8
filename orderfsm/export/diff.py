"""What changed between two editions of the table, in words, and whom it can break.

A client breaks where something allowed became refused, a mock where something refused became allowed. What an edition
does not know, a state or a trigger, counts as refused in it. So a unit of quota that is no more given back can break a
client, whose next create is refused; one that is now given back, a mock. Of what the sources do not say, either may be
true. Whatever both must see alike, where a row leads, say, or which error a refusal is, can break both. Sources, notes
and words break neither. What one of the documents does not say, since an older orderfsm wrote it, did not change.
"""

from __future__ import annotations

import itertools
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import attrs

from orderfsm.explanation import listed
from orderfsm.rows import DAY
from orderfsm.verdict import Uncertain
from orderfsm.words import named

from .document import completed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Document: TypeAlias = "Mapping[str, Any]"
"""What `document()` returns, or was read from a file of it."""

Key: TypeAlias = "tuple[str | None, str]"


class Broken(StrEnum):
    """Who can break: a program that calls the service, or one that plays it."""

    CLIENT = "client"
    MOCK = "mock"


NOBODY: tuple[Broken, ...] = ()
BOTH = (Broken.CLIENT, Broken.MOCK)


@attrs.frozen
class Change:
    """One change: `where` in the table, `what` changed, and who can break by it."""

    where: str
    what: str
    breaks: tuple[Broken, ...] = NOBODY


@attrs.frozen
class Diff(Uncertain):
    """The editions `old` and `new` of a `table`, and the `changes` from one to the other, in table order."""

    _instead: ClassVar[str] = "ask its `.breaks` or its `.changes`"
    old: str
    new: str
    changes: tuple[Change, ...]
    table: str = ""

    @property
    def breaks(self) -> tuple[Broken, ...]:
        """Who can break by any of the changes."""
        return tuple(each for each in Broken if any(each in change.breaks for change in self.changes))

    def as_json(self) -> dict[str, Any]:
        """The diff as `orderfsm diff --json` prints it."""
        return {
            "table": self.table,
            "old": self.old,
            "new": self.new,
            "breaks": list(self.breaks),
            "changes": [attrs.asdict(each) | {"breaks": list(each.breaks)} for each in self.changes],
        }


def diff(old: Document, new: Document) -> Diff:
    """What changed from the document `old` to the document `new`, both valid by `schema()`.

    >>> from orderfsm import ORDER_LIFECYCLE, Operation, State
    >>> from orderfsm.export import diff, document
    >>> less = ORDER_LIFECYCLE.without(ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE))
    >>> for change in diff(document(), document(less)).changes:
    ...     print(change.where, "|", change.what, "|", *change.breaks)
    verify_fail, DeleteCertificateRequest | was allowed, is refused now | client
    """
    before, after = _Edition(completed(old)), _Edition(completed(new))
    parts = (_whole, _states, _triggers, _pairs, _words, _error_codes, _order)
    changes = tuple(change for part in parts for change in part(before, after))
    return Diff(old["edition"], new["edition"], changes, after.document["table"])


class _Edition:
    """A document, indexed."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.states: dict[str | None, dict[str, Any]] = {rule["state"]: rule for rule in document["state_rules"]}
        self.triggers: dict[str, dict[str, Any]] = {rule["trigger"]: rule for rule in document["triggers"]}
        reads: dict[Key, dict[str, Any]] = {
            (state, trigger): {"target": state, "basis": rule["basis"], "reference": rule["reference"]}
            for trigger, rule in self.triggers.items()
            if rule["account"]
            for state in self.states
        }
        self.rows = reads | {(row["source"], row["trigger"]): row for row in document["transitions"]}
        self.refusals, self.silences = (
            {(each["state"], each["trigger"]): each for each in document[name]} for name in ("refusals", "silences")
        )

    def name_of(self, state: str | None) -> str:
        """What a state is called; the words for no order are those of its rule."""
        return str(self.states[None]["words"]) if state is None and None in self.states else str(state)


# -- the whole, states and triggers ------------------------------------------------------------------------------------


def _whole(old: _Edition, new: _Edition) -> Iterator[Change]:
    ours, theirs = old.document, new.document
    yield from _compared("the whole", ("table", "title", "noun"), ours, theirs, NOBODY)
    yield from _compared("ids", ("key", "parameter", "form", "longest"), ours["identity"], theirs["identity"], BOTH)
    was, now = (each["identity"].get("others", []) for each in (ours, theirs))
    yield from _field("ids", "others", was, now, BOTH)
    was, now = (each["identity"].get("opaque", False) for each in (ours, theirs))
    yield from _field("ids", "opaque", was, now, BOTH)
    yield from _compared("error codes", ("code_prefix",), ours, theirs, BOTH)


def _states(old: _Edition, new: _Edition) -> Iterator[Change]:
    for state in _either(old.states, new.states):
        known = old if state in old.states else new
        where = f"state {known.name_of(state)}"
        if state not in old.states or state not in new.states:
            triggers = [trigger for source, trigger in known.rows if source == state]
            yield _only_one_knows(where, "there", triggers, gone=known is old)
        else:
            ours, theirs = old.states[state], new.states[state]
            for field in (field for field in old.document["vocabularies"] if field in new.document["vocabularies"]):
                was, now = (_words_said(each[field.lower()]) for each in (ours, theirs))
                yield from _field(where, f"its {field}", was, now, BOTH)
            yield from _compared(where, ("found",), ours, theirs, BOTH)
            yield from _compared(where, ("terminal", "certified", "words", "basis", "reference"), ours, theirs, NOBODY)


def _triggers(old: _Edition, new: _Edition) -> Iterator[Change]:
    for trigger in _either(old.triggers, new.triggers):
        where = f"trigger {trigger}"
        if trigger not in old.triggers or trigger not in new.triggers:
            known = old if trigger in old.triggers else new
            states = [known.name_of(state) for state, name in known.rows if name == trigger]
            yield _only_one_knows(where, "in", states, gone=known is old)
        else:
            ours, theirs = old.triggers[trigger], new.triggers[trigger]
            seen_by_both = ("kind", "actor", "before_end", "term", "follows", "takes", "fails", "certifies", "due")
            yield from _compared(where, seen_by_both, ours, theirs, BOTH)
            yield from _compared(where, ("name", "account", "abandons", "grave", "adverse"), ours, theirs, NOBODY)
            yield from _field(where, "seen", ours["seen"], theirs["seen"], _breaks(better=theirs["seen"]))
            yield from _compared(where, ("fails_strength",), ours, theirs, NOBODY)
            for field in ("basis", "reference"):
                yield from _field(where, f"{field} of its refusal", ours[field], theirs[field], NOBODY)


def _only_one_knows(where: str, at: str, allowed: list[str], *, gone: bool) -> Change:
    said = f"{'is gone; was' if gone else 'is new;'} allowed {at}: {listed(allowed) or 'nothing'}"
    return Change(where, said, _breaks(better=not gone) if allowed else NOBODY)


def _breaks(*, better: bool) -> tuple[Broken, ...]:
    """Who can break by what is better, or worse, for a client."""
    return (Broken.MOCK if better else Broken.CLIENT,)


# -- pairs -------------------------------------------------------------------------------------------------------------


def _pairs(old: _Edition, new: _Edition) -> Iterator[Change]:
    """What changed for a state and a trigger that both editions know."""
    for key in itertools.product(old.states, old.triggers):
        if key[0] in new.states and key[1] in new.triggers:
            where = f"{old.name_of(key[0])}, {key[1]}"
            was, now = _ruled(old, key), _ruled(new, key)
            if was != now:
                leads = f" and leads to {new.name_of(new.rows[key]['target'])}" if key in new.rows else ""
                said = f"was {_RULINGS[was]}, is {_RULINGS[now]} now{leads}"
                yield Change(where, said, _breaks(better=now > was))
            elif key in old.rows:
                yield from _row(where, old, new, key)
            elif key in old.refusals:
                yield from _refusal(where, old, new, key)
            else:
                yield from _compared(where, ("reference",), old.silences[key], new.silences[key], NOBODY)


_RULINGS = ("refused", "neither allowed nor refused", "allowed")
"""What an edition may say of a pair, the worst for a client first."""


def _ruled(edition: _Edition, key: Key) -> int:
    """Which of the rulings an edition has for a pair."""
    return 2 if key in edition.rows else 1 if key in edition.silences else 0


def _row(where: str, before: _Edition, after: _Edition, key: Key) -> Iterator[Change]:
    old, new = before.rows[key], after.rows[key]
    if old["target"] != new["target"]:
        led, leads = before.name_of(old["target"]), after.name_of(new["target"])
        yield Change(where, f"led to {led}, leads to {leads} now", BOTH)
    yield from _field(where, "the second order that it creates", old.get("creates"), new.get("creates"), BOTH)
    ours, theirs = _units(old), _units(new)
    if ours != theirs:
        said = f"its effect on quota was {_quota(old)}, is {_quota(new)} now"
        yield Change(where, said, _breaks(better=theirs > ours))
    lasted, lasts = _seconds(old), _seconds(new)
    if lasted != lasts:
        said = f"it was allowed {_time(lasted)}, is allowed {_time(lasts)} now"
        yield Change(where, said, _breaks(better=lasts > lasted))
    elif old.get("within"):
        yield from _field(where, "the error of who is late", old["within"]["code"], new["within"]["code"], BOTH)
    yield from _field(where, "edits", old.get("edits", False), new.get("edits", False), BOTH)
    for name in ("at_once", "optional_after"):
        yield from _events(where, name, old.get(name, []), new.get(name, []))
    might, may = old.get("optional", False), new.get("optional", False)
    yield from _field(where, "optional", might, may, _breaks(better=might))
    held, holds = old.get("holds", 0), new.get("holds", 0)
    yield from _field(where, "the units that the second order holds", held, holds, _breaks(better=holds < held))
    for field in ("basis", "reference", "note", "strength"):
        yield from _field(where, field, old.get(field), new.get(field), NOBODY)


def _events(where: str, name: str, old: list[str], new: list[str]) -> Iterator[Change]:
    """What may have happened to an order: a client must reckon with more of it, a mock may do no more than that."""
    breaks = [_breaks(better=better) for better, some in ((False, {*new} - {*old}), (True, {*old} - {*new})) if some]
    yield from _field(where, name, old, new, tuple(itertools.chain(*breaks)))


def _units(row: Mapping[str, Any]) -> tuple[int, float]:
    """What a row does to the units that are free: the more, and the longer, the better for a client."""
    within = row.get("quota_within")
    return -row.get("quota", 0), float("inf") if within is None else within


def _seconds(row: Mapping[str, Any]) -> float:
    """How long a row holds."""
    window = row.get("within")
    return float("inf") if window is None else float(window["seconds"])


def _time(seconds: float) -> str:
    return "always" if seconds == float("inf") else f"within {seconds / DAY:g} days"


def _quota(row: Mapping[str, Any]) -> str:
    within = row.get("quota_within")
    return f"{row.get('quota', 0):+d}" + ("" if within is None else f" within {within / DAY:g} days")


def _refusal(where: str, before: _Edition, after: _Edition, key: Key) -> Iterator[Change]:
    old, new = before.refusals[key], after.refusals[key]
    for owner, prefix, breaks in (("the service", "service_", BOTH), ("the model", "", (Broken.CLIENT,))):
        ours, theirs = (_error(each[f"{prefix}code"], each[f"{prefix}http_status"]) for each in (old, new))
        yield from _field(where, f"the error of {owner}", ours, theirs, breaks)
    yield from _compared(where, ("passes",), old, new, (Broken.CLIENT,) if old["passes"] else NOBODY)
    yield from _compared(where, ("because", "strength"), old, new, NOBODY)
    for name in ("basis", "reference"):
        if any(edition.refusals[key][name] != edition.triggers[key[1]][name] for edition in (before, after)):
            yield from _field(where, name, old[name], new[name], NOBODY)


def _error(code: str, http_status: int | None) -> str:
    return f"{code} {http_status}" if code else "any code"


# -- words, error codes, order -----------------------------------------------------------------------------------------


def _words(old: _Edition, new: _Edition) -> Iterator[Change]:
    """Words of the API that came or went; which word a state has is said of the state."""
    fields = [edition.document["vocabularies"] for edition in (old, new)]
    for field in _either(*fields):
        if field not in fields[1]:
            yield Change(f"field {field}", "is gone", BOTH)
        elif field not in fields[0]:
            yield Change(f"field {field}", "is new: a mock must answer it", (Broken.MOCK,))
        else:
            yield from _words_of(field, old, new)
    known = [{each["field"]: each for each in edition.document.get("fields", ())} for edition in (old, new)]
    for field in (field for field in known[0] if field in known[1]):
        names = ("operation", "unspecific", "closed", "apart")
        yield from _compared(f"field {field}", names, known[0][field], known[1][field], BOTH)
        lost = {*known[0][field]["elsewhere"]} - {*known[1][field]["elsewhere"]}
        yield from _compared(
            f"field {field}", ("elsewhere",), known[0][field], known[1][field], BOTH if lost else (Broken.MOCK,)
        )


def _words_of(field: str, old: _Edition, new: _Edition) -> Iterator[Change]:
    ours, theirs = (edition.document["vocabularies"][field] for edition in (old, new))
    for word in _either(ours, theirs):
        where = f"{field} {named(word)}"
        if word not in theirs:
            yield Change(where, "is gone: a mock must not answer it any more", (Broken.MOCK,))
        elif word not in ours:
            yield Change(where, "is new: a client may read a word that it does not know", (Broken.CLIENT,))
        elif set(ours[word]) != set(theirs[word]):
            pairs = ((old, ours), (new, theirs))
            meant, means = (listed([*map(each.name_of, words[word])], "or") for each, words in pairs)
            yield Change(where, f"meant {meant}, means {means} now", (Broken.CLIENT,))


def _error_codes(old: _Edition, new: _Edition) -> Iterator[Change]:
    ours, theirs = ({each["code"]: each for each in edition.document["error_codes"]} for edition in (old, new))
    for code in _either(ours, theirs):
        where = f"error {code}"
        if code not in theirs:
            yield Change(where, "is gone")
        elif code not in ours:
            yield Change(where, "is new", (Broken.CLIENT,))
        else:
            yield from _field(where, "its HTTP status", ours[code]["http_status"], theirs[code]["http_status"], BOTH)
            yield from _compared(where, ("means",), ours[code], theirs[code], BOTH)
            yield from _compared(where, ("text",), ours[code], theirs[code], NOBODY)


def _order(old: _Edition, new: _Edition) -> Iterator[Change]:
    kept_old, kept_new = ([key for key in one.rows if key in other.rows] for one, other in ((old, new), (new, old)))
    if kept_old != kept_new:
        yield Change("rows", "stand in another order: of equally short plans, another one may be the first")


# -- saying it ---------------------------------------------------------------------------------------------------------


def _compared(
    where: str, names: Iterable[str], old: Mapping[str, Any], new: Mapping[str, Any], breaks: tuple[Broken, ...]
) -> Iterator[Change]:
    """The changes of what both say under one of `names`."""
    for name in names:
        if name in old and name in new:
            yield from _field(where, name, old[name], new[name], breaks)


def _field(where: str, name: str, old: object, new: object, breaks: tuple[Broken, ...]) -> Iterator[Change]:
    if old != new:
        yield Change(where, f"{name} was {_said(old)}, is {_said(new)} now", breaks)


def _words_said(words: str | list[str] | None) -> str | list[str] | None:
    """The words of a field as a text has them: a field that is absent is not one that says nothing."""
    if words is None:
        return None
    return [*map(named, words)] if isinstance(words, list) else named(words)


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and value:
        return " or ".join(map(str, value))
    return "none" if value in (None, "", []) else str(value)


def _either(one: Iterable[Any], other: Iterable[Any]) -> list[Any]:
    return [*dict.fromkeys([*one, *other])]
