"""The life of instances by the official SDKs, against the mock on every store: the fourteen programs of the facts."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

import stores
from instances import DAY, Refused, connected

from orderfsm.mock import Choices, Clock, Service, mock_cas

NOW = 1_790_000_000.0
"""The time of the machine, which goes by only where a test moves the clock."""

FORMS = ["sync", "async"]
EVERYWHERE = [*(("memory", form) for form in FORMS), *((kind, "sync") for kind in stores.KINDS[1:])]

ON_AN_INSTANCE = (
    "UpdateInstance",
    "ApplyCertificate",
    "CancelPendingCertificate",
    "RevokeCertificate",
    "RefundInstance",
    "DeleteInstance",
    "GetInstanceDetail",
)
ENDINGS = ("RefundInstance", "DeleteInstance")
DENIED = "OperationDenied.StatusNotSupport"
NO_REFUND = "CouldNotRefund.NotSupport"
NO_UPDATE = "InvalidStatus.UpdateProtection"
NO_DELETION = "InvalidStatus.DeleteProtection"


@pytest.fixture
def service(request, tmp_path):
    """A service whose orders and instances are in a store of the kind that the test names."""
    store = stores.opened(getattr(request, "param", "memory"), request, tmp_path)
    yield Service(store=store, clock=Clock(lambda: NOW))
    store.close()


@pytest.fixture
def account(service, request):
    """An account of instances at a mock."""
    with mock_cas(service) as server, connected(server, getattr(request, "param", "sync")) as connection:
        yield connection


everywhere = pytest.mark.parametrize(("service", "account"), EVERYWHERE, indirect=True)


def refuses(account, instance, *refusals):
    """Calls that an instance refuses with their codes, and by which nothing changes."""
    before = account.get(instance)
    for action, code in refusals:
        account.refused(code, action, InstanceId=instance)
    assert account.get(instance) == before


@everywhere
def test_1_an_instance_is_bought_applied_for_withdrawn_refunded_and_deleted(account):
    instance = account.buy()
    account.advance(6)
    assert account.words(instance) == ("inactive", None)
    account.do("UpdateInstance", InstanceId=instance, Domain="a.example.com", ContactIdList=[1, 2])
    account.do("ApplyCertificate", InstanceId=instance)
    account.refused(DENIED, "CancelPendingCertificate", InstanceId=instance)
    assert account.words(instance) == ("inactive", None)
    account.advance(2)
    (record,) = account.get(instance)["DomainValidationList"]
    assert record["Domain"] == "a.example.com"
    assert account.words(instance) == ("pending", None)
    account.advance(15)
    account.do("CancelPendingCertificate", InstanceId=instance)
    assert account.words(instance) == ("pending", None)
    account.advance(180)
    assert account.words(instance) == ("normal", None)
    assert account.get(instance)["DomainValidationList"] == []
    account.do("RefundInstance", InstanceId=instance)
    account.refused(NO_DELETION, "DeleteInstance", InstanceId=instance)
    assert account.words(instance) == ("normal", None)
    account.advance(60)
    assert account.words(instance) == ("refund", None)
    account.do("DeleteInstance", InstanceId=instance, ClientToken="tok")
    account.refused("NotFound", "GetInstanceDetail", InstanceId=instance)
    assert account.listed() == []


@everywhere
def test_2_an_instance_that_was_never_applied_for_is_refunded_once_its_purchase_is_settled(account):
    instance = account.buy()
    refuses(account, instance, ("RefundInstance", NO_REFUND), ("DeleteInstance", NO_DELETION))
    account.advance(6)
    account.do("RefundInstance", InstanceId=instance)
    assert account.words(instance) == ("inactive", None)
    account.refused(NO_DELETION, "DeleteInstance", InstanceId=instance)
    account.advance(60)
    account.do("DeleteInstance", InstanceId=instance)


@everywhere
def test_3_at_rest_there_is_nothing_to_withdraw_to_delete_or_to_revoke(account):
    unused, idle = account.unused(), account.applied(account.unused("b.example.com"), "b.example.com")
    account.advance(17)
    account.happen(idle, "review_failed")
    for instance in (unused, idle):
        refuses(
            account,
            instance,
            ("CancelPendingCertificate", DENIED),
            ("DeleteInstance", NO_DELETION),
            ("RevokeCertificate", DENIED),
        )
    assert [account.words(each)[0] for each in (unused, idle)] == ["inactive", "normal"]


@everywhere
def test_4_under_review_nothing_is_allowed_but_a_withdrawal(account):
    instance = account.applied(account.unused())
    account.advance(17)
    refuses(
        account,
        instance,
        ("UpdateInstance", NO_UPDATE),
        ("ApplyCertificate", DENIED),
        ("RefundInstance", NO_REFUND),
        ("DeleteInstance", NO_DELETION),
        ("RevokeCertificate", DENIED),
    )
    account.do("CancelPendingCertificate", InstanceId=instance)


@everywhere
def test_5_a_withdrawal_right_after_the_submission_is_too_early_and_passes_later(account):
    instance = account.applied(account.unused())
    assert account.do("GetTaskAttribute", TaskId=instance)["TaskStatus"] == "processing"
    account.refused(DENIED, "CancelPendingCertificate", InstanceId=instance)
    account.advance(17)
    assert account.do("GetTaskAttribute", TaskId=instance)["TaskStatus"] == "success"
    account.do("CancelPendingCertificate", InstanceId=instance)


@everywhere
def test_6_while_a_withdrawal_is_under_way_neither_refund_nor_deletion_and_then_another_application(account):
    instance = account.applied(account.unused())
    account.advance(17)
    (first,) = account.get(instance)["DomainValidationList"]
    account.do("CancelPendingCertificate", InstanceId=instance)
    refuses(account, instance, ("RefundInstance", NO_REFUND), ("DeleteInstance", NO_DELETION))
    assert account.get(instance)["DomainValidationList"] == [first]
    account.advance(180)
    account.do("ApplyCertificate", InstanceId=instance)
    assert account.words(instance) == ("pending", None)
    account.advance(2)
    (second,) = account.get(instance)["DomainValidationList"]
    assert second["ValidationValue"] != first["ValidationValue"]
    assert {**second, "ValidationValue": ""} == {**first, "ValidationValue": ""}


@everywhere
def test_7_an_issued_instance_has_a_certificate_and_can_be_neither_withdrawn_refunded_nor_deleted(account):
    instance = account.issued()
    read = account.get(instance)
    assert (read["Status"], read["CertificateStatus"], read["DomainValidationList"]) == ("normal", "issued", [])
    refuses(
        account,
        instance,
        ("CancelPendingCertificate", DENIED),
        ("RefundInstance", NO_REFUND),
        ("DeleteInstance", NO_DELETION),
    )
    identifier = read["CertificateId"]
    downloaded = account.do("GetUserCertificateDetail", CertId=identifier)
    assert downloaded["Cert"].startswith("-----BEGIN CERTIFICATE-----")
    assert downloaded["Key"].startswith("-----BEGIN PRIVATE KEY-----")
    (entry,) = account.do("ListCertificates", InstanceId=instance)["CertificateList"]
    assert (entry["CertificateId"], entry["CertificateStatus"]) == (str(identifier), "issued")


@everywhere
def test_8_a_certificate_stays_until_the_next_one_is_issued_and_if_that_is_withdrawn(account):
    instance = account.issued()
    old = account.get(instance)["CertificateId"]
    account.do("ApplyCertificate", InstanceId=instance)
    assert account.words(instance) == ("pending", "issued")
    assert account.get(instance)["CertificateId"] == old
    account.do("CancelPendingCertificate", InstanceId=instance)
    account.advance(180)
    assert (*account.words(instance), account.get(instance)["CertificateId"]) == ("normal", "issued", old)
    account.do("ApplyCertificate", InstanceId=instance)
    account.happen(instance, "certificate_issued")
    new = account.get(instance)["CertificateId"]
    assert new != old
    listed = account.do("ListCertificates", InstanceId=instance)["CertificateList"]
    assert [entry["CertificateId"] for entry in listed] == [str(old), str(new)]
    texts = {account.do("GetUserCertificateDetail", CertId=each)["Cert"] for each in (old, new, old, new)}
    assert len(texts) == 2


@everywhere
def test_9_a_revoked_certificate_lets_the_instance_be_refunded_within_seven_days(account):
    instance = account.issued()
    certificate = account.get(instance)["CertificateId"]
    account.do("RevokeCertificate", InstanceId=instance, CertificateId=certificate)
    assert account.words(instance) == ("normal", "issued")
    account.refused(NO_REFUND, "RefundInstance", InstanceId=instance)
    account.advance(60)
    assert account.words(instance) == ("normal", "revoked")
    account.do("RefundInstance", InstanceId=instance)
    assert account.words(instance) == ("normal", "revoked")
    account.advance(60)
    assert account.words(instance) == ("refund", "revoked")
    account.do("DeleteInstance", InstanceId=instance)
    account.refused("NotFound", "GetUserCertificateDetail", CertId=certificate)


@everywhere
def test_10_seven_days_after_the_payment_there_is_no_refund_any_more(account):
    early, late = account.unused(), account.unused("late.example.com")
    account.advance(7 * DAY)
    account.do("RefundInstance", InstanceId=early)
    account.advance(1)
    account.refused("CouldNotRefund.OverTime", "RefundInstance", InstanceId=late)
    assert account.words(late) == ("inactive", None)


@everywhere
def test_11_what_is_unknown_deleted_malformed_or_left_out_is_not_found_or_missing(account):
    gone = account.unused()
    account.do("RefundInstance", InstanceId=gone)
    account.advance(60)
    account.do("DeleteInstance", InstanceId=gone)
    for instance in (gone, "cas-cn-1", "7", "not an id", "x" * 200, "ü"):
        for action in ON_AN_INSTANCE:
            account.refused("NotFound", action, InstanceId=instance)
        account.refused("NotFound", "GetTaskAttribute", TaskId=instance)
    for empty in ({}, {"InstanceId": ""}):
        for action in ON_AN_INSTANCE:
            account.refused("MissingInstanceId", action, **empty)
    account.refused("MissingTaskId", "GetTaskAttribute")


@everywhere
def test_12_the_summary_counts_what_the_lists_show_and_the_statuses_part_them(account):
    some = [account.unused(f"{n}.example.com") for n in range(4)]
    account.applied(some[0])
    account.issued(some[1])
    account.do("RefundInstance", InstanceId=some[2])
    every = account.listed(ShowSize=100)
    assert every == some
    words = ("inactive", "pending", "normal", "willExpire", "expired", "refund", "closed")
    parts = {word: account.listed(Status=word, ShowSize=100) for word in words}
    assert sorted(instance for part in parts.values() for instance in part) == sorted(every)
    for word, part in parts.items():
        assert [account.words(instance)[0] for instance in part] == [word] * len(part)
    summary = account.do("GetInstanceSummary")
    counted = [summary[name] for name in ("TotalCount", "InactiveCount", "WillExpireCount")]
    assert counted == [len(every), len(parts["inactive"]), len(parts["willExpire"])]


def test_13_an_update_that_submits_leaves_nothing_to_apply_for():
    submitting = Service(clock=Clock(lambda: NOW), choices=Choices(auto_submits=True))
    with mock_cas(submitting) as server, connected(server, "sync") as account:
        instance = account.unused(None)
        account.do("UpdateInstance", InstanceId=instance, CertificateName="n")
        assert account.state(instance) == "unused"
        account.do("UpdateInstance", InstanceId=instance, Domain="a.example.com")
        account.refused(DENIED, "ApplyCertificate", InstanceId=instance)
        account.advance(17)
        (record,) = account.get(instance)["DomainValidationList"]
        account.refused(DENIED, "ApplyCertificate", InstanceId=instance)
        assert account.get(instance)["DomainValidationList"] == [record]
        assert account.words(instance) == ("pending", None)


@everywhere
def test_14_of_two_withdrawals_at_once_one_is_accepted(account, service):
    instance = account.applied(account.unused())
    account.advance(17)
    answers = []

    def withdraw():
        with mock_cas(service) as server, connected(server, "sync") as other:
            try:
                other.do("CancelPendingCertificate", InstanceId=instance)
            except Refused as refused:
                answers.append(refused.code)
            else:
                answers.append(None)

    withdrawals = [threading.Thread(target=withdraw) for _ in range(2)]
    for withdrawal in withdrawals:
        withdrawal.start()
    for withdrawal in withdrawals:
        withdrawal.join()
    assert sorted(answers, key=str) == [None, DENIED]
    account.happen(instance, "certificate_issued")
    assert account.words(instance) == ("normal", "issued")
