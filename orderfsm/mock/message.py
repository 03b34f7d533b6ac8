"""Requests and responses without I/O."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import attrs

from orderfsm.verdict import Uncertain

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = "application/x-www-form-urlencoded"
_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED}
_AS_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ILLEGAL_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _parameters(query: str | Mapping[str, Any]) -> dict[str, str]:
    if not isinstance(query, str):
        return {name: str(value) for name, value in query.items()}
    if "%" in query or "+" in query:
        return dict(parse_qsl(query, keep_blank_values=True))
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return {name: value for name, _, value in pairs}  # the same, where nothing is encoded


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@attrs.frozen
class Request:
    """An HTTP request: `query` as a string or a mapping, `headers` in any case, `body` as bytes."""

    method: str = "POST"
    path: str = "/"
    query: dict[str, str] = attrs.field(factory=dict, converter=_parameters)
    headers: dict[str, str] = attrs.field(factory=dict, converter=_headers)
    body: bytes = b""

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the query string, and those of a body that is a form or does not say; the query's win."""
        if not self.body or self.headers.get("content-type", "").partition(";")[0].strip().lower() not in {"", FORM}:
            return self.query
        return _parameters(self.body.decode("utf-8", "replace")) | self.query


@attrs.frozen
class Response(Uncertain):
    """An HTTP response: `status`, `headers`, and `body` as bytes.

    It is to be sent after `delay` seconds; `transport` is how a fault lets it perish: `reset`, `truncate`, `empty`,
    or None.
    """

    _instead: ClassVar[str] = "ask its `.status`"
    status: int
    body: bytes = b""
    headers: dict[str, str] = attrs.field(factory=lambda: {"content-type": "application/json;charset=utf-8"})
    delay: float = 0.0
    transport: str | None = None

    @classmethod
    def of(cls, status: int, document: object) -> Response:
        """A response whose body is `document` as JSON; of a `status` that lets no body follow, without one."""
        if status in _BODILESS:
            return cls(status)
        return cls(status, _AS_JSON(document).encode())

    @property
    def is_plain(self) -> bool:
        """Whether it is sent at once and whole."""
        return not self.delay and self.transport is None

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    def as_xml(self, root: str) -> Response:
        """The same response, its JSON object written as XML in an element `root`.

        A member is an element of its name, a list one such element for each of its own. A character that XML cannot
        carry becomes U+FFFD.
        """
        body = ET.tostring(_element(root, self.json), encoding="utf-8", xml_declaration=True)
        return attrs.evolve(self, body=body, headers=self.headers | {"content-type": "application/xml;charset=utf-8"})


def _element(name: str, value: Any) -> ET.Element:
    element = ET.Element(name)
    if isinstance(value, dict):
        for member, part in value.items():
            element.extend([_element(member, one) for one in (part if isinstance(part, list) else [part])])
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value)
        element.text = _ILLEGAL_IN_XML.sub("\ufffd", text)
    return element
