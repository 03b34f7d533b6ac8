"""The table: the life of an ACME order, as RFC 8555 has it.

A client orders a certificate for names, proves that it controls them (an authorization for each), and finalizes the
order with a CSR. The figure is that of section 7.1.6, with the calls that are made on the way::

                             no order
                                | newOrder
                                v
                            PENDING ------------.
                                |               |
      (all_authorizations_valid)|               | deactivateAuthorization,
                                v               | (authorization_failed),
                             READY -------------| (expired)
                                |               |
                       finalize |               |
                                v               |
                          PROCESSING -----------|
                                |               |
                       (issued) |               | (failed), only from PROCESSING
                                v               v
                              VALID          INVALID

Plain names are client calls, names in parentheses are events. Not drawn: readOrder in every state, downloadCertificate
and revokeCert in VALID, deactivateAuthorization in INVALID: none of them moves the order.

What is peculiar to it:

* **An order is what its authorizations make of it.** They are objects of their own, and not in this table: what becomes
  of them are events here. An authorization that fails, expires, is revoked or is deactivated ends the order.
* **A call may be answered late.** The certificate may have been issued by the time that finalize is answered, and an
  order may be READY at once, if the client had proved everything before: `Transition.at_once`.
* **Only issuance happens unseen.** Whatever else happens to an order is the client's doing, or a read shows it:
  `TriggerRule.seen`. So a finalize that is accepted in PENDING is an error of the server's.
* **A CSR that the server does not like** is refused, and SHOULD leave the order READY: `fails` of finalize.
* **The words are closed.** A status that is not one of the five is no status of an order.
* **The server may refuse** to take an order, and to deactivate an authorization: `Transition.optional`.
* **Of the codes only one is prescribed**, `orderNotReady` of finalize; elsewhere the RFC names none, and any will do.

MUST and SHOULD are `strength`, where the RFC uses these words of what a row or a refusal says; most rows are sentences
of section 7.1.6 without them. All sections are those of RFC 8555.

Not here: challenges and accounts, which have lives of their own; what a certificate must contain; who may do what.
"""

from enum import StrEnum
from typing import TypeAlias

from orderfsm.errors import Meaning, NotFound, OrderStateError, ServiceError
from orderfsm.identity import Identity
from orderfsm.lifecycle import Lifecycle
from orderfsm.rows import Actor, Basis, RefusalRule, Silence, StateRule, Strength, Transition, TriggerRule, Vocabulary

EDITION = "RFC 8555"


class State(StrEnum):
    """The status of an order. "No order" is not a state: it is ``None`` wherever a state is expected."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class Operation(StrEnum):
    """What a client can call; the value is the RFC's name for the resource or, where it has none, for the request."""

    NEW_ORDER = "newOrder"
    READ_ORDER = "readOrder"
    FINALIZE = "finalize"
    DEACTIVATE_AUTHORIZATION = "deactivateAuthorization"
    DOWNLOAD_CERTIFICATE = "downloadCertificate"
    REVOKE_CERT = "revokeCert"


class Event(StrEnum):
    """What others do to an order: its authorizations, the CA and the calendar."""

    ALL_AUTHORIZATIONS_VALID = "all_authorizations_valid"
    AUTHORIZATION_FAILED = "authorization_failed"
    ISSUED = "issued"
    FAILED = "failed"
    EXPIRED = "expired"


Trigger: TypeAlias = Operation | Event


class OrderNotFound(NotFound):
    """There is no such order."""

    code = ""
    text = "there is no such order"


class OrderNotReady(OrderStateError):
    """The order cannot be finalized: it is not ready, or has been finalized."""

    code = "orderNotReady"
    http_status = 403
    text = "the request attempted to finalize an order that is not ready to be finalized"


class NotPossible(OrderStateError):
    """The order's status does not allow that. The RFC names no code for it."""

    code = ""
    text = "the status of the order does not allow this"


