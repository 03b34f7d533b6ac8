"""What the table says that an account must answer: a model of its orders, which follows the answers step by step.

Of each order it keeps the *standings* that the answers so far leave possible: a state, and whether the order holds a
unit and was ever issued. Where others may act behind the kit's back (events are partial), the standings are widened
before each step by what owner, CA and calendar may have done meanwhile; the console is taken to be the tester's own.
What of an answer no standing explains is a `Contradiction`; an answer may have several, and only a `fatal` one leaves
the model behind.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm import words
from orderfsm.errors import Meaning, NotFound
from orderfsm.invalid import InvalidValue
from orderfsm.paths import WAITED_FOR
from orderfsm.rows import Actor, Term
from orderfsm.tables.api import PARAMETERS
from orderfsm.testing.drivers.driver import Abilities, kept_out, says_nothing, throttled
from orderfsm.trace import Events, Outcome

from .failure import Contradiction, Kind
from .listing import Listing, span
from .particulars import FIELDS, LISTS, Particulars
from .roles import roles
from .shapes import FAILURE, flaw, flaw_in
from .standings import Others, Standing, after, at
from .steps import (
    Ask,
    Buy,
    Call,
    Create,
    Happen,
    Observe,
    Place,
    ReadAccount,
    ReadCertificate,
    ReadList,
    ReadQuota,
    Wait,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State, Transition, Trigger, Vocabulary
    from orderfsm.testing.drivers.driver import Answer, Page, Quota, Seen

    from .steps import Step

ACCEPTED, BAD_REQUEST = 200, 400
"""The HTTP statuses of the API of CAS: of what was accepted, and of what is malformed."""

ANY_CODE = ""
"""What stands for every code, where the documents name none."""

COUNTED = {"used": "units used", "issued": "orders issued"}


class Waited(NamedTuple):
    """What was seen of an order when it was waited for; `is_due`: for as long as that may take."""

    seen: Seen
    is_due: bool


@attrs.define
class Package:
    """What is known of a package: its size, and how many units used and orders issued are others', at least, at most.

    After a count that contradicts the orders it is no more `judged`: what it should say then, nobody knows.
    """

    total: int | None
    others: dict[str, tuple[int, int]]
    judged: bool = True


class Account:
    """The model of an account.

    It was empty at first but for `packages` of `units` each if it is `ours` alone; else there may be other orders in
    it. `units` None is no package. `abilities` are those of the driver. `by_the_clock`: the service completes things by
    itself, also where all events are known. Each method that learns an answer yields what contradicts the table.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        events: Events,
        *,
        units: int | None,
        ours: bool,
        packages: int,
        abilities: Abilities,
        by_the_clock: bool = False,
    ) -> None:
        self.lifecycle = lifecycle
        self.ids: dict[int, Id] = {}
        self.standings: dict[int, frozenset[Standing]] = {}
        self._roles = roles(lifecycle)
        self._abilities = abilities
        self._units = units
        self._ours = ours
        acting = WAITED_FOR if events is Events.PARTIAL else (Actor.SERVICE,) if by_the_clock else ()
        unseen = frozenset(rule.trigger for rule in lifecycle.triggers if rule.actor in acting and not rule.seen)
        self._acting = unseen - _late(lifecycle)
        self._others = Others.of(lifecycle, self._acting)
        self.is_sure = True
        """Whether nobody else may have moved an order of this account up to now."""
        self._particulars: defaultdict[int, Particulars] = defaultdict(Particulars)
        self._lagging: dict[int, frozenset[State | None]] = {}
        """Where orders may have been before the last call that the service is to complete: reads may lag behind it."""
        self._package_of: dict[int, int] = {}
        self._to_pass: set[tuple[int | str, Trigger]] = set()
        """The calls that were refused, and may succeed later by themselves."""
        self._happened: defaultdict[int | str, set[Trigger]] = defaultdict(set)
        """What happened to each order, or may have: after it, other calls may be refused."""
        self._due: defaultdict[int, dict[Trigger, datetime]] = defaultdict(dict)
        """From when on something may happen to an order, as its answers said."""
        self.unsettled: set[int] = set()
        """The orders to which something may yet happen that the driver did not wait for."""
        self._packages = {
            number: Package(units if ours else None, dict.fromkeys(COUNTED, (0, 0)) if ours else {})
            for number in range(1, packages + 1)
        }
        self.listing = None
        if self._roles.listed:
            oldest = abilities.lists_oldest_first
            moves = bool(self._acting)
            self.listing = Listing(self, self._roles.listed, is_whole=ours, moves=moves, oldest_first=oldest)

    # -- what is known -----------------------------------------------------------------------------------------------

    def states(self, order: int | str) -> frozenset[State | None]:
        """The states in which an order may be; an id that the program does not know is no order's."""
        return self._others.states(self._standings(order))

    def time_passes(self) -> None:
        """Let others do what they may have done meanwhile."""
        if not self._acting:
            return
        for order in self.standings:
            self._let_others_act(order)

    def may_yet_happen(self, event: Trigger, order: int) -> None:
        """Let an event of which nobody knows what became of it happen from now on, if it does not happen unseen."""
        if self.lifecycle.trigger_rules[event].seen:
            self.unsettled.add(order)
            self._due[order][event] = datetime.min.replace(tzinfo=UTC)
            self.what_is_due_happens(datetime.now(UTC))

    def what_is_due_happens(self, now: datetime) -> None:
        """Let happen to orders, perhaps, what their answers said is due by `now`."""
        if not self._due:
            return
        due = [(order, trigger) for order, all_of in self._due.items() for trigger, at in all_of.items() if at <= now]
        for order, trigger in due:
            before = self.standings[order]
            rows = [(each, self.lifecycle.table[each.state].get(trigger)) for each in before]
            self.standings[order] = before | {after(self.lifecycle, each, row) for each, row in rows if row is not None}
            self.is_sure &= self.standings[order] == before
            self._happened[order].add(trigger)

    def _let_others_act(self, order: int) -> None:
        before = self.standings[order]
        self.standings[order], certifies = self._others.may_make(before)
        self.is_sure &= self.standings[order] == before
        if certifies:
            self._particulars[order].certified(surely=False)

    def _standings(self, order: int | str) -> frozenset[Standing]:
        return self.standings[order] if isinstance(order, int) else frozenset([Standing(None)])

    def _answered(self, standing: Standing, row: Transition) -> frozenset[Standing]:
        """How an order may stand when a step is answered: with it, other things may have happened at once."""
        return frozenset(at(self.lifecycle, target, standing, row) for target in self.lifecycle.targets(row))

    def may_leave(self, state: State | None) -> bool:
        """Whether others may move an order out of a state unseen."""
        return any(row.trigger in self._acting and row.target != state for row in self.lifecycle.outgoing(state))

    def _may_refuse(self, order: int | str, row: Transition) -> bool:
        """Whether the service may refuse what a row allows."""
        return row.optional or bool(self._happened[order] & {*row.optional_after})

    # -- answers -----------------------------------------------------------------------------------------------------

    def created(self, operation: Operation, order: int, answer: Answer, package: int = 1) -> Iterator[Contradiction]:
        """Learn the answer to a create that takes a unit of a package."""
        self._changed()
        row = self.lifecycle.table[None].get(operation, ...)
        if row is ...:
            return
        if row is None:
            may_succeed, codes, kind = False, self._codes(None, operation, answer), Kind.STATE_MACHINE
        else:
            may_succeed, codes = self._quota_answers(row, package)
            codes = codes | ({ANY_CODE} if self._may_refuse(order, row) else set())
            of_quota = self.lifecycle.codes.meaning_of(answer.code) is Meaning.NO_UNIT or not may_succeed
            kind = Kind.QUOTA if of_quota else Kind.STATE_MACHINE
        for wrong in self._judge(operation, answer, may_succeed=may_succeed, codes=codes, kind=kind):
            self._packages[package].judged &= wrong.kind is not Kind.QUOTA
            yield wrong
        if answer.outcome is Outcome.ACCEPTED and row is not None:
            yield from self._begin(order, answer, package, *self._answered(Standing(None, row.quota > 0), row))
            yield from self._told_by(operation, order, answer)

    def placed(self, operation: Operation, order: int, answer: Answer) -> Iterator[Contradiction]:
        """Learn the answer to a create that was completed at once."""
        row = self.lifecycle.table[None].get(operation)
        self._changed()
        yield from self._judge(operation, answer, may_succeed=row is not None, codes=set())
        if answer.outcome is Outcome.ACCEPTED and row is not None:
            yield from self._begin(order, answer, 1, *self._completed(Standing(row.target, row.quota > 0)))

    def called(
        self, operation: Operation, order: int | str, answer: Answer, begins: int | None = None
    ) -> Iterator[Contradiction]:
        """Learn the answer to a call on an order: what it says of the order's state is that after the call."""
        if isinstance(order, str) and not self._is_id(order):
            yield from self._malformed(operation, order, answer)
            return
        rows = yield from self.fired(operation, order, answer)
        if answer.outcome is Outcome.ACCEPTED:
            words_read = yield from self._told_by(operation, order, answer)
            fields = FIELDS.get(operation) if self._abilities.speaks_cas else None
            if fields is not None and isinstance(order, int) and isinstance(answer.body, dict):
                has_one = all(words_read.values())
                known, states = self._particulars[order], self.states(order)
                yield from known.read(fields, answer.body, states, self._roles, has_one=has_one)
        second = [Standing(row.creates, row.holds > 0) for row in rows if row.creates is not None]
        tells = self._abilities.tells_second_orders
        if tells is None or answer.order_id is not None:
            tells = (answer.order_id, answer.body) != (None, None)
        if second and begins is not None and tells:
            package = self._package_of.get(order, 1) if isinstance(order, int) else 1
            yield from self._begin(begins, answer, package, *second)

    def _told_by(
        self, operation: Operation, order: int | str, answer: Answer
    ) -> Generator[Contradiction, None, dict[Vocabulary, str]]:
        """Learn the words for an order's state in an accepted answer; what they are."""
        words_read = self._roles.words_in(operation, answer.body)
        if isinstance(order, int) and order not in self.ids:
            return words_read
        if isinstance(order, int) and operation in self._roles.vocabularies:
            due = _due_by(answer.body or {}, self.lifecycle)
            if due:
                self._due[order] |= due
        if isinstance(order, int) and words_read and operation not in self._roles.reads:
            self._let_others_act(order)
        for vocabulary, word in words_read.items():
            yield from self.read(order, word, vocabulary)
        for vocabulary in self._roles.vocabularies.get(operation, ()):
            named = frozenset().union(*words.meanings(self.lifecycle, vocabulary).values())
            must_be_there = vocabulary.closed and self.states(order) <= named
            if must_be_there and answer.body is not None and vocabulary not in words_read:
                yield _unknown(f"a documented {vocabulary.field}", "none", vocabulary, itself=False)
        return words_read

    def flawed(self, trigger: Trigger, order: int | str, answer: Answer) -> Iterator[Contradiction]:
        """Learn the answer to a trigger that was fired so that it cannot be carried out: refused, nothing changes."""
        if any(self.lifecycle.is_silent(each.state, trigger) for each in self._standings(order)):
            self._learn_of_silence(trigger, order, answer)
            return
        expected = f"{trigger} that cannot be carried out to be refused"
        if says_nothing(answer, self.lifecycle) and not self._is_turned_down(answer):
            yield Contradiction(expected, str(answer), Kind.CODES, passing=True)
        elif answer.outcome is Outcome.ACCEPTED:
            yield Contradiction(expected, "accepted")

    def observed(self, order: int, seen: Seen) -> Iterator[Contradiction]:
        """Learn what a driver saw of an order."""
        try:
            states = self.meant(seen)
        except Contradiction as unknown:
            yield unknown
            return
        if states == self.lifecycle.gone:  # or the read was refused, as it may be
            states |= {each.state for each in self._standings(order) if self._may_be_gone(order, each.state)}
        said = (
            " and ".join(f"{field} {word or 'absent'}" for field, word in seen.items())
            if isinstance(seen, dict)
            else ""
        )
        yield from self._narrow(order, states, said=said, lags=isinstance(seen, dict))

    def _may_be_gone(self, order: int | str, state: State | None) -> bool:
        """Whether the service may no longer show an order in a state, as if there were none."""
        read = self._roles.read
        row = None if read is None else self.lifecycle.table[state].get(read)
        return row is not None and self._may_refuse(order, row)

    def meant(self, seen: Seen) -> frozenset[State | None]:
        """The states that a driver saw: states, or words that name them, or the words of fields.

        A word that nobody knows is a `Contradiction`, and a breach of promise if its vocabulary is closed.
        """
        if isinstance(seen, dict):
            return self._by_fields(seen)
        if all(each in self.lifecycle.state_rules for each in seen):
            gone = self.lifecycle.gone if None in seen else frozenset()
            return gone.union(map(self.lifecycle.state, seen))  # type: ignore[arg-type]
        try:
            named = [self.lifecycle.gone if each is None else self.lifecycle.members(each) for each in seen]
        except InvalidValue as error:
            raise _unknown("a state of the table", f"{error.value!r}", *self.lifecycle.vocabularies) from None
        return frozenset().union(*named)

    def _by_fields(self, seen: Mapping[str, str]) -> frozenset[State | None]:
        said = {each: words.word_in(seen, each, self.lifecycle) for each in self.lifecycle.vocabularies}
        if set(said.values()) == {None}:
            raise InvalidValue("fields that observe() gave", [*seen], [v.field for v in self.lifecycle.vocabularies])
        meant = []
        for vocabulary, word in said.items():
            known = words.meanings(self.lifecycle, vocabulary)
            if word is not None and word not in known:
                raise _unknown(f"a documented {vocabulary.field}", f"{word}", vocabulary)
            meant += [] if word is None else [known[str(word)]]
        return frozenset(self.lifecycle.state_rules).intersection(*meant)

    def waited(self, event: Trigger, order: int, waited: Waited) -> Iterator[Contradiction]:
        """Learn what a driver saw of an order after it was waited for that `event` completes something."""
        pending = frozenset(state for state, events in self._roles.completed.items() if event in events)
        before = self.states(order) & pending
        if waited.is_due:
            self._lagging.pop(order, None)
        yield from self.observed(order, waited.seen)
        left = frozenset(each for each in self._standings(order) if each.state not in pending)
        if waited.is_due and before and not left:
            takes = next(self._roles.completed[state][event] for state in before)
            within = "" if takes is None else f" within {takes[1]:g} seconds"
            yield Contradiction(f"{event}{within}", self._named(self.states(order)), itself=True)
        elif waited.is_due and before:
            self.standings[order] = left

    def told(self, asked: ReadAccount, answer: Answer) -> Iterator[Contradiction]:
        """Learn the answer to another read of the account."""
        yield from self._judge(asked.operation, answer, may_succeed=True, codes=set())
        body = answer.body if answer.outcome is Outcome.ACCEPTED else None
        if isinstance(body, dict) and self.listing is not None:
            yield from self.listing.counted(asked.operation, body)
        name = LISTS.get(asked.operation)
        if isinstance(body, dict) and asked.order is not None and name is not None:
            yield from self._particulars[asked.order].listed(name, body)

    def certificate(self, order: int) -> int | None:
        """The id of an order's certificate, if it was told."""
        known = self._particulars[order].certificates
        return known[-1] if known else None

    def downloaded(self, order: int, answer: Answer) -> Iterator[Contradiction]:
        """Learn the answer to a read of a certificate: it is known, and it is there."""
        body = answer.body or {}
        if says_nothing(answer, self.lifecycle):
            yield Contradiction("a certificate", str(answer), Kind.CODES, passing=True)
        elif answer.outcome is not Outcome.ACCEPTED or not body.get("Cert"):
            got = f"{answer}" if answer.outcome is not Outcome.ACCEPTED else "no Cert"
            yield Contradiction(f"certificate {self.certificate(order)}", got, Kind.SHAPES, itself=True)

    def bought(self, asked: Buy, answer: Answer) -> Iterator[Contradiction]:
        """Learn the answer to a purchase; the same purchase again buys nothing else."""
        row = self.lifecycle.table[None].get(asked.operation)
        self._changed()
        yield from self._judge(asked.operation, answer, may_succeed=row is not None, codes=set())
        if answer.outcome is not Outcome.ACCEPTED or row is None:
            return
        if asked.again is None:
            yield from self._begin(asked.order, answer, 1, Standing(row.target))
        elif answer.order_id != self.ids[asked.again]:
            name = self.lifecycle.identity.parameter
            expected = f"{name} {self.ids[asked.again]}, which the same purchase made before"
            yield Contradiction(expected, f"{answer.order_id}", fatal=True, itself=True)

    def counted(self, quota: Quota, number: int = 1) -> Iterator[Contradiction]:
        """Learn the counts of a package."""
        yield from self._shape(self._roles.counting, quota.body)
        package = self._packages[number]
        if package.judged:
            wrong = self._miscounted(quota, number, package)
            if wrong is not None:
                package.judged = False
                yield wrong

    def _miscounted(self, quota: Quota, number: int, package: Package) -> Contradiction | None:
        """What is wrong with the counts of a package; if nothing is, it is known better afterwards."""
        if package.total is not None and quota.total != package.total:
            return Contradiction(f"{package.total} units bought", f"{quota.total}", Kind.QUOTA)
        package.total = quota.total
        for field, got in (("used", quota.used), ("issued", quota.issued)):
            least, most = self._span(field, number)
            low, high = package.others.get(field, (got - most, got - least))
            if not low + least <= got <= high + most:
                name = COUNTED[field] + ("" if number == 1 else f" of package {number}")
                return Contradiction(f"{span(low + least, high + most)} {name}", f"{got}", Kind.QUOTA)
            if field == "used" or self._ours or not self._acting:  # others' orders may be issued meanwhile
                package.others[field] = max(low, got - most), min(high, got - least)
        return None

    def turned_away(self, asked: Ask, answer: Answer) -> Iterator[Contradiction]:
        """Learn the answer to a request that no order is to see."""
        expected = f"{asked.code} (HTTP {asked.status}) to {asked}"
        if says_nothing(answer, self.lifecycle):
            yield Contradiction(expected, str(answer), Kind.CODES, passing=True)
        elif asked.is_loose:
            meaning = self.lifecycle.codes.meaning_of(answer.code)
            if answer.outcome is Outcome.ACCEPTED or meaning is Meaning.STATE_FORBIDS:
                yield Contradiction(f"{asked} to be turned away, by no state", str(answer), Kind.CODES, itself=True)
        elif answer.code != asked.code or answer.http_status not in {None, asked.status}:
            yield Contradiction(expected, str(answer), Kind.CODES, itself=True)
        else:
            wrong = flaw_in(answer.body, FAILURE) if answer.body is not None else None
            if wrong is not None:
                shape = ("the shape of refusals by the gateway",)
                expected = "a failure of the documented shape"
                yield Contradiction(expected, wrong, Kind.SHAPES, itself=True, once=shape)

    def listed(self, asked: ReadList, page: Page) -> Iterator[Contradiction]:
        """Learn a page of the list."""
        yield from self._shape(asked.operation, page.body)
        if self.listing is not None:
            yield from self.listing.learn(asked, page)

    # -- inside: calls and events ------------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self.listing is not None:
            self.listing.begin_again()

    def fired(
        self, trigger: Trigger, order: int | str, answer: Answer
    ) -> Generator[Contradiction, None, list[Transition]]:
        """Learn the answer to a trigger on an order, and move the order; the rows by which it may have moved."""
        reads = trigger in self._roles.reads
        if not reads:
            self._changed()
        standings = self._standings(order)
        if self._lacks_data(trigger, order, answer):
            return []
        if not reads and answer.outcome is not Outcome.REFUSED:
            self._happened[order].add(trigger)
        if any(self.lifecycle.is_silent(each.state, trigger) for each in standings):
            self._learn_of_silence(trigger, order, answer)
            return []
        rows = {each: self.lifecycle.table[each.state][trigger] for each in standings}
        allowed = {each: row for each, row in rows.items() if row is not None}
        gone = {each for each in rows if self._may_be_gone(order, each.state)}
        refused = [each for each, row in rows.items() if row is None or each in gone or self._may_refuse(order, row)]
        codes_of = {each: {ANY_CODE} if each in gone else self._codes(each.state, trigger, answer) for each in refused}
        codes = {code for codes in codes_of.values() for code in codes}
        later = self._later(trigger, order, [each for each in refused if each not in allowed])
        for wrong in self._judge(trigger, answer, may_succeed=bool(later or allowed), codes=codes):
            if reads and answer.outcome is Outcome.REFUSED:  # it told nothing: the order is where it was
                wrong.fatal = wrong.passing
            yield wrong
        accepted = answer.outcome is Outcome.ACCEPTED
        if isinstance(order, int):
            if accepted:
                moved = later.union(*(self._answered(each, row) for each, row in allowed.items()))
                moved = self._also_by_itself(moved, allowed.values())
                self._learn_of_step(trigger, order, standings, reads=reads)
                self._to_pass -= set() if reads else {key for key in self._to_pass if key[0] == order}
            else:
                moved = frozenset(each for each in refused if self._is_code(answer, codes_of[each]))
                moved = moved or frozenset(refused)
            self.standings[order] = moved or standings
        return list(allowed.values()) if accepted else []

    def _lacks_data(self, trigger: Trigger, order: int | str, answer: Answer) -> bool:
        """Whether a call was turned away since nothing says yet what it is to submit."""
        known = self._particulars[order] if isinstance(order, int) else Particulars()
        if known.is_filled_in or trigger not in self._roles.submits:
            return False
        return self.lifecycle.codes.meaning_of(answer.code) is Meaning.MALFORMED

    def _later(self, trigger: Trigger, order: int | str, refused: Iterable[Standing]) -> frozenset[Standing]:
        """Where a call may have led that is refused and passes by itself, if it was refused before."""
        passing = [each for each in refused if self._roles.refused[each.state, trigger].passes]
        if passing and (order, trigger) in self._to_pass:
            completed = {each: self._completed(each) for each in passing}
            rows = [
                (each, self.lifecycle.table[each.state].get(trigger)) for done in completed.values() for each in done
            ]
            return frozenset(after(self.lifecycle, each, row) for each, row in rows if row is not None)
        self._to_pass |= {(order, trigger)} if passing else set()
        return frozenset()

    def _completed(self, standing: Standing) -> Iterator[Standing]:
        """How an order may stand once the service has completed what it does to it."""
        for event in self._roles.completed[standing.state]:
            row = self.lifecycle.table[standing.state][event]
            if row is not None:
                yield after(self.lifecycle, standing, row)

    def _also_by_itself(self, standings: frozenset[Standing], rows: Iterable[Transition]) -> frozenset[Standing]:
        """Those, and what the service may have made of them where a call edited what an order says of itself."""
        edited = {row.target for row in rows if row.edits}
        found = (each for each in standings if each.state in edited)
        return standings | {
            after(self.lifecycle, each, row) for each in found for row in self._roles.unasked[each.state]
        }

    def _learn_of_step(self, trigger: Trigger, order: int, before: frozenset[Standing], *, reads: bool) -> None:
        """What else is known of an order after an accepted trigger."""
        known = self._particulars[order]
        known.is_filled_in |= trigger in self._roles.submits.values()
        if trigger in self._others.certifying:
            known.certified(surely=True)
        if trigger in self._roles.submits or any(
            row.trigger == trigger for each in before for row in self._roles.unasked[each.state]
        ):
            known.applied()
        if not reads:
            self._lagging.pop(order, None)
        if self._acting and any(rule.follows == trigger for rule in self.lifecycle.triggers):
            self._lagging[order] = frozenset(each.state for each in before)

    def _learn_of_silence(self, trigger: Trigger, order: int | str, answer: Answer) -> None:
        """Where the sources are silent of a call, any answer is right, and the order may be anywhere after it."""
        if not isinstance(order, int):
            return
        found: set[Standing] = set()
        states = [state for state in self.lifecycle.state_rules if state is not None]
        for each in self._standings(order):
            silent = self.lifecycle.is_silent(each.state, trigger)
            row = self.lifecycle.table[each.state].get(trigger)
            if row is not None and answer.outcome is not Outcome.REFUSED:
                found.add(after(self.lifecycle, each, row))
            if answer.outcome is not Outcome.ACCEPTED:
                found.add(each)
            if silent and answer.outcome is not Outcome.REFUSED:
                units, issued = {each.used, False}, {each.issued, True}
                found |= {Standing(*way) for way in product(states, units, issued)}
        self.standings[order] = frozenset(found) or self.standings[order]

    def _codes(self, state: State | None, trigger: Trigger, answer: Answer) -> set[str]:
        """The codes of a refusal in a state: the service's; without HTTP, the model's serves as well.

        Any will do (`ANY_CODE`) where the documents name none, and where the service may refuse what the table allows.
        """
        refused = self._roles.refused.get((state, trigger))
        if refused is None:
            return {ANY_CODE}
        known = self.lifecycle.codes
        codes = {refused.code} if answer.http_status is not None else {refused.code, refused.of_the_model}
        same = known.meaning_of(answer.code) is known.meaning_of(refused.code) is Meaning.NOT_FOUND
        return codes | {str(answer.code)} if same else codes

    def _is_code(self, answer: Answer, codes: set[str]) -> bool:
        """Whether a refusal has one of some codes, as far as it says."""
        prefix = self.lifecycle.codes.prefix
        return answer.code is None or ANY_CODE in codes or answer.code.removeprefix(prefix) in codes

    def _is_turned_down(self, answer: Answer) -> bool:
        """Whether an answer is a refusal where any will do, also one that does not say why."""
        return answer.outcome is Outcome.REFUSED and not (
            throttled(answer, self.lifecycle) or kept_out(answer, self.lifecycle)
        )

    def _with_status(self, code: str) -> str:
        if code == ANY_CODE:
            return "a refusal"
        error = self.lifecycle.codes.by_code.get(code)
        return code if error is None else f"{code} (HTTP {error.http_status})"

    def _is_id(self, text: str) -> bool:
        try:
            self.lifecycle.identity.read(text)
        except InvalidValue:
            return False
        return True

    def _judge(
        self, trigger: Trigger, answer: Answer, *, may_succeed: bool, codes: set[str], kind: Kind = Kind.STATE_MACHINE
    ) -> Iterator[Contradiction]:
        """What is wrong with an answer, unless its outcome may be, with the code and the status that it must have.

        If it must not have that outcome at all, this contradicts the table in the way of `kind`.
        """
        expected = " or ".join([*["accepted"] * may_succeed, *sorted(map(self._with_status, codes))])
        if says_nothing(answer, self.lifecycle) and not (ANY_CODE in codes and self._is_turned_down(answer)):
            yield Contradiction(expected, str(answer), Kind.CODES if codes else kind, passing=True)
            return
        refused = answer.outcome is Outcome.REFUSED
        code = (answer.code or "").removeprefix(self.lifecycle.codes.prefix)
        error = self.lifecycle.codes.by_code.get(code) if code in codes else None
        status = None if error is None else error.http_status
        if not refused:
            status = ACCEPTED if self._abilities.speaks_cas else None
        if not refused and not may_succeed:
            yield Contradiction(expected, "accepted", kind)
        elif refused and not codes:
            yield Contradiction(expected, str(answer), kind)
        elif refused and not self._is_code(answer, codes):
            yield Contradiction(expected, str(answer), Kind.CODES)
        elif answer.http_status is not None and answer.http_status not in self._statuses(answer, status):
            accepted = f"accepted (HTTP {ACCEPTED})"
            yield Contradiction(expected if refused else accepted, f"HTTP {answer.http_status}", Kind.CODES)
        yield from self._shape(trigger, answer.body, refused=refused)

    def _statuses(self, answer: Answer, status: int | None) -> set[int | None]:
        """The HTTP statuses that an answer may have, where a code has one; what is not found may always be 404."""
        missing = self.lifecycle.codes.meaning_of(answer.code) is Meaning.NOT_FOUND
        return {status or answer.http_status} | ({NotFound.http_status} if missing else set())

    def _malformed(self, operation: Operation, order: str, answer: Answer) -> Iterator[Contradiction]:
        """What is no id is turned away, by the gateway of CAS with its own codes."""
        own = self._abilities.speaks_cas
        taken = PARAMETERS[operation].required if own else ()
        name = taken[0] if taken else self.lifecycle.identity.parameter
        code = f"Invalid{name}" if order else f"Missing{name}"
        expected = f"{code} (HTTP {BAD_REQUEST})" if own else "a refusal"
        if says_nothing(answer, self.lifecycle):
            yield Contradiction(expected, str(answer), Kind.CODES, passing=True)
        elif answer.outcome is Outcome.ACCEPTED:
            yield Contradiction(expected, str(answer), Kind.CODES)
        elif own and answer.http_status is not None:
            missing = self.lifecycle.codes.meaning_of(answer.code) is Meaning.NOT_FOUND
            as_text = self.lifecycle.identity.is_text and missing  # any text may be an id: there is none such
            if not as_text and (answer.code != code or answer.http_status != BAD_REQUEST):
                yield Contradiction(expected, str(answer), Kind.CODES)
            yield from self._shape(operation, answer.body, refused=True)

    def _begin(self, order: int, answer: Answer, package: int, *standings: Standing) -> Iterator[Contradiction]:
        """Take up a new order; its id must be a new one."""
        new = answer.order_id
        again = new in self.ids.values()
        try:
            if again or self.lifecycle.identity.check(new) != new:
                raise InvalidValue("id", new, ["a new one"])
        except InvalidValue:
            kind = Kind.STATE_MACHINE if again else Kind.SHAPES
            yield Contradiction(f"the id of a new {self.lifecycle.noun}", f"{new}" + " again" * again, kind, fatal=True)
            return
        self.ids[order] = self.lifecycle.identity.check(new)
        self.standings[order] = frozenset(standings)
        self._package_of[order] = package

    def _shape(self, trigger: Trigger | None, body: object, *, refused: bool = False) -> Iterator[Contradiction]:
        if not self._abilities.speaks_cas or not isinstance(body, dict) or trigger is None:
            return
        wrong = flaw(trigger, body, self.lifecycle, refused=refused)
        if wrong is not None:
            expected = f"an answer of the documented shape of {trigger}"
            yield Contradiction(expected, wrong, Kind.SHAPES, itself=True)

    # -- inside: reads -----------------------------------------------------------------------------------------------

    def _narrow(
        self,
        order: int | str,
        states: frozenset[State | None],
        *,
        fatal: bool = True,
        said: str = "",
        lags: bool = False,
    ) -> Iterator[Contradiction]:
        """Learn that an order is in one of some states. What `lags` may still say where it was before."""
        standings = self._standings(order)
        found = frozenset(each for each in standings if each.state in states)
        if not found and lags and isinstance(order, int) and states & self._lagging.get(order, frozenset()):
            return
        if not found:
            expected = self._named(each.state for each in standings)
            yield Contradiction(expected, said or self._named(states), fatal=fatal)
        elif isinstance(order, int):
            self.standings[order] = found

    def read(self, order: int | str, word: str, vocabulary: Vocabulary) -> Iterator[Contradiction]:
        """Learn the word that a read said of an order; if it cannot be, the read may be wrong, and not the order."""
        known = words.meanings(self.lifecycle, vocabulary)
        if word in known:
            yield from self._narrow(order, known[word], fatal=False, lags=True)
        else:
            yield _unknown(f"a documented {vocabulary.field}", word, vocabulary, itself=False)

    def _named(self, states: Iterable[State | None]) -> str:
        return " or ".join(dict.fromkeys(self.lifecycle.name_of(state) for state in sorted(states, key=str)))

    def _quota_answers(self, row: Transition, number: int) -> tuple[bool, set[str]]:
        """Whether a create may succeed, and with which codes it may be refused, by what the package has left."""
        package = self._packages[number]
        if row.quota <= 0:
            return True, set()
        if self._ours and package.total is None:
            return False, self._codes_that_mean(Meaning.NO_PACKAGE)
        if package.total is None or "used" not in package.others or not package.judged:
            return True, self._codes_that_mean(Meaning.NO_UNIT)
        least, most = self._span("used", number)
        low, high = package.others["used"]
        without = self._codes_that_mean(Meaning.NO_UNIT) if high + most >= package.total else set()
        return low + least < package.total, without

    def _codes_that_mean(self, meaning: Meaning) -> set[str]:
        return {error.code for error in self.lifecycle.codes.errors if error.means is meaning}

    def _span(self, field: str, package: int) -> tuple[int, int]:
        """How many units of a package the orders hold, or how many of them were issued: at least, at most."""
        orders = (standings for order, standings in self.standings.items() if self._package_of[order] == package)
        counts = [[getattr(each, field) for each in standings] for standings in orders]
        return sum(map(min, counts)), sum(map(max, counts))


