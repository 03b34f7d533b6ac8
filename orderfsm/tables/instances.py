"""The table: the life of a V2.0 certificate instance, as Alibaba Cloud's CAS API 2020-04-07 has it since 2026-02.

An instance is a subscription that is paid at once. Certificates are applied for inside it, one application at a time;
what was applied for is issued, fails or is withdrawn, and the instance ends refunded, run out, or shut down::

                              no instance
                                   | purchase
                                   v
                               SETTLING
                                   | (purchase_settled)
                                   v
      .--- apply, (auto_submitted) --- UNUSED ------------------- refund -----.
      |                                 ^                                     |
      |   .--- (submission_failed)? ----'                                     |
      v   |                                                                   v
    SUBMITTING <-- apply?, (auto_submitted)? -- IDLE ------- refund ----> REFUNDING <-- refund -- REVOKED
      |                                         ^  ^                          |
      | (submission_accepted)                   |  |                          | (refund_completed)
      v                                         |  |                          v
    PENDING ----- (review_failed)? -------------'  |                      REFUNDED
      |   |                                        |                          |
      |   '-- cancel --> WITHDRAWING --------------'                          | delete
      |                       |     (withdrawal_completed)                    v
      | (certificate_issued)  | (certificate_issued)?                      DELETED
      v                       |
    ISSUED <------------------'

Where a certificate has been issued::

    ISSUED ---------------------- apply? --> REISSUING ----------- cancel? --> REISSUE_WITHDRAWING
      |                                        ^
      | (certificate_neared_end)               | apply, (auto_submitted)
      v                                        |
    ABOUT_TO_EXPIRE ---------------------------'
      |
      | (certificate_ended)
      v
    CERTIFICATE_EXPIRED --------- apply? --> EXPIRED_REAPPLYING -- cancel? --> EXPIRED_WITHDRAWING

    REVOKED --------------------- apply? --> REVOKED_REAPPLYING -- cancel? --> REVOKED_WITHDRAWING

    ISSUED, ABOUT_TO_EXPIRE -- revoke --> REVOKING -- (revocation_completed) --> REVOKED
    ISSUED, ABOUT_TO_EXPIRE -- (certificate_revoked)? -------------------------> REVOKED

An application there ends in ISSUED by `(certificate_issued)`, inferred but for REISSUING, or by `(review_failed)?`
where it began; a withdrawal there ends by `(withdrawal_completed)?` where the application began. And the end::

    UNUSED, IDLE, ISSUED, ABOUT_TO_EXPIRE, CERTIFICATE_EXPIRED, REVOKED -- (subscription_neared_end)? --> ENDING
    ENDING -- (subscription_ended) --> ENDED          ENDING -- (subscription_renewed)? --> ISSUED
    UNUSED, IDLE, ENDED -- (shut_down)? --> CLOSED
    REFUNDED, ENDED -- delete --> DELETED             CLOSED -- delete? --> DELETED

Plain names are client calls, names in parentheses are events, `?` marks an inferred rule. Not drawn: UpdateInstance,
which fills in what the next application says and changes no state, and the reads.

What is peculiar to it:

* **The state is two words of one answer.** `Status` is of the subscription and its application, `CertificateStatus` of
  the latest certificate, absent where there is none. `normal` alone proves no certificate: a withdrawn instance that
  never had one is `normal` too.
* **Four calls and the purchase are completed by the service, later.** `TriggerRule.follows` says which event completes
  which call, and `takes` within how many seconds that was seen.
* **One code means "too early" and "never".** A `RefusalRule` that `passes` is of the first kind.
* **No document says what happens in many pairs**: `SILENCES`. Nobody may be accused there, or kept from calling.
* **A withdrawal, a failed review and a certificate that is replaced lead back to the certificate that was there.** This
  is why an application is three states, and a withdrawal three more.

Documented is what the vendor's pages and the texts of its SDK state; observed is what the vendor's Terraform provider,
its published skills and public runbooks do and say that they saw, with the version that was read; the rest is inferred.

Not here: a second certificate in force beside the one that is being replaced (nobody says whether it stays valid); that
a subscription nears its end or is shut down while something is under way (nobody says which word wins: `SILENCES`);
upgrades; what an application must contain (contacts, a company for OV and EV).
"""

from enum import StrEnum
from typing import TypeAlias

from orderfsm.errors import Meaning, NotFound, OrderStateError, ServiceError
from orderfsm.identity import Identity
from orderfsm.lifecycle import Lifecycle
from orderfsm.rows import (
    ABSENT,
    DAY,
    Actor,
    Basis,
    RefusalRule,
    Silence,
    StateRule,
    Term,
    Transition,
    TriggerRule,
    Vocabulary,
    Window,
)

from .gateway import GATEWAY, PARAMETERS

EDITION = "2020-04-07/V2.0/2026-11"
"""The API version, and the month up to which the sources were read."""