class BadCSR(ServiceError):
    """The order is ready, but the CA does not issue a certificate for this CSR."""

    code = "badCSR"
    http_status = 400
    text = "the CSR is unacceptable"
    means = Meaning.NOT_CARRIED_OUT


D, I = Basis.DOCUMENTED, Basis.INFERRED  # noqa: E741
MUST, SHOULD = Strength.MUST, Strength.SHOULD

READS = "RFC 8555, section 6.3"
ORDERS = "RFC 8555, section 7.1.3"
STATUS = "RFC 8555, section 7.1.6"
APPLYING = "RFC 8555, section 7.4"
DOWNLOAD = "RFC 8555, section 7.4.2"
DEACTIVATION = "RFC 8555, section 7.5.2"
REVOCATION = "RFC 8555, section 7.6"
SILENT = "the RFC is silent; nearest: "

STATES = (
    StateRule(None, "no order", (), D, APPLYING, found=False),
    StateRule(State.PENDING, "pending", ("pending",), D, STATUS),
    StateRule(State.READY, "ready", ("ready",), D, STATUS),
    StateRule(State.PROCESSING, "processing", ("processing",), D, STATUS),
    StateRule(State.VALID, "valid", ("valid",), D, STATUS, terminal=True, certified=True),
    StateRule(State.INVALID, "invalid", ("invalid",), D, STATUS, terminal=True),
)

# `Possible values are "pending", "ready", "processing", "valid", and "invalid".` (7.1.3)
VOCABULARIES = (
    Vocabulary(
        Operation.READ_ORDER,
        "status",
        closed=True,
        elsewhere=(Operation.NEW_ORDER, Operation.FINALIZE),
        reference=ORDERS,
    ),
)

TRIGGERS = (
    TriggerRule(Operation.NEW_ORDER, Actor.CLIENT, I, SILENT + APPLYING),
    TriggerRule(Operation.READ_ORDER, Actor.CLIENT, I, SILENT + READS),
    # "After returning such an error, the server SHOULD leave the order in the "ready" state" (7.4).
    TriggerRule(Operation.FINALIZE, Actor.CLIENT, D, APPLYING, fails=BadCSR, fails_strength=SHOULD),
    TriggerRule(Operation.DEACTIVATE_AUTHORIZATION, Actor.CLIENT, I, SILENT + DEACTIVATION, abandons=True),
    # The URL of the certificate is in the order once that is issued, and not before.
    TriggerRule(Operation.DOWNLOAD_CERTIFICATE, Actor.CLIENT, I, SILENT + ORDERS),
    TriggerRule(Operation.REVOKE_CERT, Actor.CLIENT, I, SILENT + REVOCATION, grave=True),
    TriggerRule(Event.ALL_AUTHORIZATIONS_VALID, Actor.CA, I, SILENT + STATUS, seen=True),
    TriggerRule(Event.AUTHORIZATION_FAILED, Actor.CA, I, SILENT + STATUS, seen=True, adverse=True),
    TriggerRule(Event.ISSUED, Actor.CA, I, SILENT + STATUS, certifies=True),
    TriggerRule(Event.FAILED, Actor.CA, I, SILENT + STATUS, adverse=True),
    # `expires` of the order says when; no certificate's end has anything to do with it.
    TriggerRule(Event.EXPIRED, Actor.CALENDAR, I, SILENT + STATUS, seen=True, adverse=True, due="expires"),
)

