"""Another table: the life of a parcel. It has nothing to do with certificates, and every room must carry it.

A parcel is announced, handed in, carried to a locker, and picked up, unless it is withdrawn, redirected or lost::

                       no parcel
                           | announce
                           v
      .---- withdraw -- ANNOUNCED
      |                    | (handed_in)
      |                    v            redirect
      |     .---------- IN_TRANSIT -----------------> REDIRECTING
      |     | (lost)       |  ^                           |
      |     v              |  '------- (redirected) ------'
      |    LOST <-.        | (arrived)
      |     | |   |        v
      |     | '---'     AT_LOCKER ------------------------.
      |     | replace      |  |  | (picked_up)            |
      |     |              |  |  v                        |
      |     |              |  | DELIVERED                 |
      v     |              |  |  |                        |
     RETURNED <------------'  |  |                        |
      | (storage_ended)       |  |                        | destroy
      |     |                 |  |                        |
      v     v      erase      v  v                        v
    ERASED <----------------------------------------------'

Plain names are client calls, names in parentheses are events. `replace` also announces a second parcel. Of a
redirection at the locker, and of a withdrawal on the way, the carrier's terms say nothing.

It has what the orders' table has not: ids that are texts, two fields in one answer whose words overlap, silent pairs,
refusals with a code for each trigger, one of which passes by itself, an event by which the service completes an
operation, an operation that no plan takes unasked, and no quota.
"""

from enum import StrEnum

from orderfsm.errors import Meaning, NotFound, OrderStateError, ServiceError
from orderfsm.identity import Identity
from orderfsm.lifecycle import Lifecycle
from orderfsm.rows import Actor, Basis, RefusalRule, Silence, StateRule, Transition, TriggerRule, Vocabulary


class State(StrEnum):
    ANNOUNCED = "announced"
    IN_TRANSIT = "in_transit"
    REDIRECTING = "redirecting"
    AT_LOCKER = "at_locker"
    DELIVERED = "delivered"
    RETURNED = "returned"
    LOST = "lost"
    ERASED = "erased"


class Operation(StrEnum):
    ANNOUNCE = "AnnounceParcel"
    TRACK = "TrackParcel"
    OVERVIEW = "ListParcels"
    WITHDRAW = "WithdrawParcel"
    REDIRECT = "RedirectParcel"
    REPLACE = "ReplaceParcel"
    ERASE = "EraseParcel"
    DESTROY = "DestroyParcel"


class Event(StrEnum):
    HANDED_IN = "handed_in"
    ARRIVED = "arrived"
    REDIRECTED = "redirected"
    PICKED_UP = "picked_up"
    STORAGE_ENDED = "storage_ended"
    LOST = "lost_on_the_way"


class NoSuchParcel(NotFound):
    """The carrier knows no such parcel, or does not any more."""

    code = "NoSuchParcel"
    text = "there is no such parcel"


class WrongPhase(OrderStateError):
    """Not now."""

    code = "WrongPhase"
    http_status = 409
    text = "the parcel is in the wrong phase"


class OutOfReach(OrderStateError):
    """The parcel has left the sender's hands."""

    code = "OutOfReach"
    http_status = 410
    text = "the parcel cannot be withdrawn"


class NotMoving(OrderStateError):
    """There is nothing on its way that could be redirected."""

    code = "NotMoving"
    http_status = 422
    text = "the parcel is not on its way"


class EraseFailed(ServiceError):
    """The parcel may be erased, but that did not work."""

    code = "EraseFailed"
    http_status = 500
    text = "the parcel could not be erased"
    means = Meaning.NOT_CARRIED_OUT


D, O, I = Basis.DOCUMENTED, Basis.OBSERVED, Basis.INFERRED  # noqa: E741
TERMS = "terms of carriage"

VOCABULARIES = (Vocabulary(Operation.TRACK, "Phase", "unknown"), Vocabulary(Operation.TRACK, "Place", closed=True))

STATES = (
    StateRule(None, "no parcel", (), D, TERMS, found=False),
    StateRule(State.ANNOUNCED, "announced", ("waiting", "sender"), D, TERMS),
    StateRule(State.IN_TRANSIT, "on its way", ("moving", "moving"), D, TERMS),
    StateRule(State.REDIRECTING, "being redirected", (("moving", "waiting"), "moving"), O, "a parcel of 2026-08"),
    StateRule(State.AT_LOCKER, "at the locker", ("waiting", "locker"), D, TERMS),
    StateRule(State.DELIVERED, "delivered", ("done", "addressee"), D, TERMS),
    StateRule(State.RETURNED, "returned", ("done", "sender"), I, TERMS),
    StateRule(State.LOST, "lost", ("moving", None), O, "a parcel of 2026-09"),
    StateRule(State.ERASED, "erased", (), D, TERMS, found=False, terminal=True),
)

