"""For clients of the real service: the table is asked before a call is sent."""

from .carry_out import CarriedOut, Undecided, carry_out, carry_out_async
from .decision_log import Divergence
from .errors import OutcomeUnknown
from .guard import guard
from .observation import Observation
from .sdk import UnsupportedSDK
from .wait import Waited, WaitTimeout, wait, wait_async

__all__ = [
    "CarriedOut",
    "Divergence",
    "Observation",
    "OutcomeUnknown",
    "Undecided",
    "UnsupportedSDK",
    "WaitTimeout",
    "Waited",
    "carry_out",
    "carry_out_async",
    "guard",
    "wait",
    "wait_async",
]
