"""The table: the life cycle of a certificate order, as Alibaba Cloud's documents of the CAS API 2020-04-07 describe it.

An order is applied for, validated by the domain's owner, reviewed by a certification authority (CA), issued or refused,
and finally withdrawn, deleted, revoked or expired::

                                no order
                                   | create, create_for_package, create_with_csr
                                   v
      .---------- cancel --- PENDING_REVIEW ------- (review_failed)? -----------.
      |                        ^   |   ^                                        |
      |  .--- (submitted) -----'   |   '------- (submitted) -----------------.  |
      v  |                         |                                         |  v
    PENDING_APPLICATION            | (domain_validated)                    VERIFY_FAIL
      |  ^                         v                                         ^  |
      |  '------- cancel --- BEING_REVIEWED ------- (review_failed) ---------'  |
      |                            |                                            |
      | delete                     | (review_passed)                            | delete
      | cancel_for_package         v                                            |
      |                         ISSUED -----------------.                       |
      |                            |                    |                       |
      |                            | (expiry_neared)    | cancel_for_package    |
      |                            v                    | (certificate_revoked) |
      |             .----- ABOUT_TO_EXPIRE ------ ? --->|                       |
      |       renew |          ^   |                    |                       |
      |             '----------'   | (expiry_reached)   |                       |
      |                            v                    v                       |
      |                         EXPIRED              REVOKED                    |
      v                                                                         |
    DELETED <-------------------------------------------------------------------'

Plain names are client calls, names in parentheses are events, `?` marks an inferred rule. `renew` also creates a second
order, in PENDING_APPLICATION. Not drawn: reads, which change nothing.

The rules of this file:

* **It alone says what an order may do.** Legality, next states, refusals, plans, drawings, exports, the mock, the
  conformance programs and the audit are derived from it, and nobody else compares states or triggers.
* **What is not in TRANSITIONS is refused, and changes nothing.** The documents leave no pair silent.
* Each row names its reference, and whether the rule is documented or inferred. Where the documents contradict each
  other the row follows one of them, and the comment says which.

`STATES` are what the API calls each state, in the order of `VOCABULARIES`, and what that implies; `TRIGGERS` who fires
each trigger, and the source of the rule that it is refused where no transition allows it; `TRANSITIONS` which trigger
is allowed in which state, where it leads, and what it does to the package's quota; `REFUSALS` how the rest is refused.

Not here: what a request must have, how often it may be made and what its answer looks like (`api.py`, and the mock's
room `cas`); the codes of the gateway (`gateway.py`); how long the CA takes, which is no rule (the mock's `Review`).
"""

from enum import StrEnum
from typing import TypeAlias

from orderfsm.errors import BY_CODE, DeleteFail, Meaning, NotFoundOrder, OrderStateError
from orderfsm.identity import Identity
from orderfsm.lifecycle import Lifecycle
from orderfsm.rows import DAY, Actor, Basis, RefusalRule, StateRule, Transition, TriggerRule, Vocabulary

from .gateway import GATEWAY, PARAMETERS

EDITION = "2020-04-07/2026-11"
"""The API version, and the month up to which its documents were read."""

VALIDITY = 90 * DAY
"""Seconds a certificate issued by the mock is valid, unless the mock is told otherwise: 90 days, our choice; no rule
depends on it."""


class State(StrEnum):
    """The state of an order. "No order" is not a state: it is ``None`` wherever a state is expected."""

    PENDING_APPLICATION = "pending_application"
    PENDING_REVIEW = "pending_review"
    BEING_REVIEWED = "being_reviewed"
    VERIFY_FAIL = "verify_fail"
    ISSUED = "issued"
    ABOUT_TO_EXPIRE = "about_to_expire"
    EXPIRED = "expired"
    REVOKED = "revoked"
    DELETED = "deleted"


class Operation(StrEnum):
    """What a client can call; the value is the API's action name."""

    CREATE = "CreateCertificateRequest"
    CREATE_FOR_PACKAGE = "CreateCertificateForPackageRequest"
    CREATE_WITH_CSR = "CreateCertificateWithCsrRequest"
    DESCRIBE = "DescribeCertificateState"
    LIST = "ListUserCertificateOrder"
    CANCEL = "CancelOrderRequest"
    DELETE = "DeleteCertificateRequest"
    CANCEL_FOR_PACKAGE = "CancelCertificateForPackageRequest"
    RENEW = "RenewCertificateOrderForPackageRequest"
    DESCRIBE_PACKAGE = "DescribePackageState"


