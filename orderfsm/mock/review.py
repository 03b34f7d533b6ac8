"""What the CA does by itself: nothing, or its next step at once, after a time, or after so many reads."""

from __future__ import annotations

import math
import re

import attrs

from orderfsm.invalid import InvalidValue

AT_ONCE, AFTER, READS, MANUAL = "at-once", "after", "reads", "manual"


@attrs.frozen
class Review:
    """When owner and CA take their next step: after `amount` seconds (`after`) or describes (`reads`), each time.

    `reject_share` of the orders, chosen by the service's seed, are rejected.
    """

    mode: str = MANUAL
    amount: float = 0.0
    reject_share: float = 0.0

    def __attrs_post_init__(self) -> None:
        if self.mode not in {MANUAL, AT_ONCE, AFTER, READS}:
            raise InvalidValue("review", self.mode, [MANUAL, AT_ONCE, AFTER, READS])
        if not (isinstance(self.amount, int | float) and 0 <= self.amount < math.inf):
            raise InvalidValue(f"amount of a review {self.mode}", self.amount, ["a number from 0"])
        if not (isinstance(self.reject_share, int | float) and 0 <= self.reject_share <= 1):
            raise InvalidValue("reject share", self.reject_share, ["a number in 0 .. 1"])

    @classmethod
    def parse(cls, text: str, reject_share: float = 0.0) -> Review:
        """The review that `manual`, `at-once`, `after=SECONDS` or `reads=N` says."""
        if text in {MANUAL, AT_ONCE}:
            return cls(text, 0.0, reject_share)
        match = re.fullmatch(r"after=([0-9]{1,9}(?:\.[0-9]{1,6})?)|reads=([1-9][0-9]{0,8})", text)
        if match is None:
            raise InvalidValue("review", text, [MANUAL, AT_ONCE, "after=SECONDS", "reads=N"])
        seconds, reads = match.groups()
        return cls(READS, float(reads), reject_share) if reads else cls(AFTER, float(seconds), reject_share)
