"""A counterexample as lines for a shell: each request that was made, by curl."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote

from .drivers.exchanges import SECRET_HEADERS, SECRET_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orderfsm.identity import Id

    from .drivers.exchanges import Exchange

LEFT_OUT = SECRET_HEADERS | {
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "user-agent",
    "x-acs-content-sha256",
    "x-acs-credentials-provider",
    "x-acs-date",
    "x-acs-signature-nonce",
}
"""Headers that curl makes itself, and those that say something of a signature, which is left out."""

OF_A_SIGNATURE = SECRET_NAMES | {"accesskeyid", "signaturemethod", "signatureversion", "signaturenonce", "timestamp"}
"""Parameters that are left out, in lower case."""

SIGNED_BODIES = "application/jose+json"
"""What curl cannot repeat: each body is signed, for one use."""


def curl_lines(exchanges: Iterable[Exchange], begun: Mapping[str, Id], parameter: str) -> tuple[str, ...]:
    """The requests of some exchanges, in order, for a shell with curl and sed; none if they cannot be repeated.

    `begun` are the orders that they create, by a variable's name each: what is answered as the id, which the API calls
    `parameter`, is kept in that, and used where the id stands in a request. Signatures are left out: servers that
    verify them turn these requests away.

    >>> from datetime import UTC, datetime
    >>> from orderfsm.testing.drivers.exchanges import Exchange
    >>> now = datetime.now(UTC)
    >>> begun = Exchange("GET", "http://127.0.0.1/?Domain=a", {}, b"", now, 0.1, answer=b'{"OrderId": 7}')
    >>> asked = Exchange("GET", "http://127.0.0.1/?OrderId=7", {}, b"", now, 0.1)
    >>> for line in curl_lines([begun, asked], {"order_1": 7}, "OrderId"):
    ...     print(line)
    order_1=$(curl -sS 'http://127.0.0.1/?Domain=a' | tee /dev/stderr | ...)
    curl -sS 'http://127.0.0.1/?OrderId='"$order_1"
    """
    made = [exchange.shown() for exchange in exchanges]
    if any(SIGNED_BODIES in exchange.headers.get("Content-Type", "") for exchange in made):
        return ()
    return tuple(_lines(made, begun, parameter))


def _lines(made: Iterable[Exchange], begun: Mapping[str, Id], parameter: str) -> Iterator[str]:
    known: dict[str, Id] = {}
    last = ""
    for exchange in made:
        line = _line(exchange, known, parameter)
        new = {name: order for name, order in begun.items() if name not in known and _tells(exchange, parameter, order)}
        for name in new:
            found = rf's/.*"{parameter}" *: *"?([^",}}]+).*/\1/p'
            line = f"{name}=$({line} | tee /dev/stderr | tr -d '\\n' | sed -nE {shlex.quote(found)})"
        known |= new
        if line != last:  # what is looked at again and again until it has come
            yield line
        last = line


def _tells(exchange: Exchange, parameter: str, order: Id) -> bool:
    """Whether an answer says an id."""
    return (
        re.search(rf'"{parameter}" *: *"?{re.escape(str(order))}\b', exchange.answer.decode(errors="replace"))
        is not None
    )


def _line(exchange: Exchange, known: Mapping[str, Id], parameter: str) -> str:
    words = ["curl", "-sS"]
    if exchange.method != "GET":
        words += ["-X", exchange.method]
    url = re.sub(r"(?<=[?&])([^?&=]+)=[^&]*&?", _unsigned, exchange.url).rstrip("?&")
    words.append(_quoted(url, known, parameter))
    for name, value in exchange.headers.items():
        if name.lower() not in LEFT_OUT and (exchange.body or name.lower() != "content-type"):
            words += ["-H", shlex.quote(f"{name}: {value}")]
    if exchange.body or exchange.method in {"POST", "PUT"}:
        words += ["--data-raw", _quoted(exchange.body.decode(errors="replace"), known, parameter)]
    return " ".join(words)


def _unsigned(parameter: re.Match[str]) -> str:
    return "" if parameter[1].lower() in OF_A_SIGNATURE else parameter[0]


def _quoted(text: str, known: Mapping[str, Id], parameter: str) -> str:
    """A text as one word of the shell, in which variables stand for the ids that they have."""
    variables = {quote(str(order), safe=""): name for name, order in known.items()}
    if not variables:
        return shlex.quote(text)
    ids = "|".join(map(re.escape, variables))
    places = re.compile(
        rf'((?<=\b{parameter}=)|(?<="{parameter}": ")|(?<="{parameter}": )|(?<=s/))({ids})(?=[&/",}}?]|$)'
    )
    words, at = [], 0
    for place in places.finditer(text):
        words += [shlex.quote(text[at : place.start(2)]), f'"${variables[place[2]]}"']
        at = place.end(2)
    rest = text[at:]
    return "".join([*words, *([shlex.quote(rest)] if rest or not words else [])])
