"""A second statement of the rules, written by hand from the documents and not from the table.

The page of DeleteCertificateRequest says of deletion and cancellation: "You can call this operation to delete a
certificate application order only in the following scenarios: The status of the order is review failed. ... The status
of the order is pending application. You have called the CancelOrderRequest operation to cancel a certificate
application order whose status is pending review or being reviewed. The status of the certificate application order that
is canceled in this case changes to pending application."
"""

from __future__ import annotations

SENTENCES = """
no order: create, create_for_package or create_with_csr submits an application -> pending_review
pending_application: submitted -> pending_review
pending_review: domain_validated -> being_reviewed
pending_review or being_reviewed: review_failed -> verify_fail
being_reviewed: review_passed -> issued
pending_review or being_reviewed: cancel -> pending_application
verify_fail or pending_application: delete -> deleted
verify_fail: submitted -> pending_review
pending_application: cancel_for_package -> deleted
issued or about_to_expire: cancel_for_package -> revoked
issued or about_to_expire: certificate_revoked -> revoked
issued: expiry_neared -> about_to_expire
about_to_expire: expiry_reached -> expired
about_to_expire: renew -> about_to_expire
"""

STATES = [
    "pending_application",
    "pending_review",
    "being_reviewed",
    "verify_fail",
    "issued",
    "about_to_expire",
    "expired",
    "revoked",
    "deleted",
]
CREATES = ("create", "create_for_package", "create_with_csr")
READS_OF_THE_ACCOUNT = ("list", "describe_package")


def _parsed() -> dict[tuple[str, str], str]:
    rules = {}
    for sentence in SENTENCES.strip().splitlines():
        where, what = sentence.split(": ")
        triggers, target = what.split(" -> ")
        for state in where.split(" or "):
            for trigger in triggers.replace(" submits an application", "").replace(" or ", ", ").split(", "):
                rules[state, trigger] = target
    return rules


RULES = _parsed()


def after(state: str, trigger: str) -> str | None:
    """The state after `trigger` in `state` ("no order": there is none); None if it is refused."""
    if trigger in READS_OF_THE_ACCOUNT:
        return state
    if trigger == "describe":
        return state if state not in {"no order", "deleted"} else None
    return RULES.get((state, trigger))
