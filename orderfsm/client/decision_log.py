"""The decision log, and reports of service and table disagreeing.

One JSON line per decision, as the message of a record of the logger `orderfsm.decisions`: level INFO, or WARNING for
a call that was sent although the table refuses it, and for a divergence. A line holds the time (RFC 3339, UTC) and
nothing of a request or of an answer but the order's id, the operation, words of the API's vocabularies and error codes:
no keys, no secrets, no certificates.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from datetime import datetime

    from orderfsm.rows import Operation, State

LOGGER = logging.getLogger("orderfsm.decisions")


@attrs.frozen
class Divergence:
    """The service refused what the table allows, or accepted what the table refuses.

    `states` are those that the order was believed to be in, `answer` is `accepted` or the error code. `race`: what
    others may have done to the order since it was read would explain the answer.
    """

    order_id: int | str
    states: frozenset[State | None]
    operation: Operation
    answer: str
    race: bool
    time: datetime
