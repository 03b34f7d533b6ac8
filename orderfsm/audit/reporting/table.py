"""The violations as CSV: a row for each, with who and when."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from orderfsm.audit.columns import CONTEXT, moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orderfsm.audit.report import Violation

_COLUMNS = ("table", "id", "new", "time", "said", "index", "possible", "legal", "file", "line", *CONTEXT)

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def violations_csv(violations: Iterable[Violation]) -> str:
    """The violations as CSV (RFC 4180), with a header; several states or triggers stand in one cell, after spaces.

    A text that a spreadsheet would take for a formula has an apostrophe before it: it comes out of a log.
    """
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_COLUMNS)
    table.writerows(map(_row, violations))
    return text.getvalue()


def _row(each: Violation) -> list[Any]:
    states = " ".join("none" if state is None else str(state) for state in each.possible)
    said = [each.lifecycle.name, each.order_id, str(each.is_new).lower(), moment(each.time), str(each.said), each.index]
    stands = [states, " ".join(map(str, each.legal)), each.file, each.line]
    return [_safe(cell) for cell in (*said, *stands, *(each.who.get(key) for key in CONTEXT))]


def _safe(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULAS) else cell
