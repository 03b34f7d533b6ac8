"""The journal of a sweep: every call that it made, in the trace format, from which an interrupted one goes on.

Its header says what was swept, and how many orders were selected; then comes the selection, as reads by the list. Each
read is written before the call that follows from it is sent; so of a call that was interrupted before its answer was
written, the journal still says that it may have been sent. As long as a sweep writes a journal, no other can.
"""

from __future__ import annotations

import json
import stat
import threading
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from orderfsm import trace
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import Line, Outcome

from .observation import in_trace, word_in, word_of
from .roles import roles
from .sdk import Answer, id_field

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation

    from .steps import Send
    from .sweep import Candidate


class JournalFailed(OrderFSMError, OSError):
    """The journal cannot be written, as on a full disk: the sweep ends, for what it did could not be told any more.

    Made as `JournalFailed(path, error)`.
    """

    def __str__(self) -> str:
        path, error = self.args
        return f"journal {path}: {error.strerror or error}"


class Journal:
    """A file of JSON Lines to which a line is added for each call; an existing one is continued.

    `swept` is what is swept, as JSON: orders of `lifecycle`. `begun`: the file is there, with the `selection` of the
    sweep that began it: tuples of an order's id, its `Status`, domain, product and date. `lines` are all its lines, by
    order. Raises `InvalidValue` if the file holds anything but the whole journal of a sweep of the same, and if another
    sweep is writing it; a last line that was cut off is dropped. May be written from several threads.
    """

    def __init__(
        self, path: str | os.PathLike[str], swept: Mapping[str, Any], lifecycle: Lifecycle = ORDER_LIFECYCLE
    ) -> None:
        self._path = Path(path)
        self._lifecycle = lifecycle
        self._lists = roles(lifecycle).lists
        self._swept = json.loads(json.dumps(swept))
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self.lines: defaultdict[Id, list[Line]] = defaultdict(list)
        self.selection: list[tuple[Any, ...]] = []
        self.begun = self._path.exists()
        if self.begun:
            if not stat.S_ISREG(self._path.stat().st_mode):  # what else there is may have no end
                raise self._invalid("a file")
            self._file = self._locked("r+b", buffering=0)
            try:
                self._load(self._file)
            except BaseException:
                self.close()
                raise

    def _locked(self, mode: str, **settings: Any) -> BinaryIO:
        """The file, opened; nobody else has it open so."""
        try:
            file: BinaryIO = self._path.open(mode, **settings)  # type: ignore[assignment]
        except FileExistsError:
            raise self._invalid("one that no other sweep has begun meanwhile") from None
        except OSError as error:
            raise JournalFailed(str(self._path), error) from error
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.close()
                if isinstance(error, BlockingIOError):
                    raise self._invalid("one that no other sweep is writing") from None
                raise JournalFailed(str(self._path), error) from error
        return file

    def _load(self, file: BinaryIO) -> None:
        """Read the whole lines of the file, and go on after them."""
        text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        first, *lines = whole.splitlines() or [b""]
        selected = self._selected(first)
        for number, each in enumerate(lines, 2):
            line = trace.loads(each, str(self._path), number, self._lifecycle)
            if not isinstance(line, Line) or line.order_id is None:
                raise self._foreign(number)
            self.lines[line.order_id].append(line)
            if line.trigger == self._lists:
                named = [line.extra.get(name) for name in _NAMED]
                if not all(map(isinstance, named, _NAMED.values())):
                    raise self._foreign(number)
                self.selection.append((line.order_id, word_of(line), *named))
        if len(self.selection) != selected:
            of = f"{self._lifecycle.noun}s"
            raise self._invalid(f"its whole selection, {selected} {of}, and not {len(self.selection)}")
        file.truncate(len(whole))
        file.seek(len(whole))

    def _selected(self, header: bytes) -> int:
        """How many orders the sweep that began the file selected, if it swept the same."""
        try:
            fields = json.loads(header)
            sweep, selected = fields.pop("sweep"), fields.pop("selected")
        except (ValueError, AttributeError, KeyError, TypeError):
            raise self._foreign(1) from None
        if fields != _HEADER or not isinstance(selected, int):
            raise self._foreign(1)
        if sweep != self._swept:
            raise self._invalid(f"a journal of {json.dumps(self._swept)}, and not of {json.dumps(sweep)}")
        return selected

    def _foreign(self, number: int) -> InvalidValue:
        return InvalidValue("journal", f"{self._path}:{number}", ["a file that a sweep has written"])

    def _invalid(self, accepted: str) -> InvalidValue:
        return InvalidValue("journal", str(self._path), [accepted])

    def select(self, candidates: Sequence[Candidate]) -> None:
        """Begin the file with the orders that were selected: all of them, or there is no file."""
        header = _HEADER | {"sweep": self._swept, "selected": len(candidates)}
        lines = [json.dumps(header)]
        for each in candidates:
            extra = {"domain": each.domain, "product": each.product, "bought": each.bought}
            lists = cast("Operation", self._lists)
            said = in_trace(lists, each.status, self._lifecycle)
            line = self._line(lists, order_id=each.order_id, extra=extra, **said)
            lines.append(trace.dumps(line))
        self._file = self._locked("xb", buffering=0)
        try:
            self._write("".join(f"{line}\n" for line in lines))
        except BaseException:
            self._path.unlink()
            raise

    def note(self, step: Send, answer: Answer) -> None:
        """Write what a call on an order came to; calls on the account are left out."""
        order_id = getattr(step.request, id_field(self._lifecycle), None)
        if order_id is None:
            return
        read = step.operation == roles(self._lifecycle).read and answer.outcome is Outcome.ACCEPTED
        word = word_in(step.operation, answer.response.body, self._lifecycle) if read else None
        code = answer.code if answer.outcome is Outcome.REFUSED else None
        said = in_trace(step.operation, word, self._lifecycle) if read else {}
        line = self._line(step.operation, order_id=order_id, outcome=answer.outcome, code=code, **said)
        with self._lock:
            if self._file is not None:
                self._write(f"{trace.dumps(line)}\n")

    def _line(self, operation: Operation, **fields: Any) -> Line:
        return Line(time=datetime.now(UTC), trigger=operation, lifecycle=self._lifecycle, **fields)

    def _write(self, text: str) -> None:
        """Write all of `text`, at once: nothing waits in a buffer that closing the file would have to write."""
        file: BinaryIO = self._file  # type: ignore[assignment]
        whole, left = file.tell(), memoryview(text.encode())
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            with suppress(OSError):  # what another worker writes next does not follow half a line
                file.seek(whole)
                file.truncate()
            raise JournalFailed(str(self._path), error) from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


_NAMED = {"domain": str | None, "product": str | None, "bought": float | None}
"""What the selection has of an order besides its id and status."""

_HEADER = json.loads(trace.header(trace.Events.PARTIAL))
