"""THE TABLE: the life of a certificate order, as the documents of Alibaba Cloud's CAS API 2020-04-07 tell it.

An order is applied for, validated by the domain's owner, reviewed by a certification authority (CA), issued or refused,
and at last withdrawn, deleted, revoked or expired::

                                       create
                                         |
                                         v
    PENDING_APPLICATION <--cancel-- PENDING_REVIEW --review_failed--> VERIFY_FAIL
      |    |        ^  --submitted-->    |         <---submitted---    ^      |
      |    |        |                    | domain_validated            |      |
      |    |        |                    v                             |      |
      |    |        '------cancel-- BEING_REVIEWED --review_failed-----'      |
      |    |                             |                                    |
      |    | cancel_for_package          | review_passed               delete |
      |    |                             v                                    v
      |    '----> DELETED             ISSUED --cancel_for_package--.       DELETED
      |              ^                   |     certificate_revoked |
      '---delete-----'                   | expiry_neared           v
                                         v                      REVOKED
                          .------ ABOUT_TO_EXPIRE --the same two---^
                   renew  |        ^     |
           (a new order)  '--------'     | expiry_reached
                                         v
                                      EXPIRED

Three tables say everything, and everything else in the project is derived from them:

* ``STATES``: what the API calls each state, whether it is the end, and with which code the model and the service
  refuse a call there;
* ``TRIGGERS``: who pulls each trigger, and who says that it is refused where no transition allows it;
* ``TRANSITIONS``: which trigger is allowed in which state, where it leads, and what it does to the package's quota.

**What is not in TRANSITIONS is refused, and changes nothing.** Each row names its reference, and whether the rule is
documented or inferred. Where the documents contradict each other the row takes a side, and the comment says which.
"""

from enum import StrEnum
from typing import NamedTuple, TypeAlias

import attrs

EDITION = "2020-04-07/2026-11"
"""The API version, and the month up to which its documents were read."""

DAY = 86_400
"""Seconds in a day."""

VALIDITY = 90 * DAY
"""Seconds for which a certificate is valid, unless whoever issues it says otherwise."""


class Basis(StrEnum):
    """Whether the documents say a rule (documented), or it was concluded from what they say (inferred)."""

    DOCUMENTED = "documented"
    INFERRED = "inferred"


class Actor(StrEnum):
    """Who pulls a trigger."""

    CLIENT = "client"
    OWNER = "owner"
    CA = "ca"
    CONSOLE = "console"
    CALENDAR = "calendar"


class State(StrEnum):
    """Where an order stands. "No order at all" is not a state: it is ``None`` wherever a state is asked for."""

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
    """What a client calls; the value is the API's action name."""

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
    """What others do to an order, out of the client's hands."""

    DOMAIN_VALIDATED = "domain_validated"
    REVIEW_PASSED = "review_passed"
    REVIEW_FAILED = "review_failed"
    CERTIFICATE_REVOKED = "certificate_revoked"
    SUBMITTED = "submitted"
    EXPIRY_NEARED = "expiry_neared"
    EXPIRY_REACHED = "expiry_reached"


Trigger: TypeAlias = Operation | Event


@attrs.frozen
class Transition:
    """One row of the table: in `source`, `trigger` is allowed and leads to `target`.

    `quota` is what it does to the order's package: +1 takes a unit, -1 gives it back, 0 neither. With `quota_within`
    (seconds) the unit comes back only that long after the certificate was issued, the end included. `creates` is the
    state in which a second order begins, on the row that makes one. `source` is None where there is no order yet.
    """

    source: State | None
    trigger: Trigger
    target: State | None
    basis: Basis = attrs.field(converter=Basis)
    reference: str
    quota: int = 0
    creates: State | None = None
    quota_within: int | None = None

    @property
    def changes(self) -> bool:
        """Whether the order moves or another one begins; a read does neither."""
        return self.target != self.source or self.creates is not None

    def gives_back(self, age: float | None) -> bool:
        """Whether this step returns a held unit, `age` seconds after issuance (None: never issued)."""
        return self.quota < 0 and (self.quota_within is None or (age is not None and age <= self.quota_within))


class StateRule(NamedTuple):
    """What the API calls a state, whether it is the end, and how a refusal there is answered.

    `words` is the documents' English; `type` is its value in DescribeCertificateState, `status` its value in
    ListUserCertificateOrder, None where neither names it. `model_code` is the error code of a refusal when the model is
    asked, `service_code` the one that the service answers.
    """

    state: State | None
    words: str
    type: str | None
    status: str | None
    model_code: str = "OrderStateError"
    service_code: str = "OrderStateError"
    terminal: bool = False


