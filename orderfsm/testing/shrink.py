"""Programs that fail, made as short as they can be: whatever can be left out is."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import attrs

from .steps import begun_by, orders_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .steps import Program, Step

FEW = 2
"""A program with more orders is first tried with one or two of them alone."""


def shrunk(program: Program, fails: Callable[[Program], Program | None]) -> Program:
    """The shortest program found that still fails: no order and no run of steps can be left out of it.

    `fails` plays a program and returns the part of it that was played until it failed; None if it did not. It may say
    None to everything to end the search.
    """
    program = _with_few_orders(program, fails)
    size = len(program) // 2
    while size > 0:
        program = _without_runs(program, size, fails)
        size //= 2
    size = len(program) - 1
    while size > 0:
        shorter = _without_runs(program, size, fails, stride=1)
        size = size - 1 if len(shorter) == len(program) else len(shorter) - 1
        program = shorter
    return program


def _with_few_orders(program: Program, fails: Callable[[Program], Program | None]) -> Program:
    """`program` with as few of its orders as it fails with."""
    begun = [order for step in program.steps if (order := begun_by(step)) is not None]
    few = (set(orders) for count in range(1, FEW + 1) if count < len(begun) for orders in combinations(begun, count))
    for orders in few:
        failed = fails(_only(program, orders))
        if failed is not None:
            return failed
    for order in begun:
        program = fails(_only(program, set(begun) - {order})) or program
    return program


def _without_runs(
    program: Program, size: int, fails: Callable[[Program], Program | None], stride: int | None = None
) -> Program:
    """`program` without those of its runs of `size` steps that it fails without; the last step always stays."""
    at = len(program) - 1
    while at > 0:
        start = max(0, at - size)
        shorter = fails(_closed(program, [*program.steps[:start], *program.steps[at:]]))
        if shorter is None:
            at -= min(at, stride or size)
        else:
            program, at = shorter, min(start, len(shorter) - 1)
    return program


def _only(program: Program, orders: set[int]) -> Program:
    return _closed(program, (step for step in program.steps if begun_by(step) is None or begun_by(step) in orders))


def _closed(program: Program, steps: Iterable[Step]) -> Program:
    """A program of those of `steps` whose orders are there."""
    return attrs.evolve(program, steps=tuple(_possible(steps)))


def _possible(steps: Iterable[Step]) -> Iterator[Step]:
    there: set[int] = set()
    for step in steps:
        if orders_of(step) <= there:
            begun = begun_by(step)
            there |= set() if begun is None else {begun}
            yield step
