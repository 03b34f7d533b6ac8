"""A file of a log, and what is found in it besides its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from orderfsm.streams import is_parquet
from orderfsm.trace import Events

if TYPE_CHECKING:
    from orderfsm.invalid import InvalidValue


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

    `events`: what its header says; `whole`: its times are whole seconds; `finer`: one is finer than microseconds;
    `error`: why it could not be read, if another process tried.
    """

    source: Source
    events: Events = Events.PARTIAL
    whole: bool = False
    finer: bool = False
    error: InvalidValue | None = None
