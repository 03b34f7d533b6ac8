"""Lines as the core read them, and objects by their sorts, in the columns of `LINES`."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from orderfsm.audit.columns import pc, place, schema_of

from . import values
from .row import Said

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle

    from .row import Row
    from .shapes import Objects, Sort


_ROLES = range(4)
_TEXTS = {"order_id": "text_id", "new_order_id": "new_text_id"}
"""Where ids stand that are texts, if there are others."""


class Columns:
    """Makes record batches of the lines of a file of this number, which are of the judged tables."""

    def __init__(self, file: int, judged: Sequence[Lifecycle]) -> None:
        self.schema = schema_of(tuple(judged))
        self._file, self._judged = file, judged
        self.tables: set[int] = set()
        """The places of the tables of which there were lines."""
        self.finer = False
        """Whether a time was finer than microseconds."""

    def of_rows(self, rows: Sequence[Row]) -> pa.RecordBatch:
        """The lines that the core has read."""
        every: dict[int, tuple[int, Said]] = {}
        which = [every.setdefault(id(said), (len(every), said))[0] for *_, said in rows]
        self._note([said for _, said in every.values()])
        columns = self._said([said for _, said in every.values()], which)
        instants, orders, numbers, _ = zip(*rows, strict=True)
        columns |= {
            "instant": pa.array(instants, pa.int64()),
            "place": pa.array([place(self._file, number) for number in numbers], pa.int64()),
            **self._ids("order_id", orders),
            **self._ids("new_order_id", [said.new_order_id for *_, said in rows]),
            "event_id": pa.array([said.event_id for *_, said in rows], pa.string()),
            "byte": pa.array([said.byte for *_, said in rows], pa.int64()),
        }
        return self._batch(columns)

    def of_objects(self, some: Sequence[Objects]) -> tuple[pa.RecordBatch, NDArray[np.bool_]]:
        """Objects of sorts that stand in one list; and which of them are in the batch: the others are for the core."""
        found = _Values(some)
        time, order, new_order, event = _ROLES
        columns = {"instant": found.instants(time), "event_id": found.texts(event)}
        for column, role in (("order_id", order), ("new_order_id", new_order)):
            numbers, texts = found.ids(role)
            single = texts if self._judged[0].identity.is_text else numbers
            columns |= {column: single} if len(self._judged) == 1 else {column: numbers, _TEXTS[column]: texts}
        columns["place"] = pa.array(2 * found.numbers + place(self._file, 0))
        columns["byte"] = pa.array(np.concatenate([objects.begins + objects.byte for objects in some]))
        columns |= self._said([sort.said for sort in found.sorts], found.which)
        batch = self._batch(columns)
        self._note([found.sorts[at].said for at in np.unique(found.which[found.plain]).tolist()])
        return batch if found.plain.all() else batch.filter(pa.array(found.plain)), found.plain

    def _said(self, said: Sequence[Said], which: Any) -> dict[str, pa.Array]:
        """The columns that all lines of a sort share; `which` says of which sort each line is."""
        at = pa.array(which, pa.int32())
        columns = dict(zip(Said._fields, zip(*said, strict=True), strict=True))
        shared = [
            name for name in self.schema.names if name in columns and name not in {"new_order_id", "event_id", "byte"}
        ]
        return {name: pa.array(columns[name], self.schema.field(name).type).take(at) for name in shared}

    def _note(self, said: Iterable[Said]) -> None:
        for each in said:
            self.tables |= {each.table} - {-1}
            self.finer = self.finer or bool(each.finer)

    def _ids(self, column: str, ids: Sequence[Id | None]) -> dict[str, pa.Array]:
        """A column of ids, in one of numbers and one of texts if lines of several tables are together."""
        if len(self._judged) == 1:
            return {column: pa.array(ids, self.schema.field(column).type)}
        return {
            column: pa.array([each if type(each) is int else None for each in ids], pa.int64()),
            _TEXTS[column]: pa.array([each if type(each) is str else None for each in ids], pa.string()),
        }

    def _batch(self, columns: dict[str, pa.Array]) -> pa.RecordBatch:
        return pa.record_batch([columns[name] for name in self.schema.names], schema=self.schema)


class _Values:
    """The values of objects, as columns; `plain`: which of the objects have only such as are written plainly.

    `which` has the place of each one's sort in `sorts`.
    """

    def __init__(self, some: Sequence[Objects]) -> None:
        self.numbers = np.concatenate([objects.numbers for objects in some])
        every = np.concatenate([objects.which for objects in some])
        there, self.which = np.unique(every, return_inverse=True)
        self.sorts = [some[0].sorts[at] for at in there.tolist()]
        self.plain = np.ones(len(self.which), np.bool_)
        before = accumulate((len(objects.text) for objects in some), initial=0)
        self._text = np.frombuffer(b"".join([*(objects.text for objects in some), bytes(values.PADDING)]), np.uint8)
        self._spans = np.concatenate([objects.spans + at for objects, at in zip(some, before)])  # noqa: B905

    def instants(self, role: int) -> pa.Array:
        """Times, in microseconds since 1970."""
        found, plain = values.instants(self._text, *self._of(role))
        self.plain &= plain | ~self._has(role)
        return pa.array(found, mask=~self._reads(role))

    def ids(self, role: int) -> tuple[pa.Array, pa.Array]:
        """Ids that are numbers, and ids that are texts."""
        begins, ends = self._of(role)
        has, reads, longest = self._has(role), self._reads(role), self._of_sorts(_longest(sort) for sort in self.sorts)
        is_text = longest > 0
        found, plain = values.integers(self._text, begins, ends)
        self.plain &= plain | is_text | ~has
        numbers = pa.array(found, mask=~reads | is_text)
        if not (is_text & has).any():
            return numbers, pa.nulls(len(found), pa.string())
        texts, plain = self._texts(role, reads & is_text)
        self.plain &= ~is_text | ~has | (plain & (ends - begins <= longest))
        return numbers, texts

    def texts(self, role: int) -> pa.Array:
        """Texts of any length."""
        has = self._has(role)
        if not has.any():
            return pa.nulls(len(has), pa.string())
        texts, plain = self._texts(role, self._reads(role))
        self.plain &= ~has | plain
        return texts

    def _texts(self, role: int, there: NDArray[np.bool_]) -> tuple[pa.Array, NDArray[np.bool_]]:
        """The texts of a role, null where they are not `there`; and which of all are written plainly."""
        text, ends = values.gathered(self._text, *self._of(role))
        found = pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))
        return pc.if_else(pa.array(there), found, pa.scalar(None, pa.string())), values.are_plain(text, ends)

    def _of(self, role: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where the texts of a role begin, and where they end."""
        return self._spans[:, role, 0], self._spans[:, role, 1]

    def _has(self, role: int) -> NDArray[np.bool_]:
        return self._of_sorts(sort.places[role] >= 0 for sort in self.sorts) > 0

    def _reads(self, role: int) -> NDArray[np.bool_]:
        return self._of_sorts(sort.read[role] for sort in self.sorts) > 0

    def _of_sorts(self, each: Iterable[int]) -> NDArray[np.intp]:
        return np.array(list(each), np.intp)[self.which]


def _longest(sort: Sort) -> int:
    """How long the ids of a sort are at most if they are texts; 0 if they are numbers."""
    return sort.identity.longest if sort.identity is not None and sort.identity.is_text else 0
