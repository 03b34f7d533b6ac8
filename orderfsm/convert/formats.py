"""The formats: what they are called, how the names of their files end, and by which first bytes they are told apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from orderfsm.invalid import InvalidValue
from orderfsm.streams import is_parquet, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS = ("xes", "ocel-json", "ocel-xml", "ocel-sqlite", "jsonl")
"""What is written, and read: XES; OCEL 2.0 as JSON, XML and SQLite; the trace format."""

ENDINGS: Mapping[str, str] = {
    ".xes": "xes",
    ".jsonocel": "ocel-json",
    ".json": "ocel-json",
    ".xmlocel": "ocel-xml",
    ".xml": "ocel-xml",
    ".sqlite": "ocel-sqlite",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""How the names of files end that have one of these formats; `.gz` may follow."""

_HEAD = 1 << 16
_TAG = re.compile(rb"<(?![?!])(?:[\w.-]+:)?([\w.-]+)")
_OF_OCEL = {b"object-types", b"event-types", b"objects", b"events"}
_MEMBERS = re.compile(rb'\s*\{\s*"(?:objectTypes|eventTypes|objects|events|ocel:[\w-]+)"\s*:\s*[\[{]').match


def written_as(file: str, to: str | None) -> str:
    """The format of a file that is to be written: `to`, or what its name says; `InvalidValue` if that is none."""
    if to is not None:
        if to not in FORMATS:
            raise InvalidValue("format", to, FORMATS)
        return to
    name = file.lower().removesuffix(".gz")
    found = ENDINGS.get(Path(name).suffix)
    if found is None:
        raise InvalidValue(
            "output", file, [f"a name that ends in {', '.join(ENDINGS)}, or a format: {', '.join(FORMATS)}"]
        )
    return found


def kind_of(path: str, name: str) -> str:
    """What a file is by its first bytes: one of `FORMATS`, or `parquet`; what looks like none of the others is `jsonl`.

    `InvalidValue` for XML that is neither XES nor OCEL, and for OCEL 1.0.
    """
    if is_parquet(path):
        return "parquet"
    with unpacked(path, name) as stream:
        head = stream.read(_HEAD)
    if head.startswith(b"SQLite format 3\0"):
        return "ocel-sqlite"
    text = head.replace(b"\0", b"") if b"\0" in head[:4] else head  # UTF-16, whose names are ASCII
    text = text.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if text.startswith(b"<"):
        return _xml(text, name)
    if _MEMBERS(text):
        if b'"ocel:' in text[:_HEAD] and b'"ocel:global-' in text:
            raise InvalidValue("OCEL file", name, ["OCEL 2.0; this is OCEL 1.0, which pm4py can convert"])
        return "ocel-json"
    return "jsonl"


def _xml(text: bytes, name: str) -> str:
    """Which of the two a file of XML is: the root of both is called `log`."""
    root, *inside = _TAG.findall(re.sub(rb"<!--.*?-->", b"", text, flags=re.DOTALL)) or [b""]
    if root == b"log":
        return "ocel-xml" if _OF_OCEL.intersection(inside[:1]) else "xes"
    raise InvalidValue("XML file", name, [f"XES or OCEL, whose root is <log>; this one's is <{root.decode()}>"])
