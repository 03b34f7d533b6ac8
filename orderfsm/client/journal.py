"""The journal of a sweep: every call that it made, in the trace format, from which an interrupted one goes on.

The selection comes first, as reads by the list. Each read is written before the call that follows from it is sent; so
of a call that was interrupted before its answer was written, the journal still says that it may have been sent.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from orderfsm import trace
from orderfsm.errors import InvalidValue
from orderfsm.spec import Operation
from orderfsm.trace import Line, Outcome

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from .candidate import Candidate
    from .sdk import Answer
    from .steps import Send


class Journal:
    """A file of JSON Lines to which a line is added for each call; an existing one is continued.

    `begun`: the file is there, with the `selection` of the sweep that began it: tuples of an order's id, its `Status`,
    domain, product and date. `lines` are all its lines, by order. Raises `InvalidValue` if the file holds anything but
    a journal; a last line that was cut off is dropped. May be written from several threads.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self.lines: defaultdict[int, list[Line]] = defaultdict(list)
        self.selection: list[tuple[Any, ...]] = []
        self.begun = self._path.exists()
        if self.begun:
            text = self._path.read_bytes()
            whole = text[: text.rfind(b"\n") + 1]
            self._load(whole)
            if whole != text:
                self._path.write_bytes(whole)
            self._file = self._path.open("a", encoding="utf-8")

    def _load(self, text: bytes) -> None:
        header, *lines = text.splitlines() or [b""]
        if header.decode(errors="replace") != _HEADER:
            raise self._foreign(1)
        for number, each in enumerate(lines, 2):
            line = trace.loads(each, str(self._path), number)
            if not isinstance(line, Line) or line.order_id is None:
                raise self._foreign(number)
            self.lines[line.order_id].append(line)
            if line.trigger is Operation.LIST:
                named = (line.extra.get(name) for name in ("domain", "product", "bought"))
                self.selection.append((line.order_id, line.state, *named))

    def _foreign(self, number: int) -> InvalidValue:
        return InvalidValue("journal", f"{self._path}:{number}", ["a file that a sweep has written"])

    def select(self, candidates: Iterable[Candidate]) -> None:
        """Begin the file with the orders that were selected: all of them, or there is no file."""
        begun = self._path.with_name(f"{self._path.name}.part")
        with begun.open("w", encoding="utf-8") as file:
            file.write(f"{_HEADER}\n")
            for each in candidates:
                extra = {"domain": each.domain, "product": each.product, "bought": each.bought}
                line = _line(Operation.LIST, order_id=each.order_id, state=each.status, extra=extra)
                file.write(f"{trace.dumps(line)}\n")
        begun.replace(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def note(self, step: Send, answer: Answer) -> None:
        """Write what a call on an order came to; calls on the account are left out."""
        order_id = getattr(step.request, "order_id", None)
        if order_id is None:
            return
        refused = answer.outcome is Outcome.REFUSED
        read = step.operation is Operation.DESCRIBE and answer.outcome is Outcome.ACCEPTED
        line = _line(
            step.operation,
            order_id=order_id,
            outcome=answer.outcome,
            code=answer.code if refused else None,
            state=answer.response.body.type if read else None,
        )
        with self._lock:
            if self._file is not None:
                self._file.write(f"{trace.dumps(line)}\n")
                self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


_HEADER = trace.header(trace.Events.PARTIAL)


def _line(operation: Operation, **fields: Any) -> Line:
    return Line(time=datetime.now(UTC), trigger=operation, **fields)