TRIGGERS = (
    TriggerRule(Operation.ANNOUNCE, Actor.CLIENT, D, TERMS),
    TriggerRule(Operation.TRACK, Actor.CLIENT, D, TERMS),
    TriggerRule(Operation.OVERVIEW, Actor.CLIENT, D, TERMS, account=True),
    TriggerRule(Operation.WITHDRAW, Actor.CLIENT, D, TERMS, abandons=True),
    TriggerRule(Operation.REDIRECT, Actor.CLIENT, D, TERMS),
    TriggerRule(Operation.REPLACE, Actor.CLIENT, D, TERMS),
    TriggerRule(Operation.ERASE, Actor.CLIENT, D, TERMS, abandons=True, fails=EraseFailed),
    TriggerRule(Operation.DESTROY, Actor.CLIENT, D, TERMS, abandons=True, grave=True),
    TriggerRule(Event.HANDED_IN, Actor.OWNER, I, TERMS),
    TriggerRule(Event.ARRIVED, Actor.SERVICE, I, TERMS),
    TriggerRule(Event.REDIRECTED, Actor.SERVICE, I, TERMS, follows=Operation.REDIRECT, takes=(60, 600)),
    TriggerRule(Event.PICKED_UP, Actor.OWNER, I, TERMS),
    TriggerRule(Event.STORAGE_ENDED, Actor.CALENDAR, I, TERMS),
    TriggerRule(Event.LOST, Actor.SERVICE, I, TERMS),
)

TRANSITIONS = (
    Transition(None, Operation.ANNOUNCE, State.ANNOUNCED, D, TERMS),
    Transition(State.ANNOUNCED, Operation.WITHDRAW, State.RETURNED, D, TERMS),
    Transition(State.ANNOUNCED, Event.HANDED_IN, State.IN_TRANSIT, D, TERMS),
    Transition(State.IN_TRANSIT, Operation.REDIRECT, State.REDIRECTING, D, TERMS),
    Transition(State.IN_TRANSIT, Event.ARRIVED, State.AT_LOCKER, D, TERMS),
    Transition(State.IN_TRANSIT, Event.LOST, State.LOST, O, "a parcel of 2026-09"),
    Transition(State.REDIRECTING, Event.REDIRECTED, State.IN_TRANSIT, O, "a parcel of 2026-08"),
    Transition(State.AT_LOCKER, Operation.DESTROY, State.ERASED, D, TERMS),
    Transition(State.AT_LOCKER, Event.PICKED_UP, State.DELIVERED, D, TERMS),
    Transition(State.AT_LOCKER, Event.STORAGE_ENDED, State.RETURNED, D, TERMS),
    Transition(State.LOST, Operation.REPLACE, State.LOST, I, TERMS, creates=State.ANNOUNCED),
    Transition(State.DELIVERED, Operation.ERASE, State.ERASED, D, TERMS),
    Transition(State.RETURNED, Operation.ERASE, State.ERASED, D, TERMS),
    Transition(State.LOST, Operation.ERASE, State.ERASED, I, TERMS),
    *(Transition(state, Operation.TRACK, state, D, TERMS) for state in State if state is not State.ERASED),
)

REFUSALS = (
    RefusalRule(NotMoving, (Operation.REDIRECT,), (State.REDIRECTING,), passes=True, basis=O, reference="2026-08"),
    RefusalRule(NotMoving, (Operation.REDIRECT,)),
    RefusalRule(OutOfReach, (Operation.WITHDRAW,)),
    RefusalRule(WrongPhase),
)

SILENCES = (
    Silence((Operation.REDIRECT,), (State.AT_LOCKER,), TERMS),
    Silence((Operation.WITHDRAW,), (State.IN_TRANSIT, State.REDIRECTING), TERMS),
)

LIFECYCLE = Lifecycle(
    TRANSITIONS,
    STATES,
    TRIGGERS,
    "2026-09",
    name=f"{__name__}:LIFECYCLE",
    home=f"{__name__}:LIFECYCLE",
    noun="parcel",
    identity=Identity("parcel_id", "ParcelId", form="pa-{:06}"),
    vocabularies=VOCABULARIES,
    refusal_rules=REFUSALS,
    not_found=NoSuchParcel,
    gateway=(("TooManyRequests", Meaning.THROTTLED),),
    silences=SILENCES,
)
