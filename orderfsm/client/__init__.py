"""For clients of the real service: the table is asked before a call is sent."""

from .errors import LocalNotFoundOrder, LocalOrderStateError
from .guard import guard

__all__ = ["LocalNotFoundOrder", "LocalOrderStateError", "guard"]
