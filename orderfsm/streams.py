"""What stands in a file of JSON, whatever it is called: opened by its first bytes, read value by value.

`opened` gives the bytes of a text, in UTF-8: out of gzip, bzip2, xz and zstd, and out of UTF-16 and UTF-32. What is
something else (Parquet, Arrow, CSV, an archive) is an `InvalidValue` that names what is accepted.

`values` gives its JSON objects. As a rule each is a line, and then it is given as its text. But objects may also follow
each other without a line end, span lines, or stand in arrays and in the envelope of a query's answer
(`{"Events": [..]}`, `{"Records": [..]}`), however long those are: no more than one object is held at a time.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import os
import re
import sys
import zlib
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, cast

from .invalid import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Readable: TypeAlias = "str | os.PathLike[str] | IO[bytes] | IO[str]"
"""A path, `-` for standard input, or an open file."""

Value: TypeAlias = "bytes | dict[str, Any]"
"""The text of a line, which may be anything; or an object that is more or less than a line."""


class Place(NamedTuple):
    """Where in a file a text begins.

    At which byte, on which `line`; which number was the `last`; whether numbers count objects only, or also go by
    lines; and whether it is `inside` of an array.
    """

    byte: int
    line: int
    last: int
    counts: bool
    inside: bool


class Found(NamedTuple):
    """Objects with which a text begins, found by a reader of another room, who knows what these `objects` are.

    `size` is that of the text up to the next object, or to its end; in it the last object's number was `last`, so many
    `lines` ended, and so many objects `ended` after that.
    """

    size: int
    last: int
    lines: int
    ended: int
    objects: Any


class Find(Protocol):
    """Finds objects at the beginning of a text, as many as it likes; None if it does not find any.

    They are those that would be read here, with the same numbers. In the text that is not the `whole` rest of a file
    nobody knows what follows, so that its last object is never among them. Outside of arrays it stops where a line
    begins.
    """

    def __call__(self, text: bytes, place: Place, *, whole: bool) -> Found | None: ...


STANDARD_INPUT = "-"
ACCEPTED = "JSON Lines in UTF-8 or UTF-16, plain or compressed by gzip, bzip2, xz or zstd"

LONGEST = 1 << 24
"""How many bytes an object may have. What is longer is no line of a log."""

_HEAD = 1 << 9
_PIECE = 1 << 20
_BLOCK = 1 << 16
_FEWEST = 1 << 13
"""How much of a text is looked at for objects at the least; at the most it is `_PIECE`."""
_LONGEST_WAIT = 64
"""How many objects are read at the most before others are looked for again."""
_NESTED = 4
"""How often a file may be compressed anew."""

_PARQUET = (b"PAR1", b"PARE")
_OTHERS = {
    **dict.fromkeys(_PARQUET, "Parquet"),
    b"ARROW1": "an Arrow file",
    b"\xff\xff\xff\xff": "an Arrow stream",
    b"FEA1": "Feather",
    b"ORC": "ORC",
    b"Obj\x01": "Avro",
    b"SQLite format 3": "an SQLite database",
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"LZIP": "lzip",
    b"\x1f\x9d": "compress",
    b"\x89HDF": "HDF5",
}
"""What is recognized by its first bytes, but not read."""

_PROMISED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".parquet": "Parquet", ".pq": "Parquet"}
"""What is never of no bytes at all, by the end of its name."""


# -- opening -----------------------------------------------------------------------------------------------------------


def name_of(given: Readable) -> str:
    """What a path or an open file is called."""
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    name = getattr(given, "name", "")
    return name if isinstance(name, str) else ""


def is_parquet(path: str) -> bool:
    """Whether a file is Parquet, by its first bytes; one without any is what its name says."""
    with Path(path).open("rb") as file:
        head = file.read(len(_PARQUET[0]))
    return head in _PARQUET or (not head and _PROMISED.get(_suffix(path)) == "Parquet")


@contextmanager
def opened(
    given: Readable, name: str | None = None, read: Callable[[int], object] | None = None
) -> Iterator[io.BufferedReader]:
    """The text of a file in UTF-8, out of whatever it is compressed by; a path is closed in the end.

    `name` is what errors call it; `read` is told how many of its bytes were taken. `InvalidValue` if it is no text, or
    damaged.
    """
    called = name_of(given) if name is None else name
    with _decompressed(given, called, read) as source:
        _check(source.head, called)
        encoding = json.detect_encoding(source.head)
        text = source
        if encoding != "utf-8":
            text = _Source(_undamaged(_decoded(source, encoding), encoding.upper(), called))
        yield io.BufferedReader(text, _BLOCK)


@contextmanager
def unpacked(
    given: Readable, name: str | None = None, read: Callable[[int], object] | None = None
) -> Iterator[io.BufferedReader]:
    """The bytes of a file, of whatever kind, out of whatever it is compressed by; the rest as for `opened`."""
    with _decompressed(given, name_of(given) if name is None else name, read) as source:
        yield io.BufferedReader(source, _BLOCK)


@contextmanager
def _decompressed(given: Readable, name: str, read: Callable[[int], object] | None) -> Iterator[_Source]:
    with ExitStack() as stack:
        file: Any = given
        if isinstance(given, str | os.PathLike):
            is_input = os.fspath(given) == STANDARD_INPUT
            file = sys.stdin.buffer if is_input else stack.enter_context(Path(given).open("rb"))
        yield _out_of(_first(file, name, read), name)


class _Source(io.RawIOBase):
    """Bytes as `take` gives them, at most as many as it is asked for; those that were looked at first."""

    def __init__(self, take: Callable[[int], bytes]) -> None:
        self._take = take
        self.head = b""
        while len(self.head) < _HEAD and (more := take(_BLOCK)):
            self.head += more
        self._begun = self.head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        taken = self._begun or self._take(len(buffer))
        self._begun = taken[len(buffer) :]
        taken = taken[: len(buffer)]
        buffer[: len(taken)] = taken
        return len(taken)


def _first(file: Any, name: str, read: Callable[[int], object] | None) -> _Source:
    """The bytes of an open file; those of one that gives text are what it says in UTF-8."""

    def take(size: int) -> bytes:
        try:
            taken = file.read1(size) if hasattr(file, "read1") else file.read(size)
        except UnicodeDecodeError as error:
            raise InvalidValue("file", name, ["one opened in binary mode, or in its own encoding"]) from error
        found: bytes = taken.encode("utf-8", "surrogatepass") if isinstance(taken, str) else taken
        if read is not None:
            read(len(found))
        return found

    return _Source(take)


def _out_of(source: _Source, name: str) -> _Source:
    """What is in `source`, without compression."""
    if not source.head and (kind := _PROMISED.get(_suffix(name))):
        raise InvalidValue(f"{kind} file", name, ["an undamaged one (it is empty)"])
    for _ in range(_NESTED):
        found = next((kind for magic, kind in _COMPRESSED.items() if source.head.startswith(magic)), None)
        if found is None:
            break
        kind, decompressed = found
        source = _Source(_undamaged(decompressed(io.BufferedReader(source, _BLOCK), name), kind, name))
    else:
        raise InvalidValue("file", name, [f"one that is compressed less than {_NESTED} times"])
    return source


def _check(head: bytes, name: str) -> None:
    """An `InvalidValue` if a file that begins so is known to be no text."""
    kind = next((kind for magic, kind in _OTHERS.items() if head.startswith(magic)), None)
    first = head.removeprefix(codecs.BOM_UTF8).partition(b"\n")[0]
    fields = {field.strip(b'" ') for field in re.findall(rb"[^,;\t|\r\n]+", first)}
    with_id = b"time" in fields and any(field.endswith((b"_id", b"_url")) for field in fields)
    if kind is None and with_id and b"{" not in head:
        kind = "CSV"
    if kind is not None:
        accepted = f"{ACCEPTED}; this is {kind}, which `orderfsm audit` takes as a file (Parquet) or a frame"
        raise InvalidValue("file", name, [accepted])


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _undamaged(take: Callable[[int], bytes], kind: str, name: str) -> Callable[[int], bytes]:
    def taken(size: int) -> bytes:
        try:
            return take(size)
        except (EOFError, zlib.error, lzma.LZMAError, UnicodeError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the disk
            raise InvalidValue(f"{kind} file", name, [f"an undamaged one ({error})"]) from error

    return taken


def _zstd(stream: IO[bytes], name: str) -> Callable[[int], bytes]:
    """Python has it from 3.14 on; the extra `audit` brings it in PyArrow."""
    try:
        from compression.zstd import ZstdFile  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        try:
            from pyarrow import CompressedInputStream, PythonFile
        except ImportError:
            accepted = "one by gzip, bzip2 or xz, Python 3.14, or pip install 'orderfsm[audit]'"
            raise InvalidValue("zstd file", name, [accepted]) from None
        return cast("Callable[[int], bytes]", CompressedInputStream(PythonFile(stream, "r"), "zstd").read)
    return cast("Callable[[int], bytes]", ZstdFile(stream).read)


_COMPRESSED: dict[bytes, tuple[str, Callable[[IO[bytes], str], Callable[[int], bytes]]]] = {
    b"\x1f\x8b": ("gzip", lambda stream, _: gzip.GzipFile(fileobj=stream).read1),
    b"BZh": ("bzip2", lambda stream, _: bz2.BZ2File(stream).read1),
    b"\xfd7zXZ\0": ("xz", lambda stream, _: lzma.LZMAFile(stream).read1),  # noqa: SIM115
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
}
"""How what begins so is decompressed."""


def _decoded(source: io.RawIOBase, encoding: str) -> Callable[[int], bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()

    def take(size: int) -> bytes:
        while taken := source.read(max(size // 4, 1)):
            if text := decoder.decode(taken):
                return text.encode()
        return decoder.decode(b"", final=True).encode()

    return take


# -- values ------------------------------------------------------------------------------------------------------------

_FLAT = re.compile(rb"\{[^{}\[\]]*\}\s*").fullmatch
_JOINED = re.compile(rb'\}[^,"{}]*\{').search
_BETWEEN = re.compile("[\\s,\ufeff\x1e]*")
_ARRAY = re.compile("\\[[\\s,\ufeff]*(?:[\\[\\]{]|$)").match
_LINE_END = re.compile(r"[\r\n]")
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")
_OF_SEVERAL = (b",", b"]", b"\x1e", codecs.BOM_UTF8)
LISTS = ("Events", "Records", "events", "records")
"""The members of an envelope in which its objects stand."""
_OWN = (
    *("time", "operation", "event", "order_id", "instance_id", "order_url", "trace"),
    *("eventName", "eventId", "eventTime"),
)
"""Keys of what is no envelope, whatever else is in it."""
_SCALAR = r'(?:"[^"\\]*"|-?\d[\d.eE+-]*|true|false|null)'
_OTHER = rf'"(?!(?:{"|".join(_OWN)})")\w+"\s*:\s*{_SCALAR}\s*,\s*'
_envelope = re.compile(rf'\{{\s*(?:{_OTHER})*"(?:{"|".join(LISTS)})"\s*:\s*\[').match
_MEMBER = '{"":0'
_CUT_OFF = 12
"""How near to the end of the text an error may be that more of it would mend: two escaped halves of a character."""
_SHOWN = 1 << 10


def values(stream: io.BufferedReader, name: str = "") -> Iterator[tuple[int, Value]]:
    """Each object in `stream` with the number of its line, from 1; in a file that is an array, with that of its place.

    No two have one number: where several stand on a line, they count on. What is no object is given as its text, up to
    the end of the line; empty lines are left out. Of an object longer than `LONGEST` the beginning is given. If many
    stand on a line, and one of them cannot be read, it is an `InvalidValue`, since nobody knows how many are lost.
    """
    return chain.from_iterable(some for _, some in _batches(_Reader(stream, name)))


def batches(
    stream: io.BufferedReader, name: str = "", find: Find | None = None
) -> Iterator[Found | tuple[bytes, Iterable[tuple[int, Value]]]]:
    """The same in batches, each to be read before the next; and the text of a batch that is one line for each object.

    Of others the text is empty. What `find` finds is given instead of the objects.
    """
    reader = _Reader(stream, name, find)
    return _batches(reader) if find is None else reader.found()


def _batches(reader: _Reader) -> Iterator[tuple[bytes, Iterable[Any]]]:
    while block := reader.block():
        flat = _flat(block)
        yield (block, reader.numbered(flat)) if flat else (b"", reader.each(block))


def _flat(block: bytes) -> list[bytes]:
    """The lines of a block, if it is easily seen that each is one object without another in it; else none."""
    if block.startswith(b"{") and block.endswith(b"}\n") and block.find(b"[") < 0 and block.find(b"\r") < 0:
        lines = block[:-1].split(b"\n")
        if block.count(b"}\n{") + 1 == block.count(b"{") == block.count(b"}") == len(lines):
            return lines
    return []


def is_line(text: bytes) -> bool:
    """Whether a line, without its end, is given as its text."""
    return _FLAT(text) is not None or _is_one(text + b"\n")


def _is_one(line: bytes) -> bool:
    """Whether a line looks like one object and nothing besides."""
    return (
        line[:1] == b"{"
        and line.endswith(b"\n")
        and not line.rstrip().endswith(_OF_SEVERAL)
        and line.count(b"{") == line.count(b"}")
        and not _JOINED(line)
        and line.find(b'vents"') < 0  # of an envelope
        and line.find(b'ecords"') < 0
    )


class _Reader:
    """Reads what is not one object on one line: from a line on, to the end of one at which nothing is open."""

    def __init__(self, stream: io.BufferedReader, name: str, find: Find | None = None) -> None:
        self.line = 0
        self.left = b""
        self._used = 0
        """How much of what is left was read."""
        self._taken = 0
        """How much of the stream was."""
        self._find = find
        self._size, self._waiting, self._patience = _FEWEST, 0, 0
        self._stream = stream
        self._name = name
        self._last = 0
        self._counts = False
        self._text = ""
        self._at = 0
        self._opened: list[bool] = []
        """Of each array that is open, whether it is an envelope's."""
        self._read_on = 0
        self._read_there = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._strange: list[str] = []
        self._scan = json.JSONDecoder(parse_constant=self._strange.append).raw_decode

    def block(self, size: int = _BLOCK) -> bytes:
        """What comes next, of about this size, up to the end of a line if one is near."""
        block = self._stream.read(max(size, _BLOCK))
        block = block if block.endswith(b"\n") else block + self._stream.readline(_PIECE)
        self._taken += len(block)
        return block

    def numbered(self, lines: list[bytes]) -> Iterator[tuple[int, bytes]]:
        """Lines with their numbers."""
        first = self.number(self.line + 1)
        self.line += len(lines)
        self._last += len(lines) - 1
        return enumerate(lines, first)

    def each(self, block: bytes) -> Iterator[tuple[int, Value] | Found]:
        """What stands in a block, and in what comes after it, until nothing is open at the end of a line."""
        self.left, self._used = block, 0
        while self._used < len(self.left):
            yield from self.one()

    def one(self) -> Iterator[tuple[int, Value] | Found]:
        """What stands in the next line of what is left; and in what comes after it, until nothing is open."""
        end = self.left.find(b"\n", self._used) + 1 or len(self.left)
        line = self.left[self._used : end]
        self._used = end
        self.line += 1
        if _FLAT(line) or _is_one(line):
            yield self.number(), line
        elif not line.isspace():
            yield from self.read(line)

    def found(self) -> Iterator[Found | tuple[bytes, Iterable[tuple[int, Value]]]]:
        """The same of the whole stream, with what `find` finds."""
        while self._fill(1):
            found = self._next(inside=False)
            if found is not None:
                yield found
                continue
            for each in self.one():
                yield each if isinstance(each, Found) else (b"", (each,))

    def _fill(self, size: int) -> bool:
        """Read on until so much is left; False if nothing more is there."""
        parts = [self.left[self._used :]]
        missing = size - len(parts[0])
        while missing > 0 and (block := self.block(missing)):
            parts.append(block)
            missing -= len(block)
        if len(parts) > 1 or self._used == len(self.left):
            self.left, self._used = b"".join(parts), 0
        return missing < size

    def _next(self, *, inside: bool) -> Found | None:
        """What `find` finds in what is left; it is asked less often, and of less, where that has been in vain."""
        if self._find is None or self._waiting:
            self._waiting = max(self._waiting - 1, 0)
            return None
        self._fill(self._size)
        text = self.left[self._used : self._used + self._size]
        place = Place(
            self._taken - len(self.left) + self._used, self.line + (not inside), self._last, self._counts, inside
        )
        whole = len(self.left) - self._used < self._size
        found = self._find(text, place, whole=whole)
        if found is None or 2 * found.size < len(text):
            self._size, self._patience = max(self._size // 4, _FEWEST), min(2 * self._patience + 1, _LONGEST_WAIT)
            self._waiting = self._patience
        else:
            self._size, self._patience = min(self._size * 4, _PIECE), 0
        if found is not None:
            before = self._read_there if not found.lines and self._read_on == self.line else 0
            self._last, self._used = found.last, self._used + found.size
            self.line += found.lines
            self._read_on, self._read_there = self.line, before + found.ended
        return found

    def number(self, line: int | None = None) -> int:
        """The number of what begins on this line."""
        self._last += 1
        if not self._counts:
            self._last = max(self._last, self.line if line is None else line)
        return self._last

    def read(self, line: bytes) -> Iterator[tuple[int, Value] | Found]:
        """What stands in `line`, and in those after it, until nothing is open."""
        self._text, self._at = self._decoder.decode(line), 0
        self._opened.clear()
        while self._skip(inside=bool(self._opened)):
            char = self._text[self._at]
            if char == "]" and self._opened:
                self._go(self._at + 1)
                if self._opened.pop():
                    yield from self._rest_of_envelope()
                continue
            begun = _envelope(self._text, self._at) if char == "{" else self._array()
            if begun is not None:
                self._counts = self._counts or not self._last
                self._opened.append(char == "{")
                self._go(begun.end() if char == "{" else self._at + 1)
                continue
            if char == "{" and self._opened == [False] and (found := self._next_inside()) is not None:
                yield found
                continue
            number = self.line
            for value in self._object() if char == "{" else [self._bad(self._at)]:
                yield self.number(number), value
        if self._opened:
            yield self.number(), b"an array that is not closed"
        if self._text.endswith("\n"):
            self.line -= 1

    def _skip(self, *, inside: bool) -> bool:
        """Go to where the next thing begins; False if that is for lines to say, or nothing is left."""
        while True:
            between = _BETWEEN.match(self._text, self._at)
            self._go(between.end() if between else self._at)
            if self._at < len(self._text):
                return True
            if (self._text.endswith("\n") and not inside) or not self._more():
                return False

    def _go(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to) or self._text.count("\r", self._at, to)
        self._at = to

    def _more(self) -> bool:
        """Read on, up to the end of a line if it is near; what was gone through is forgotten."""
        left, taken = self._text[self._at :], b""
        while len(taken) <= len(left) and (block := self._piece()):
            taken += block
        self._text, self._at = left + self._decoder.decode(taken, final=not taken), 0
        return len(self._text) > len(left)

    def _piece(self) -> bytes:
        """Some of what is left, or what comes next, up to the end of a line if one is near."""
        if self._used == len(self.left):
            return self.block()
        end = self.left.find(b"\n", self._used + _BLOCK) + 1 or len(self.left)
        piece = self.left[self._used : end]
        self._used = end
        return piece

    def _next_inside(self) -> Found | None:
        """What `find` finds here, in an array."""
        if self._find is None or self._waiting:
            self._waiting = max(self._waiting - 1, 0)
            return None
        text = self._text[self._at :].encode("utf-8", "surrogateescape") + self._decoder.getstate()[0]
        self.left, self._used = text + self.left[self._used :], 0
        self._text, self._at = "", 0
        self._decoder.reset()
        found = self._next(inside=True)
        if found is None:
            self._more()
        return found

    def _array(self) -> re.Match[str] | None:
        """An array of objects, or of more arrays; others, as `[2026-08-05]`, are just text."""
        while (found := _ARRAY(self._text, self._at)) and found.end() == len(self._text) and self._more():
            pass
        return found

    def _decoded(self, before: str = "") -> tuple[Any, int] | int | None:
        """The JSON object that begins here, and where it ends; or where its fault is. `before` is put before it.

        None if it turns out to be an envelope.
        """
        while True:
            text, at = (before + self._text[self._at :], 0) if before else (self._text, self._at)
            try:
                value, end = self._scan(text, at)
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated") or error.pos >= len(text) - _CUT_OFF
                if is_cut and len(text) - at <= LONGEST and self._more():
                    if not before and _envelope(self._text, self._at):
                        return None
                    continue
                return self._at + max(error.pos - at - len(before), 0)
            except (ValueError, RecursionError):  # a number, or a nesting, that Python does not take
                return self._at
            return value, self._at + end - at - len(before)

    def _object(self) -> list[Value]:
        """The object that begins here; those in it if it is an envelope after all."""
        found = self._decoded()
        if found is None:
            return []
        if isinstance(found, int):
            return [self._bad(found)]
        value, end = found
        text = self._text[self._at : end]
        self._go(end)
        self._read_there = self._read_there + 1 if self._read_on == self.line else 1
        self._read_on = self.line
        if self._strange or not (text.isascii() or not _NOT_UTF_8.search(text)):
            self._strange.clear()
            return [text.encode("utf-8", "surrogateescape")]
        inside = _inside(value)
        if inside is None:
            return [value]
        self._counts = self._counts or not self._last
        return inside

    def _rest_of_envelope(self) -> Iterator[tuple[int, Value]]:
        found = self._decoded(_MEMBER)
        if not isinstance(found, tuple):
            yield self.number(), self._bad(found or 0)
            return
        rest, end = found
        self._go(end)
        for value in _inside(rest) or []:
            yield self.number(), value

    def _bad(self, fault: int) -> bytes:
        """How what is here begins; go behind it: to the end of the line, or to an object behind mere text.

        `fault` is where an object is wrong.
        """
        shown, line = "", self.line
        read = self._read_there if self._read_on == line else 0
        is_object = self._text.startswith("{", self._at)
        while True:
            end = _LINE_END.search(self._text, self._at)
            stop = end.start() if end else len(self._text)
            following = self._text.find("{", max(fault, self._at), stop) if read else -1
            behind = stop if is_object or following < 0 else following
            shown = shown or self._text[self._at : min(behind, self._at + _SHOWN)]
            if following >= 0 and is_object and (read > 1 or self._opened):
                accepted = f"one whose objects can be read, since nobody knows how many are lost on line {line}"
                raise InvalidValue("JSON file", self._name, [accepted])
            self._go(behind)
            if behind < len(self._text) or not self._more():
                break
            fault = 0
        return shown.encode("utf-8", "surrogateescape")


def _inside(value: dict[str, Any]) -> list[Value] | None:
    """What stands in the lists of an envelope; None if `value` is none."""
    lists = [value[key] for key in LISTS if isinstance(value.get(key), list)]
    if not lists or any(key in value for key in _OWN):
        return None
    return [each if isinstance(each, dict) else json.dumps(each).encode() for one in lists for each in one]
