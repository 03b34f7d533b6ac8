"""The edge to the terminal: what it would obey instead of showing is written out.

Texts of the service and of files (products, domains, words, messages) may hold anything.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""Control characters, C1 included; marks that turn the direction of the text around them; line and paragraph
separators; characters without a width; halves of characters."""


def safe(text: str, *, allowing: str = "") -> str:
    r"""`text`, each character that a terminal would obey written as JSON writes it: `\u001b`.

    What is `allowing` stays: the line ends of a text of ours, in which such texts may stand. As the result is still
    the same JSON if `text` is JSON, this holds for documents as well.
    """
    return _OBEYED.sub(lambda found: found[0] if found[0] in allowing else _written_out(found[0]), text)


def _written_out(character: str) -> str:
    written = json.dumps(character)[1:-1]
    return written if written != character else f"\\u{ord(character):04x}"  # JSON need not escape DEL


class _Shown:
    """A text stream to which everything is written `safe`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(safe(text, allowing="\n\t"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def safe_output() -> Iterator[None]:
    """Everything that is printed to standard output is `safe`: by every command, whatever it prints."""
    shown: Any = _Shown(sys.stdout)
    with redirect_stdout(shown):
        yield
