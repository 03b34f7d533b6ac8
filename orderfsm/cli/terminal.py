"""The edge to the terminal: whether there is one, how wide it is, and what it would obey instead of showing.

Texts of the service and of files (products, domains, words, messages) may hold anything.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBEYED = (
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""Control characters, C1 included; marks that turn the direction of the text around them; line and paragraph
separators; characters without a width; halves of characters. None of them is printable."""

USUAL_WIDTH = 80
"""Columns of a terminal that does not say how many it has."""


def safe(text: str, *, allowing: str = "") -> str:
    r"""`text`, each character that a terminal would obey written as JSON writes it: `\u001b`.

    What is `allowing` stays: the line ends of a text of ours, in which such texts may stand. As the result is still
    the same JSON if `text` is JSON, this holds for documents as well.
    """
    if text.replace("\n", " " if "\n" in allowing else "\n").isprintable():
        return text
    return re.sub(_OBEYED, lambda found: found[0] if found[0] in allowing else _written_out(found[0]), text)


def _written_out(character: str) -> str:
    import json

    written = json.dumps(character)[1:-1]
    return written if written != character else f"\\u{ord(character):04x}"  # JSON need not escape DEL


class _Shown:
    """A text stream to which everything is written `safe`."""

    def __init__(self, stream: TextIO) -> None:
        self.obeyed = stream

    def write(self, text: str) -> int:
        return self.obeyed.write(safe(text, allowing="\n\t"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.obeyed, name)


@contextmanager
def safe_output() -> Iterator[None]:
    """Everything that is printed to standard output is `safe`: by every command, whatever it prints."""
    shown: Any = _Shown(sys.stdout)
    with redirect_stdout(shown):
        yield


def obeyed(stream: TextIO) -> TextIO:
    """The stream under one of which everything is `safe`: for escape sequences of our own, and `safe` texts."""
    return stream.obeyed if isinstance(stream, _Shown) else stream


def width_of(stream: TextIO) -> int | None:
    """How many columns the terminal has that `stream` writes to, or COLUMNS says; None if it writes to none."""
    try:
        number = stream.fileno()
        if not os.isatty(number):
            return None
    except (AttributeError, OSError):  # it writes to no file
        return None
    try:
        columns = int(os.environ.get("COLUMNS") or 0)
    except ValueError:
        columns = 0
    if columns <= 0:
        with_size = os.get_terminal_size(number)
        columns = with_size.columns
    return columns or USUAL_WIDTH


def coloured(stream: TextIO) -> bool:
    """Whether what is written to `stream` is to have colours.

    `--color` and `--no-color` decide, then NO_COLOR, then FORCE_COLOR; without them, whether it is a terminal that
    says what it is.
    """
    import click

    context = click.get_current_context(silent=True)
    if context is not None and context.color is not None:
        return context.color
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    known = sys.platform == "win32" or os.environ.get("TERM", "") not in {"", "dumb", "unknown"}
    return known and width_of(stream) is not None
