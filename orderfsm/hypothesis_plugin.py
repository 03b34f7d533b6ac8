"""For hypothesis: `st.from_type(Order)` draws proper orders. Installing `orderfsm` makes it known to hypothesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from .order import Order


def register() -> None:
    """Tell hypothesis how to draw an `Order`; nothing heavy is imported until one is drawn."""
    from hypothesis import strategies

    from .order import Order

    strategies.register_type_strategy(Order, _orders)


def _orders(_order: Any) -> SearchStrategy[Order]:
    from .testing.strategies import orders

    return orders()
