"""Who owns a domain, as DNS shows it: owner and CA go on when what they were told to publish is there.

An order whose table has a step of the owner takes that step as soon as the record is there that its description names.
An instance, whose table has none, notes it, and from then on its CA may act. Neither is done before; a record that is
taken away afterwards undoes nothing. What is validated by a file is left to the review.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from orderfsm.errors import Refusal
from orderfsm.invalid import InvalidValue
from orderfsm.rows import Actor

from . import answers
from .instances.answers import validations_of
from .instances.details import details_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.dns.resolver import Resolver
    from orderfsm.mock.dns.zones import Zones
    from orderfsm.mock.engine import Engine
    from orderfsm.mock.records import Record
    from orderfsm.rows import State, Trigger

    from .instances.words import Words

BY_DNS = "dns"
BY_RECORD, BY_TEXT = "DNS", "TXT"
FEW = 200
"""Waiting orders that all are looked at when a record is published; of more, those whose domains are in its name.

The others, to which an alias or a wildcard may lead, are looked at when they are read.
"""


def validation_mode(word: object) -> str | None:
    """How owners show that a domain is theirs, as `word` says: "dns", or None, as the review says."""
    if word is None:
        return None
    if word == BY_DNS:
        return BY_DNS
    raise InvalidValue("validate", word, [BY_DNS, "None"])


def order_waits(lifecycle: Lifecycle) -> Callable[[Record], bool]:
    """Whether an order waits for its owner to publish a record."""
    states = {state for state in lifecycle.state_rules if _owners_steps(lifecycle, state)}
    return lambda record: record.state in states and record.validate_type == BY_RECORD


def instance_waits(words: Words) -> Callable[[Record], bool]:
    """Whether an instance waits for its owner to publish records."""

    def waits(record: Record) -> bool:
        if not words.is_applied_for(record.state):
            return False
        details = details_of(record.details)
        return not details.validated and details.data.get("ValidationMethod", BY_RECORD) == BY_RECORD

    return waits


class Ownership:
    """Lets `orders` and `instances`, which are read by `words`, go on when what they wait for is in `zones`."""

    def __init__(self, orders: Engine, instances: Engine, words: Words, zones: Zones) -> None:
        self._orders = orders
        self._instances = instances
        self._zones = zones
        self._states = {
            orders: [state for state in orders.found() if _owners_steps(orders.lifecycle, state)],
            instances: [state for state in instances.found() if words.is_applied_for(state)],
        }

    def look(self, order_id: Id) -> None:
        """Let an order or an instance go on, if it waits for what is there."""
        engine = self._instances if isinstance(order_id, str) else self._orders
        record = engine.store.get(order_id)
        if record is not None and engine.holds(record):
            self._look(engine, record, self._zones.resolver())

    def published(self, name: str) -> None:
        """Let all go on that wait for what is there, now that `name` says more."""
        resolver = self._zones.resolver()
        for engine in (self._orders, self._instances):
            for record in self._waiting(engine, name):
                self._look(engine, record, resolver)

    def _waiting(self, engine: Engine, name: str) -> Iterator[Record]:
        states = self._states[engine]
        many = engine.store.count(states)
        keyword = "" if many <= FEW else name.partition(".")[2]
        records, _ = engine.store.select(states, keyword, 0, many) if many else ([], 0)
        return filter(engine.holds, records)

    def _look(self, engine: Engine, record: Record, resolver: Resolver) -> None:
        if engine is self._instances:
            self._look_at_instance(record, resolver)
            return
        wanted = answers.validation_of(record)
        if wanted["RecordValue"] in resolver.resolve(wanted["RecordDomain"], wanted["RecordType"]):
            for step in _owners_steps(engine.lifecycle, record.state):
                with suppress(Refusal):  # somebody else was faster
                    engine.happen(record.id, step)

    def _look_at_instance(self, record: Record, resolver: Resolver) -> None:
        wanted = json.loads(validations_of(record))
        names = [(f"{each['ValidationKey']}.{each['Domain']}", each["ValidationValue"]) for each in wanted]
        if not names or any(value not in resolver.resolve(name, BY_TEXT) for name, value in names):
            return
        application = details_of(record.details).applications

        def validated(current: Record) -> Record:
            details = details_of(current.details)
            if details.applications != application:
                return current
            return current.but(details=text_of(attrs.evolve(details, validated=True)))

        self._instances.release(record.id, validated)


def _owners_steps(lifecycle: Lifecycle, state: State | None) -> list[Trigger]:
    """What the owner may do to an order in `state`."""
    own = [rule.trigger for rule in lifecycle.triggers if rule.actor is Actor.OWNER]
    return [trigger for trigger in own if lifecycle.table[state].get(trigger) is not None]
