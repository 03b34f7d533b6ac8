"""The table, row by row, against a second copy of it that was written by hand."""

from __future__ import annotations

import itertools

import attrs
import pytest

from orderfsm import ORDER_LIFECYCLE, Actor, Basis, Event, Operation, State
from orderfsm.errors import NotFoundOrder, OrderStateError
from orderfsm.rows import DAY
from orderfsm.tables.orders import STATES, TRANSITIONS, TRIGGERS

ROWS = """
-                    CREATE               PENDING_REVIEW       +1  D
-                    CREATE_FOR_PACKAGE   PENDING_REVIEW       +1  D
-                    CREATE_WITH_CSR      PENDING_REVIEW       +1  D
PENDING_APPLICATION  SUBMITTED            PENDING_REVIEW        0  D
PENDING_APPLICATION  DELETE               DELETED              -1  D
PENDING_APPLICATION  CANCEL_FOR_PACKAGE   DELETED              -1  D
PENDING_REVIEW       DOMAIN_VALIDATED     BEING_REVIEWED        0  D
PENDING_REVIEW       REVIEW_FAILED        VERIFY_FAIL           0  I
PENDING_REVIEW       CANCEL               PENDING_APPLICATION   0  D
BEING_REVIEWED       REVIEW_PASSED        ISSUED                0  D
BEING_REVIEWED       REVIEW_FAILED        VERIFY_FAIL           0  D
BEING_REVIEWED       CANCEL               PENDING_APPLICATION   0  D
VERIFY_FAIL          DELETE               DELETED              -1  D
VERIFY_FAIL          SUBMITTED            PENDING_REVIEW        0  D
ISSUED               EXPIRY_NEARED        ABOUT_TO_EXPIRE       0  D
ISSUED               CANCEL_FOR_PACKAGE   REVOKED              -1  D
ISSUED               CERTIFICATE_REVOKED  REVOKED               0  D
ABOUT_TO_EXPIRE      RENEW                ABOUT_TO_EXPIRE       0  D
ABOUT_TO_EXPIRE      CANCEL_FOR_PACKAGE   REVOKED              -1  I
ABOUT_TO_EXPIRE      CERTIFICATE_REVOKED  REVOKED               0  I
ABOUT_TO_EXPIRE      EXPIRY_REACHED       EXPIRED               0  D
PENDING_APPLICATION  DESCRIBE             PENDING_APPLICATION   0  D
PENDING_REVIEW       DESCRIBE             PENDING_REVIEW        0  D
BEING_REVIEWED       DESCRIBE             BEING_REVIEWED        0  D
VERIFY_FAIL          DESCRIBE             VERIFY_FAIL           0  D
ISSUED               DESCRIBE             ISSUED                0  D
ABOUT_TO_EXPIRE      DESCRIBE             ABOUT_TO_EXPIRE       0  D
EXPIRED              DESCRIBE             EXPIRED               0  D
REVOKED              DESCRIBE             REVOKED               0  D
"""


def test_the_rows_are_those_written_here_in_this_order():
    """The order matters: of equally short plans the first in table order is taken."""
    written = [
        (
            "-" if row.source is None else row.source.name,
            row.trigger.name,
            row.target.name,
            row.quota,
            row.basis.name[0],
        )
        for row in TRANSITIONS
    ]
    expected = [(a, b, c, int(d), e) for a, b, c, d, e in map(str.split, ROWS.strip().splitlines())]
    assert written == expected
    assert ORDER_LIFECYCLE.transitions == TRANSITIONS


def test_what_is_inferred_in_a_documented_row_is_noted():
    assert {(row.source, row.trigger): row.note for row in TRANSITIONS if row.note} == {
        (State.PENDING_APPLICATION, Operation.DELETE): (
            "documented for a withdrawn order, inferred for one that a renewal created"
        ),
        (State.PENDING_APPLICATION, Operation.CANCEL_FOR_PACKAGE): "that the order is deleted is inferred",
        (State.ABOUT_TO_EXPIRE, Operation.RENEW): "that it takes no unit of quota is inferred",
    }
    assert all(row.basis is Basis.DOCUMENTED for row in TRANSITIONS if row.note)