class State(StrEnum):
    """The state of an instance. "No instance" is not a state: it is ``None`` wherever a state is expected."""

    SETTLING = "settling"
    UNUSED = "unused"
    SUBMITTING = "submitting"
    PENDING = "pending"
    WITHDRAWING = "withdrawing"
    IDLE = "idle"
    ISSUED = "issued"
    ABOUT_TO_EXPIRE = "about_to_expire"
    CERTIFICATE_EXPIRED = "certificate_expired"
    REVOKING = "revoking"
    REVOKED = "revoked"
    REISSUING = "reissuing"
    REISSUE_WITHDRAWING = "reissue_withdrawing"
    EXPIRED_REAPPLYING = "expired_reapplying"
    EXPIRED_WITHDRAWING = "expired_withdrawing"
    REVOKED_REAPPLYING = "revoked_reapplying"
    REVOKED_WITHDRAWING = "revoked_withdrawing"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    ENDING = "ending"
    ENDED = "ended"
    CLOSED = "closed"
    DELETED = "deleted"


class Operation(StrEnum):
    """What a client can call; the value is the API's action name. PURCHASE is an action of the billing API."""

    PURCHASE = "CreateInstance"
    UPDATE = "UpdateInstance"
    APPLY = "ApplyCertificate"
    CANCEL = "CancelPendingCertificate"
    REVOKE = "RevokeCertificate"
    REFUND = "RefundInstance"
    DELETE = "DeleteInstance"
    GET = "GetInstanceDetail"
    TASK = "GetTaskAttribute"
    LIST = "ListInstances"
    SUMMARY = "GetInstanceSummary"
    CERTIFICATES = "ListCertificates"
    COUNTS = "GetCertificatePackageCount"


class Event(StrEnum):
    """What others do to an instance: the service that completes a call, the CA, the calendar or the console."""

    PURCHASE_SETTLED = "purchase_settled"
    AUTO_SUBMITTED = "auto_submitted"
    SUBMISSION_ACCEPTED = "submission_accepted"
    SUBMISSION_FAILED = "submission_failed"
    WITHDRAWAL_COMPLETED = "withdrawal_completed"
    REVOCATION_COMPLETED = "revocation_completed"
    REFUND_COMPLETED = "refund_completed"
    CERTIFICATE_ISSUED = "certificate_issued"
    REVIEW_FAILED = "review_failed"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_NEARED_END = "certificate_neared_end"
    CERTIFICATE_ENDED = "certificate_ended"
    SUBSCRIPTION_NEARED_END = "subscription_neared_end"
    SUBSCRIPTION_ENDED = "subscription_ended"
    SUBSCRIPTION_RENEWED = "subscription_renewed"
    SHUT_DOWN = "shut_down"


Trigger: TypeAlias = Operation | Event


class InstanceNotFound(NotFound):
    """There is no such instance, or none any more."""

    code = "NotFound"
    http_status = 400
    text = "the specified instance was not found"


class StatusNotSupport(OrderStateError):
    """The instance's state does not allow that: not yet, or not at all."""

    code = "OperationDenied.StatusNotSupport"
    http_status = 400
    text = "the current status does not support the operation"


class UpdateProtection(OrderStateError):
    """The instance cannot be updated now."""

    code = "InvalidStatus.UpdateProtection"
    http_status = 400
    text = "the instance is protected from updates in its current status"


class DeleteProtection(OrderStateError):
    """The instance cannot be deleted before it was refunded or has ended."""

    code = "InvalidStatus.DeleteProtection"
    http_status = 400
    text = "the instance is protected from deletion in its current status; try again later"


class RefundNotSupport(OrderStateError):
    """The instance cannot be refunded: not yet, or not at all."""

    code = "CouldNotRefund.NotSupport"
    http_status = 400
    text = "the refund is not supported"


class RefundOverTime(ServiceError):
    """The instance could be refunded, but was paid too long ago."""

    code = "CouldNotRefund.OverTime"
    http_status = 400
    text = "the refund period has passed"
    means = Meaning.TOO_LATE


D, O, I = Basis.DOCUMENTED, Basis.OBSERVED, Basis.INFERRED  # noqa: E741

