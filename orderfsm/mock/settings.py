"""What a mock is told, as Python has it or in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables import api, named

from .cas.choices import Choices
from .cas.service import Service, tables_of
from .cas.told import require
from .review import MANUAL, Review

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orderfsm.lifecycle import Lifecycle

CHOICES = ("auto-submits", "needs-contacts", "in-seconds")


def packages_of(given: Mapping[str, int] | str | Iterable[str]) -> dict[str, int]:
    """Units by product code: of a mapping, or of texts such as `CODE=N`."""
    if isinstance(given, Mapping):
        return dict(given)
    return {code: int(units) for code, units in _pairs("package", given, "CODE=N", "[0-9]{1,9}")}


def takes_of(given: Mapping[Any, Any] | str | Iterable[str]) -> dict[Any, Any]:
    """How long completions take: of a mapping, or of texts such as `EVENT=SECONDS`."""
    if isinstance(given, Mapping):
        return dict(given)
    pairs = _pairs("takes", given, "EVENT=SECONDS", r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
    return {event: float(seconds) for event, seconds in pairs}


def choices_of(given: Choices | str | Iterable[str]) -> Choices:
    """Choices, or those of texts such as `auto-submits`."""
    if isinstance(given, Choices):
        return given
    for choice in (words := _texts("choice", given, CHOICES)):
        if choice not in CHOICES:
            raise InvalidValue("choice", choice, CHOICES)
    return Choices(**{choice.replace("-", "_"): True for choice in words})


def keys_of(given: Mapping[str, str] | str | None, kind: str = "keys") -> dict[str, str]:
    """Secrets by access key id: of a mapping, or of `id:secret,id:secret`; its errors are of that `kind`."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    if not isinstance(given, str):
        raise InvalidValue(kind, type(given).__name__, ["a mapping of ids to secrets", "id:secret,id:secret"])
    keys: dict[str, str] = {}
    for number, pair in enumerate(filter(None, given.split(",")), 1):
        key_id, _, secret = pair.strip().partition(":")
        if not key_id or not secret:
            raise InvalidValue(kind, f"entry {number}", ["id:secret,id:secret"])
        if key_id in keys:
            raise InvalidValue(kind, f"entry {number}", ["an id that no entry before it has"])
        keys[key_id] = secret
    return keys


def limits_of(given: Mapping[Any, int] | bool | None, lifecycle: Lifecycle) -> Mapping[Any, int] | None:
    """Calls a second by operation; True: those that are documented of the operations that there are."""
    if not isinstance(given, bool):
        return given
    offered = {call for each in tables_of(lifecycle) for call in each.operations}
    return {call: limit for call, limit in api.RATE_LIMITS.items() if call in offered} if given else None


_WORDS: dict[str, Callable[[Any], Any]] = {"choices": choices_of, "keys": keys_of, "takes": takes_of}


def options_of(given: Mapping[str, Any], also: Iterable[str] = ()) -> dict[str, Any]:
    """The arguments of a `Service`, of which some may be given in words.

    `reject_share` is for `review`, `seed` for `random`, `table` for `lifecycle`. `TypeError` for what a service is not
    told, which names what else is accepted `also`; `InvalidValue` for what is of another kind than it takes.
    """
    accepted = {*(Service.__init__.__kwdefaults__ or ()), "reject_share", "seed", "table"}
    for name in given:
        if name not in accepted:
            raise TypeError(f"{name} of a mock: it is told, each by its name, {', '.join(sorted({*accepted, *also}))}")
    options = {name: _WORDS[name](value) if name in _WORDS else value for name, value in given.items()}
    if (table := options.pop("table", None)) is not None:
        options["lifecycle"] = named(table)
    share, seed = options.pop("reject_share", 0), options.pop("seed", None)
    require(options | {"limits": None if isinstance(options.get("limits"), bool) else options.get("limits")})
    options["limits"] = limits_of(options.get("limits"), options.get("lifecycle", ORDER_LIFECYCLE))
    review = options.get("review")
    if not isinstance(review, Review):
        options["review"] = Review.parse(MANUAL if review is None else review, share)
    elif share:
        raise InvalidValue("reject_share", share, ["none beside a Review, which has one"])
    if seed is not None:
        if not isinstance(seed, int | float | str | bytes):
            raise InvalidValue("seed", seed, ["a number or a text"])
        options["random"] = Random(seed)
    return options


def _texts(kind: str, given: Any, form: Iterable[str]) -> list[str]:
    texts = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    for text in texts:
        if not isinstance(text, str):
            raise InvalidValue(kind, text, form)
    return texts


def _pairs(kind: str, given: Any, form: str, number: str) -> Iterator[tuple[str, str]]:
    """The two parts of each text, of which the second is a `number`; `InvalidValue` if one has not that form."""
    for text in _texts(kind, given, [form]):
        name, _, value = text.rpartition("=")
        if not name or not re.fullmatch(number, value):
            raise InvalidValue(kind, text, [form])
        yield name, value
