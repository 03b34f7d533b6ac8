"""Mutants of the store, most of which go wrong only if two clients call at once."""

from __future__ import annotations

import time

import attrs

from orderfsm import Event, Operation, State
from orderfsm.errors import NotRemainCount
from orderfsm.mock import MemoryStore, Service

from .mutant import Mutant

A_MOMENT = 2e-3
"""Seconds in which another client may come between."""


class LastWriteWins(MemoryStore):
    """It does not look whether somebody else was faster."""

    def get(self, order_id):
        record = super().get(order_id)
        time.sleep(A_MOMENT)
        return record

    def commit(self, old, new, begun, happened):
        with self._lock:
            return super().commit(old and super().get(old.id), new, begun, happened)


class WritesBack(LastWriteWins):
    """Some calls do not look whether somebody else was faster; all others do."""

    triggers = frozenset()

    def commit(self, old, new, begun, happened):
        if happened and happened[-1].trigger in self.triggers:
            return super().commit(old, new, begun, happened)
        return MemoryStore.commit(self, old, new, begun, happened)


class IssuanceWritesBack(WritesBack):
    triggers = frozenset([Event.REVIEW_PASSED])


class RenewalWritesBack(WritesBack):
    triggers = frozenset([Operation.RENEW])


class DescribeWritesBack(WritesBack):
    triggers = frozenset([Operation.DESCRIBE])


class DeleteWritesBack(WritesBack):
    """It writes its record back where it is refused as well."""

    triggers = frozenset([Operation.DELETE])


class LooksThenTakes(MemoryStore):
    """It looks whether a unit is left, and takes one a moment later."""

    def commit(self, old, new, begun, happened):
        if begun is not None and begun.holds_unit:
            package = self.package(begun.product_code)
            if package.used >= package.total:
                raise NotRemainCount
            time.sleep(A_MOMENT)
            with self._lock:
                package = self._packages[begun.product_code]
                self._packages[begun.product_code] = attrs.evolve(package, total=package.used + 1)
                done = super().commit(old, new, begun, happened)
                taken = self._packages[begun.product_code]
                self._packages[begun.product_code] = attrs.evolve(taken, total=package.total)
                return done
        return super().commit(old, new, begun, happened)


class Overwrites(MemoryStore):
    """It begins an order of a number that another one was made of."""

    def commit(self, old, new, begun, happened):
        if begun is not None:
            self._records.pop(begun.id, None)
        return super().commit(old, new, begun, happened)


class CountsInTwoSteps(Overwrites):
    """It reads the last id, and writes the next one a moment later."""

    last = 100_000_000

    def new_id(self):
        last = self.last
        time.sleep(A_MOMENT)
        self.last = last + 1
        return last + 1


class GivesIdsAgain(Overwrites):
    """It gives the id of a deleted order to the next one."""

    def new_id(self):
        taken = {record.id for record in self._records.values() if record.order.state is not State.DELETED}
        return next(number for number in range(1, 10**6) if number not in taken)


STORES = (
    Mutant("the id of a deleted order is given again", lambda **o: Service(store=GivesIdsAgain(), **o), by_calls=True),
    Mutant("of two calls at once, both are accepted", lambda **o: Service(store=LastWriteWins(), **o), clients=True),
    Mutant(
        "an issuance overwrites an accepted withdrawal",
        lambda **o: Service(store=IssuanceWritesBack(), **o),
        clients=True,
        only=("being_reviewed", "review_passed"),
    ),
    Mutant(
        "a renewal writes its order back over an event",
        lambda **o: Service(store=RenewalWritesBack(), **o),
        clients=True,
        only=("about_to_expire", "renew"),
    ),
    Mutant(
        "a describe writes the order back over an event",
        lambda **o: Service(store=DescribeWritesBack(), **o),
        clients=True,
        only=("pending_review", "describe"),
    ),
    Mutant(
        "a refused delete writes the order back over an event",
        lambda **o: Service(store=DeleteWritesBack(), **o),
        clients=True,
        only=("issued", "delete"),
    ),
    Mutant(
        "two creates at once both get the last unit", lambda **o: Service(store=LooksThenTakes(), **o), clients=True
    ),
    Mutant("two creates at once get one id", lambda **o: Service(store=CountsInTwoSteps(), **o), clients=True),
)
