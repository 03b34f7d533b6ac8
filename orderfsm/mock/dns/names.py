"""Names of domains: which of them somebody can register, and which name a host record stands for."""

from __future__ import annotations

import re

APEX = "@"
WILDCARD = "*"
_SECOND_LEVEL = {"ac", "co", "com", "edu", "gov", "mil", "net", "org"}
_LABEL = "(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"@|(?:\*|{_LABEL})(?:\.{_LABEL})*", re.ASCII)
MAX_NAME = 253


def root_of(name: str) -> str:
    """The domain that somebody registered, of which `name` is a part: its last two labels.

    They are three where the last two are as a country's own, `com.cn` or `co.uk`. A list of all such suffixes is not
    consulted.
    """
    labels = name.lower().split(".")
    of_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if of_country else -2 :])


def is_root(name: str) -> bool:
    """Whether somebody can have registered that name: it has two labels and is no country's own, or three and is."""
    labels = name.split(".")
    return len(labels) > 1 and root_of(name) == name and root_of(f"www.{name}") == name


def is_host(host: str) -> bool:
    """Whether that, in lower case, can stand for a name of a domain: labels, of which the first may be `*`, or `@`."""
    return len(host) <= MAX_NAME and _HOST.fullmatch(host) is not None


def full(host: str, domain: str) -> str:
    """The name that a host record stands for."""
    return domain if host == APEX else f"{host}.{domain}"


def host_of(name: str, domain: str) -> str | None:
    """The host record of `name` in `domain`; None if it is no part of that."""
    if name == domain:
        return APEX
    host = name.removesuffix(f".{domain}")
    return None if host == name else host
