"""What an audit needs of an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager, nullcontext
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeAlias

import attrs
import pyarrow as pa

from orderfsm.invalid import OrderFSMError
from orderfsm.streams import is_parquet
from orderfsm.trace import Events

from .workers import put_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    import narwhals as nw

Frame: TypeAlias = "nw.LazyFrame[Any]"
Parse: TypeAlias = "Callable[[Parsed], Iterator[pa.RecordBatch]]"
"""Makes lines of a source, and puts what else it finds there into what it is given."""

FLOATS = ("halffloat", "float", "double")


@attrs.frozen
class Source:
    """A file, and its `number` among all: lines of one time go by it. What it holds stands in the file `path`."""

    name: str
    number: int
    path: str = attrs.field(default=attrs.Factory(lambda self: self.name, takes_self=True))

    @property
    def is_parquet(self) -> bool:
        """Whether engines read it themselves."""
        return is_parquet(self.path)


@attrs.define
class Parsed:
    """What was read of a file besides its lines.

    `tables`: the places of the judged tables of which there are lines; `events`: what its header says; `whole`: its
    times are whole seconds; `finer`: one is finer than microseconds; `error`: why it could not be read.
    """

    source: Source
    tables: set[int] = attrs.field(factory=set)
    events: Events = Events.PARTIAL
    whole: bool = False
    finer: bool = False
    error: Exception | None = None


class Beside(IntEnum):
    """Which table an id of another one is of: one that is judged, earlier or later among them, or none of these."""

    NOTHING = 0
    EARLIER = 1
    LATER = 2
    OTHER = 3


class Layout(NamedTuple):
    """How lines in the trace format stand in a table: the `names` of its columns, by the columns of `LINES`.

    `kinds` are the types of these columns; ids are integers, or texts if `text_ids`, what is said is text. `unit` is
    that of the times: `s`, `ms`, `us` or `ns`. `too_large`: there may be ids that no int64 holds. `beside`: the columns
    of other tables' ids, whether they are texts, and what it means if one stands there; the first one decides what is
    in the column `BESIDE`, which lines have only if there are any.
    """

    names: Mapping[str, str]
    kinds: tuple[str, ...]
    unit: str
    too_large: bool
    text_ids: bool
    beside: tuple[tuple[str, bool, Beside], ...] = ()

    @property
    def intervals(self) -> dict[str, bool]:
        """The columns that give a call an interval; and whether NaN may stand there, which is none."""
        kinds = dict(zip(self.names, self.kinds, strict=True))
        return {self.names[key]: kinds[key] in FLOATS for key in ("started", "ended") if key in self.names}


class EngineFailed(OrderFSMError):
    """An engine could not do its work, as when its memory is too small; the message says why."""


class Engine(ABC):
    """Reads, sorts and groups. What it gives and takes are lazy frames of narwhals in the columns of `LINES`.

    What it must put aside goes into files in `folder`.
    """

    name: str
    failures: ClassVar[tuple[type[Exception], ...]]
    """What the engine raises if it fails."""
    folder: Path

    @contextmanager
    def at_work(self) -> Iterator[Self]:
        """Closes the engine in the end; what fails in it is an `EngineFailed`."""
        try:
            yield self
        except self.failures as error:
            raise EngineFailed(f"engine {self.name}: {str(error).partition(chr(10))[0]}") from error
        finally:
            self.close()

    @abstractmethod
    def typed(self, files: Sequence[Source], layout: Layout) -> Frame:
        """The lines of Parquet files that all have this layout."""

    @abstractmethod
    def given(self, frame: Any, layouts: Sequence[Layout]) -> list[Frame]:
        """The lines of a user's own frame, in its order, once by each layout."""

    def rows(
        self,
        frame: Any,  # noqa: ARG002
        names: Mapping[str, str],  # noqa: ARG002
        wanted: Collection[int],  # noqa: ARG002
    ) -> Iterator[tuple[int, Mapping[str, Any]]] | None:
        """What stands in the columns `names` of a user's frame, in the rows that `given` numbers so, from 1.

        None if it numbers them as the frame has them.
        """
        return None

    def parsed(
        self,
        sources: Sequence[Source],
        parser: Callable[[], Parse],
        schema: pa.Schema,
        progress: Callable[[int], object] = lambda _lines: None,
    ) -> tuple[Frame | None, list[Parsed]]:
        """The lines, of this `schema`, that a parse makes of each source; and what else it found in each of them.

        Each process that reads has a parse of its own, that `parser` gives it. `progress` is told how many lines more
        there are, if this machine reads them.
        """
        found = [Parsed(source) for source in sources]
        written = put_aside(found, parser, self.folder, schema, progress)
        return (self.scan(written) if written else None), found

    @abstractmethod
    def small(self, table: pa.Table) -> Frame:
        """A table of ours as a frame of the engine's."""

    @abstractmethod
    def keep(self, frame: Frame) -> Frame:
        """The same frame, worked out and put aside."""

    @abstractmethod
    def stream(self, frame: Frame) -> Iterator[pa.RecordBatch]:
        """What is in the frame, in its order, batch by batch."""

    @abstractmethod
    def scan(self, files: Sequence[str]) -> Frame:
        """What is in Parquet files of ours."""

    def table(self, frame: Frame) -> pa.Table:
        """What is in the frame, at once."""
        batches = list(self.stream(frame))
        return pa.Table.from_batches(batches) if batches else pa.table({name: [] for name in frame.columns})

    def watch(self, told: Callable[[float], object]) -> Any:  # noqa: ARG002
        """A context in which `told` hears now and then what share of the query that runs is done; if that is known."""
        return nullcontext()

    @abstractmethod
    def close(self) -> None:
        """Give back what the engine holds."""
