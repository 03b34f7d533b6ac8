"""An order that a sweep selects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from orderfsm.paths import Plan
    from orderfsm.rows import State


@attrs.frozen
class Candidate:
    """An order that a sweep selects: its id, its `Status` in the list, its domain and product.

    `bought` is the date of the order (Unix time), None if the list has none. `states` are those that the status may
    mean. `plan` leads from there to the deletion; None if no operations do, or not the same in all `states`.
    `may_be_renewal`: orders begin in this state when a certificate is renewed, and wait there to be submitted; such an
    order holds no quota.
    """

    order_id: int
    status: str
    domain: str | None
    product: str | None
    bought: float | None
    states: frozenset[State | None]
    plan: Plan | None
    may_be_renewal: bool