class Event(StrEnum):
    """What others do to an order: its owner, the CA, the console or the calendar. The client can only wait for it."""

    DOMAIN_VALIDATED = "domain_validated"
    REVIEW_PASSED = "review_passed"
    REVIEW_FAILED = "review_failed"
    CERTIFICATE_REVOKED = "certificate_revoked"
    SUBMITTED = "submitted"
    EXPIRY_NEARED = "expiry_neared"
    EXPIRY_REACHED = "expiry_reached"


Trigger: TypeAlias = Operation | Event


D, I = Basis.DOCUMENTED, Basis.INFERRED  # noqa: E741

_PAGE = "https://www.alibabacloud.com/help/en/ssl-certificate/developer-reference/api-cas-2020-04-07-"
DELETE_PAGE = _PAGE + "deletecertificaterequest"
CANCEL_PAGE = _PAGE + "cancelorderrequest"
CANCEL_FOR_PACKAGE_PAGE = _PAGE + "cancelcertificateforpackagerequest"
RENEW_PAGE = _PAGE + "renewcertificateorderforpackagerequest"
DESCRIBE_PAGE = _PAGE + "describecertificatestate"
LIST_PAGE = _PAGE + "listusercertificateorder"
DESCRIBE_PACKAGE_PAGE = _PAGE + "describepackagestate"
CONSOLE_PAGE = "https://www.alibabacloud.com/help/en/ssl-certificate/create-a-certificate"
FLOW = "https://help.aliyun.com/document_detail/204741.html"  # how to apply for a certificate by API, steps 1 to 4
SILENT = "the documents are silent; nearest: "

STATES = (
    # "The specified certificate order was not found."
    StateRule(None, "no order", (), D, DELETE_PAGE, found=False),
    StateRule(State.PENDING_APPLICATION, "pending application", ("payed", "PAYED"), D, DESCRIBE_PAGE),
    # CHECKING is documented as "under review"; that it includes pending domain validation is inferred: the list has no
    # other status for it.
    StateRule(State.PENDING_REVIEW, "pending review", ("domain_verify", "CHECKING"), I, SILENT + LIST_PAGE),
    StateRule(State.BEING_REVIEWED, "being reviewed", ("process", "CHECKING"), D, DESCRIBE_PAGE),
    StateRule(State.VERIFY_FAIL, "review failed", ("verify_fail", "CHECKED_FAIL"), D, DESCRIBE_PAGE),
    StateRule(State.ISSUED, "issued", ("certificate", "ISSUED"), D, DESCRIBE_PAGE, certified=True),
    # The statuses of the next three are documented; that DescribeCertificateState still answers `certificate` for them
    # is inferred: the documents name no other type for them.
    StateRule(
        State.ABOUT_TO_EXPIRE,
        "about to expire",
        ("certificate", "WILLEXPIRED"),
        I,
        SILENT + DESCRIBE_PAGE,
        certified=True,
    ),
    StateRule(
        State.EXPIRED, "expired", ("certificate", "EXPIRED"), I, SILENT + DESCRIBE_PAGE, terminal=True, certified=True
    ),
    StateRule(
        State.REVOKED, "revoked", ("certificate", "REVOKED"), I, SILENT + DESCRIBE_PAGE, terminal=True, certified=True
    ),
    # That the service answers NotFoundOrder for a deleted order is inferred: "deletes" is all that the documents say.
    StateRule(State.DELETED, "deleted", (), I, SILENT + DELETE_PAGE, found=False, terminal=True),
)

UNSPECIFIC_TYPE = "unknow"
"""The `Type` (the API's spelling) that names no state: it may mean any state that has a `Type`."""

UNSPECIFIC_STATUS = "NOTACTIVATED"
"""The `Status` that names no state: it may mean any state that has a `Status`."""

VOCABULARIES = (
    Vocabulary(Operation.DESCRIBE, "Type", UNSPECIFIC_TYPE),
    Vocabulary(Operation.LIST, "Status", UNSPECIFIC_STATUS),
)

