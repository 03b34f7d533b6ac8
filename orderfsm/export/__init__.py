"""The table in every form in which other programs run it, and people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.drawing import dot, mermaid, svg
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE

from .diff import Diff, diff
from .document import as_json, document, read, schema
from .markdown import divergences, markdown, words_of_states
from .page import html
from .statecharts import scxml, xstate
from .vectors import as_text, vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orderfsm.lifecycle import Lifecycle

__all__ = [
    "FORMATS",
    "Diff",
    "diff",
    "divergences",
    "document",
    "exported",
    "read",
    "schema",
    "vectors",
    "words_of_states",
]

FORMATS: Mapping[str, Callable[[Lifecycle], str]] = {
    "json": as_json,
    "vectors": as_text,
    "xstate": xstate,
    "scxml": scxml,
    "mermaid": mermaid,
    "dot": dot,
    "markdown": markdown,
    "html": html,
    "svg": svg,
}
"""The forms by name, each a function of the table that gives the text of a file."""


def exported(form: str, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """The table as text in `form`, one of `FORMATS`; else `InvalidValue`. The same text for the same table.

    >>> from orderfsm.export import exported
    >>> exported("mermaid").splitlines()[0]
    'stateDiagram-v2'
    """
    if not isinstance(form, str) or form not in FORMATS:
        raise InvalidValue("format", form, FORMATS)
    return FORMATS[form](lifecycle)
