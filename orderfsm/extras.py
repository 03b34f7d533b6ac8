"""The optional parts of the project, and what to say when one is not installed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import OrderFSMError

if TYPE_CHECKING:
    from collections.abc import Iterator


class MissingExtra(OrderFSMError, ImportError):
    """A package of an extra is not installed; the message is the command that installs it."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Imports in this block are of packages that `extra` brings: `MissingExtra` if one is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("orderfsm"):
            raise
        raise MissingExtra(f"{error.name} is not installed: pip install 'orderfsm[{extra}]'") from error