TRANSITIONS = (
    # No order. "If the server is willing to issue the requested certificate": it need not be.
    Transition(
        None,
        Operation.NEW_ORDER,
        State.PENDING,
        D,
        APPLYING,
        note="that it is ready at once if every authorization is valid already is inferred",
        at_once=(Event.ALL_AUTHORIZATIONS_VALID,),
        optional=True,
    ),
    # PENDING: some authorization is still to be completed.
    Transition(State.PENDING, Operation.READ_ORDER, State.PENDING, D, READS),
    Transition(State.PENDING, Operation.DEACTIVATE_AUTHORIZATION, State.INVALID, D, STATUS, optional=True),
    Transition(State.PENDING, Event.ALL_AUTHORIZATIONS_VALID, State.READY, D, STATUS),
    Transition(State.PENDING, Event.AUTHORIZATION_FAILED, State.INVALID, D, STATUS),
    # "If the client fails to complete the required actions before the "expires" time, then the server SHOULD change
    # the status of the order to "invalid"" (7.4).
    Transition(State.PENDING, Event.EXPIRED, State.INVALID, D, APPLYING, strength=SHOULD),
    # READY: it waits for finalize.
    Transition(State.READY, Operation.READ_ORDER, State.READY, D, READS),
    Transition(State.READY, Operation.FINALIZE, State.PROCESSING, D, APPLYING, at_once=(Event.ISSUED,)),
    Transition(State.READY, Operation.DEACTIVATE_AUTHORIZATION, State.INVALID, D, STATUS, optional=True),
    Transition(State.READY, Event.AUTHORIZATION_FAILED, State.INVALID, D, STATUS),
    Transition(State.READY, Event.EXPIRED, State.INVALID, D, APPLYING, strength=SHOULD),
    # PROCESSING: the certificate is being issued.
    Transition(State.PROCESSING, Operation.READ_ORDER, State.PROCESSING, D, READS),
    Transition(State.PROCESSING, Operation.DEACTIVATE_AUTHORIZATION, State.INVALID, D, STATUS, optional=True),
    Transition(State.PROCESSING, Event.ISSUED, State.VALID, D, STATUS),
    Transition(State.PROCESSING, Event.FAILED, State.INVALID, D, STATUS),
    Transition(State.PROCESSING, Event.AUTHORIZATION_FAILED, State.INVALID, D, STATUS),
    Transition(State.PROCESSING, Event.EXPIRED, State.INVALID, D, STATUS),
    # VALID: what is revoked is the certificate; the order stays.
    Transition(State.VALID, Operation.READ_ORDER, State.VALID, D, READS),
    Transition(
        State.VALID,
        Operation.DOWNLOAD_CERTIFICATE,
        State.VALID,
        D,
        DOWNLOAD,
        optional_after=(Operation.REVOKE_CERT,),
    ),
    Transition(
        State.VALID,
        Operation.REVOKE_CERT,
        State.VALID,
        D,
        REVOCATION,
        note="that the order stays valid is inferred",
        edits=True,
        optional_after=(Operation.REVOKE_CERT,),
        strength=MUST,
    ),
    # INVALID. The server MAY delete an order that has expired (7.4).
    Transition(State.INVALID, Operation.READ_ORDER, State.INVALID, D, READS, optional_after=(Event.EXPIRED,)),
    Transition(State.INVALID, Operation.DEACTIVATE_AUTHORIZATION, State.INVALID, D, STATUS, optional=True),
    Transition(State.INVALID, Event.AUTHORIZATION_FAILED, State.INVALID, D, STATUS),
    Transition(State.INVALID, Event.EXPIRED, State.INVALID, D, STATUS),
)

REFUSALS = (
    # "In such cases, the server MUST return a 403 (Forbidden) error with a problem document of type "orderNotReady"."
    RefusalRule(OrderNotReady, (Operation.FINALIZE,), strength=MUST),
    RefusalRule(NotPossible),
)

SILENCES = (
    # The text of 7.1.6 makes an order invalid when it expires or one of its authorizations is deactivated, without
    # saying which orders; in its figure valid is final.
    Silence((Operation.DEACTIVATE_AUTHORIZATION, Event.AUTHORIZATION_FAILED, Event.EXPIRED), (State.VALID,), STATUS),
    # Whether the server makes a new order for names for which one is still open, or answers with that one, as some do
    # (acmeeh 2.1.0): then both calls name one order.
    Silence((Operation.NEW_ORDER,), (State.PENDING, State.READY), APPLYING),
    # "If an error occurs at any of these stages": which errors these are before the order is finalized, but those of
    # authorizations, nobody says.
    Silence((Event.FAILED,), (State.PENDING, State.READY), STATUS),
)

