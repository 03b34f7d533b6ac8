"""What the API port answers of instances: purchases, fields by state, updates, and errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from cryptography import x509
from instances import DAY, connected, signing_request

from orderfsm import InvalidValue
from orderfsm.errors import Refusal
from orderfsm.export import divergences
from orderfsm.mock import Choices, Clock, Request, Service, mock_cas
from orderfsm.tables import api
from orderfsm.tables.instances import LIFECYCLE

NOW = 1_790_000_000.0
DENIED = "OperationDenied.StatusNotSupport"


@pytest.fixture
def service(request):
    """A service, with the choices that a test asks for."""
    return Service(clock=Clock(lambda: NOW), choices=Choices(**getattr(request, "param", {})))


@pytest.fixture
def account(service):
    """An account of instances at it."""
    with mock_cas(service) as server, connected(server, "sync") as connection:
        yield connection


with_choices = lambda **choices: pytest.mark.parametrize("service", [choices], indirect=True)  # noqa: E731


def asked(service, action, version=api.VERSION, **parameters):
    """Status and body of the answer to a request made by hand."""
    headers = {"x-acs-version": version, "x-acs-action": action}
    response = service.handle(Request("POST", "/", parameters, headers))
    return response.status, response.json


# -- purchases ---------------------------------------------------------------------------------------------------------


def test_a_purchase_is_an_action_of_the_billing_api_which_has_no_other_here(service):
    billing = "2017-12-14"
    bought = {"ProductCode": "cas", "SubscriptionType": "Subscription"}
    assert asked(service, "CreateInstance", billing, **bought)[0] == 200
    assert asked(service, "CreateInstance", **bought)[1]["Code"] == "InvalidAction.NotFound"
    for action in sorted(api.PARAMETERS.keys() - {"CreateInstance"}):
        assert asked(service, action, billing)[1]["Code"] == "InvalidAction.NotFound"
    assert asked(service, "CreateInstance", "2018-01-01")[1]["Code"] == "InvalidVersion"
    assert asked(service, "CreateInstance", billing)[1]["Code"] == "MissingProductCode"


def test_the_same_client_token_buys_the_same_instance_whatever_else_is_asked_for(account):
    first = account.bought(token="t")
    assert account.bought(token="t") == first
    assert account.bought("ws.dv.w", token="t") == first
    assert account.buy(token="u") != first["InstanceId"]
    assert account.buy() != account.buy()
    assert len(account.listed()) == 4


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"ProductCode": "ecs"}, "ProductCode.NotFound"),
        ({"ProductType": "cas_dv_public_cn"}, "COMMODITY.INVALID_COMPONENT"),
        ({"SubscriptionType": "PayAsYouGo"}, "InvalidSubscriptionType"),
        ({"PricingCycle": 9}, "InvalidPricingCycle"),
        ({"Period": 0}, "InvalidPeriod"),
        ({"Parameter": [{"Code": "fullSpec", "Value": "nonsense"}]}, "COMMODITY.INVALID_COMPONENT"),
        ({"Parameter": [{"Code": "fullDomainCount", "Value": "many"}]}, "InvalidParameter"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_what_cannot_be_bought_is_refused_and_nothing_is_bought(account, fields, code):
    from instances import Refused

    with pytest.raises(Refused) as caught:
        account.bought(fields=fields)
    assert (caught.value.code, caught.value.status) == (code, 400)
    assert account.listed() == []


@pytest.mark.parametrize(
    ("spec", "more", "fields"),
    [
        ("ws.dv.f", {}, ("ws.dv.f", "WoSign", "DV", "BUY", 1, 0)),
        ("geo.ov.w", {"fullDomainCount": "0"}, ("geo.ov.w", "GeoTrust", "OV", "BUY", 0, 1)),
        ("ss.dv.t", {}, ("ss.dv.t", "DigiCert", "DV", "TEST", 1, 0)),
        (
            "gs.ev.f",
            {"fullDomainCount": "2", "wildcardSpec": "gs.ev.w", "wildcardDomainCount": "1"},
            ("gs.ev.m", "GlobalSign", "EV", "BUY", 2, 1),
        ),
    ],
    ids=["single", "wildcard", "trial", "both"],
)
def test_an_instance_says_what_was_bought(account, spec, more, fields):
    read = account.get(account.buy(spec, **more))
    named = ("Spec", "Brand", "CertificateType", "InstanceType", "FullDomainCount", "WildcardDomainCount")
    assert tuple(read[name] for name in named) == fields
    assert read["OrderEndTime"] - read["OrderStartTime"] == 365 * DAY * 1000


# -- fields by state ---------------------------------------------------------------------------------------------------

BOUGHT = {
    "InstanceId",
    "Status",
    "InstanceType",
    "Spec",
    "Brand",
    "CertificateType",
    "FullDomainCount",
    "WildcardDomainCount",
    "OrderStartTime",
    "OrderEndTime",
    "UpgradeStatus",
    "AutoReissueFlag",
    "AverageWaitingTime",
}
FILLED = {
    "Domain",
    "KeyAlgorithm",
    "GenerateCsrMethod",
    "ValidationMethod",
    "City",
    "Province",
    "CountryCode",
    "ContactIdList",
}
CERTIFIED = {
    "CertificateStatus",
    "CertificateId",
    "CertIdentifier",
    "CertificateNotBefore",
    "CertificateNotAfter",
    "InstanceStartTime",
    "InstanceEndTime",
    "PendingResult",
}


def fields(account, instance):
    """The fields that say something, but for those that the SDK makes up."""
    return {name for name, value in account.get(instance).items() if value != []}


def test_an_instance_has_the_fields_that_its_state_fills(account):
    instance = account.buy()
    assert fields(account, instance) == BOUGHT
    account.advance(6)
    account.do("UpdateInstance", InstanceId=instance, Domain="a.example.com", ContactIdList=[7])
    assert fields(account, instance) == BOUGHT | FILLED
    account.do("ApplyCertificate", InstanceId=instance)
    assert fields(account, instance) == BOUGHT | FILLED
    account.advance(2)
    assert fields(account, instance) == BOUGHT | FILLED | {"DomainValidationList"}
    account.advance(15)
    account.happen(instance, "certificate_issued")
    assert fields(account, instance) == BOUGHT | FILLED | CERTIFIED
    read = account.get(instance)
    assert type(read["CertificateId"]) is int
    assert read["CertIdentifier"] == f"{read['CertificateId']}-cn-hangzhou"
    assert read["CertificateNotAfter"] - read["CertificateNotBefore"] == 90 * DAY * 1000


def test_times_are_milliseconds(account):
    assert account.get(account.unused())["OrderStartTime"] == NOW * 1000


@with_choices(in_seconds=True)
def test_times_are_seconds_where_the_service_is_told_so(account):
    assert account.get(account.unused())["OrderStartTime"] == NOW


def test_each_domain_is_validated_by_a_record_or_a_file_of_its_own(account):
    instance = account.buy(fullDomainCount="2", wildcardSpec="ws.dv.w")
    account.advance(6)
    names = "a.example.com,b.example.org,*.example.net"
    account.applied(instance, names)
    account.advance(2)
    records = account.get(instance)["DomainValidationList"]
    assert [record["Domain"] for record in records] == ["a.example.com", "b.example.org", "example.net"]
    assert [record["RootDomain"] for record in records] == ["example.com", "example.org", "example.net"]
    assert {(record["ValidationType"], record["ValidationKey"]) for record in records} == {("TXT", "_dnsauth")}
    assert len({record["ValidationValue"] for record in records}) == 3
    account.advance(15)
    account.happen(instance, "review_failed")
    account.do("UpdateInstance", InstanceId=instance, ValidationMethod="HTTP")
    account.do("ApplyCertificate", InstanceId=instance)
    account.advance(2)
    assert {record["ValidationType"] for record in account.get(instance)["DomainValidationList"]} == {"HTTP"}


def test_a_submission_that_failed_and_a_review_that_failed_say_so(account):
    instance = account.applied(account.unused())
    account.happen(instance, "submission_failed")
    assert account.do("GetTaskAttribute", TaskId=instance)["TaskStatus"] == "failed"
    assert account.words(instance) == ("inactive", None)
    account.do("ApplyCertificate", InstanceId=instance)
    assert account.do("GetTaskAttribute", TaskId=instance)["TaskStatus"] == "processing"
    account.advance(17)
    account.happen(instance, "review_failed")
    assert account.get(instance)["PendingResult"]
    assert account.words(instance) == ("normal", None)


def test_the_certificate_has_a_word_of_its_own_when_the_subscription_ends(account):
    instance = account.issued()
    account.happen(instance, "subscription_neared_end")
    assert account.words(instance) == ("willExpire", "issued")
    account.advance(60 * DAY)
    assert account.words(instance) == ("willExpire", "willExpire")
    account.advance(30 * DAY)
    assert account.words(instance) == ("willExpire", "expired")
    account.happen(instance, "subscription_ended")
    assert account.words(instance) == ("expired", "expired")
    never = account.unused()
    account.happen(never, "subscription_neared_end")
    assert account.words(never) == ("willExpire", None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Spec": "nonsense"}, "Spec 'nonsense': expected brand.grade.kind as in ws.dv.f"),
        ({"Domain": "no domain"}, "Domain 'no domain': expected 1 to 100 domain names"),
        ({"Domain": "a.b.example,c.example"}, "at most 1 exact and 0 wildcard domain names"),
    ],
)
def test_an_instance_that_nobody_can_have_bought_is_not_made(service, given, said):
    with pytest.raises(InvalidValue, match=said):
        service.begin_instance(parameters=given)
    assert service.instances.count() == 0


# -- updates -----------------------------------------------------------------------------------------------------------


def test_what_an_update_says_is_kept_until_another_says_otherwise(account):
    instance = account.unused(None)
    said = {
        "Domain": "a.example.com",
        "KeyAlgorithm": "ECC_256",
        "ValidationMethod": "HTTP",
        "AutoReissue": "enable",
        "CertificateName": "my certificate",
        "ResourceGroupId": "rg-1",
        "ContactIdList": [3, 1],
        "Tags": [{"TagKey": "k", "TagValue": "v"}, {"TagKey": "empty", "TagValue": ""}],
    }
    account.do("UpdateInstance", InstanceId=instance, **said)
    read = account.get(instance)
    assert {name: read[name] for name in said} == said
    account.do("UpdateInstance", InstanceId=instance, CertificateName="another", ContactIdList=[], Tags=[])
    assert {name: account.get(instance)[name] for name in said} == {**said, "CertificateName": "another"}


def test_an_address_is_that_of_the_company_and_without_one_a_default(account):
    instance = account.unused()
    account.do("UpdateInstance", InstanceId=instance, City="Hangzhou", Province="Zhejiang", CountryCode="US")
    read = account.get(instance)
    assert (read["City"], read["Province"], read["CountryCode"]) == ("Beijing", "Beijing", "CN")
    account.do("UpdateInstance", InstanceId=instance, CompanyId=44211)
    read = account.get(instance)
    assert (read["City"], read["Province"], read["CountryCode"]) == ("Hangzhou", "Zhejiang", "US")
    assert "CompanyId" not in read
    account.do("ApplyCertificate", InstanceId=instance)
    assert account.get(instance)["CompanyId"] == 44211


@pytest.mark.parametrize(
    ("spec", "domain", "fits"),
    [
        ("ws.dv.f", "a.example.com", True),
        ("ws.dv.f", "*.example.com", False),
        ("ws.dv.f", "a.example.com,b.example.com", False),
        ("ws.dv.w", "*.example.com", True),
        ("ws.dv.w", "*.example.com,example.com", False),
        ("ws.dv.w", "example.com", False),
        ("ss.dv.t", "*.example.com", False),
    ],
)
def test_a_domain_has_to_fit_what_was_bought(account, spec, domain, fits):
    instance = account.unused(None, spec=spec)
    if fits:
        account.do("UpdateInstance", InstanceId=instance, Domain=domain)
    else:
        account.refused("DomainAndProductNotMatch", "UpdateInstance", InstanceId=instance, Domain=domain)
    assert account.get(instance).get("Domain") == (domain if fits else None)


def test_the_common_name_of_an_uploaded_request_is_the_domain(account):
    instance, request = account.unused(None), signing_request("csr.example.com")
    account.refused("MissingCsr", "UpdateInstance", InstanceId=instance, GenerateCsrMethod="upload")
    refused = {"InstanceId": instance, "GenerateCsrMethod": "upload"}
    account.refused("InvalidCsr", "UpdateInstance", Csr="no request", **refused)
    account.refused("InvalidCsr", "UpdateInstance", Csr=signing_request("no domain"), **refused)
    account.do("UpdateInstance", InstanceId=instance, Csr="no request, and nobody looks")
    given = {"Domain": "other.example.com", "Csr": request}
    account.do("UpdateInstance", InstanceId=instance, **given)
    assert account.get(instance)["Domain"] == "other.example.com"
    account.do("UpdateInstance", InstanceId=instance, GenerateCsrMethod="upload", **given)
    assert account.get(instance)["Domain"] == "csr.example.com"
    account.do("ApplyCertificate", InstanceId=instance)
    account.advance(17)
    account.happen(instance, "certificate_issued")
    downloaded = account.do("GetUserCertificateDetail", CertId=account.get(instance)["CertificateId"])
    assert "Key" not in downloaded
    leaf = x509.load_pem_x509_certificates(downloaded["Cert"].encode())[0]
    assert leaf.public_key() == x509.load_pem_x509_csr(request.encode()).public_key()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Domain", "no domain"),
        ("ValidationMethod", "EMAIL"),
        ("KeyAlgorithm", "RSA_1024"),
        ("GenerateCsrMethod", "magic"),
        ("AutoReissue", "perhaps"),
        ("CompanyId", "x"),
        ("ContactIdList.1", "x"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(service, account, name, value):
    status, body = asked(service, "UpdateInstance", InstanceId=account.unused(), **{name: value})
    assert (status, body["Code"]) == (400, f"Invalid{name.partition('.')[0]}")


def test_parameters_that_no_document_lists_are_ignored(service, account):
    instance = account.unused()
    for action in ("UpdateInstance", "ApplyCertificate"):
        assert asked(service, action, InstanceId=instance, ClientToken="t", Planted="x")[0] == 200


def test_nothing_can_be_applied_for_without_a_domain(account):
    instance = account.unused(None)
    account.refused("MissingParameter", "ApplyCertificate", InstanceId=instance)
    assert account.state(instance) == "unused"


@with_choices(needs_contacts=True)
def test_nor_without_contacts_and_a_company_where_the_service_is_told_so(account):
    instance = account.unused(spec="ws.ov.f")
    for said in ({"ContactIdList": [1]}, {"CompanyId": 5}):
        account.refused("MissingParameter", "ApplyCertificate", InstanceId=instance)
        account.do("UpdateInstance", InstanceId=instance, **said)
    account.do("ApplyCertificate", InstanceId=instance)


# -- faults and limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "words"), [("unknow", ("unknow", "issued")), ("stale", ("pending", None)), ("missing", None)]
)
def test_a_read_is_spoilt_as_a_test_asks_for(account, read, words):
    instance = account.issued()
    account.fail(Operation="GetInstanceDetail", InstanceId=instance, Read=read, Times=1)
    if words is None:
        account.refused("NotFound", "GetInstanceDetail", InstanceId=instance)
    else:
        assert account.words(instance) == words
    assert account.words(instance) == ("normal", "issued")


@pytest.mark.parametrize("then", [["shut_down"], ["subscription_neared_end", "subscription_ended"]])
def test_a_stale_read_shows_no_certificate_that_there_never_was(account, then):
    instance = account.unused()
    account.happen(instance, *then)
    account.fail(Operation="GetInstanceDetail", Read="stale")
    assert account.words(instance)[1] is None
    refunded = account.unused()
    account.do("RefundInstance", InstanceId=refunded)
    account.advance(60)
    assert account.words(refunded)[1] is None


def test_of_an_unreadable_answer_the_sdk_makes_no_body(account):
    from alibabacloud_cas20200407 import models

    instance = account.unused()
    account.fail(Operation="GetInstanceDetail", Read="unreadable", Times=1)
    client = account.client
    answers = [client.get_instance_detail(models.GetInstanceDetailRequest(instance_id=instance)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].body is None
    assert answers[1].body.status == "inactive"


def test_the_answer_to_a_call_can_be_lost_and_a_refusal_can_pass(account):
    instance = account.unused()
    account.fail(Operation="RefundInstance", Code="Error", When="after", Times=1)
    account.fail(Operation="DeleteInstance", Code="InvalidStatus.DeleteProtection", Times=2)
    account.refused("Error", "RefundInstance", InstanceId=instance, status=500)
    account.advance(60)
    assert account.words(instance) == ("refund", None)
    for _ in range(2):
        account.refused("InvalidStatus.DeleteProtection", "DeleteInstance", InstanceId=instance)
    account.do("DeleteInstance", InstanceId=instance)


def test_every_action_may_be_limited(account):
    service = Service(limits=api.RATE_LIMITS)
    assert set(service.limits) == set(api.PARAMETERS)
    service = Service(limits={"GetInstanceDetail": 0})
    assert asked(service, "GetInstanceDetail", InstanceId="cas-cn-1")[1]["Code"] == "Throttling.User"
    assert asked(service, "GetTaskAttribute", TaskId="cas-cn-1")[1]["Code"] == "NotFound"


# -- what nobody says --------------------------------------------------------------------------------------------------


SILENT = [
    (state, trigger) for silence in LIFECYCLE.silences for trigger in silence.triggers for state in silence.states
]


def test_a_call_of_which_the_sources_say_nothing_is_refused_and_changes_nothing(service):
    calls = [(state, trigger) for state, trigger in SILENT if LIFECYCLE.by_client(trigger)]
    assert len(calls) == 26
    for state, trigger in calls:
        record = service.instances.place(state)
        status, body = asked(service, trigger, InstanceId=record.id)
        assert (status, body["Code"]) == (400, LIFECYCLE.service_refusal(state, trigger).error.code)
        assert service.store.get(record.id).state == state


def test_an_event_of_which_the_sources_say_nothing_is_refused_and_changes_nothing(service):
    events = [(state, trigger) for state, trigger in SILENT if not LIFECYCLE.by_client(trigger)]
    assert events
    for state, trigger in events:
        record = service.instances.place(state)
        with pytest.raises(Refusal):
            service.happen(record.id, trigger)
        assert service.store.get(record.id).state == state


def test_the_page_of_divergences_has_every_silent_pair_and_every_rule_that_no_document_states():
    page = (Path(__file__).parent.parent / "docs" / "divergences.md").read_text()
    (listed,) = re.findall(r"<!-- silent -->\n(.*?)<!-- end of silent -->", page, re.DOTALL)
    rows = [re.findall(r"[a-zA-Z_]+", line) for line in listed.splitlines()[2:]]
    assert {(state, row[0]) for row in rows for state in row[1:]} == set(SILENT)
    assert f"<!-- from the table -->\n{divergences(LIFECYCLE)}<!-- end of the table -->" in page


@pytest.mark.parametrize("review", ["at-once", "after=30"])
def test_the_ca_issues_by_itself_once_a_submission_is_taken_up(review):
    service = Service(clock=Clock(lambda: NOW), review=review)
    with mock_cas(service) as server, connected(server, "sync") as account:
        instance = account.applied(account.unused())
        account.advance(16)
        assert account.state(instance) == "submitting"
        account.advance(31)
        assert account.words(instance) == ("normal", "issued")
        assert account.do("GetCertificateDetail", CertificateId=account.get(instance)["CertificateId"])


def test_a_certificate_that_events_led_to_without_a_domain_is_for_a_name_of_its_own(account):
    instance = account.unused(None)
    account.happen(instance, "auto_submitted", "submission_accepted", "certificate_issued")
    detail = account.do("GetCertificateDetail", CertificateId=account.get(instance)["CertificateId"])
    assert detail["CommonName"] == f"{instance}.invalid"


@pytest.mark.parametrize(
    ("events", "then", "word"),
    [
        (["certificate_neared_end"], "RevokeCertificate", "willExpire"),
        (["certificate_neared_end"], "ApplyCertificate", "willExpire"),
        (["certificate_neared_end", "certificate_ended"], "subscription_neared_end", "expired"),
    ],
)
def test_a_certificate_grows_no_younger_by_what_happens_to_its_instance(account, events, then, word):
    instance = account.issued()
    account.happen(instance, *events)
    if then.islower():
        account.happen(instance, then)
    else:
        account.do(then, InstanceId=instance)
    assert account.words(instance)[1] == word
    listed = account.do("ListCertificates", InstanceId=instance)["CertificateList"]
    assert [entry["CertificateStatus"] for entry in listed] == [word]


def test_an_instance_that_reads_as_issued_has_a_certificate_whatever_led_there(account):
    instance = account.unused()
    account.happen(instance, "subscription_neared_end", "subscription_renewed")
    assert account.words(instance) == ("normal", "issued")
    identifier = account.get(instance)["CertificateId"]
    listed = account.do("ListCertificates", InstanceId=instance)["CertificateList"]
    assert [entry["CertificateId"] for entry in listed] == [str(identifier)]
