"""Where the boxes of states stand that no table has given a place: in layers, by how far they are from no order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .labels import state_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State

WIDTH = 700
"""The width of the SVG, in its own units: the width at which its text is as large as it says."""

_PITCH = 120
"""How far layers are apart."""

_ROW = 4
"""How many boxes fit beside one another."""


def placed(
    lifecycle: Lifecycle, places: Mapping[str | None, tuple[int, int]]
) -> dict[State | None, tuple[float, float]]:
    """Where the states of a table are: as in `places`; those that are not there in layers below.

    In its layer a state stands about where the states are that it leads to, or that lead to it.
    """
    states = {*lifecycle.state_rules, *(row.target for row in lifecycle.transitions)}
    placed: dict[State | None, tuple[float, float]] = {state: places[state] for state in states if state in places}
    pairs = [(row.source, row.target) for row in lifecycle.transitions]
    depths = _depths(lifecycle, pairs)

    def order(state: State | None) -> tuple[float, str]:
        near = [placed[other][0] for pair in pairs if state in pair for other in pair if other in placed]
        return math.fsum(near) / len(near) if near else WIDTH / 2, state_name(state, lifecycle)

    y = max((y for _, y in placed.values()), default=36 - _PITCH)
    for depth in sorted({depths.get(state, len(states)) for state in states - placed.keys()}):
        layer = sorted((state for state in states if depths.get(state, len(states)) == depth), key=order)
        layer = [state for state in layer if state not in placed]
        for at in range(0, len(layer), _ROW):
            y += _PITCH
            row = layer[at : at + _ROW]
            placed |= {state: (WIDTH * (2 * place + 1) / (2 * len(row)), y) for place, state in enumerate(row)}
    return placed


def _depths(lifecycle: Lifecycle, pairs: list[tuple[State | None, State | None]]) -> dict[State | None, int]:
    """How far the states that can be reached are from no order; the terminal ones below all that lead there."""
    depths: dict[State | None, int] = {}
    level: set[State | None] = {None}
    while level:
        depths |= dict.fromkeys(level, max(depths.values(), default=-1) + 1)
        level = {target for source, target in pairs if source in level} - depths.keys()
    ends = {rule.state for rule in lifecycle.states if rule.terminal} & depths.keys()
    sources = {end: [depths[source] for source, target in pairs if target == end and source in depths] for end in ends}
    return depths | {end: 1 + max(above, default=0) for end, above in sources.items()}