_PAGE = "https://www.alibabacloud.com/help/en/ssl-certificate/developer-reference/api-cas-2020-04-07-"
UPDATE_PAGE = _PAGE + "updateinstance"
APPLY_PAGE = _PAGE + "applycertificate"
CANCEL_PAGE = _PAGE + "cancelpendingcertificate"
REVOKE_PAGE = _PAGE + "revokecertificate"
REFUND_PAGE = _PAGE + "refundinstance"
DELETE_PAGE = _PAGE + "deleteinstance"
GET_PAGE = _PAGE + "getinstancedetail"
TASK_PAGE = _PAGE + "gettaskattribute"
LIST_PAGE = _PAGE + "listinstances"
SUMMARY_PAGE = _PAGE + "getinstancesummary"
CERTIFICATES_PAGE = _PAGE + "listcertificates"
COUNTS_PAGE = _PAGE + "getcertificatepackagecount"
GUIDE = "https://www.alibabacloud.com/help/en/ssl-certificate/ssl-certificate-management-v2-operation-guide"
REFUNDS = "https://www.alibabacloud.com/help/en/ssl-certificate/product-overview/ssl-certificate-refund"
HOSTING = "https://www.alibabacloud.com/help/ssl-certificate/user-guide/overview-1"
BILLING = "alibabacloud-bssopenapi20171214 5.1.2, CreateInstance"
_TERRAFORM = (
    "aliyun/terraform-provider-alicloud 81c43b6 (2026-08-21), alicloud/resource_alicloud_ssl_certificates_service_"
)
TF_INSTANCE = _TERRAFORM + "instance.go"
TF_APPLY = _TERRAFORM + "certificate_apply.go"
TF_APPLY_TEST = _TERRAFORM + "certificate_apply_test.go"
TF_VALIDATION = _TERRAFORM + "certificate_validation.go"
TF_VALIDATION_TEST = _TERRAFORM + "certificate_validation_test.go"
TF_SERVICE = (
    "aliyun/terraform-provider-alicloud 81c43b6 (2026-08-21), alicloud/service_alicloud_ssl_certificates_service_v2.go"
)
TF_DOC = "aliyun/terraform-provider-alicloud 81c43b6 (2026-08-21), website/docs/r/ssl_certificates_service_"
SKILL = "aliyun/alibabacloud-aiops-skills 1202ecc (2026-08-21), skills/security/cas/alibabacloud-cas-ssl-cert-purchase"
CLI_GUIDE = "a public operations guide for the aliyun CLI, section on CAS V2.0 (read 2026-11)"
SILENT = "the sources are silent; nearest: "

_ANY_CERTIFICATE = (ABSENT, "issued", "willExpire", "expired", "revoked")
_IN_FORCE = ("issued", "willExpire")

STATES = (
    StateRule(None, "no instance", (), O, TF_SERVICE, found=False),
    # A refund was refused 3 s after the payment, and accepted 6 s after it.
    StateRule(State.SETTLING, "order settling", ("inactive", ABSENT), O, TF_INSTANCE),
    StateRule(State.UNUSED, "pending use", ("inactive", ABSENT), D, GET_PAGE),
    # The reads show the submission some seconds late, and it can be withdrawn some seconds later still.
    StateRule(State.SUBMITTING, "submission under way", (("inactive", "pending"), ABSENT), O, TF_APPLY),
    StateRule(State.PENDING, "under review", ("pending", ABSENT), D, GET_PAGE),
    StateRule(State.WITHDRAWING, "withdrawal under way", ("pending", ABSENT), O, TF_APPLY),
    # That a withdrawn instance settles here is observed; that one whose review failed does is inferred.
    StateRule(State.IDLE, "nothing applied for, nothing issued", ("normal", ABSENT), O, TF_APPLY_TEST),
    StateRule(State.ISSUED, "issued", ("normal", "issued"), O, CLI_GUIDE, certified=True),
    # Of the next three each word is documented, and that they stand together is inferred.
    StateRule(
        State.ABOUT_TO_EXPIRE, "certificate about to expire", ("normal", "willExpire"), I, GET_PAGE, certified=True
    ),
    StateRule(State.CERTIFICATE_EXPIRED, "certificate expired", ("normal", "expired"), I, GET_PAGE, certified=True),
    # "The revocation review has to be completed."
    StateRule(State.REVOKING, "revocation under review", ("normal", _IN_FORCE), I, REFUNDS, certified=True),
    StateRule(State.REVOKED, "certificate revoked", ("normal", "revoked"), I, GET_PAGE, certified=True),
    # `Status`: the latest certificate is under review. `CertificateStatus`: that of the latest one that exists.
    StateRule(
        State.REISSUING,
        "another certificate applied for, one in force",
        ("pending", _IN_FORCE),
        I,
        GET_PAGE,
        certified=True,
    ),
    StateRule(
        State.REISSUE_WITHDRAWING,
        "withdrawal under way, one certificate in force",
        ("pending", _IN_FORCE),
        I,
        SILENT + TF_APPLY,
        certified=True,
    ),
    StateRule(
        State.EXPIRED_REAPPLYING,
        "another certificate applied for after the last one expired",
        ("pending", "expired"),
        I,
        GET_PAGE,
        certified=True,
    ),
    StateRule(
        State.EXPIRED_WITHDRAWING,
        "withdrawal under way after the last certificate expired",
        ("pending", "expired"),
        I,
        SILENT + TF_APPLY,
        certified=True,
    ),
    StateRule(
        State.REVOKED_REAPPLYING,
        "another certificate applied for after the last one was revoked",
        ("pending", "revoked"),
        I,
        GET_PAGE,
        certified=True,
    ),
    StateRule(
        State.REVOKED_WITHDRAWING,
        "withdrawal under way after the last certificate was revoked",
        ("pending", "revoked"),
        I,
        SILENT + TF_APPLY,
        certified=True,
    ),
    # That a refund takes its time is observed; which words are read meanwhile, nobody says.
    StateRule(State.REFUNDING, "refund under way", (("inactive", "normal"), (ABSENT, "revoked")), O, TF_INSTANCE),
    StateRule(State.REFUNDED, "refunded", ("refund", _ANY_CERTIFICATE), D, GET_PAGE),
    StateRule(State.ENDING, "subscription about to end", ("willExpire", _ANY_CERTIFICATE), D, LIST_PAGE),
    StateRule(State.ENDED, "subscription ended", ("expired", _ANY_CERTIFICATE), D, GET_PAGE),
    StateRule(State.CLOSED, "shut down", ("closed", _ANY_CERTIFICATE), D, GET_PAGE),
    StateRule(State.DELETED, "deleted", (), I, SILENT + TF_INSTANCE, found=False, terminal=True),
)

