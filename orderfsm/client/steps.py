"""What a process asks of the world, one step after the other, and the two loops that run processes.

A process is a generator: it yields a step, is sent what the step came to, and returns its result. It does no I/O, so
that each decision is written once, for synchronous and asynchronous callers alike, and can be tested without a server.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from orderfsm.rows import Operation

T = TypeVar("T")


@attrs.frozen
class Send:
    """Call `operation` with the SDK's `request`; it comes to an `Answer`.

    An error that is no answer, but a fault on the caller's side, is raised; if `lenient`, it is an unknown outcome too.
    `timeout` bounds the wait for the answer, in seconds; None: the SDK's own setting alone does.
    """

    operation: Operation
    request: Any = attrs.field(repr=False)
    lenient: bool = False
    timeout: float | None = None


@attrs.frozen
class Pause:
    """Wait for so many seconds; it comes to None."""

    seconds: float


Step: TypeAlias = Send | Pause
Process: TypeAlias = "Generator[Any, Any, T]"
"""A process whose result is a `T`; what it yields is a `Step`, or one that its caller knows how to perform."""


def run(process: Process[T], perform: Callable[[Any], Any]) -> T:
    """The result of `process`, whose steps are performed by `perform`; what `perform` raises ends it."""
    came_to = None
    with closing(process):
        while True:
            try:
                step = process.send(came_to)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            came_to = perform(step)


async def run_async(process: Process[T], perform: Callable[[Any], Awaitable[Any]]) -> T:
    """The same with an asynchronous `perform`."""
    came_to = None
    with closing(process):
        while True:
            try:
                step = process.send(came_to)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            came_to = await perform(step)
