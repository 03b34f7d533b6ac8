"""The parameters of a request, by name, and what is common to reading them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orderfsm.tables import alidns, api

from .gateway import invalid, missing
from .signature import contradicted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orderfsm.mock.message import Request

MAX_DOMAIN = 253
"""Characters of a domain name (RFC 1035)."""

MAX_TAGS = 20
JSON, XML = "JSON", "XML"

_DOMAIN = re.compile(
    r"(?:\*\.)?(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)(?=.*[a-z])[a-z0-9-]{1,63}(?<!-)", re.IGNORECASE | re.ASCII
)
_MAX_LENGTHS = {
    "Domain": 1280,
    "Csr": 16_384,
    "Email": 254,
    "CompanyName": 256,
    **dict.fromkeys(("Cert", "EncryptCert", "SignCert"), 65_536),
    **dict.fromkeys(("Key", "EncryptPrivateKey", "SignPrivateKey"), 16_384),
    "DomainName": MAX_DOMAIN,
    "SubDomain": MAX_DOMAIN,
    "RR": MAX_DOMAIN,
    "Value": 2048,
}
_MAX_LENGTH = 128
_TAGS = re.compile(r"Tags\.([0-9]{1,4})\.[^.]*")
_IDS = {"InstanceId", "TaskId"}
"""Texts of any length: one that is too long is the id of nothing."""

TAKEN = {**api.PARAMETERS, **alidns.PARAMETERS}
"""The parameters of every action that is answered."""

_LONGEST = {
    action: {
        name: _MAX_LENGTHS.get(name, _MAX_LENGTH)
        for name in (*taken.required, *taken.any_of, *taken.optional)
        if name not in _IDS
    }
    for action, taken in TAKEN.items()
}


def given(action: str, request: Request) -> dict[str, str]:
    """The parameters of `action`: none of the required ones absent or empty, none longer than it may be."""
    taken = TAKEN[action]
    found = {name: value for name, value in request.parameters.items() if value}
    if ("Action" in found or "Version" in found) and "authorization" not in request.headers:
        for name in contradicted(request):
            if name in found:
                raise invalid(name, "what the header beside it says")
    if "Format" in found and asked_format(found) not in {JSON, XML, None}:
        raise invalid("Format", f"{JSON} or {XML}")
    for name in taken.required:
        if name not in found:
            raise missing(name)
    if taken.any_of and not any(name in found for name in taken.any_of):
        raise missing(taken.any_of[0])
    for name, longest in _LONGEST[action].items():
        if name in found and len(found[name]) > longest:
            raise invalid(name, f"at most {longest} characters")
    return found


def asked_format(given: Mapping[str, str]) -> str | None:
    """The `Format` in capitals; None if there is none, for which `aliyun-python-sdk-core` writes the word `None`."""
    asked_for = given.get("Format")
    return asked_for.upper() if asked_for and asked_for.upper() != "NONE" else None


def number(given: Mapping[str, str], name: str, default: int, most: int = 999_999_999) -> int:
    """A parameter that is a number from 1 to `most`."""
    value = given.get(name, str(default))
    if re.fullmatch("[0-9]{1,9}", value) and 0 < int(value) <= most:
        return int(value)
    raise invalid(name, f"a number from 1 to {most}")


def word(given: Mapping[str, str], name: str, accepted: Sequence[str], default: str = "") -> str:
    """A parameter that is one of the `accepted` words; `default` where it is not given."""
    value = given.get(name, default)
    if name in given and value not in accepted:
        raise invalid(name, ", ".join(accepted))
    return value


def are_domains(names: Sequence[str]) -> bool:
    """Whether a certificate can be issued for each of the `names`: in ASCII, each as DNS has them."""
    return all(len(name) <= MAX_DOMAIN and _DOMAIN.fullmatch(name) for name in names)


def entries(given: Mapping[str, str], pattern: re.Pattern[str]) -> list[int]:
    """The numbers N of the parameters whose names match `pattern`, which has a group for N, in their order."""
    return sorted({int(match[1]) for match in map(pattern.fullmatch, given) if match})


def tags(given: Mapping[str, str], key: str = "Key", value: str = "Value") -> tuple[tuple[str, str], ...]:
    """The flattened list `Tags.1.Key`, `Tags.1.Value`, ... as pairs; `key` and `value` are its members' names."""
    numbers = entries(given, _TAGS)
    if len(numbers) > MAX_TAGS:
        raise invalid("Tags", f"at most {MAX_TAGS} tags")
    pairs = tuple((given.get(f"Tags.{n}.{key}", ""), given.get(f"Tags.{n}.{value}", "")) for n in numbers)
    for name, text in pairs:
        if not name or len(name) > _MAX_LENGTH or len(text) > _MAX_LENGTH:
            raise invalid("Tags", f"keys of 1 to {_MAX_LENGTH} characters, values of at most as many")
    return pairs