VOCABULARIES = (
    Vocabulary(Operation.GET, "Status", elsewhere=(Operation.LIST,)),
    Vocabulary(Operation.GET, "CertificateStatus", elsewhere=(Operation.LIST,), apart="certificate_state"),
)

TRIGGERS = (
    # The basis is that of a refusal of which REFUSALS say nothing better.
    TriggerRule(Operation.PURCHASE, Actor.CLIENT, I, SILENT + BILLING, grave=True),
    TriggerRule(Operation.UPDATE, Actor.CLIENT, I, SILENT + UPDATE_PAGE),
    TriggerRule(Operation.APPLY, Actor.CLIENT, I, SILENT + APPLY_PAGE),
    TriggerRule(Operation.CANCEL, Actor.CLIENT, I, SILENT + CANCEL_PAGE, abandons=True),
    TriggerRule(Operation.REVOKE, Actor.CLIENT, I, SILENT + REVOKE_PAGE, abandons=True, grave=True),
    TriggerRule(Operation.REFUND, Actor.CLIENT, I, SILENT + REFUND_PAGE, abandons=True),
    TriggerRule(Operation.DELETE, Actor.CLIENT, I, SILENT + DELETE_PAGE, abandons=True),
    TriggerRule(Operation.GET, Actor.CLIENT, O, TF_SERVICE),
    TriggerRule(Operation.TASK, Actor.CLIENT, I, SILENT + TASK_PAGE),
    TriggerRule(Operation.LIST, Actor.CLIENT, D, LIST_PAGE, account=True),
    TriggerRule(Operation.SUMMARY, Actor.CLIENT, D, SUMMARY_PAGE, account=True),
    TriggerRule(Operation.CERTIFICATES, Actor.CLIENT, D, CERTIFICATES_PAGE, account=True),
    TriggerRule(Operation.COUNTS, Actor.CLIENT, D, COUNTS_PAGE, account=True),
    TriggerRule(Event.PURCHASE_SETTLED, Actor.SERVICE, O, TF_INSTANCE, follows=Operation.PURCHASE, takes=(3, 6)),
    # Right after an UPDATE that completes the data, or by hosting, 30 days before the certificate's end.
    TriggerRule(Event.AUTO_SUBMITTED, Actor.SERVICE, O, SKILL),
    TriggerRule(Event.SUBMISSION_ACCEPTED, Actor.SERVICE, O, TF_APPLY, follows=Operation.APPLY, takes=(5, 300)),
    TriggerRule(Event.SUBMISSION_FAILED, Actor.SERVICE, D, TASK_PAGE, adverse=True),
    TriggerRule(Event.WITHDRAWAL_COMPLETED, Actor.SERVICE, O, TF_APPLY, follows=Operation.CANCEL, takes=(10, 1200)),
    # How long a revocation takes, nobody says.
    TriggerRule(Event.REVOCATION_COMPLETED, Actor.SERVICE, I, SILENT + REFUNDS, follows=Operation.REVOKE),
    # How long a refund takes, nobody says either; the provider waits so long.
    TriggerRule(Event.REFUND_COMPLETED, Actor.SERVICE, O, TF_INSTANCE, follows=Operation.REFUND, takes=(3, 1200)),
    TriggerRule(Event.CERTIFICATE_ISSUED, Actor.CA, O, TF_VALIDATION, certifies=True),
    TriggerRule(Event.REVIEW_FAILED, Actor.CA, I, SILENT + GET_PAGE, adverse=True),
    TriggerRule(Event.CERTIFICATE_REVOKED, Actor.CA, I, SILENT + GET_PAGE, adverse=True),
    # From when on a certificate, and from when on a subscription is "about to expire", nobody says: 30 days by analogy.
    TriggerRule(Event.CERTIFICATE_NEARED_END, Actor.CALENDAR, I, SILENT + GET_PAGE, before_end=30 * DAY),
    TriggerRule(Event.CERTIFICATE_ENDED, Actor.CALENDAR, I, SILENT + GET_PAGE, before_end=0, adverse=True),
    TriggerRule(
        Event.SUBSCRIPTION_NEARED_END,
        Actor.CALENDAR,
        I,
        SILENT + LIST_PAGE,
        before_end=30 * DAY,
        adverse=True,
        term=Term.SUBSCRIPTION,
    ),
    TriggerRule(
        Event.SUBSCRIPTION_ENDED,
        Actor.CALENDAR,
        I,
        SILENT + GET_PAGE,
        before_end=0,
        adverse=True,
        term=Term.SUBSCRIPTION,
    ),
    TriggerRule(Event.SUBSCRIPTION_RENEWED, Actor.CONSOLE, I, SILENT + BILLING),
    TriggerRule(Event.SHUT_DOWN, Actor.CONSOLE, I, SILENT + GET_PAGE, adverse=True),
)

