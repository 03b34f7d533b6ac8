"""The table as a picture: one drawing, in the languages that draw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lifecycle import ORDER_LIFECYCLE, Lifecycle
from .spec import Actor, Basis

if TYPE_CHECKING:
    from .spec import State, Transition


def mermaid(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """The rows that change something as a mermaid `stateDiagram-v2`: sorted, the same for the same table.

    An operation is labelled by its API name alone, an event by its name and who makes it happen; `?` marks an inferred
    rule, `+1` and `-1` what the row does to the package's quota. Terminal states lead to the final point.
    """
    edges = [_edge(row, lifecycle) for row in lifecycle.transitions if row.changes]
    ends = [f"    {rule.state} --> [*]" for rule in lifecycle.states if rule.terminal]
    return "\n".join(["stateDiagram-v2", *sorted(edges), *sorted(ends), ""])


def _edge(row: Transition, lifecycle: Lifecycle) -> str:
    actor = lifecycle.trigger_rules[row.trigger].actor
    label = [str(row.trigger) if actor is Actor.CLIENT else f"({actor}) {row.trigger}"]
    if row.quota:
        label.append(f"{row.quota:+d}" + (f" within {row.quota_within // 86_400} days" if row.quota_within else ""))
    if row.creates is not None:
        label.append(f"a new order in {row.creates}")
    if row.basis is Basis.INFERRED:
        label.append("?")
    return f"    {_node(row.source)} --> {_node(row.target)} : {', '.join(label)}"


def _node(state: State | None) -> str:
    return "[*]" if state is None else str(state)
