"""Tables like the one of orders, with something changed."""

import attrs

from orderfsm import ORDER_LIFECYCLE
from orderfsm.tables.orders import STATES, TRANSITIONS, TRIGGERS


def table(transitions=TRANSITIONS, states=STATES, triggers=TRIGGERS, **changed):
    """The table of orders with these rows, states and triggers."""
    return attrs.evolve(ORDER_LIFECYCLE, transitions=transitions, states=states, triggers=triggers, **changed)