REFUNDABLE = Window(7 * DAY, RefundOverTime)
"""Seven days of the payment. That the last second still counts is our choice, as it is for the orders' quota."""

TRANSITIONS = (
    # No instance. The price is paid at once.
    Transition(None, Operation.PURCHASE, State.SETTLING, O, TF_INSTANCE),
    # SETTLING: the purchase is under way, so that nothing can be refunded yet.
    Transition(State.SETTLING, Event.PURCHASE_SETTLED, State.UNUSED, O, TF_INSTANCE),
    # UNUSED: "pending use". UPDATE fills in what APPLY submits; APPLY needs contacts and, for OV and EV, a company.
    Transition(State.UNUSED, Operation.UPDATE, State.UNUSED, D, APPLY_PAGE, edits=True),
    Transition(State.UNUSED, Event.AUTO_SUBMITTED, State.SUBMITTING, O, SKILL),
    Transition(State.UNUSED, Operation.APPLY, State.SUBMITTING, D, APPLY_PAGE),
    Transition(State.UNUSED, Operation.REFUND, State.REFUNDING, D, REFUND_PAGE, within=REFUNDABLE),
    Transition(State.UNUSED, Event.SUBSCRIPTION_NEARED_END, State.ENDING, I, SILENT + LIST_PAGE),
    Transition(State.UNUSED, Event.SHUT_DOWN, State.CLOSED, I, SILENT + GET_PAGE),
    # SUBMITTING. That the task may fail is documented, but not where that leads.
    Transition(State.SUBMITTING, Event.SUBMISSION_ACCEPTED, State.PENDING, O, TF_APPLY),
    Transition(State.SUBMITTING, Event.SUBMISSION_FAILED, State.UNUSED, I, SILENT + TASK_PAGE),
    # PENDING. "Cancels a pending application that has not been issued": asynchronous, and not back to UNUSED.
    Transition(State.PENDING, Operation.CANCEL, State.WITHDRAWING, D, CANCEL_PAGE),
    Transition(State.PENDING, Event.CERTIFICATE_ISSUED, State.ISSUED, O, TF_VALIDATION),
    Transition(State.PENDING, Event.REVIEW_FAILED, State.IDLE, I, SILENT + SKILL),
    # WITHDRAWING. Nobody says that the CA cannot be faster than the withdrawal.
    Transition(State.WITHDRAWING, Event.WITHDRAWAL_COMPLETED, State.IDLE, O, TF_APPLY_TEST),
    Transition(State.WITHDRAWING, Event.CERTIFICATE_ISSUED, State.ISSUED, I, SILENT + TF_APPLY),
    # IDLE: withdrawn, or its review failed, and it never had a certificate.
    Transition(State.IDLE, Operation.UPDATE, State.IDLE, I, SKILL, edits=True),
    Transition(State.IDLE, Event.AUTO_SUBMITTED, State.SUBMITTING, I, SKILL),
    Transition(State.IDLE, Operation.APPLY, State.SUBMITTING, I, TF_APPLY),
    Transition(State.IDLE, Operation.REFUND, State.REFUNDING, O, TF_VALIDATION_TEST, within=REFUNDABLE),
    Transition(State.IDLE, Event.SUBSCRIPTION_NEARED_END, State.ENDING, I, SILENT + LIST_PAGE),
    Transition(State.IDLE, Event.SHUT_DOWN, State.CLOSED, I, SILENT + GET_PAGE),
    # A certificate is there: ISSUED, ABOUT_TO_EXPIRE, CERTIFICATE_EXPIRED, REVOKED. "Repeat the application while the
    # subscription runs."
    Transition(State.ISSUED, Operation.UPDATE, State.ISSUED, I, SILENT + APPLY_PAGE, edits=True),
    Transition(State.ISSUED, Operation.APPLY, State.REISSUING, I, GUIDE),
    Transition(State.ISSUED, Event.SUBSCRIPTION_NEARED_END, State.ENDING, I, SILENT + LIST_PAGE),
    Transition(State.ABOUT_TO_EXPIRE, Operation.UPDATE, State.ABOUT_TO_EXPIRE, I, SILENT + APPLY_PAGE, edits=True),
    Transition(State.ABOUT_TO_EXPIRE, Operation.APPLY, State.REISSUING, D, GUIDE),
    Transition(State.ABOUT_TO_EXPIRE, Event.SUBSCRIPTION_NEARED_END, State.ENDING, I, SILENT + LIST_PAGE),
    Transition(
        State.CERTIFICATE_EXPIRED, Operation.UPDATE, State.CERTIFICATE_EXPIRED, I, SILENT + APPLY_PAGE, edits=True
    ),
    Transition(State.CERTIFICATE_EXPIRED, Operation.APPLY, State.EXPIRED_REAPPLYING, I, GUIDE),
    Transition(State.CERTIFICATE_EXPIRED, Event.SUBSCRIPTION_NEARED_END, State.ENDING, I, SILENT + LIST_PAGE),
    Transition(State.REVOKED, Operation.UPDATE, State.REVOKED, I, SILENT + APPLY_PAGE, edits=True),
    Transition(State.REVOKED, Operation.APPLY, State.REVOKED_REAPPLYING, I, GUIDE),
    Transition(State.REVOKED, Event.SUBSCRIPTION_NEARED_END, State.ENDING, I, SILENT + LIST_PAGE),
    # Its end, which comes sooner than that of the subscription; a revocation is reviewed.
    Transition(State.ISSUED, Operation.REVOKE, State.REVOKING, D, REVOKE_PAGE),
    Transition(State.ISSUED, Event.CERTIFICATE_REVOKED, State.REVOKED, I, SILENT + GET_PAGE),
    Transition(State.ABOUT_TO_EXPIRE, Operation.REVOKE, State.REVOKING, D, REVOKE_PAGE),
    Transition(State.ABOUT_TO_EXPIRE, Event.CERTIFICATE_REVOKED, State.REVOKED, I, SILENT + GET_PAGE),
    Transition(State.ISSUED, Event.CERTIFICATE_NEARED_END, State.ABOUT_TO_EXPIRE, D, GET_PAGE),
    Transition(State.ABOUT_TO_EXPIRE, Event.AUTO_SUBMITTED, State.REISSUING, D, HOSTING),
    Transition(State.ABOUT_TO_EXPIRE, Event.CERTIFICATE_ENDED, State.CERTIFICATE_EXPIRED, D, GET_PAGE),
    Transition(State.REVOKING, Event.REVOCATION_COMPLETED, State.REVOKED, D, REFUNDS),
    # "If the revocation review is complete" within the seven days; not for combined certificates.
    Transition(State.REVOKED, Operation.REFUND, State.REFUNDING, D, REFUNDS, within=REFUNDABLE),
    # Another application. The new certificate has another CertificateId; else the one that was there stays.
    Transition(State.REISSUING, Operation.CANCEL, State.REISSUE_WITHDRAWING, I, SILENT + CANCEL_PAGE),
    Transition(
        State.REISSUING, Event.CERTIFICATE_ISSUED, State.ISSUED, O, TF_DOC + "instance_certificate.html.markdown"
    ),
    Transition(State.REISSUING, Event.REVIEW_FAILED, State.ISSUED, I, SILENT + GET_PAGE),
    Transition(State.REISSUE_WITHDRAWING, Event.WITHDRAWAL_COMPLETED, State.ISSUED, I, SILENT + TF_APPLY),
    Transition(State.EXPIRED_REAPPLYING, Operation.CANCEL, State.EXPIRED_WITHDRAWING, I, SILENT + CANCEL_PAGE),
    Transition(
        State.EXPIRED_REAPPLYING,
        Event.CERTIFICATE_ISSUED,
        State.ISSUED,
        I,
        TF_DOC + "instance_certificate.html.markdown",
    ),
    Transition(State.EXPIRED_REAPPLYING, Event.REVIEW_FAILED, State.CERTIFICATE_EXPIRED, I, SILENT + GET_PAGE),
    Transition(State.EXPIRED_WITHDRAWING, Event.WITHDRAWAL_COMPLETED, State.CERTIFICATE_EXPIRED, I, SILENT + TF_APPLY),
    Transition(State.REVOKED_REAPPLYING, Operation.CANCEL, State.REVOKED_WITHDRAWING, I, SILENT + CANCEL_PAGE),
    Transition(
        State.REVOKED_REAPPLYING,
        Event.CERTIFICATE_ISSUED,
        State.ISSUED,
        I,
        TF_DOC + "instance_certificate.html.markdown",
    ),
    Transition(State.REVOKED_REAPPLYING, Event.REVIEW_FAILED, State.REVOKED, I, SILENT + GET_PAGE),
    Transition(State.REVOKED_WITHDRAWING, Event.WITHDRAWAL_COMPLETED, State.REVOKED, I, SILENT + TF_APPLY),
    # REFUNDING, REFUNDED, ENDING, ENDED, CLOSED: the end of the subscription.
    Transition(State.REFUNDING, Event.REFUND_COMPLETED, State.REFUNDED, D, GET_PAGE),
    Transition(State.REFUNDED, Operation.DELETE, State.DELETED, O, TF_INSTANCE),
    Transition(State.ENDING, Event.SUBSCRIPTION_RENEWED, State.ISSUED, I, SILENT + BILLING),
    Transition(State.ENDING, Event.SUBSCRIPTION_ENDED, State.ENDED, D, GET_PAGE),
    Transition(State.ENDED, Operation.DELETE, State.DELETED, O, TF_INSTANCE),
    Transition(State.ENDED, Event.SHUT_DOWN, State.CLOSED, I, SILENT + GET_PAGE),
    Transition(State.CLOSED, Operation.DELETE, State.DELETED, I, SILENT + DELETE_PAGE),
    # Every instance that is not deleted can be read, and so can its last submission.
    *(Transition(state, Operation.GET, state, D, GET_PAGE) for state in State if state is not State.DELETED),
    *(Transition(state, Operation.TASK, state, D, TASK_PAGE) for state in State if state is not State.DELETED),
)

