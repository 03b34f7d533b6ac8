"""For tests of servers: whether what a server did, for concurrent clients as well, obeys the table."""

from .history import HistoryCheck, check_history

__all__ = ["HistoryCheck", "check_history"]