class TriggerRule(NamedTuple):
    """Who pulls a trigger; the basis and reference of its refusal wherever no transition allows it.

    `account`: it concerns the account, not one order; it is allowed whatever the state and changes nothing.
    `abandons`: its caller gives the order up, so that where it is refused another way to end the order serves instead.
    `before_end`: how many seconds before the end of the certificate's validity the calendar pulls it.
    """

    trigger: Trigger
    actor: Actor
    basis: Basis
    reference: str
    account: bool = False
    abandons: bool = False
    before_end: int | None = None


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
    StateRule(None, "no order", None, None, "NotFoundOrder", "NotFoundOrder"),
    StateRule(State.PENDING_APPLICATION, "pending application", "payed", "PAYED"),
    StateRule(State.PENDING_REVIEW, "pending review", "domain_verify", "CHECKING"),
    StateRule(State.BEING_REVIEWED, "being reviewed", "process", "CHECKING"),
    StateRule(State.VERIFY_FAIL, "review failed", "verify_fail", "CHECKED_FAIL"),
    StateRule(State.ISSUED, "issued", "certificate", "ISSUED"),
    StateRule(State.ABOUT_TO_EXPIRE, "about to expire", "certificate", "WILLEXPIRED"),
    # That an expired or a revoked order still reads as `certificate` is inferred: the documents give them no Type.
    StateRule(State.EXPIRED, "expired", "certificate", "EXPIRED", terminal=True),
    StateRule(State.REVOKED, "revoked", "certificate", "REVOKED", terminal=True),
    StateRule(State.DELETED, "deleted", None, None, service_code="NotFoundOrder", terminal=True),
)

UNSPECIFIC_TYPE = "unknow"
"""The `Type` (the API's spelling) that names no state: any that has a `Type` may stand behind it."""

UNSPECIFIC_STATUS = "NOTACTIVATED"
"""The `Status` that names no state: any that has a `Status` may stand behind it."""

TRIGGERS = (
    # "You can call this operation ... only in the following scenarios"; "only orders about to expire can be renewed".
    TriggerRule(Operation.CANCEL, Actor.CLIENT, D, CANCEL_PAGE, abandons=True),
    TriggerRule(Operation.DELETE, Actor.CLIENT, D, DELETE_PAGE, abandons=True),
    TriggerRule(Operation.RENEW, Actor.CLIENT, D, RENEW_PAGE),
    # What it does to a pending application or a certificate is documented; of every other state nothing is said.
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
    # PENDING_APPLICATION: withdrawn, or made by a renewal and not submitted yet. Only the console can submit. That a
    # renewal's order may be deleted like a withdrawn one is inferred. Since 2025-12 CANCEL_FOR_PACKAGE, "if an order is
    # pending, cancels the order and restores the quota"; that the order is then gone is inferred.
    Transition(State.PENDING_APPLICATION, Event.SUBMITTED, State.PENDING_REVIEW, D, RENEW_PAGE),
    Transition(State.PENDING_APPLICATION, Operation.DELETE, State.DELETED, D, DELETE_PAGE, quota=-1),
    Transition(
        State.PENDING_APPLICATION, Operation.CANCEL_FOR_PACKAGE, State.DELETED, D, CANCEL_FOR_PACKAGE_PAGE, quota=-1
    ),
    # PENDING_REVIEW: "domain validation is not completed".
    Transition(State.PENDING_REVIEW, Event.DOMAIN_VALIDATED, State.BEING_REVIEWED, D, FLOW + " step 3"),
    Transition(State.PENDING_REVIEW, Event.REVIEW_FAILED, State.VERIFY_FAIL, I, SILENT + FLOW + " step 4"),
    Transition(State.PENDING_REVIEW, Operation.CANCEL, State.PENDING_APPLICATION, D, CANCEL_PAGE),
    # BEING_REVIEWED. A withdrawal keeps the unit: only the delete that follows returns it.
    Transition(State.BEING_REVIEWED, Event.REVIEW_PASSED, State.ISSUED, D, FLOW + " step 4"),
    Transition(State.BEING_REVIEWED, Event.REVIEW_FAILED, State.VERIFY_FAIL, D, FLOW + " step 4"),
    Transition(State.BEING_REVIEWED, Operation.CANCEL, State.PENDING_APPLICATION, D, CANCEL_PAGE),
    # VERIFY_FAIL. By the API: delete, then apply anew. In the console: edit and submit again.
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
    # ABOUT_TO_EXPIRE. A renewal leaves the order alone and makes a second one, "which you must submit". It takes no
    # unit (inferred), so that order has none to give back.
    Transition(
        State.ABOUT_TO_EXPIRE,
        Operation.RENEW,
        State.ABOUT_TO_EXPIRE,
        D,
        RENEW_PAGE,
        creates=State.PENDING_APPLICATION,
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
    # EXPIRED, REVOKED, DELETED: terminal. Nothing leads out of them.
    #
    # Every order that exists can be read.
    Transition(State.PENDING_APPLICATION, Operation.DESCRIBE, State.PENDING_APPLICATION, D, DESCRIBE_PAGE),
    Transition(State.PENDING_REVIEW, Operation.DESCRIBE, State.PENDING_REVIEW, D, DESCRIBE_PAGE),
    Transition(State.BEING_REVIEWED, Operation.DESCRIBE, State.BEING_REVIEWED, D, DESCRIBE_PAGE),
    Transition(State.VERIFY_FAIL, Operation.DESCRIBE, State.VERIFY_FAIL, D, DESCRIBE_PAGE),
    Transition(State.ISSUED, Operation.DESCRIBE, State.ISSUED, D, DESCRIBE_PAGE),
    Transition(State.ABOUT_TO_EXPIRE, Operation.DESCRIBE, State.ABOUT_TO_EXPIRE, D, DESCRIBE_PAGE),
    Transition(State.EXPIRED, Operation.DESCRIBE, State.EXPIRED, D, DESCRIBE_PAGE),
    Transition(State.REVOKED, Operation.DESCRIBE, State.REVOKED, D, DESCRIBE_PAGE),
)
