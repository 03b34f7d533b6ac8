"""What a real server does, as a picture: the life of an ACME order, and in red where the server departs from it.

`python -m tests.acme_servers.picture` draws each server of docs/acme-servers.json, as docs/acme-NAME.svg.
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import attrs

from orderfsm.drawing import svg
from orderfsm.rows import Actor, Basis, StateRule, Transition, TriggerRule
from orderfsm.tables.acme import LIFECYCLE, State

from .recording import departs, key, rows
from .table import RECORDED

PLACES = {
    None: (310, 36),
    State.PENDING: (310, 140),
    State.READY: (310, 270),
    State.PROCESSING: (310, 400),
    State.VALID: (310, 520),
    State.INVALID: (590, 400),
}
ASIDE = (90, 330)
"""Where a status stands that orders do not have."""

LEGEND = "observed; the others are documented"

STYLE = """\
.orderfsm .observed { --operation: #c4161c; }
@media (prefers-color-scheme: dark) { .orderfsm .observed { --operation: #ff8078; } }
</style>"""


def picture(recording):
    """The SVG of what was recorded of a server."""
    found = [
        (state, trigger, particular, recorded["after"])
        for state, trigger, particular in rows()
        if departs(state, trigger, particular, recorded := recording["answers"][key(state, trigger, particular)])
    ]
    other = {after for *_, after in found} - {*State}
    words = StrEnum("Words", {word.upper(): word for word in sorted(other)}) if other else ()
    states = {state.value: state for state in (*State, *words)}
    called = StrEnum("Called", {f"{trigger.name}{more}": f"{trigger}{more}, answered" for _, trigger, more, _ in found})
    server = f"{recording['server']} {recording['version']}"
    here = Basis.OBSERVED, server
    astray = [
        Transition(state, called[f"{trigger.name}{more}"], states[after], *here, edits=state == after)
        for state, trigger, more, after in found
    ]
    drawn = attrs.evolve(
        LIFECYCLE,
        transitions=(*LIFECYCLE.transitions, *astray),
        states=(*LIFECYCLE.states, *(StateRule(word, f"no status of an order: {server}", (), *here) for word in words)),
        triggers=(*LIFECYCLE.triggers, *(TriggerRule(call, Actor.CLIENT, *here) for call in called)),
        silences=(),
        places=PLACES | dict.fromkeys(words, ASIDE),
        title=f"The life of an ACME order, and in red what {server} does instead",
    )
    return svg(drawn).replace("</style>", STYLE, 1).replace(LEGEND, f"observed: {server}")


def file_of(recording):
    """Where the picture of a recording is."""
    return RECORDED.with_name(f"acme-{recording['server']}.svg")


if __name__ == "__main__":
    for each in json.loads(RECORDED.read_text()):
        file_of(each).write_text(picture(each))