TRIGGERS = (
    # "You can call this operation ... only in the following scenarios"; "only orders about to expire can be renewed".
    TriggerRule(Operation.CANCEL, Actor.CLIENT, D, CANCEL_PAGE, abandons=True),
    TriggerRule(Operation.DELETE, Actor.CLIENT, D, DELETE_PAGE, abandons=True, fails=DeleteFail),
    TriggerRule(Operation.RENEW, Actor.CLIENT, D, RENEW_PAGE),
    # What it does to a pending application or a certificate is documented; nothing is said of the other states.
    TriggerRule(Operation.CANCEL_FOR_PACKAGE, Actor.CLIENT, I, SILENT + CANCEL_FOR_PACKAGE_PAGE, abandons=True),
    TriggerRule(Operation.CREATE, Actor.CLIENT, I, SILENT + FLOW + " step 2"),
    TriggerRule(Operation.CREATE_FOR_PACKAGE, Actor.CLIENT, I, SILENT + FLOW + " step 2"),
    TriggerRule(Operation.CREATE_WITH_CSR, Actor.CLIENT, I, SILENT + FLOW + " step 2"),
    TriggerRule(Operation.DESCRIBE, Actor.CLIENT, I, SILENT + DESCRIBE_PAGE),
    TriggerRule(Operation.LIST, Actor.CLIENT, D, LIST_PAGE, account=True),
    TriggerRule(Operation.DESCRIBE_PACKAGE, Actor.CLIENT, D, DESCRIBE_PACKAGE_PAGE, account=True),
    TriggerRule(Event.DOMAIN_VALIDATED, Actor.OWNER, I, SILENT + FLOW + " step 3"),
    TriggerRule(Event.REVIEW_PASSED, Actor.CA, I, SILENT + FLOW + " step 4"),
    TriggerRule(Event.REVIEW_FAILED, Actor.CA, I, SILENT + FLOW + " step 4"),
    TriggerRule(Event.CERTIFICATE_REVOKED, Actor.CA, I, SILENT + LIST_PAGE),
    TriggerRule(Event.SUBMITTED, Actor.CONSOLE, I, SILENT + CONSOLE_PAGE),
    TriggerRule(Event.EXPIRY_NEARED, Actor.CALENDAR, I, SILENT + LIST_PAGE, before_end=30 * DAY),
    TriggerRule(Event.EXPIRY_REACHED, Actor.CALENDAR, I, SILENT + LIST_PAGE, before_end=0),
)

