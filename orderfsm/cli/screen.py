"""Text on a terminal, laid out by Rich: it fits the width, and verdicts, labels, headers and addresses stand out."""

from __future__ import annotations

import re
from itertools import chain, groupby, zip_longest
from operator import itemgetter
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from .terminal import obeyed, safe

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

GAPS = (2, 1)
"""Spaces between columns: as many as there is room for."""

LONG = 24
"""A word of more characters, as a domain, is rather broken than that each row becomes a paragraph."""

_HEAD = re.compile(r" *(?:[0-9]+\. |[A-Za-z][\w ]{0,22}: {2,})?")
"""A line begins with spaces, and perhaps a number or a label; under what follows it goes on."""

_VERDICT = r"(?:^|(?<=: ))(?:%s)(?=$|[:,;])"
_STYLES = {
    _VERDICT % "legal|conforms|accepted|done": "bold green",
    _VERDICT % "illegal|violates|refused": "bold red",
    _VERDICT % "undecided|unknown": "bold yellow",
    r"^ *[A-Za-z][\w ]{0,22}:(?= {2,})": "bold",
}
_ADDRESS = r"https?://[^\s()<>\[\]\"']*[^\s()<>\[\]\"'.,;:]"


class Screen:
    """A terminal of `width` columns, or with None a stream where each line stays one line, with `colours` or without.

    All texts that it is given are made `safe` before they get any escape sequence.
    """

    def __init__(self, stream: TextIO, width: int | None, *, colours: bool) -> None:
        self._width = width
        self._console = Console(
            file=obeyed(stream),
            width=width or 80,
            color_system="standard" if colours else None,
            force_terminal=colours,
            no_color=not colours,
            legacy_windows=False,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def say(self, text: str) -> None:
        """Print text of one or more lines; one that is too long goes on under where its text begins."""
        self._print(*map(_styled, safe(text, allowing="\n").split("\n")))

    def columns(self, rows: Sequence[Sequence[str]], below: Collection[str] = ()) -> None:
        """Print rows of which the first is the header, in the first of these ways for which there is room.

        As they are; with the columns that may stand `below` listed there; the same in sections, one for each text of
        the first column; the same with long words broken; or each row as a paragraph.
        """
        if self._width is None or _across(map(_wanted, zip(*rows, strict=True)), GAPS[0]) <= self._width:
            self._table(rows, GAPS[0])
            return
        short, notes = _noted(rows, below)
        inner = [row[1:] for row in short]
        if gap := self._gap(short):
            self._table(short, gap)
        elif len({row[0] for row in short}) < len(short) and (gap := self._gap(inner)):
            self._sections([row[0] for row in short], inner, gap)
        elif gap := self._gap(short, LONG):
            self._table(short, gap, LONG)
        else:
            self._paragraphs(rows)
            return
        if notes:
            self.say("\n" + "\n".join(f"{number}. {note}" for number, note in enumerate(notes, 1)))

    def _gap(self, rows: Sequence[Sequence[str]], longest: int | None = None) -> int:
        """The spaces between columns with which words of up to the `longest` have room in their own; 0 if none have."""
        least = [_least(column, longest) for column in zip(*rows, strict=True)]
        return next((gap for gap in GAPS if self._width is None or _across(least, gap) <= self._width), 0)

    def _table(self, rows: Sequence[Sequence[str]], gap: int, longest: int | None = None) -> None:
        widths = self._widths(rows, gap, longest)
        self._put(*chain.from_iterable(self._lines(rows, widths, gap)))

    def _sections(self, names: Sequence[str], rows: Sequence[Sequence[str]], gap: int) -> None:
        """Rows under the name that they share, in columns that are as wide everywhere."""
        widths = self._widths(rows, gap)
        header, *lines = self._lines(rows, widths, gap)
        self._put(*header)
        for name, members in groupby(zip(names[1:], lines, strict=True), key=itemgetter(0)):
            self.say(f"{names[0]}:  {name}")
            self._put(*(line for _, each in members for line in each))

    def _widths(self, rows: Sequence[Sequence[str]], gap: int, longest: int | None = None) -> list[int]:
        """How wide columns may be; words over the `longest` are broken."""
        columns = list(zip(*rows, strict=True))
        wanted = [_wanted(column) for column in columns]
        if self._width is None:
            return wanted
        return shares(wanted, [_least(each, longest) for each in columns], self._width - gap * (len(columns) - 1))

    def _lines(self, rows: Sequence[Sequence[str]], widths: Sequence[int], gap: int) -> list[list[Text]]:
        """The lines of each row, of which the first is the header."""
        lines = [[*self._across(row, widths, gap)] for row in rows]
        for line in lines[0]:
            line.stylize("bold")
        return lines

    def _across(self, cells: Sequence[str], widths: Sequence[int], gap: int) -> Iterator[Text]:
        """The lines that a row becomes."""
        wrapped = [_styled(cell).wrap(self._console, width) for cell, width in zip(cells, widths, strict=True)]
        for parts in zip_longest(*wrapped):
            line = Text()
            for part, width in zip(parts, widths, strict=True):
                cell = part or Text()
                cell.rstrip()
                line += cell
                line.append(" " * (width - cell_len(cell.plain) + gap))
            line.rstrip()
            yield line

    def _paragraphs(self, rows: Sequence[Sequence[str]]) -> None:
        """Each row with a line for each cell that says something."""
        label = max(map(len, rows[0])) + 1
        for row in rows[1:]:
            cells = [each for each in zip(rows[0], row, strict=True) if each[1] not in {"", "-"}]
            self._print(*(_styled(f"{heading + ':':<{label}}  {cell}") for heading, cell in cells), Text())

    def _print(self, *lines: Text) -> None:
        """Print lines that go on below where they are too long."""
        self._put(*(part for line in lines for part in self._wrapped(line)))

    def _put(self, *lines: Text) -> None:
        """Print lines as they are."""
        self._console.print(Text("\n").join(lines), soft_wrap=True)

    def _wrapped(self, line: Text) -> Iterator[Text]:
        """The lines that a line becomes."""
        width = self._width
        if width is None or cell_len(line.plain) <= width:
            yield line
            return
        head, text = line.divide([_HEAD.match(line.plain).end()])  # type: ignore[union-attr]  # it may be empty
        indent = cell_len(head.plain)
        if indent > width // 2:  # there is no room beside it
            head, text, indent = Text(""), line, 0
        for number, each in enumerate(text.wrap(self._console, width - indent)):
            each.rstrip()
            yield Text.assemble(head if number == 0 else " " * indent, each)


def _wanted(column: Iterable[str]) -> int:
    """How wide a column is in which no cell has to be broken."""
    return max(map(cell_len, column))


def _least(column: Iterable[str], longest: int | None) -> int:
    """How wide a column is in which no word has to be broken, unless it is over the `longest`."""
    widest = max(cell_len(word) for cell in column for word in cell.split() or [""])
    return widest if longest is None else min(widest, longest)


def _across(widths: Iterable[int], gap: int) -> int:
    """How wide columns of these widths are together."""
    each = list(widths)
    return sum(each) + gap * (len(each) - 1)


def _noted(rows: Sequence[Sequence[str]], below: Collection[str]) -> tuple[list[list[str]], list[str]]:
    """The rows with the numbers of notes in place of the columns that are named; and the notes, each said once."""
    moved = [at for at, heading in enumerate(rows[0]) if heading in below]
    notes = list(dict.fromkeys(row[at] for row in rows[1:] for at in moved if row[at]))
    short = [[cell for at, cell in enumerate(row) if at not in moved] for row in rows]
    if moved:
        short[0].append("SEE")
        for row, cells in zip(rows[1:], short[1:], strict=True):
            cells.append(", ".join(str(notes.index(row[at]) + 1) for at in moved if row[at]))
    return short, notes


def shares(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """A width for each column, between the least that it needs and what is wanted: what is left is shared out evenly.

    >>> shares([4, 30, 50], [4, 10, 10], 44)
    [4, 20, 20]
    """
    widths = list(least)
    left = room - sum(least)
    by_want = sorted(range(len(widths)), key=lambda at: wanted[at] - least[at])
    for number, at in enumerate(by_want):
        more = min(wanted[at] - least[at], left // (len(widths) - number))
        widths[at] += more
        left -= more
    return widths


def _styled(line: str) -> Text:
    text = Text(line)
    for pattern, style in _STYLES.items():
        text.highlight_regex(pattern, style)
    text.highlight_regex(_ADDRESS, lambda address: Style(link=address, underline=True))
    return text
