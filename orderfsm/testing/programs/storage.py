"""Where hypothesis keeps what it puts aside."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hypothesis import configuration

from orderfsm import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def put_aside_elsewhere() -> Iterator[None]:
    """Until the end it goes into a folder that is then removed; else into `.hypothesis` in the working directory.

    A check of a server is no test suite: nobody expects that it leaves anything there.
    """
    before = getattr(configuration, "__hypothesis_home_directory", None)
    with scratch.folder() as folder:
        configuration.set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            configuration.set_hypothesis_home_dir(before)