TRANSITIONS = (
    # No order. "You get the OrderId; the order is now pending validation." The unit is taken on submission: pages that
    # say "after the certificate is issued" are contradicted by the definition of UsedCount.
    Transition(None, Operation.CREATE, State.PENDING_REVIEW, D, FLOW + " step 2", quota=+1),
    Transition(None, Operation.CREATE_FOR_PACKAGE, State.PENDING_REVIEW, D, FLOW + " step 2", quota=+1),
    Transition(None, Operation.CREATE_WITH_CSR, State.PENDING_REVIEW, D, FLOW + " step 2", quota=+1),
    # PENDING_APPLICATION: withdrawn, or created by a renewal and not submitted yet. Only the console can submit. Since
    # 2025-12 CANCEL_FOR_PACKAGE, "if an order is pending, cancels the order and restores the quota".
    Transition(State.PENDING_APPLICATION, Event.SUBMITTED, State.PENDING_REVIEW, D, RENEW_PAGE),
    Transition(
        State.PENDING_APPLICATION,
        Operation.DELETE,
        State.DELETED,
        D,
        DELETE_PAGE,
        quota=-1,
        note="documented for a withdrawn order, inferred for one that a renewal created",
    ),
    Transition(
        State.PENDING_APPLICATION,
        Operation.CANCEL_FOR_PACKAGE,
        State.DELETED,
        D,
        CANCEL_FOR_PACKAGE_PAGE,
        quota=-1,
        note="that the order is deleted is inferred",
    ),
    # PENDING_REVIEW: "domain validation is not completed".
    Transition(State.PENDING_REVIEW, Event.DOMAIN_VALIDATED, State.BEING_REVIEWED, D, FLOW + " step 3"),
    Transition(State.PENDING_REVIEW, Event.REVIEW_FAILED, State.VERIFY_FAIL, I, SILENT + FLOW + " step 4"),
    Transition(State.PENDING_REVIEW, Operation.CANCEL, State.PENDING_APPLICATION, D, CANCEL_PAGE),
    # BEING_REVIEWED. A withdrawal keeps the unit: only the delete that follows returns it.
    Transition(State.BEING_REVIEWED, Event.REVIEW_PASSED, State.ISSUED, D, FLOW + " step 4"),
    Transition(State.BEING_REVIEWED, Event.REVIEW_FAILED, State.VERIFY_FAIL, D, FLOW + " step 4"),
    Transition(State.BEING_REVIEWED, Operation.CANCEL, State.PENDING_APPLICATION, D, CANCEL_PAGE),
    # VERIFY_FAIL. Through the API: delete, then create another order. In the console: edit and submit again.
    Transition(State.VERIFY_FAIL, Operation.DELETE, State.DELETED, D, DELETE_PAGE, quota=-1),
    Transition(State.VERIFY_FAIL, Event.SUBMITTED, State.PENDING_REVIEW, D, CONSOLE_PAGE),
    # ISSUED. "Revoked within 30 calendar days after issuance" returns the unit (the console's pages: 28 days).
    Transition(State.ISSUED, Event.EXPIRY_NEARED, State.ABOUT_TO_EXPIRE, D, LIST_PAGE),
    Transition(
        State.ISSUED,
        Operation.CANCEL_FOR_PACKAGE,
        State.REVOKED,
        D,
        CANCEL_FOR_PACKAGE_PAGE,
        quota=-1,
        quota_within=30 * DAY,
    ),
    Transition(State.ISSUED, Event.CERTIFICATE_REVOKED, State.REVOKED, D, LIST_PAGE),
    # ABOUT_TO_EXPIRE. A renewal does not change the order; it creates a second one, "which you must submit". Because it
    # takes no unit, that order has none to return.
    Transition(
        State.ABOUT_TO_EXPIRE,
        Operation.RENEW,
        State.ABOUT_TO_EXPIRE,
        D,
        RENEW_PAGE,
        creates=State.PENDING_APPLICATION,
        note="that it takes no unit of quota is inferred",
    ),
    Transition(
        State.ABOUT_TO_EXPIRE,
        Operation.CANCEL_FOR_PACKAGE,
        State.REVOKED,
        I,
        SILENT + CANCEL_FOR_PACKAGE_PAGE,
        quota=-1,
        quota_within=30 * DAY,
    ),
    Transition(State.ABOUT_TO_EXPIRE, Event.CERTIFICATE_REVOKED, State.REVOKED, I, SILENT + LIST_PAGE),
    Transition(State.ABOUT_TO_EXPIRE, Event.EXPIRY_REACHED, State.EXPIRED, D, LIST_PAGE),
    # EXPIRED, REVOKED and DELETED are terminal: no transition leaves them.
    #
    # Every order that is not deleted can be read.
    Transition(State.PENDING_APPLICATION, Operation.DESCRIBE, State.PENDING_APPLICATION, D, DESCRIBE_PAGE),
    Transition(State.PENDING_REVIEW, Operation.DESCRIBE, State.PENDING_REVIEW, D, DESCRIBE_PAGE),
    Transition(State.BEING_REVIEWED, Operation.DESCRIBE, State.BEING_REVIEWED, D, DESCRIBE_PAGE),
    Transition(State.VERIFY_FAIL, Operation.DESCRIBE, State.VERIFY_FAIL, D, DESCRIBE_PAGE),
    Transition(State.ISSUED, Operation.DESCRIBE, State.ISSUED, D, DESCRIBE_PAGE),
    Transition(State.ABOUT_TO_EXPIRE, Operation.DESCRIBE, State.ABOUT_TO_EXPIRE, D, DESCRIBE_PAGE),
    Transition(State.EXPIRED, Operation.DESCRIBE, State.EXPIRED, D, DESCRIBE_PAGE),
    Transition(State.REVOKED, Operation.DESCRIBE, State.REVOKED, D, DESCRIBE_PAGE),
)

# Where there is no order, and of a deleted one, which is not found, the service answers NotFoundOrder.
REFUSALS = (RefusalRule(OrderStateError),)

PLACES: dict[str | None, tuple[int, int]] = {
    None: (350, 36),
    State.PENDING_REVIEW: (350, 138),
    State.PENDING_APPLICATION: (112, 226),
    State.VERIFY_FAIL: (600, 226),
    State.BEING_REVIEWED: (350, 312),
    State.ISSUED: (350, 404),
    State.REVOKED: (540, 474),
    State.ABOUT_TO_EXPIRE: (350, 544),
    State.EXPIRED: (350, 634),
    State.DELETED: (112, 714),
}
"""Where the middle of a state's box is in a drawing."""

LIFECYCLE = Lifecycle(
    TRANSITIONS,
    STATES,
    TRIGGERS,
    EDITION,
    name="orders",
    home=f"{__name__}:LIFECYCLE",
    noun="order",
    title="The life of a certificate order",
    identity=Identity("order_id", "OrderId"),
    vocabularies=VOCABULARIES,
    refusal_rules=REFUSALS,
    not_found=NotFoundOrder,
    errors=tuple(BY_CODE.values()),
    gateway=(*GATEWAY, *((general, Meaning.MALFORMED) for _, general in PARAMETERS)),
    parameters=PARAMETERS,
    places=PLACES,
)
"""The life cycle of a certificate order in CAS."""
