"""The optional parts of the project, and what to say when one is not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .invalid import OrderFSMError

if TYPE_CHECKING:
    from types import TracebackType


class MissingExtra(OrderFSMError, ImportError):
    """A package of an extra is not installed; the message is the command that installs it."""


class _Needs:
    # A class, not a generator: type checkers can see that leaving it never swallows an error.
    def __init__(self, extra: str) -> None:
        self._extra = extra

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] != "orderfsm":
            raise MissingExtra(f"{error.name} is not installed: pip install 'orderfsm[{self._extra}]'") from None


def needs(extra: str) -> _Needs:
    """A context manager for imports of packages that `extra` installs: `MissingExtra` if one is not there."""
    return _Needs(extra)
