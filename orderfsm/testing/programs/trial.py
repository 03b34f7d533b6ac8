"""A trial: one attempt at one trigger in one state, and what every trial does.

Bring an order there, let others stand by, fire the trigger, and look at everything. It raises `CannotForce` where it
lacks something, and a `Contradiction` where the table is broken.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.testing.model.failure import Contradiction
from orderfsm.testing.model.particulars import LISTS
from orderfsm.testing.model.session import TRIES, CannotForce, unreached
from orderfsm.testing.model.steps import Call, Happen, Observe, ReadAccount, ReadCertificate, ReadList, ReadQuota
from orderfsm.words import meanings

from .shrink import exact
from .ways import ways

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger
    from orderfsm.testing.model.failure import Failure, Key
    from orderfsm.testing.model.session import Session

    from .ways import Pilot, Way

BYSTANDERS = 1
"""How many orders stand by, on either side, where the account cannot be emptied and units are few."""

MOST_TRIES = 4 * TRIES
"""How often a trial is played at most, if it fails in passing, and each time in another way."""

MOST_PAGES = 100
"""Pages of a list that are read at most."""


@attrs.frozen
class Tried:
    """What became of a trial: what of it passed, how it failed, and why it could not be played to its end."""

    passed: tuple[Trigger, ...]
    failures: tuple[Failure, ...]
    why: str


@attrs.frozen
class Trial:
    """An attempt at `trigger` in `state`, or at several: what is played, which yields each trigger that has passed."""

    state: State | None
    trigger: Trigger | None
    play: Callable[[Session], Iterable[Trigger]]

    def attempt(self, pilot: Pilot) -> Tried:
        """Play it, and give up its orders. What fails in passing must fail every time.

        What every trial would fail of is left out once it is told; if it ended this one, that is played again.
        """
        session = pilot.session
        found: dict[Key, Failure] = {}
        same: list[Failure] = []
        told: list[Failure] = []
        passed: tuple[Trigger, ...] = ()
        why = ""
        for _ in range(MOST_TRIES):
            passed, why, contradiction = self._played(pilot)
            ended = None if contradiction is None else session.failure(contradiction)
            session.give_up_orders()
            same = [] if ended is None else [*(each for each in same if each.ends_as(ended)), ended]
            told = [] if ended is None or (ended.passing and len(same) < TRIES) else [ended]
            failures = [*session.found, *(failure for failure in told if not failure.kept_off)]
            found = {failure.key: failure for failure in (exact(session, each) for each in failures)} | found
            again = any(failure.once is not None and failure.once not in session.told for failure in told)
            for failure in (*failures, *told):
                session.leave_out(failure)
            if not again and (told or ended is None or session.is_over):
                break
            if again:
                same = []
        kept_off = [f"the call was throttled or not permitted: {each.got}" for each in told if each.kept_off]
        return Tried(passed, tuple(found.values()), kept_off[0] if kept_off else why)

    def _played(self, pilot: Pilot) -> tuple[tuple[Trigger, ...], str, Contradiction | None]:
        """What passed, why it went no further, and what ended it."""
        passed: list[Trigger] = []
        why = ""
        try:
            try:
                for trigger in self.play(pilot.session):
                    passed.append(trigger)  # noqa: PERF402  # what passed before it ends counts
            except CannotForce as error:
                why = str(error) or unreached(pilot.lifecycle)
            pilot.give_up()
        except Contradiction as contradiction:
            return tuple(passed), f"a program failed before: {contradiction}", contradiction
        return tuple(passed), why, None


class Tries:
    """What all trials of a `lifecycle` do with the orders of a `pilot`."""

    def __init__(self, lifecycle: Lifecycle, pilot: Pilot) -> None:
        self.lifecycle = lifecycle
        self._pilot = pilot
        self._roles = pilot.session.roles
        self._ways = {state: ways(lifecycle, state) for state in lifecycle.state_rules if state is not None}
        self._to_each = [found for found in self._ways.values() if found]

    def _to(self, state: State | None) -> Sequence[Way]:
        """The ways to a state, the shortest first."""
        return [] if state is None else self._ways[state]

    def _is_silent(self, order: int | None, trigger: Trigger) -> bool:
        """Whether the sources say nothing of a trigger in a state in which an order may be."""
        states = [None] if order is None else self._pilot.session.account.states(order)
        return any(self.lifecycle.is_silent(state, trigger) for state in states)

    def _stand_by(self, around: Sequence[Sequence[Way]], package: int = 1, most: int = BYSTANDERS) -> None:
        """Create orders that stand by, as far as there are units and the server lets them."""
        few = 0 if self._pilot.is_frugal else most
        for to in around if self._pilot.session.ours else around[:few]:
            with suppress(CannotForce):
                self._pilot.bring(to, package)

    def _fire(self, trigger: Trigger, order: int | None, package: int = 1) -> None:
        session = self._pilot.session
        if trigger == self._roles.lists:
            session.do(ReadList(trigger))
        elif trigger == self._roles.counting:
            session.do(ReadQuota(trigger, package))
        elif trigger in self._roles.told:
            session.do(ReadAccount(trigger))
        elif trigger in self.lifecycle.creates:
            self._pilot.fire(trigger, package=package)
            self._pilot.expect_accepted()
        elif order is not None:
            self._pilot.fire(trigger, order)
        else:
            unknown = self._roles.unknown_id
            session.do(Call(trigger, unknown) if self.lifecycle.by_client(trigger) else Happen(trigger, unknown))

    def _flawed_in(self, state: State | None) -> Iterator[Trigger]:
        """What can be fired in a state so that it cannot be carried out: calls, and events that are allowed there."""
        for trigger in self._roles.flawed if self._pilot.session.flaws else ():
            row = self.lifecycle.table[state].get(trigger, ...)
            if state is not None and row is not ... and (row is not None or self.lifecycle.by_client(trigger)):
                yield trigger


def look(session: Session, order: int | None, *, thoroughly: bool = False) -> None:
    """Read everything that the driver can read: states, counts, the list; then the states again.

    What a read says of a state that cannot be is the read's fault only if the state is still the same after it.
    """
    observe_all(session)
    count(session)
    if order is not None and session.roles.read is not None:
        with suppress(CannotForce):
            session.do(Call(session.roles.read, order))
            if session.done[-1].refused:
                count(session)
            session.do(Observe(order))
    if session.roles.lists is None:
        return
    with suppress(CannotForce):
        read_list(session)
        observe_all(session)
        if thoroughly:
            read_lists(session)
            read_account(session)
            observe_all(session)
            count(session)


def count(session: Session) -> None:
    """Read the counts of every package."""
    if session.roles.counting is not None:
        for package in session.packages:
            with suppress(CannotForce):
                session.do(ReadQuota(session.roles.counting, package))


def observe_all(session: Session) -> None:
    for order in session.account.ids:
        session.do(Observe(order))


def read_account(session: Session) -> None:
    """What else can be read of the account, and of each order alone."""
    for operation in session.roles.told:
        for order in (None, *(session.account.ids if operation in LISTS else ())):
            with suppress(CannotForce):
                session.do(ReadAccount(operation, order))
                if order is not None:
                    session.do(ReadCertificate(operation, order))


def read_lists(session: Session) -> None:
    """The list by each word, by each domain, and in pages of two sizes."""
    for at, vocabulary in enumerate(session.roles.listed):
        for word in filter(None, meanings(session.lifecycle, vocabulary)):
            read_list(session, status=word, field=vocabulary.field if at else None)
    for order in session.account.ids:
        with suppress(CannotForce):
            read_list(session, like=order)
    for size in (1, 2):
        read_list(session, size=size)


def read_list(session: Session, **filters: Any) -> None:
    """A list to its end, and the page after it."""
    assert session.roles.lists is not None
    for page in range(1, MOST_PAGES + 1):
        asked = ReadList(session.roles.lists, page=page, **filters)
        if (page - 1) * asked.size >= session.do(asked).total:
            return
