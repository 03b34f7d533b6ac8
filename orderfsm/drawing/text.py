"""The table in the languages of two programs that lay it out themselves: mermaid, and Graphviz's dot."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import Basis

from .labels import mark, source_of, state_name, states_at_once, time_of

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition


def mermaid(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """The rows that change something as a mermaid `stateDiagram-v2`: sorted, the same for the same table.

    An operation is labelled by its API name alone, an event by its name and who makes it happen; `?` marks an inferred
    rule, `*` an observed one, `+1` and `-1` what the row does to quota, `within 7 days` how long it holds, `or ready at
    once` where else an order may be when the call is answered. Terminal states lead to the final point.
    """
    ids: dict[State | None, str] = {None: "[*]"}
    named = []
    for number, state in enumerate(rule.state for rule in lifecycle.states if rule.state is not None):
        ids[state] = str(state)
        if not _PLAIN.fullmatch(state):
            ids[state] = f"_{number}"
            named.append(f'    state "{_for_mermaid(state)}" as {ids[state]}')
    edges = [
        f"    {ids[row.source]} --> {ids[row.target]} : {_for_mermaid(', '.join(_words(row, lifecycle)))}"
        for row in lifecycle.transitions
        if row.changes
    ]
    ends = [f"    {ids[rule.state]} --> [*]" for rule in lifecycle.states if rule.terminal]
    return "\n".join(["stateDiagram-v2", *named, *sorted(edges), *sorted(ends), ""])


_PLAIN = re.compile(
    r"(?!(?:state|note|default|class|classDef|style|click|root|scale|hide|direction|accTitle|accDescr|end)$)[A-Za-z]\w*",
    re.ASCII,
)
"""What mermaid takes for the id of a state: a word that is none of its own."""


def _for_mermaid(text: str) -> str:
    """A text in which mermaid reads no mark of its own: it would end at `;`, `::` be an error, and `<b>` be dropped."""
    return re.sub(r'[;<>&#"]|:(?=:)|(?<=:):', lambda mark: f"#{ord(mark[0])};", text)


def _words(row: Transition, lifecycle: Lifecycle) -> list[str]:
    """What a label says of a row: trigger and who fires it, where else it leads, quota, how long it holds, its mark."""
    by_client = lifecycle.by_client(row.trigger)
    words = [str(row.trigger) if by_client else f"({lifecycle.actor(row)}) {row.trigger}"]
    words += [f"or {state} at once" for state in states_at_once(row, lifecycle)]
    if row.quota:
        words.append(row.quota_text)
    if row.within is not None:
        words.append(str(row.within))
    if row.creates is not None:
        words.append(f"a new {lifecycle.noun} in {row.creates}")
    return [*words, *filter(None, [mark(row.basis)])]


# -- Graphviz ----------------------------------------------------------------------------------------------------------

_DOT = """\
  graph [fontname="Helvetica", nodesep=0.5, ranksep=0.6];
  node [fontname="Helvetica-Bold", fontsize=13, shape=box, style="rounded,filled", fillcolor="#f1f4f8"];
  edge [fontname="Helvetica", fontsize=11];"""


def dot(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """The rows that change something as a graph for Graphviz, in the order of states and triggers.

    A client's operation is a solid line with a filled head, what others do a dashed one with an open head; a ring at
    the tail marks an inferred rule, a dot an observed one, and a terminal state has a double border. Labels are as in
    `mermaid`; times, basis and reference are tooltips. `none` is no order.
    """
    states, triggers = [*lifecycle.state_rules], [*lifecycle.trigger_rules]
    unknown = {row.target for row in lifecycle.transitions}.difference(states)
    states += sorted(unknown, key=lambda state: state_name(state, lifecycle))
    rows = sorted(lifecycle.transitions, key=lambda row: (states.index(row.source), triggers.index(row.trigger)))
    nodes = [_dot_node(state, lifecycle) for state in states]
    edges = [_dot_edge(row, lifecycle) for row in rows if row.changes]
    return "\n".join([f"digraph {_quoted(lifecycle.noun)} {{", _DOT, *nodes, *edges, "}", ""])


def _dot_node(state: State | None, lifecycle: Lifecycle) -> str:
    rule = lifecycle.state_rules.get(state)
    name = state_name(state, lifecycle)
    attributes = {"label": name, "tooltip": name if rule is None else rule.words}
    if state is None:
        attributes["style"] = "rounded,dashed"
    elif rule is not None and rule.terminal:
        attributes["peripheries"] = "2"
    return f"  {_quoted(state or 'none')} [{_attributes(attributes)}];"


def _dot_edge(row: Transition, lifecycle: Lifecycle) -> str:
    by_client = lifecycle.by_client(row.trigger)
    color = "#0b57b0" if by_client else "#8a4500"
    name, *more = _words(row, lifecycle)
    attributes = {
        "label": "\n".join(filter(None, [name, ", ".join(more)])),
        "tooltip": "; ".join(filter(None, [time_of(row, lifecycle), source_of(row)])),
        "style": "solid" if by_client else "dashed",
        "arrowhead": "normal" if by_client else "vee",
        "color": color,
        "fontcolor": color,
    }
    if row.basis is not Basis.DOCUMENTED:
        attributes |= {"dir": "both", "arrowtail": "odot" if row.basis is Basis.INFERRED else "dot"}
    return f"  {_quoted(row.source or 'none')} -> {_quoted(row.target or 'none')} [{_attributes(attributes)}];"


def _attributes(attributes: dict[str, str]) -> str:
    return ", ".join(f"{name}={_quoted(value)}" for name, value in attributes.items())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