_APPLICATIONS = (State.REISSUING, State.EXPIRED_REAPPLYING, State.REVOKED_REAPPLYING)
_WITHDRAWALS = (State.REISSUE_WITHDRAWING, State.EXPIRED_WITHDRAWING, State.REVOKED_WITHDRAWING)
_UNDER_WAY = (
    State.SUBMITTING,
    State.PENDING,
    State.WITHDRAWING,
    State.REVOKING,
    *_APPLICATIONS,
    *_WITHDRAWALS,
    State.REFUNDING,
)

REFUSALS = (
    # Too early: the same call passes as soon as the service has completed what is under way.
    RefusalRule(
        StatusNotSupport,
        (Operation.CANCEL,),
        (State.SUBMITTING,),
        passes=True,
        basis=O,
        reference=TF_APPLY,
        because="the submission is still being taken up",
    ),
    RefusalRule(
        RefundNotSupport,
        (Operation.REFUND,),
        (State.SETTLING,),
        passes=True,
        basis=O,
        reference=TF_INSTANCE,
        because="the purchase is still being settled",
    ),
    RefusalRule(
        RefundNotSupport,
        (Operation.REFUND,),
        (State.WITHDRAWING,),
        passes=True,
        basis=O,
        reference=TF_APPLY,
        because="the withdrawal has not landed yet",
    ),
    RefusalRule(
        DeleteProtection,
        (Operation.DELETE,),
        (State.REFUNDING,),
        passes=True,
        basis=O,
        reference=TF_INSTANCE,
        because="the refund has not landed yet",
    ),
    # Observed where the states are named, else inferred; the codes of refunds and deletions are documented throughout.
    RefusalRule(UpdateProtection, (Operation.UPDATE,)),
    RefusalRule(StatusNotSupport, (Operation.APPLY,), (State.SUBMITTING, State.PENDING), basis=O, reference=SKILL),
    RefusalRule(
        StatusNotSupport,
        (Operation.CANCEL,),
        (
            State.UNUSED,
            State.IDLE,
            State.ISSUED,
            State.ABOUT_TO_EXPIRE,
            State.CERTIFICATE_EXPIRED,
            State.REVOKED,
        ),
        basis=O,
        reference=TF_SERVICE,
    ),
    RefusalRule(
        RefundNotSupport,
        (Operation.REFUND,),
        (
            State.SUBMITTING,
            State.PENDING,
            State.ISSUED,
            State.ABOUT_TO_EXPIRE,
            State.CERTIFICATE_EXPIRED,
            State.REVOKING,
            *_APPLICATIONS,
            *_WITHDRAWALS,
            State.REFUNDED,
            State.ENDED,
        ),
        basis=O,
        reference=TF_INSTANCE,
    ),
    RefusalRule(RefundNotSupport, (Operation.REFUND,)),
    RefusalRule(
        DeleteProtection,
        (Operation.DELETE,),
        (
            State.SETTLING,
            State.UNUSED,
            State.SUBMITTING,
            State.PENDING,
            State.WITHDRAWING,
            State.IDLE,
            State.ISSUED,
            State.ABOUT_TO_EXPIRE,
            *_APPLICATIONS,
            *_WITHDRAWALS,
        ),
        basis=O,
        reference=TF_INSTANCE,
    ),
    RefusalRule(DeleteProtection, (Operation.DELETE,)),
    RefusalRule(StatusNotSupport),
)

