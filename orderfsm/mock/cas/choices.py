"""What no document says, and a service may do either way."""

from __future__ import annotations

import attrs

from orderfsm.mock.clock import seconds

LONGEST_LAG = 3600


def _lag(value: float) -> float:
    return seconds("shown_after", value, LONGEST_LAG)


@attrs.frozen(kw_only=True)
class Choices:
    """How instances behave where nobody says, and public code saw both or something else.

    `auto_submits`: an update that completes what the next application needs submits it too. `needs_contacts`: nothing
    can be applied for without a contact. `in_seconds`: times are Unix seconds, as the SDK's texts say, and not
    milliseconds, as its examples do. `shown_after`: how many seconds later the reads show a submission.
    """

    auto_submits: bool = False
    needs_contacts: bool = False
    in_seconds: bool = False
    shown_after: float = attrs.field(default=2.0, converter=_lag)
