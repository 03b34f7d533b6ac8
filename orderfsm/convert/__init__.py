"""Traces as process mining's own formats, and back: XES (IEEE 1849-2016) and OCEL 2.0.

A trace says what happened to orders, line by line; so do these logs, event by event. In XES each order is a *trace*,
and each line one of its events. In OCEL each line is an event that is about *objects*: the order, the second one that
begins with it, the client. What is written says all that the lines said, and reads as the same lines, in their order.

>>> from orderfsm import convert
>>> convert.FORMATS
('xes', 'ocel-json', 'ocel-xml', 'ocel-sqlite', 'jsonl')
"""

from __future__ import annotations

from .conversion import Converted, convert, read, write
from .formats import FORMATS

__all__ = ["FORMATS", "Converted", "convert", "read", "write"]