_URN = "urn:ietf:params:acme:error:"
_CODES = (
    ("accountDoesNotExist", Meaning.KEPT_OUT),
    ("alreadyReplaced", Meaning.NOT_CREATED),  # RFC 9773, section 5
    ("alreadyRevoked", Meaning.TURNED_AWAY),
    ("badNonce", Meaning.KEPT_OUT),
    ("badPublicKey", Meaning.KEPT_OUT),
    ("badRevocationReason", Meaning.MALFORMED),
    ("badSignatureAlgorithm", Meaning.KEPT_OUT),
    ("caa", Meaning.TURNED_AWAY),
    ("compound", Meaning.TURNED_AWAY),
    ("connection", Meaning.TURNED_AWAY),
    ("dns", Meaning.TURNED_AWAY),
    ("externalAccountRequired", Meaning.KEPT_OUT),
    ("incorrectResponse", Meaning.TURNED_AWAY),
    ("invalidContact", Meaning.MALFORMED),
    ("malformed", Meaning.MALFORMED),
    ("rateLimited", Meaning.THROTTLED),
    ("rejectedIdentifier", Meaning.NOT_CREATED),
    ("serverInternal", Meaning.PERHAPS),
    ("tls", Meaning.TURNED_AWAY),
    ("unauthorized", Meaning.TURNED_AWAY),
    ("unsupportedContact", Meaning.MALFORMED),
    ("unsupportedIdentifier", Meaning.NOT_CREATED),
    ("userActionRequired", Meaning.TURNED_AWAY),
)
"""The codes of section 6.7 that are no error of this table, and what they say of the call."""

OPEN, PROVED, DEACTIVATED = "pending", "valid", "deactivated"
"""The status of an authorization that is to be completed, and of one that was (7.1.6); and the only one that a client
may ask for, of either (7.5.2)."""

AUTHORIZATIONS: dict[str, Event | None] = {
    OPEN: None,
    PROVED: Event.ALL_AUTHORIZATIONS_VALID,
    "invalid": Event.AUTHORIZATION_FAILED,
    DEACTIVATED: Event.AUTHORIZATION_FAILED,
    "expired": Event.AUTHORIZATION_FAILED,
    "revoked": Event.AUTHORIZATION_FAILED,
}
"""What an authorization of that status (7.1.6) does to its order: what all of them do, if all have it, or each."""

CHALLENGES: dict[str, str | None] = {"pending": None, "processing": None, "valid": PROVED, "invalid": "invalid"}
"""What a challenge of that status (7.1.6) makes of an authorization that was pending."""

PLACES: dict[str | None, tuple[int, int]] = {
    None: (180, 36),
    State.PENDING: (180, 140),
    State.READY: (180, 260),
    State.PROCESSING: (180, 390),
    State.VALID: (180, 500),
    State.INVALID: (500, 390),
}
"""Where the middle of a state's box is in a drawing."""

LIFECYCLE = Lifecycle(
    TRANSITIONS,
    STATES,
    TRIGGERS,
    EDITION,
    name="acme",
    home=f"{__name__}:LIFECYCLE",
    noun="order",
    title="The life of an ACME order",
    identity=Identity("order_url", "order URL", form="https://acme.example/order/{}", longest=2048, opaque=True),
    vocabularies=VOCABULARIES,
    refusal_rules=REFUSALS,
    not_found=OrderNotFound,
    gateway=_CODES,
    code_prefix=_URN,
    silences=SILENCES,
    places=PLACES,
)
"""The life cycle of an order in RFC 8555."""
