"""For clients of the real service: the table asked before a request leaves."""

from .errors import LocalNotFoundOrder, LocalOrderStateError
from .guard import guard

__all__ = ["LocalNotFoundOrder", "LocalOrderStateError", "guard"]
