"""XML, written as text and read piece by piece."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Protocol, TypeVar
from xml.parsers import expat

from orderfsm.invalid import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_Found = TypeVar("_Found")

_PIECE = 1 << 16
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)


class Reader(Protocol[_Found]):
    """Makes something of elements: what it has `found` is taken from it while it reads on."""

    found: list[_Found]

    def start(self, tag: str, said: Mapping[str, str], /) -> None: ...

    def end(self, tag: str, /) -> None: ...


def escaped(text: str) -> str:
    """A text as it stands in XML, in an attribute or between tags; it has no character that XML has not."""
    return text.translate(_ESCAPES)


def parsed(stream: IO[bytes], reader: Reader[_Found], name: str) -> Iterator[_Found]:
    """What a reader finds in a file of this name.

    `InvalidValue` if it is not well formed, or has a document type: nobody needs one here, and its entities are how a
    small file becomes a large one, or has others read.
    """

    def refuse(*_: object) -> None:
        raise InvalidValue("XML file", name, ["one without a document type: its entities could be of any size"])

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = getattr(reader, "text", None)
    try:
        for piece in iter(lambda: stream.read(_PIECE), b""):
            parser.Parse(piece, False)
            yield from reader.found
            reader.found.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise InvalidValue("XML file", name, [f"one that is well formed ({error})"]) from error
    yield from reader.found
