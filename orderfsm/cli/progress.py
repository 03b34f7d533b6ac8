"""How far a command is: bars on standard error, if that is a terminal."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from itertools import repeat
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar


def bar(what: str, of: int | None) -> ProgressBar[str]:
    """A bar, to be used as a context, for `what`, which has so many steps; None if that is not known.

    Its `update` is told how many more steps are done, and perhaps a text to be shown beside it.
    """
    return click.progressbar(
        repeat(""),
        length=of,
        label=f"{what}:",
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
        item_show_func=lambda shown: shown,
    )


class Progress(ExitStack):
    """A bar for each thing that is done in turn, and beside it how much of it is done.

    It is called with what is being done, how much of it is done, and of how much (None if that is not known). `unit` is
    what is counted, if how many a second are done is to be shown as well. `close` ends the bar that is shown.
    """

    def __init__(self, unit: str | None = None) -> None:
        super().__init__()
        self._unit = unit
        self._what: str | None = None
        self._bar: ProgressBar[str]
        self._began = self._last = time.monotonic()

    def __call__(self, what: str, done: int, of: int | None) -> None:
        if what != self._what:
            self.close()
            self._what, self._began = what, self._last
            self._bar = self.enter_context(bar(what, of))
        self._last = time.monotonic()
        self._bar.update(max(0, done - self._bar.pos), self._said(done, of))

    def _said(self, done: int, of: int | None) -> str:
        if self._unit is None:
            return f"{done:,}" if of is None else f"{done:,} of {of:,}"
        took = max(self._last - self._began, 0.001)
        return f"{done:,} {self._unit}, {done / took:,.0f} {self._unit}/s"
