"""One call on its way: what is decided before it is sent, and after its answer or the loss of it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import attrs

from orderfsm.clocks import wall
from orderfsm.explanation import explain
from orderfsm.rows import Actor
from orderfsm.trace import Outcome
from orderfsm.verdict import Uncertain, Verdict

from .arguments import id_of
from .backoff import RETRIES, backoff
from .errors import OutcomeUnknown, naming, refused_by_service, refused_here
from .lost_create import Application, earliest
from .observation import Observation, everything, found, unseen
from .roles import roles
from .sdk import Answer, id_field, response
from .steps import Process, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State

    from .preflight import Preflight


LOGGER = logging.getLogger("orderfsm.decisions")
"""The decision log: one JSON line per decision, as the message of a record.

Its level is INFO, or WARNING for a call that was sent although the table refuses it, and for a divergence. A line holds
the time (RFC 3339, UTC) and nothing of a request or of an answer but the order's id, the operation, words of the API's
vocabularies and error codes: no keys, no secrets, no certificates.
"""


@attrs.frozen
class Divergence:
    """The service refused what the table allows, or accepted what the table refuses.

    `states` are those that the order was believed to be in, `answer` is `accepted` or the error code. `race`: what
    others may have done to the order since it was read would explain the answer.
    """

    order_id: int | str
    states: frozenset[State | None]
    operation: Operation
    answer: str
    race: bool
    time: datetime


class Settled(Uncertain, StrEnum):
    """What became of a call whose answer was lost."""

    DONE = "done"
    NOT_DONE = "not done"
    UNCLEAR = "unclear"


def settle(
    lifecycle: Lifecycle, operation: Operation, before: frozenset[State | None], now: frozenset[State | None]
) -> Settled:
    """What became of a lost call of `operation`, from the states possible `before` it and `now`.

    It is done if the order is where the call leads to, or where it has come to since, and the service leads it from
    there; not done if the call is still allowed, or if nothing could have led from there to here. Where the table's
    sources say in none of the states `before` whether the call is allowed, it is unclear, and so it is if the service
    may already have completed what was called, and the call is allowed again.
    """
    silent = any(lifecycle.is_silent(state, operation) for state in before)
    targets = _led_to(lifecycle, operation, before)
    if not targets and silent:
        return Settled.UNCLEAR
    if not targets:  # it was sent although the table refuses it
        targets = _led_to(lifecycle, operation, everything(lifecycle))
    others = [actor for actor in Actor if actor is not Actor.CLIENT]
    could = {after for state in (*before, *targets) for after in lifecycle.reachable(state, by=others)}
    seen = found(now) & could or found(now)
    if seen <= targets or (now != before and seen <= _completed(lifecycle, operation, targets)):
        return Settled.DONE
    if lifecycle.judge(now, operation) is Verdict.LEGAL:
        return Settled.UNCLEAR if seen & _completed(lifecycle, operation, targets, at_once=True) else Settled.NOT_DONE
    after = {state for target in targets for state in lifecycle.reachable(target)}
    return Settled.UNCLEAR if silent or seen & after else Settled.NOT_DONE


def _led_to(lifecycle: Lifecycle, operation: Operation, before: Collection[State | None]) -> frozenset[State | None]:
    """Where the rows lead by which `operation` is allowed in some of the states `before`."""
    rows = [lifecycle.table[state].get(operation) for state in before]
    return frozenset(row.target for row in rows if row is not None)


def _completed(
    lifecycle: Lifecycle, operation: Operation, targets: frozenset[State | None], *, at_once: bool = False
) -> frozenset[State | None]:
    """Where the service leads an order, perhaps `at_once`, that a call of `operation` brought to one of `targets`.

    Without `at_once`, also the `targets` themselves.
    """
    rules = [rule for rule in lifecycle.triggers if rule.follows == operation]
    completing = {rule.trigger for rule in rules if not (at_once and any(rule.takes or ()))}
    ends = {row.target for row in lifecycle.transitions if row.trigger in completing and row.source in targets}
    return frozenset(ends) if at_once else targets | ends


def edited(asked: Any, body: Any) -> Settled:
    """What became of a lost call that edits an order: `asked`, by what the `body` of an answer says of the order now.

    It is done if the order says of itself what it was to say, in every field that the answer has. The order of a list
    is not kept by the service, nor that of the domains in a text.
    """
    wanted = {name: value for name, value in vars(asked).items() if value is not None}
    same = [_plain(value) == _plain(vars(body)[name]) for name, value in wanted.items() if _says(body, name)]
    if len(same) < 2:  # the order's id, or nothing at all
        return Settled.UNCLEAR
    return Settled.DONE if all(same) else Settled.NOT_DONE


def _says(body: Any, name: str) -> bool:
    return vars(body).get(name) not in (None, []) if body is not None else False


def _plain(value: Any) -> Any:
    """What is compared of a field."""
    if isinstance(value, list):
        return sorted(str(each.to_map()) if hasattr(each, "to_map") else str(each) for each in value)
    return sorted(str(value).split(","))


def repeatable(lifecycle: Lifecycle, operation: Operation, before: frozenset[State | None]) -> bool:
    """Whether a lost call of `operation` may be sent once more, although nobody knows whether it was carried out.

    The service completes it later, and until then and afterwards refuses it: so it is never carried out twice.
    """
    after = _completed(lifecycle, operation, _led_to(lifecycle, operation, before))
    return (
        operation in roles(lifecycle).completed
        and bool(after)
        and all(
            not lifecycle.is_silent(state, operation) and lifecycle.table[state][operation] is None for state in after
        )
    )


def calling(
    preflight: Preflight, operation: Operation, asked: Any, believed: Observation | None = None, *, throttles: int = 0
) -> Process[Any]:
    """Carry out a ruled or creating call as far as the table lets it; the SDK's response, or an error.

    `asked` is the SDK's request; `believed` is what was read of the order just before, if it was. A call that is
    throttled is sent again up to `throttles` times, after the pause that the service asks for.
    """
    call = _Call(preflight, operation, asked, believed)
    call.throttles = throttles
    with naming(call.order_id, preflight.lifecycle.noun):
        if not call.creating:
            return (yield from call.process())
        with preflight.memory.creating(call.order_id or Application.of(asked).domains) as others_too:
            call.ambiguous = others_too
            return (yield from call.process())


class _Call:
    """One call on its way: what is believed of its order, and what its attempts came to."""

    def __init__(self, preflight: Preflight, operation: Operation, asked: Any, believed: Observation | None) -> None:
        self.preflight = preflight
        self.lifecycle = preflight.lifecycle
        self.memory = preflight.memory
        self.reading = preflight.reading
        self.operation = operation
        self.asked = asked
        self.named = id_field(self.lifecycle)
        its = roles(self.lifecycle)
        self.creating, self.lags = operation in its.creating, its.lags
        self.creates_only = operation in self.lifecycle.creates or not hasattr(asked, self.named)
        self.order_id: Any = None if self.creates_only else id_of(getattr(asked, self.named), self.lifecycle)
        self.believed = believed
        self.lost: list[Answer] = []
        self.diverged = False
        self.sent = 0.0
        self.throttles = 0
        self.ambiguous: Callable[[], bool] = lambda: False

    @property
    def states(self) -> frozenset[State | None]:
        """The states that the order is believed to be in."""
        if self.creates_only:
            return frozenset([None])
        if self.believed is None:
            return everything(self.lifecycle)
        return self.believed.states | self.memory.led_to(self.order_id) if self.lags else self.believed.states

    @property
    def unseen(self) -> frozenset[State | None]:
        """The same, and where the service may have led the order by itself since it was read."""
        return unseen(self.states, self.lifecycle)

    @property
    def after(self) -> frozenset[State | None]:
        """The states that the call leads to from these, as far as the table allows it there."""
        return self.lifecycle.narrow(self.states, self.operation, accepted=True)

    @property
    def diverges(self) -> bool:
        """Whether the table's verdict is certain, whatever the service may have done by itself since the read."""
        return self.lifecycle.judge(self.unseen, self.operation) is self.verdict is not Verdict.UNDECIDED

    @property
    def may_pass(self) -> bool:
        """Whether the call is refused in one of the states only for now, so that it may succeed when it arrives."""
        silent = (state for state in self.states if self.lifecycle.is_silent(state, self.operation))
        refused = self.lifecycle.narrow(self.states, self.operation, accepted=False).difference(silent)
        return any(self.lifecycle.service_refusal(state, self.operation).passes for state in refused)

    @property
    def verdict(self) -> Verdict:
        """The table's verdict on the call in these states."""
        return self.lifecycle.judge(self.states, self.operation)

    def process(self) -> Process[Any]:
        if self.believed is None and self.order_id is not None:
            self.believed = self.memory.remembered(self.order_id)
            if self.believed is None:
                self.believed, _ = yield from self.reading.read(self.order_id, lenient=True)
            elif self.lags:
                self.believed = attrs.evolve(self.believed, states=unseen(self.believed.states, self.lifecycle))
        while True:
            self._refuse()
            self.sent = self.sent or wall()
            answer: Answer = yield Send(self.operation, self.asked)
            self._log(str(answer) if answer.error is None else answer.code or "unknown")
            if answer.outcome is Outcome.ACCEPTED:
                return (yield from self._accepted(answer))
            if answer.outcome is Outcome.UNKNOWN:
                done = yield from self._lost(answer)
            elif answer.of_the_state and self.order_id is not None:
                done = yield from self._refused(answer)
            elif answer.throttled and self.throttles:
                self.throttles -= 1
                yield backoff(1, answer)
                done = None
            else:
                raise self._error(answer, frozenset())
            if done is not None:
                return done

    def _refuse(self) -> None:
        """Raise the local refusal if the table refuses the call, in every state that is possible, as far as trusted."""
        if self.verdict is not Verdict.ILLEGAL:
            return
        if self.may_pass:
            self._log("sent: it is refused only for now")
            return
        error = refused_here(self.lifecycle, self.states, self.operation)
        enforced = self.preflight.refuses(error.basis)
        self._log("refused here" if enforced else "sent although refused by the table", warning=not enforced)
        if enforced:
            raise error from (self.lost[-1].error if self.lost else None)

    def _accepted(self, answer: Answer) -> Process[Any]:
        order_id, verdict = self.order_id, self.verdict
        if self.creating:
            self.memory.created(getattr(answer.response.body, self.named))
        if order_id is None:
            return answer.response
        self.memory.met(order_id)
        after = self.after or self.lifecycle.narrow(self.unseen, self.operation, accepted=True)
        if after and after <= self.lifecycle.gone:
            self.memory.not_new(order_id)
        if verdict is Verdict.ILLEGAL and self.diverges:
            self._report(Outcome.ACCEPTED)
            self.believed, _ = yield from self.reading.read(order_id)
            self._log("read again")
        else:
            self._led_to(after)
        return answer.response

    def _led_to(self, states: frozenset[State | None]) -> None:
        """Remember that the call was carried out, and led to one of `states`: reads may show that late."""
        if self.lags:
            targets = _led_to(self.lifecycle, self.operation, self.unseen) or states
            self.memory.led(self.order_id, unseen(targets, self.lifecycle, hoped_for=True))
        self._remember(states)

    def _remember(self, states: frozenset[State | None]) -> None:
        """Remember the order in `states`, those after a call; but nothing of it where the sources are silent."""
        if any(self.lifecycle.is_silent(state, self.operation) for state in self.states):
            self.memory.forget(self.order_id)
        elif states and self.memory.max_age:
            self.memory.observation(self.order_id, states, None)

    def _refused(self, answer: Answer) -> Process[Any]:
        """After a refusal by the order's state: None to send the call once more, or the response of a lost attempt."""
        kept = self.lifecycle.narrow(self.states, self.operation, accepted=False)
        if self.lost and not self.creating:
            if answer.not_found:
                now = self.memory.observation(self.order_id, self.lifecycle.gone, answer.code)
            else:
                now = yield from self._read_settled()
            if (done := self._concluded(now)) is not None:
                return done
            self.believed, kept = now, self.lifecycle.narrow(now.states, self.operation, accepted=False)
        elif self.verdict is Verdict.LEGAL and not self.diverged:
            if self.diverges:
                self._report(answer.code or "refused")
            self.diverged = True
            self.believed, _ = yield from self.reading.read(self.order_id)
            kept = self.lifecycle.narrow(self.states, self.operation, accepted=False)
            self._log("read again")
            if self.verdict is Verdict.LEGAL:
                return None
        self._remember(kept)
        gone = self.lifecycle.gone
        raise self._error(answer, kept & gone if answer.not_found else kept - gone)

    def _lost(self, answer: Answer) -> Process[Any]:
        """After a lost answer: the response if the call was carried out, None to send it again; or an error."""
        self.lost.append(answer)
        if self.creating:
            return (yield from self._look_for_created(answer))
        if self.after and self.after <= self.lifecycle.gone and self.states != everything(self.lifecycle):
            self.memory.not_new(self.order_id)  # it was there before the call
        again = self.operation in roles(self.lifecycle).edits or repeatable(self.lifecycle, self.operation, self.states)
        now = yield from self._read_settled(waiting=not again)
        self._log(self._settled(now))
        again = again and self.lifecycle.judge(now.states, self.operation) is not Verdict.ILLEGAL
        if (done := self._concluded(now, again=again)) is not None:
            return done
        self.believed = now
        yield from self._again(answer)
        return None

    def _again(self, answer: Answer) -> Process[None]:
        """Before a call that is known not to have been carried out is sent again, a bounded number of times."""
        error = answer.error
        if len(self.lost) > RETRIES and error is not None:
            about = "" if self.order_id is None else f" of {self.lifecycle.noun} {self.order_id}"
            error.add_note(f"{self.operation}{about} was sent {len(self.lost)} times, and was not carried out")
            raise error
        yield backoff(len(self.lost), answer)

    def _read_settled(self, *, waiting: bool = True) -> Process[Observation]:
        """What is read of the order when that tells what became of the lost call, or else the last that was read.

        Where the words lag behind what happened, it is read for `grace` seconds, if `waiting`.
        """
        given_up = self.preflight.clock() + (self.preflight.grace if self.lags and waiting else 0)
        for attempt in count(1):
            now = yield from self.reading.read_until(
                self.order_id, lambda now: self._settled(now) is not Settled.UNCLEAR, changing=True
            )
            if self._settled(now) is not Settled.UNCLEAR or self.preflight.clock() >= given_up:
                return now
            yield backoff(attempt)
        raise AssertionError  # the count has no end

    def _settled(self, now: Observation) -> Settled:
        if self.operation in roles(self.lifecycle).edits:
            return edited(self.asked, now.body)
        return settle(self.lifecycle, self.operation, self.states, now.states)

    def _concluded(self, now: Observation, *, again: bool = False) -> Any:
        """The response of a lost attempt that was carried out, as the order is `now`; None if it was not.

        None also if that is not known, and it may be sent `again` all the same.
        """
        settled = self._settled(now)
        if settled is Settled.UNCLEAR and not again:
            raise OutcomeUnknown(self.operation, self.order_id, now) from self.lost[-1].error
        if settled is not Settled.DONE:
            return None
        self._led_to(self.after or everything(self.lifecycle))
        return response(self.operation)

    # -- creates and renewals ----------------------------------------------------------------------------------------

    def _look_for_created(self, answer: Answer) -> Process[Any]:
        """Look for the order that a lost create made; the response that names it, or None to send the call again.

        That it was not made is concluded only when the list has not had it for `grace` seconds.
        """
        given_up = self.preflight.clock() + self.preflight.grace
        for attempt in count(1):
            rows = yield from self.reading.orders()
            if rows is None or isinstance(rows, Answer):
                raise OutcomeUnknown(self.operation, self.order_id, self.believed) from answer.error
            made, doubtful = self._candidates(rows)
            if len(made) == 1 and not self.ambiguous():
                self.memory.created(made[0])
                self._log(Settled.DONE)
                return response(self.operation, **{self.named: made[0]})
            if made or (doubtful and self.preflight.clock() >= given_up):
                self._log(Settled.UNCLEAR)
                raise OutcomeUnknown(self.operation, self.order_id, self.believed, made or doubtful) from answer.error
            if self.preflight.clock() >= given_up:
                break
            yield backoff(attempt)
        self._log(Settled.NOT_DONE)
        yield from self._again(answer)
        return None

    def _candidates(self, rows: list[Any]) -> tuple[list[Id], list[Id]]:
        """The listed orders that the lost call may have made, and those of which that is doubtful."""
        known = {*self.memory.created_lately(), str(self.order_id)}
        others = [row for row in rows if str(getattr(row, self.named)) not in known]
        if self.creates_only:
            application = Application.of(self.asked)
        else:
            own = (row for row in rows if str(getattr(row, self.named)) == str(self.order_id))
            application = Application.renewing(own)
        made_by = [row for row in self.lifecycle.transitions if row.trigger == self.operation]
        begins = {row.creates or row.target for row in made_by}
        since = earliest(self.sent, self.reading.headers, wall())
        return application.made(others, since, begins, self.lifecycle)

    # -- saying it ---------------------------------------------------------------------------------------------------

    def _error(self, answer: Answer, states: frozenset[State | None]) -> Exception:
        error = cast("Exception", answer.error)
        combined = refused_by_service(error, self.lifecycle, states, self.operation)
        combined.__cause__ = None if combined is error else error
        return combined

    def _report(self, answer: str) -> None:
        others = {state for before in self.states for state in self.lifecycle.reachable(before)}
        silent = any(self.lifecycle.is_silent(state, self.operation) for state in others)
        verdicts = {self.lifecycle.table[state].get(self.operation) is not None for state in others}
        race = silent or (answer == Outcome.ACCEPTED) in verdicts
        self._log(answer, warning=True, divergence=True)
        if (tell := self.preflight.on_divergence) is not None:
            try:
                tell(Divergence(self.order_id, self.states, self.operation, answer, race, datetime.now(UTC)))
            except Exception:  # what became of the call matters more
                LOGGER.exception("on_divergence failed")

    def _log(self, answer: str, *, warning: bool = False, divergence: bool | None = None) -> None:
        level = logging.WARNING if warning else logging.INFO
        if not LOGGER.isEnabledFor(level):
            return
        seen = self.believed
        why = explain(self.lifecycle, self.states, self.operation)
        fields = {
            "time": datetime.now(UTC).isoformat(timespec="microseconds"),
            self.lifecycle.identity.key: self.order_id,
            "operation": self.operation,
            "observed": seen and seen.word,
            "age": seen and round(self.preflight.clock() - seen.at, 6),
            "states": ["none" if state is None else state for state in why.states],
            "verdict": why.verdict,
            "basis": why.basis,
            "answer": answer,
            "divergence": divergence,
        }
        LOGGER.log(level, "%s", json.dumps({name: value for name, value in fields.items() if value is not None}))
