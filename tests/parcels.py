"""A carrier's server for parcels, written by hand from the terms of carriage, and what connects the kit to it."""

from __future__ import annotations

from other_table import Event, Operation

from orderfsm.testing import Answer

WORDS = {
    "announced": ("waiting", "sender"),
    "in_transit": ("moving", "moving"),
    "redirecting": ("moving", "moving"),
    "at_locker": ("waiting", "locker"),
    "delivered": ("done", "addressee"),
    "returned": ("done", "sender"),
    "lost": ("moving", None),
}
HAPPENS = {
    ("announced", "handed_in"): "in_transit",
    ("in_transit", "arrived"): "at_locker",
    ("in_transit", "lost_on_the_way"): "lost",
    ("redirecting", "redirected"): "in_transit",
    ("at_locker", "picked_up"): "delivered",
    ("at_locker", "storage_ended"): "returned",
}


class Refused(Exception):
    """A code and an HTTP status."""


class Carrier:
    """The server. What a mutant does otherwise is a method of its own."""

    def __init__(self):
        self.parcels = {}

    def announce(self):
        number = f"pa-{len(self.parcels) + 1:06}"
        self.parcels[number] = "announced"
        return number

    def phase(self, number):
        phase = self.parcels.get(number)
        if phase in {None, "erased"}:
            raise Refused("NoSuchParcel", 404)
        return phase

    def track(self, number):
        phase, place = WORDS[self.phase(number)]
        return {"Phase": phase} if place is None else {"Phase": phase, "Place": place}

    def withdraw(self, number):
        self.move(number, {"announced": "returned"}, "OutOfReach", 410)

    def redirect(self, number):
        self.move(number, {"in_transit": "redirecting"}, "NotMoving", 422)

    def replace(self, number):
        self.move(number, {"lost": "lost"})
        return self.announce()

    def erase(self, number):
        self.move(number, dict.fromkeys(("delivered", "returned", "lost"), "erased"))

    def destroy(self, number):
        self.move(number, {"at_locker": "erased"})

    def move(self, number, ways, code="WrongPhase", status=409):
        phase = self.phase(number)
        if phase not in ways:
            raise Refused(code, status)
        self.parcels[number] = ways[phase]

    def happen(self, number, event):
        self.move(number, {phase: to for (phase, what), to in HAPPENS.items() if what == event})


class Parcels:
    """A driver of four methods. It observes by the server's own book, or as a client does: by tracking."""

    tells_second_orders = True

    def __init__(self, carrier=Carrier, *, tracks=False):
        self.carrier = carrier()
        self.tracks = tracks

    def create(self, _operation):
        return Answer.accepted(order_id=self.carrier.announce(), http_status=201)

    def call(self, operation, number):
        return self.answered(getattr(self.carrier, operation.name.lower()), number)

    def observe(self, number):
        if self.tracks:
            read = self.call(Operation.TRACK, number)
            return {None} if read.body is None else dict(read.body)
        return {self.carrier.parcels[number]}

    def happen(self, number, event):
        return self.answered(self.carrier.happen, number, Event(event))

    def answered(self, method, *arguments):
        try:
            came = method(*arguments)
        except Refused as refused:
            code, status = refused.args
            return Answer.refused(code, http_status=status)
        read = came if isinstance(came, dict) else None
        return Answer.accepted(http_status=200, order_id=came if read is None else None, body=read)