_UNSAID = (State.SETTLING, State.REVOKING, State.REFUNDING, State.ENDING)
SILENCES = (
    Silence((Operation.UPDATE,), _UNSAID, UPDATE_PAGE),
    Silence((Operation.APPLY,), _UNSAID, APPLY_PAGE),
    Silence((Operation.CANCEL,), (State.ENDING,), CANCEL_PAGE),
    # Whether a certificate that has ended, or is being replaced, can still be revoked.
    Silence(
        (Operation.REVOKE,),
        (
            State.CERTIFICATE_EXPIRED,
            State.REVOKING,
            State.REVOKED,
            *_APPLICATIONS,
            *_WITHDRAWALS,
            State.ENDING,
            State.ENDED,
        ),
        REVOKE_PAGE,
    ),
    Silence((Operation.REFUND,), (State.REFUNDING, State.ENDING, State.CLOSED), REFUND_PAGE),
    Silence((Operation.DELETE,), (State.CERTIFICATE_EXPIRED, State.REVOKED, State.ENDING), DELETE_PAGE),
    # Which word wins if these happen while something is under way.
    Silence((Event.SUBSCRIPTION_NEARED_END, Event.SUBSCRIPTION_ENDED, Event.SHUT_DOWN), _UNDER_WAY, LIST_PAGE),
    Silence(
        (Event.CERTIFICATE_NEARED_END, Event.CERTIFICATE_ENDED, Event.CERTIFICATE_REVOKED),
        (State.REVOKING, State.REISSUING, State.REISSUE_WITHDRAWING, State.ENDING),
        GET_PAGE,
    ),
)