def _late(lifecycle: Lifecycle) -> frozenset[Trigger]:
    """What happens only when time is over, where there are subscriptions: these last for months."""
    lasting = any(rule.term is Term.SUBSCRIPTION for rule in lifecycle.triggers)
    return frozenset(rule.trigger for rule in lifecycle.triggers if lasting and rule.before_end is not None)


def _due_by(body: Mapping[str, Any], lifecycle: Lifecycle) -> dict[Trigger, datetime]:
    """From when on something may happen to the order that an answer shows."""
    found = {}
    for rule in lifecycle.triggers:
        if rule.due and isinstance(said := body.get(rule.due), str):
            with suppress(ValueError):
                moment = datetime.fromisoformat(said)
                found[rule.trigger] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return found


def _unknown(expected: str, word: str, *vocabularies: Vocabulary, itself: bool = True) -> Contradiction:
    """A word that none of some vocabularies has: a breach of promise if these are closed."""
    closed = {each.closed for each in vocabularies} == {True}
    kind = Kind.STATE_MACHINE if closed else Kind.SHAPES
    only = vocabularies[0] if len(vocabularies) == 1 else None
    return Contradiction(expected, word, kind, itself=itself, fatal=False, vocabulary=only)


def tell(account: Account, step: Step, result: Any) -> Iterator[Contradiction]:  # noqa: C901, PLR0912  # a case for each kind of step
    """Tell a model the result of a step; what of it the table does not explain."""
    match step:
        case Create(operation, order, package):
            yield from account.created(operation, order, result, package)
        case Call(trigger, order, flawed=True):
            yield from account.flawed(trigger, order, result)
        case Call(operation, order, begins):
            yield from account.called(operation, order, result, begins)
        case Happen(event, order):
            yield from account.fired(event, order, result)
        case Observe(order):
            yield from account.observed(order, result)
        case ReadList():
            yield from account.listed(step, result)
        case ReadQuota(_, package):
            yield from account.counted(result, package)
        case Place(operation, order):
            yield from account.placed(operation, order, result)
        case Buy():
            yield from account.bought(step, result)
        case Wait(event, order):
            yield from account.waited(event, order, result)
        case ReadAccount():
            yield from account.told(step, result)
        case ReadCertificate(_, order):
            yield from account.downloaded(order, result)
        case Ask():
            yield from account.turned_away(step, result)
