"""For clients of the real service: the table is asked before a call is sent."""

from orderfsm.clocks import autojump

from .call import Divergence
from .carry_out import CarriedOut, Undecided, carry_out, carry_out_async
from .errors import OutcomeUnknown, UnreadableAnswer
from .guard import guard
from .journal import JournalFailed
from .observation import Observation
from .observe import observe, observe_async
from .purchase import purchase, purchase_async
from .sdk import UnsupportedSDK
from .sweep import Candidate, SweepReport, sweep, sweep_async
from .wait import WaitTimeout, wait, wait_async

__all__ = [
    "Candidate",
    "CarriedOut",
    "Divergence",
    "JournalFailed",
    "Observation",
    "OutcomeUnknown",
    "SweepReport",
    "Undecided",
    "UnreadableAnswer",
    "UnsupportedSDK",
    "WaitTimeout",
    "autojump",
    "carry_out",
    "carry_out_async",
    "guard",
    "observe",
    "observe_async",
    "purchase",
    "purchase_async",
    "sweep",
    "sweep_async",
    "wait",
    "wait_async",
]