PLACES: dict[str | None, tuple[int, int]] = {
    None: (322, 36),
    State.SETTLING: (322, 118),
    State.UNUSED: (344, 290),
    State.REFUNDING: (589, 290),
    State.CLOSED: (104, 290),
    State.SUBMITTING: (344, 480),
    State.IDLE: (104, 550),
    State.REFUNDED: (589, 390),
    State.PENDING: (344, 760),
    State.WITHDRAWING: (104, 740),
    State.DELETED: (589, 510),
    State.ENDED: (589, 630),
    State.ENDING: (589, 750),
    State.ISSUED: (344, 980),
    State.REISSUING: (104, 980),
    State.REISSUE_WITHDRAWING: (104, 1130),
    State.ABOUT_TO_EXPIRE: (360, 1320),
    State.REVOKING: (589, 1040),
    State.REVOKED: (589, 1250),
    State.CERTIFICATE_EXPIRED: (344, 1590),
    State.EXPIRED_REAPPLYING: (104, 1520),
    State.EXPIRED_WITHDRAWING: (104, 1680),
    State.REVOKED_REAPPLYING: (589, 1430),
    State.REVOKED_WITHDRAWING: (589, 1610),
}
"""Where the middle of a state's box is in a drawing."""

LIFECYCLE = Lifecycle(
    TRANSITIONS,
    STATES,
    TRIGGERS,
    EDITION,
    name="instances",
    home=f"{__name__}:LIFECYCLE",
    noun="instance",
    title="The life of a certificate instance",
    # The lists of instances have V1.0 orders and uploaded certificates too, which no operation here finds.
    identity=Identity("instance_id", "InstanceId", form="cas-cn-{}", others=("cas-ivauto-", "cas-upload-")),
    vocabularies=VOCABULARIES,
    refusal_rules=REFUSALS,
    not_found=InstanceNotFound,
    gateway=(
        ("InvalidInstanceId.NotFound", Meaning.NOT_FOUND),
        ("CouldNotRefund.InsufficientQuota", Meaning.NO_UNIT),
        ("InsufficientQuota", Meaning.NO_UNIT),
        ("DomainAndProductNotMatch", Meaning.MALFORMED),
        ("AlreadyExistsTry", Meaning.NOT_CREATED),
        ("InvalidVersion", Meaning.NOT_OFFERED),  # as where there is no billing API
        ("NotApplicable", Meaning.NOT_CREATED),
        ("PermissionDenied", Meaning.KEPT_OUT),
        ("OperationDenied.SystemUpgrading", Meaning.PERHAPS),
        *GATEWAY,
        *((general, Meaning.MALFORMED) for _, general in PARAMETERS),
    ),
    parameters=PARAMETERS,
    silences=SILENCES,
    places=PLACES,
)
"""The life cycle of a V2.0 certificate instance in CAS."""
