"""For the site's reference: examples in docstrings become code blocks."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


class Doctests(griffe.Extension):
    """Fences every doctest: in markdown, `>>>` would be a quotation of a quotation of a quotation."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Fence the doctests of one docstring; `::` before an indented block is not markdown either."""
        if obj.docstring:
            fenced = EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", obj.docstring.value)
            obj.docstring.value = re.sub(r"::$", ":", fenced, flags=re.MULTILINE)