def test_the_effect_on_quota_as_text():
    texts = {row.quota_text: (row.quota, row.quota_within) for row in TRANSITIONS}
    assert texts == {"": (0, None), "+1": (1, None), "-1": (-1, None), "-1 within 30 days": (-1, 30 * DAY)}
    assert attrs.evolve(TRANSITIONS[0], quota=-1, quota_within=DAY // 2).quota_text == "-1 within 0.5 days"


def test_only_a_renewal_creates_a_second_order_and_it_awaits_its_application():
    creating = [(row.trigger, row.creates) for row in TRANSITIONS if row.creates is not None]
    assert creating == [(Operation.RENEW, State.PENDING_APPLICATION)]


def test_a_revoked_certificate_gives_its_unit_back_within_30_days_the_end_included():
    revoking = [row for row in TRANSITIONS if row.target is State.REVOKED and row.quota]
    assert [row.source for row in revoking] == [State.ISSUED, State.ABOUT_TO_EXPIRE]
    for row in revoking:
        assert row.gives_back(0)
        assert row.gives_back(30 * 86_400)
        assert not row.gives_back(30 * 86_400 + 0.001)
        assert not row.gives_back(None)


def test_a_deletion_gives_its_unit_back_at_any_age_and_nothing_else_does():
    for row in TRANSITIONS:
        if row.quota_within is None:
            assert row.gives_back(None) is row.gives_back(1e9) is (row.quota == -1)
        ended_by_the_client = row.changes and row.target in {State.DELETED, State.REVOKED} and row.trigger in Operation
        assert (row.quota == -1) is ended_by_the_client


@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{row.source}-{row.trigger}")
def test_every_row_names_a_reference_and_a_basis(row):
    assert "https://" in row.reference
    assert row.reference.startswith("the documents are silent") is (row.basis is Basis.INFERRED)


# Where each rule is written: what stands on the row, the page, the step on it. "How to apply" has four steps: the order
# is created (2), validated (3), reviewed (4). A page of an operation is named for it.
API_PAGE = "https://www.alibabacloud.com/help/en/ssl-certificate/developer-reference/api-cas-2020-04-07-"
HOW_TO_APPLY = "https://help.aliyun.com/document_detail/204741.html"
CONSOLE = "https://www.alibabacloud.com/help/en/ssl-certificate/create-a-certificate"
PAGES = {
    "create": f"{HOW_TO_APPLY} step 2",
    "validate": f"{HOW_TO_APPLY} step 3",
    "review": f"{HOW_TO_APPLY} step 4",
    "console": CONSOLE,
    "cancel": f"{API_PAGE}cancelorderrequest",
    "delete": f"{API_PAGE}deletecertificaterequest",
    "cancel_for_package": f"{API_PAGE}cancelcertificateforpackagerequest",
    "renew": f"{API_PAGE}renewcertificateorderforpackagerequest",
    "describe": f"{API_PAGE}describecertificatestate",
    "list": f"{API_PAGE}listusercertificateorder",
    "package": f"{API_PAGE}describepackagestate",
}
ROW_PAGES = (
    """create create create renew delete cancel_for_package validate review cancel review review cancel delete
    console list cancel_for_package list renew cancel_for_package list list"""
    + 8 * " describe"
)
STATE_PAGES = "delete describe list describe describe describe describe describe describe delete"
TRIGGER_PAGES = """cancel delete renew cancel_for_package create create create describe list package validate review
    review list console list list"""


@pytest.mark.parametrize(
    ("rules", "pages"), [(TRANSITIONS, ROW_PAGES), (STATES, STATE_PAGES), (TRIGGERS, TRIGGER_PAGES)]
)
def test_each_rule_names_the_page_that_states_it_and_the_step_there(rules, pages):
    written = [rule.reference.removeprefix("the documents are silent; nearest: ") for rule in rules]
    assert written == [PAGES[page] for page in pages.split()]


@pytest.mark.parametrize("rule", [*STATES, *TRIGGERS], ids=lambda rule: str(rule[0]))
def test_every_state_and_every_refusal_names_a_reference_and_a_basis(rule):
    assert "https://" in rule.reference
    assert rule.reference.startswith("the documents are silent") is (rule.basis is Basis.INFERRED)


def test_the_words_of_the_api_and_what_each_state_implies():
    D, I = Basis.DOCUMENTED, Basis.INFERRED  # noqa: E741, N806
    written = [(r.state, *(r.read_as or (None, None)), r.basis, r.terminal, r.certified) for r in STATES]
    assert written == [
        (None, None, None, D, False, False),
        (State.PENDING_APPLICATION, "payed", "PAYED", D, False, False),
        (State.PENDING_REVIEW, "domain_verify", "CHECKING", I, False, False),
        (State.BEING_REVIEWED, "process", "CHECKING", D, False, False),
        (State.VERIFY_FAIL, "verify_fail", "CHECKED_FAIL", D, False, False),
        (State.ISSUED, "certificate", "ISSUED", D, False, True),
        (State.ABOUT_TO_EXPIRE, "certificate", "WILLEXPIRED", I, False, True),
        (State.EXPIRED, "certificate", "EXPIRED", I, True, True),
        (State.REVOKED, "certificate", "REVOKED", I, True, True),
        (State.DELETED, None, None, I, True, False),
    ]


def test_a_refusal_is_OrderStateError_but_the_service_does_not_find_a_deleted_order():  # noqa: N802
    for state, trigger in itertools.product((None, *State), (*Operation, *Event)):
        model, service = (ask(state, trigger) for ask in (ORDER_LIFECYCLE.refusal, ORDER_LIFECYCLE.service_refusal))
        assert model.error is (NotFoundOrder if state is None else OrderStateError)
        assert service.error is (NotFoundOrder if state in {None, State.DELETED} else OrderStateError)
        assert not model.passes
        assert not service.passes


def test_who_makes_each_event_happen():
    actors = {rule.trigger: rule.actor for rule in TRIGGERS}
    assert {actors[operation] for operation in Operation} == {Actor.CLIENT}
    assert {event: actors[event] for event in Event} == {
        Event.DOMAIN_VALIDATED: Actor.OWNER,
        Event.REVIEW_PASSED: Actor.CA,
        Event.REVIEW_FAILED: Actor.CA,
        Event.CERTIFICATE_REVOKED: Actor.CA,
        Event.SUBMITTED: Actor.CONSOLE,
        Event.EXPIRY_NEARED: Actor.CALENDAR,
        Event.EXPIRY_REACHED: Actor.CALENDAR,
    }


def test_the_calendar_nears_the_end_30_days_before_it():
    calendar = {rule.trigger: rule.before_end for rule in TRIGGERS if rule.before_end is not None}
    assert calendar == {Event.EXPIRY_NEARED: 30 * DAY, Event.EXPIRY_REACHED: 0}


def test_values_are_the_names_in_lower_case_or_the_api_actions():
    assert [state.value for state in State] == [state.name.lower() for state in State]
    assert [event.value for event in Event] == [event.name.lower() for event in Event]
    assert Operation.CANCEL_FOR_PACKAGE.value == "CancelCertificateForPackageRequest"
    assert Operation.RENEW.value == "RenewCertificateOrderForPackageRequest"
