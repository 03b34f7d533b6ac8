"""What changed between two editions of the table, in words, and whom it can break.

A client breaks where something allowed became refused, a mock where something refused became allowed. What an edition
does not know, a state or a trigger, counts as refused in it. So a unit of quota that is no more given back can break a
client, whose next create is refused; one that is now given back, a mock. Whatever both must see alike, where a row
leads, say, or which error a refusal is, can break both. Sources, notes and words break neither.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import attrs

from orderfsm.explanation import listed
from orderfsm.rows import DAY
from orderfsm.verdict import Uncertain

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
    """The editions `old` and `new`, and the `changes` from one to the other, in table order."""

    _instead: ClassVar[str] = "ask its `.breaks` or its `.changes`"
    old: str
    new: str
    changes: tuple[Change, ...]

    @property
    def breaks(self) -> tuple[Broken, ...]:
        """Who can break by any of the changes."""
        return tuple(each for each in Broken if any(each in change.breaks for change in self.changes))

    def as_json(self) -> dict[str, Any]:
        """The diff as `orderfsm diff --json` prints it."""
        return {
            "old": self.old,
            "new": self.new,
            "breaks": list(self.breaks),
            "changes": [
                {"where": change.where, "what": change.what, "breaks": list(change.breaks)} for change in self.changes
            ],
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
    before, after = _Edition(old), _Edition(new)
    changes = [
        *_states(before, after),
        *_triggers(before, after),
        *_pairs(before, after),
        *_words(before, after),
        *_error_codes(before, after),
        *_order(before, after),
    ]
    return Diff(old["edition"], new["edition"], tuple(changes))


@attrs.frozen(eq=False)
class _Edition:
    """A document, indexed."""

    document: Document
    states: dict[str | None, dict[str, Any]] = attrs.field(init=False)
    triggers: dict[str, dict[str, Any]] = attrs.field(init=False)
    rows: dict[Key, dict[str, Any]] = attrs.field(init=False)
    refusals: dict[Key, dict[str, Any]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        said = self.document
        states = {rule["state"]: rule for rule in said["state_rules"]}
        triggers = {rule["trigger"]: rule for rule in said["triggers"]}
        reads = {
            (state, trigger): {"target": state, "basis": rule["basis"], "reference": rule["reference"]}
            for trigger, rule in triggers.items()
            if rule["account"]
            for state in states
        }
        object.__setattr__(self, "states", states)
        object.__setattr__(self, "triggers", triggers)
        object.__setattr__(self, "rows", reads | {(row["source"], row["trigger"]): row for row in said["transitions"]})
        object.__setattr__(self, "refusals", {(each["state"], each["trigger"]): each for each in said["refusals"]})


# -- states and triggers -----------------------------------------------------------------------------------------------


def _states(old: _Edition, new: _Edition) -> Iterator[Change]:
    for state in _either(old.states, new.states):
        if state not in new.states:
            triggers = [trigger for source, trigger in old.rows if source == state]
            yield _gone(f"state {_state(state)}", f"was allowed there: {_or_nothing(triggers)}", triggers)
        elif state not in old.states:
            triggers = [trigger for source, trigger in new.rows if source == state]
            yield _added(f"state {_state(state)}", f"allowed there: {_or_nothing(triggers)}", triggers)
        else:
            ours, theirs = old.states[state], new.states[state]
            for field in ("type", "status"):
                yield from _field(f"state {_state(state)}", f"its {field.title()}", ours[field], theirs[field], BOTH)
            for field in ("terminal", "certified", "words", "basis", "reference"):
                yield from _field(f"state {_state(state)}", field, ours[field], theirs[field], NOBODY)


def _triggers(old: _Edition, new: _Edition) -> Iterator[Change]:
    for trigger in _either(old.triggers, new.triggers):
        if trigger not in new.triggers:
            states = [_state(state) for state, name in old.rows if name == trigger]
            yield _gone(f"trigger {trigger}", f"was allowed in: {_or_nothing(states)}", states)
        elif trigger not in old.triggers:
            states = [_state(state) for state, name in new.rows if name == trigger]
            yield _added(f"trigger {trigger}", f"allowed in: {_or_nothing(states)}", states)
        else:
            ours, theirs = old.triggers[trigger], new.triggers[trigger]
            for field in ("kind", "actor", "before_end", "fails"):
                yield from _field(f"trigger {trigger}", field, ours[field], theirs[field], BOTH)
            for field in ("name", "account", "abandons"):
                yield from _field(f"trigger {trigger}", field, ours[field], theirs[field], NOBODY)
            for field in ("basis", "reference"):
                yield from _field(f"trigger {trigger}", f"{field} of its refusal", ours[field], theirs[field], NOBODY)


def _gone(where: str, what: str, allowed: list[str]) -> Change:
    return Change(where, f"is gone; {what}", (Broken.CLIENT,) if allowed else NOBODY)


def _added(where: str, what: str, allowed: list[str]) -> Change:
    return Change(where, f"is new; {what}", (Broken.MOCK,) if allowed else NOBODY)


# -- pairs -------------------------------------------------------------------------------------------------------------


def _pairs(old: _Edition, new: _Edition) -> Iterator[Change]:
    """What changed for a state and a trigger that both editions know."""
    for state in old.states:
        for trigger in old.triggers:
            if state in new.states and trigger in new.triggers:
                key, where = (state, trigger), f"{_state(state)}, {trigger}"
                ours, theirs = old.rows.get(key), new.rows.get(key)
                if ours is None and theirs is None:
                    yield from _refusal(where, old.refusals[key], new.refusals[key])
                elif theirs is None:
                    yield Change(where, "was allowed, is refused now", (Broken.CLIENT,))
                elif ours is None:
                    leads = f"and leads to {_state(theirs['target'])}"
                    yield Change(where, f"was refused, is allowed now {leads}", (Broken.MOCK,))
                else:
                    yield from _row(where, ours, theirs)


def _row(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    if old["target"] != new["target"]:
        yield Change(where, f"led to {_state(old['target'])}, leads to {_state(new['target'])} now", BOTH)
    yield from _field(where, "the second order that it creates", old.get("creates"), new.get("creates"), BOTH)
    ours, theirs = _units(old), _units(new)
    if ours != theirs:
        breaks = Broken.CLIENT if theirs < ours else Broken.MOCK
        yield Change(where, f"its effect on quota was {_quota(old)}, is {_quota(new)} now", (breaks,))
    for field in ("basis", "reference", "note"):
        yield from _field(where, field, old.get(field), new.get(field), NOBODY)


def _units(row: Mapping[str, Any]) -> tuple[int, float]:
    """What a row does to the units that are free: the more, and the longer, the better for a client."""
    within = row.get("quota_within")
    return -row.get("quota", 0), float("inf") if within is None else within


def _quota(row: Mapping[str, Any]) -> str:
    within = row.get("quota_within")
    return f"{row.get('quota', 0):+d}" + ("" if within is None else f" within {within / DAY:g} days")


def _refusal(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for owner, prefix, breaks in (("the service", "service_", BOTH), ("the model", "", (Broken.CLIENT,))):
        ours, theirs = (f"{each[f'{prefix}code']} {each[f'{prefix}http_status']}" for each in (old, new))
        yield from _field(where, f"the error of {owner}", ours, theirs, breaks)


# -- words, error codes, order -----------------------------------------------------------------------------------------


def _words(old: _Edition, new: _Edition) -> Iterator[Change]:
    """Words of the API that came or went; which word a state has is said of the state."""
    for name in ("Type", "Status"):
        ours, theirs = (edition.document["vocabularies"][name] for edition in (old, new))
        for word in _either(ours, theirs):
            where = f"{name} {word}"
            if word not in theirs:
                yield Change(where, "is gone: a mock must not answer it any more", (Broken.MOCK,))
            elif word not in ours:
                yield Change(where, "is new: a client may read a word that it does not know", (Broken.CLIENT,))
            elif set(ours[word]) != set(theirs[word]):
                meant, means = (listed([_state(state) for state in each[word]], "or") for each in (ours, theirs))
                yield Change(where, f"meant {meant}, means {means} now", (Broken.CLIENT,))


def _error_codes(old: _Edition, new: _Edition) -> Iterator[Change]:
    ours, theirs = ({each["code"]: each for each in edition.document["error_codes"]} for edition in (old, new))
    for code in _either(ours, theirs):
        if code not in theirs:
            yield Change(f"error {code}", "is gone")
        elif code not in ours:
            yield Change(f"error {code}", "is new", (Broken.CLIENT,))
        else:
            status = ours[code]["http_status"], theirs[code]["http_status"]
            yield from _field(f"error {code}", "its HTTP status", *status, BOTH)
            yield from _field(f"error {code}", "text", ours[code]["text"], theirs[code]["text"], NOBODY)


def _order(old: _Edition, new: _Edition) -> Iterator[Change]:
    kept_old, kept_new = ([key for key in one.rows if key in other.rows] for one, other in ((old, new), (new, old)))
    if kept_old != kept_new:
        yield Change("rows", "stand in another order: of equally short plans, another one may be the first")


# -- saying it ---------------------------------------------------------------------------------------------------------


def _field(where: str, name: str, old: object, new: object, breaks: tuple[Broken, ...]) -> Iterator[Change]:
    if old != new:
        yield Change(where, f"{name} was {_said(old)}, is {_said(new)} now", breaks)


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in {None, ""} else "none"


def _either(one: Iterable[Any], other: Iterable[Any]) -> list[Any]:
    return [*dict.fromkeys([*one, *other])]


def _state(state: str | None) -> str:
    return "no order" if state is None else state


def _or_nothing(words: list[str]) -> str:
    return listed(words) or "nothing"
