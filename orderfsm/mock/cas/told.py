"""Whether what a service is told is of the kind that it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from orderfsm.invalid import InvalidValue
from orderfsm.lifecycle import Lifecycle
from orderfsm.mock.review import Review

from .choices import Choices

if TYPE_CHECKING:
    from collections.abc import Callable


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _are_keys(value: object) -> bool:
    return isinstance(value, Mapping) and all(_is_text(text) for pair in value.items() for text in pair)


def _is_list(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


def _has(method: str) -> Callable[[object], bool]:
    return lambda value: callable(getattr(value, method, None)) and not isinstance(value, type)


_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = MappingProxyType(
    {
        "lifecycle": (_is(Lifecycle), "a Lifecycle"),
        "instances": (_is(Lifecycle), "a Lifecycle"),
        "store": (_has("commit"), "a MemoryStore or an SQLStore(url)"),
        "clock": (_has("now"), "a Clock"),
        "random": (_has("getrandbits"), "a Random"),
        "review": (lambda value: isinstance(value, Review | str), "a Review, or the words for one"),
        "keys": (_are_keys, "a mapping of ids to secrets, texts that are not empty"),
        "limits": (_is(Mapping), "a mapping of operations to calls a second"),
        "takes": (_is(Mapping), "a mapping of completions to seconds"),
        "choices": (_is(Choices), "Choices"),
        "domains": (_is_list, "domain names, in a list"),
    }
)
"""What each argument of a service is, and how that is called."""

_DEFAULTED = {"store", "clock", "random", "review", "keys", "limits"}
_SECRET = {"keys"}


def require(given: Mapping[str, Any]) -> None:
    """`InvalidValue` if one of the arguments of a service, by their names, is of another kind; others are passed by."""
    for name, value in given.items():
        fits, accepted = _KINDS.get(name, (None, ""))
        if fits is None or (value is None and name in _DEFAULTED) or fits(value):
            continue
        raise InvalidValue(name, type(value).__name__ if name in _SECRET else value, [accepted])
