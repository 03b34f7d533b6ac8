"""The table as a picture: one drawing, in the languages that draw it.

`mermaid` and `dot` are laid out by the programs that draw them; `svg` finds its own way.
"""

from __future__ import annotations

from .labels import fields_of, mark, state_name, states_at_once, text_width, time_of
from .picture import STYLE, Step, svg
from .placing import WIDTH
from .shown import card
from .text import dot, mermaid

__all__ = [
    "STYLE",
    "WIDTH",
    "Step",
    "card",
    "dot",
    "fields_of",
    "mark",
    "mermaid",
    "state_name",
    "states_at_once",
    "svg",
    "text_width",
    "time_of",
]
