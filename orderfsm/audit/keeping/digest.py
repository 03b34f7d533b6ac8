"""What is in a file, as one number; and the place for it in a state file, so that no changed byte goes unnoticed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from os import PathLike

DIGEST_KEY = "orderfsm.sha256"
NO_DIGEST = "0" * 64
_MARK = DIGEST_KEY.encode() + b"\x18\x40"
"""What stands before the digest in the footer, as Thrift writes it: the key, then that a text of 64 bytes follows. No
other text of the footer has a control character."""

_TAIL = 8
"""The end of a Parquet file: how long the footer is, in 4 bytes, and 4 bytes that are always the same."""

_CHUNK = 1 << 20


def sha256(file: str | PathLike[str]) -> str:
    """The SHA-256 of what is in a file."""
    with Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Digest(NamedTuple):
    """The digest that is `kept` in a state, where that stands, and what it is really, zeros in that place."""

    kept: bytes
    at: int
    is_: bytes


def digest_in(stream: IO[bytes]) -> Digest | None:
    """The digest in a Parquet file; None if it has none."""
    size = stream.seek(0, os.SEEK_END)
    if size < _TAIL:
        return None
    stream.seek(size - _TAIL)
    begins = size - _TAIL - int.from_bytes(stream.read(4), "little")
    if begins < 0:
        return None
    stream.seek(begins)
    footer = stream.read()
    at = footer.rfind(_MARK) + len(_MARK)
    kept = footer[at : at + len(NO_DIGEST)]
    if at < len(_MARK):
        return None
    found = hashlib.sha256()
    stream.seek(0)
    for chunk in iter(lambda: stream.read(min(_CHUNK, begins - stream.tell())), b""):
        found.update(chunk)
    found.update(footer[:at] + NO_DIGEST.encode() + footer[at + len(kept) :])
    return Digest(kept, begins + at, found.hexdigest().encode())


def seal(file: str) -> None:
    """Put the digest of a state that was just written into it."""
    with Path(file).open("r+b") as stream:
        found = digest_in(stream)
        if found is None or found.kept != NO_DIGEST.encode():
            raise AssertionError("a state has a place for its digest")
        stream.seek(found.at)
        stream.write(found.is_)
