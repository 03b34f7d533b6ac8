"""The table of certificate orders, by its old name: it stands in `orderfsm.tables.orders`."""

from .tables.orders import *  # noqa: F403
