"""What Qt's interpreter of SCXML does with every event in every state: a program, as PySide6 does not always end well.

It reads {"document", "states", "events"} from standard input, and writes [[state, event, whether a state was entered,
the active states] ...]. An event is taken when the loop runs, not when it is submitted.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import product

from PySide6.QtCore import SLOT, QBuffer, QByteArray, QCoreApplication, QObject, Slot
from PySide6.QtScxml import QScxmlStateMachine


class Notes(QObject):
    """Notes that a state became active, or no longer is."""

    def __init__(self):
        super().__init__()
        self.seen = []

    @Slot(bool)
    def note(self, active):
        """Called by a machine."""
        self.seen.append(active)


def interpreted(application, document, state, event):
    """What becomes of an event in a state."""
    data, notes = QByteArray(document.replace('initial="none"', f'initial="{state}"').encode()), Notes()
    source = QBuffer(data)
    source.open(QBuffer.OpenModeFlag.ReadOnly)
    machine = QScxmlStateMachine.fromData(source)
    assert not machine.parseErrors(), machine.parseErrors()
    machine.start()
    application.processEvents()
    for each in machine.stateNames():
        machine.connectToState(each, notes, SLOT("note(bool)"))
    machine.submitEvent(event)
    assert (machine.activeStateNames(), notes.seen) == ([state], [])
    application.processEvents()
    return [state, event, True in notes.seen, machine.activeStateNames()]


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    running = QCoreApplication([])
    pairs = product(asked["states"], asked["events"])
    print(json.dumps([interpreted(running, asked["document"], *pair) for pair in pairs]), flush=True)
    os._exit(0)
