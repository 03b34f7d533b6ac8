"""AliDNS on the API port: domains, their records, and what a resolver finds in them."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from alidns import dns, done, listed, publish, refused, sdk
from stores import KINDS, opened
from test_store import at_once

from orderfsm import InvalidValue
from orderfsm.mock import MemoryStore, Request, Service, SQLStore, mock_cas
from orderfsm.mock.dns.names import full, host_of, is_host, is_root, root_of
from orderfsm.mock.http.control import Control
from orderfsm.tables import alidns

pytest_plugins = ["postgres"]


@pytest.fixture
def service():
    return Service()


# -- records -----------------------------------------------------------------------------------------------------------


def test_a_record_is_added_listed_changed_paused_and_deleted_by_the_official_sdk():
    models = pytest.importorskip("alibabacloud_alidns20150109.models", reason="the SDK of AliDNS is not installed")
    with mock_cas(keys={"id": "secret"}) as server:
        client = sdk(server)

        async def added(value):
            request = models.AddDomainRecordRequest(domain_name="Example.com", rr="_DNSauth", type="txt", value=value)
            return (await client.add_domain_record_async(request)).body.record_id

        first, second = asyncio.run(added("one")), asyncio.run(added("two"))
        update = models.UpdateDomainRecordRequest(record_id=first, rr="www", type="A", value="192.0.2.1", ttl=700)
        assert client.update_domain_record(update).body.record_id == first
        status = models.SetDomainRecordStatusRequest(record_id=second, status="Disable")
        assert client.set_domain_record_status(status).body.status == "Disable"
        body = client.describe_domain_records(models.DescribeDomainRecordsRequest(domain_name="example.com")).body
        assert (body.total_count, body.page_number, body.page_size) == (2, 1, 20)
        assert [
            (each.record_id, each.rr, each.type, each.value, each.ttl, each.line, each.status, each.locked)
            for each in body.domain_records.record
        ] == [
            (second, "_dnsauth", "TXT", "two", 600, "default", "DISABLE", False),
            (first, "www", "A", "192.0.2.1", 700, "default", "ENABLE", False),
        ]
        info = models.DescribeDomainRecordInfoRequest(record_id=first)
        assert client.describe_domain_record_info(info).body.domain_name == "example.com"
        sub = models.DescribeSubDomainRecordsRequest(sub_domain="www.example.com")
        assert [each.value for each in client.describe_sub_domain_records(sub).body.domain_records.record] == [
            "192.0.2.1"
        ]
        assert client.delete_domain_record(models.DeleteDomainRecordRequest(record_id=first)).body.record_id == first
        removal = models.DeleteSubDomainRecordsRequest(domain_name="example.com", rr="_dnsauth")
        gone = client.delete_sub_domain_records(removal).body
        assert (gone.rr, gone.total_count) == ("_dnsauth", "1")
        assert server.service.dns_records("example.com") == []


WRITTEN = {"DomainName": "example.com", "RR": "www", "Type": "TXT", "Value": "v"}


@pytest.mark.parametrize("action", alidns.PARAMETERS)
def test_each_required_parameter_is_missed_by_its_name(service, action):
    full_call = WRITTEN | {"RecordId": "7", "SubDomain": "www.example.com", "Status": "Enable"}
    for name in alidns.PARAMETERS[action].required:
        for given_call in ({key: full_call[key] for key in full_call if key != name}, full_call | {name: ""}):
            refused(service, f"Missing{name}", action, **given_call)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"DomainName": "nobody"}, "InvalidDomainName.Format"),
        ({"DomainName": "*.example.com"}, "InvalidDomainName.Format"),
        ({"DomainName": "\u4e2d\u6587.com"}, "InvalidDomainName.Format"),
        ({"DomainName": f"{'a' * 254}.com"}, "InvalidDomainName"),
        ({"DomainName": "\u212a.com"}, "InvalidDomainName.Format"),
        ({"DomainName": "www.example.com"}, "InvalidDomainName.NoExist"),
        ({"DomainName": "com.cn"}, "InvalidDomainName.NoExist"),
        ({"RR": "a b"}, "InvalidRR.Format"),
        ({"RR": "-a"}, "InvalidRR.Format"),
        ({"RR": "a..b"}, "InvalidRR.Format"),
        ({"RR": "a.*"}, "InvalidRR.Format"),
        ({"RR": "\u212a"}, "InvalidRR.Format"),
        ({"RR": ".".join(["a" * 60] * 4)}, "InvalidRR.Format"),
        ({"Type": "TEXT"}, "InvalidType"),
        ({"Type": "A", "Value": "text"}, "InvalidValue"),
        ({"Type": "A", "Value": "2001:db8::1"}, "InvalidValue"),
        ({"Type": "AAAA", "Value": "192.0.2.1"}, "InvalidValue"),
        ({"Value": "v" * 2049}, "InvalidValue"),
        ({"Type": "MX"}, "MissingPriority"),
        ({"Type": "MX", "Priority": "0"}, "InvalidPriority"),
        ({"Type": "MX", "Priority": "51"}, "InvalidPriority"),
        ({"TTL": "soon"}, "InvalidTTL"),
        ({"TTL": "599"}, "QuotaExceeded.TTL"),
        ({"TTL": "86401"}, "QuotaExceeded.TTL"),
    ],
)
def test_a_record_that_cannot_be_is_refused_and_nothing_is_added(service, changed, code):
    refused(service, code, "AddDomainRecord", **{**WRITTEN, **changed})
    assert service.domains() == []


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("DescribeDomainRecords", {"PageNumber": "0"}, "InvalidPageNumber"),
        ("DescribeDomainRecords", {"PageSize": "501"}, "InvalidPageSize"),
        ("DescribeDomainRecords", {"PageSize": "-1"}, "InvalidPageSize"),
        ("DescribeDomainRecords", {"SearchMode": "SOME"}, "InvalidSearchMode"),
        ("DescribeDomainRecords", {"Direction": "UP"}, "InvalidDirection"),
        ("DescribeDomainRecords", {"GroupId": "x"}, "InvalidGroupId"),
        ("DescribeDomains", {"PageSize": "101"}, "InvalidPageSize"),
        ("SetDomainRecordStatus", {"RecordId": "7", "Status": "off"}, "InvalidStatus"),
        ("DescribeSubDomainRecords", {"SubDomain": "www"}, "InvalidDomainName.NoExist"),
        (
            "DescribeSubDomainRecords",
            {"SubDomain": "a.other.com", "DomainName": "example.com"},
            "InvalidDomainName.NoExist",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_name(service, action, parameters, code):
    refused(service, code, action, **{"DomainName": "example.com", **parameters})


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("UpdateDomainRecord", "DomainRecordNotBelongToUser"),
        ("SetDomainRecordStatus", "DomainRecordNotBelongToUser"),
        ("DeleteDomainRecord", "DomainRecordNotBelongToUser"),
        ("DescribeDomainRecordInfo", "InvalidRR.NoExist"),
    ],
)
def test_a_record_that_is_not_there_is_refused_as_the_service_does(service, action, code):
    gone = publish(service, "www", "v")
    done(service, "DeleteDomainRecord", RecordId=gone)
    for record_id in (gone, "7", "x", "\0", "9" * 128):
        refused(service, code, action, **WRITTEN, RecordId=record_id, Status="Enable")


def test_an_equal_record_is_a_duplicate_and_an_update_that_changes_nothing_is_one_too(service):
    first = publish(service, "www", "v")
    refused(service, "DomainRecordDuplicate", "AddDomainRecord", **WRITTEN)
    refused(service, "DomainRecordDuplicate", "AddDomainRecord", **{**WRITTEN, "RR": "WWW", "TTL": "700"})
    refused(service, "DomainRecordDuplicate", "UpdateDomainRecord", **WRITTEN, RecordId=first)
    done(service, "UpdateDomainRecord", **WRITTEN, RecordId=first, TTL="700")
    second = publish(service, "www", "w")
    refused(service, "DomainRecordDuplicate", "UpdateDomainRecord", **WRITTEN, RecordId=second)
    publish(service, "www", "v", Line="telecom")
    assert [record.ttl for record in service.dns_records("example.com")] == [700, 600, 600]


def test_an_alias_and_other_records_of_one_name_are_in_conflict(service):
    publish(service, "www", "v")
    refused(service, "DomainRecordConflict", "AddDomainRecord", **{**WRITTEN, "Type": "CNAME", "Value": "a.test.com"})
    publish(service, "alias", "a.test.com", kind="CNAME")
    refused(service, "DomainRecordConflict", "AddDomainRecord", **{**WRITTEN, "RR": "alias"})
    publish(service, "alias", "elsewhere", Line="telecom")


SEARCHES = [
    ({}, {"www", "www2", "mail", "@"}),
    ({"RRKeyWord": "WWW"}, {"www", "www2"}),
    ({"RRKeyWord": "www", "SearchMode": "COMBINATION"}, {"www"}),
    ({"RRKeyWord": "www", "SearchMode": "ADVANCED"}, {"www", "www2"}),
    ({"TypeKeyWord": "mx"}, {"mail"}),
    ({"TypeKeyWord": "m"}, set()),
    ({"Type": "TXT"}, {"@", "www2"}),
    ({"ValueKeyWord": "0.2.1"}, {"www"}),
    ({"ValueKeyWord": "0.2.1", "SearchMode": "COMBINATION"}, set()),
    ({"Status": "Disable"}, {"www2"}),
    ({"Line": "telecom"}, {"@"}),
    ({"KeyWord": "ma"}, {"mail"}),
    ({"KeyWord": "ma", "SearchMode": "EXACT"}, set()),
    ({"KeyWord": "mail", "SearchMode": "EXACT"}, {"mail"}),
    ({"KeyWord": "w", "RRKeyWord": "mail"}, {"www", "www2"}),
    ({"RRKeyWord": "mail", "SearchMode": "LIKE"}, {"www", "www2", "mail", "@"}),
    ({"RRKeyWord": "www", "Type": "TXT"}, {"www2"}),
    ({"GroupId": "0"}, set()),
    ({"GroupId": "-2"}, {"www", "www2", "mail", "@"}),
]


@pytest.mark.parametrize(("search", "found"), SEARCHES, ids=[json.dumps(search) for search, _ in SEARCHES])
def test_records_are_searched_as_the_documents_say(service, search, found):
    publish(service, "www", "192.0.2.1", kind="A")
    paused = publish(service, "www2", "some text")
    done(service, "SetDomainRecordStatus", RecordId=paused, Status="disable")
    publish(service, "mail", "mx.example.net", kind="MX", Priority="5")
    publish(service, "@", "apex", Line="telecom")
    assert {record["RR"] for record in listed(service, **search)} == found


def test_records_come_in_pages_newest_first_or_oldest_first(service):
    ids = [publish(service, f"h{number}", "v") for number in range(23)]
    assert [record["RecordId"] for record in listed(service)] == ids[:2:-1]
    assert [record["RecordId"] for record in listed(service, PageNumber=2)] == ids[2::-1]
    assert [record["RecordId"] for record in listed(service, Direction="ASC", PageSize=5, PageNumber=2)] == ids[5:10]
    assert listed(service, PageNumber=4) == []
    answer = done(service, "DescribeDomainRecords", DomainName="example.com", PageSize=500)
    assert (answer["TotalCount"], len(answer["DomainRecords"]["Record"])) == (23, 23)


def test_an_answer_can_be_had_in_xml_and_another_version_has_no_such_action(service):
    publish(service, "www", "v")
    query = {"Action": "DescribeDomainRecords", "Version": "2015-01-09", "DomainName": "example.com", "Format": "XML"}
    body = service.handle(Request("GET", "/", query)).body.decode()
    assert "<DescribeDomainRecordsResponse><DomainRecords><Record><DomainName>example.com" in body
    query["Version"] = "2020-04-07"
    assert "<Code>InvalidAction.NotFound</Code>" in service.handle(Request("GET", "/", query)).body.decode()
    headers = {"x-acs-version": "2015-01-09", "x-acs-action": "DescribeCertificateState"}
    assert service.handle(Request("POST", "/", {}, headers)).json["Code"] == "InvalidAction.NotFound"


def test_the_same_fault_rules_apply_to_it(service):
    with mock_cas(service) as server:
        server.fail("AddDomainRecord", code="Throttling.User", times=1)
        server.fail("GetUserCertificateDetail", code="Error")
        response = dns(service, "AddDomainRecord", **WRITTEN)
        assert (response.status, response.json["Code"], response.json["HostId"]) == (
            429,
            "Throttling.User",
            "alidns.aliyuncs.com",
        )
        publish(service, "www", "v")
        for members in ({"order_id": 7}, {"instance_id": "cas-cn-1"}, {"read": "missing"}):
            with pytest.raises(InvalidValue, match=r"of a fault of AddDomainRecord .*: expected none: it is about no"):
                server.fail("AddDomainRecord", **members)
        with pytest.raises(InvalidValue, match="Operation 'AddDomainRecords'"):
            server.fail("AddDomainRecords")


# -- domains -----------------------------------------------------------------------------------------------------------


def test_as_long_as_no_domain_is_added_every_one_is_there_that_can_be_registered(service):
    for domain in ("example.com", "example.com.cn", "example.co.uk", "x.dev"):
        assert listed(service, domain) == []
    for domain in ("www.example.com", "com.cn", "co.uk", "a.example.com.cn"):
        refused(service, "InvalidDomainName.NoExist", "DescribeDomainRecords", DomainName=domain)


def test_from_the_first_domain_that_is_added_only_those_are_there(service):
    kept = publish(service, "www", "v", domain="example.org")
    added = done(service, "AddDomain", DomainName="sub.Example.com")
    assert (added["DomainName"], added["DnsServers"]) == (
        "sub.example.com",
        {"DnsServer": ["ns1.alidns.com", "ns2.alidns.com"]},
    )
    refused(service, "InvalidDomainName.Duplicate", "AddDomain", DomainName="sub.example.com")
    refused(service, "InvalidDomainName.NoExist", "DescribeDomainRecords", DomainName="example.com")
    assert [record["RecordId"] for record in listed(service, "example.org")] == [kept]
    publish(service, "@", "v", domain="sub.example.com")
    domains = done(service, "DescribeDomains")["Domains"]["Domain"]
    assert [(each["DomainName"], each["RecordCount"]) for each in domains] == [
        ("example.org", 1),
        ("sub.example.com", 1),
    ]
    assert done(service, "DescribeDomains", KeyWord="SUB")["TotalCount"] == 1
    assert done(service, "DescribeDomains", KeyWord="sub", SearchMode="EXACT")["TotalCount"] == 0
    assert done(service, "DeleteDomain", DomainName="example.org") == {"DomainName": "example.org"}
    refused(service, "InvalidDomainName.NoExist", "DeleteDomain", DomainName="example.org")
    refused(service, "DomainRecordNotBelongToUser", "DeleteDomainRecord", RecordId=kept)
    done(service, "DeleteDomain", DomainName="sub.example.com")
    refused(service, "InvalidDomainName.NoExist", "DescribeDomainRecords", DomainName="example.com")


@pytest.mark.parametrize("kind", KINDS)
def test_the_domains_that_a_service_is_given_outlive_a_reset_and_their_records_do_not(kind, request, tmp_path):
    with closing(opened(kind, request, tmp_path)) as store:
        service = Service(store=store, domains=["Example.com"])
        publish(service, "www", "v")
        service.put_domain("other.test")
        assert Service(store=store, domains=["late.test"]).domains() == ["example.com", "other.test"]
        service.reset()
        assert (service.domains(), listed(service)) == (["example.com"], [])
        for wrong in ("nobody", "", 7, None, "*.example.com"):
            with pytest.raises(InvalidValue, match=r"^domain "):
                service.put_domain(wrong)
        with pytest.raises(InvalidValue, match=r"domain 'b\.test': expected example.com"):
            service.dns_records("b.test")


def test_the_control_port_shows_domains_and_records_and_takes_domains_in(service):
    def control(method, path):
        response = Control(service).handle(Request(method, path))
        return response.status, response.json if response.body else None

    assert control("GET", "/domains") == (200, {"Domains": []})
    publish(service, "www", "v")
    status, shown = control("GET", "/domains/Example.com")
    assert (status, shown["Records"][0]["RR"], shown["Records"][0]["Value"]) == (200, "www", "v")
    assert control("PUT", "/domains/b.test") == (200, {"DomainName": "b.test", "Records": []})
    assert control("GET", "/domains")[1]["Domains"] == [
        {"DomainName": "b.test", "RecordCount": 0},
        {"DomainName": "example.com", "RecordCount": 1},
    ]
    assert control("PUT", "/domains/nobody")[0] == 400
    assert control("DELETE", "/domains/b.test")[0] == 204
    for method in ("GET", "DELETE"):
        assert control(method, "/domains/b.test")[0] == 404
    assert control("PATCH", "/domains/b.test")[0] == 405
    assert control("POST", "/reset")[0] == 204
    assert control("GET", "/domains") == (200, {"Domains": []})


# -- any run, on any store -----------------------------------------------------------------------------------------

HOST = st.sampled_from(["@", "www", "a.www", "*"])
VALUE = st.sampled_from(["v", "w"])
STEPS = st.lists(
    st.tuples(st.just("add"), HOST, VALUE)
    | st.tuples(st.just("update"), st.integers(0, 5), HOST, VALUE)
    | st.tuples(st.just("delete"), st.integers(0, 5)),
    max_size=12,
)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_domain_is_what_its_records_were_made_to_say(kind, request, tmp_path, data):
    with closing(opened(kind, request, tmp_path)) as store:
        store.reset()
        service, known = Service(store=store), {}
        for step, *arguments in data.draw(STEPS):
            record_id = "7"
            if step != "add" and known:
                record_id = sorted(known)[arguments[0] % len(known)]
            if step == "delete":
                gone = dns(service, "DeleteDomainRecord", RecordId=record_id).status == 200
                assert gone is (known.pop(record_id, None) is not None)
                continue
            host, value = arguments[-2:]
            is_free = (host, value) not in known.values()
            written = {"RR": host, "Type": "TXT", "Value": value}
            if step == "add":
                response = dns(service, "AddDomainRecord", DomainName="example.com", **written)
                assert (response.status == 200) is is_free
            else:
                response = dns(service, "UpdateDomainRecord", RecordId=record_id, **written)
                assert (response.status == 200) is (is_free and record_id in known)
            if response.status == 200:
                known[response.json["RecordId"]] = host, value
        found = {record["RecordId"]: (record["RR"], record["Value"]) for record in listed(service, PageSize=500)}
        assert found == known


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql"])
def test_of_those_that_add_one_record_at_one_time_one_does(kind, request, tmp_path):
    with closing(opened(kind, request, tmp_path)) as store:
        service = Service(store=store)
        codes = at_once(lambda _: dns(service, "AddDomainRecord", **WRITTEN).json.get("Code"), 4)
        assert sorted(codes, key=str) == ["DomainRecordDuplicate"] * 3 + [None]
        each = at_once(lambda number: dns(service, "AddDomainRecord", **{**WRITTEN, "RR": f"h{number}"}).status, 4)
        assert each == [200] * 4
        assert len(listed(service)) == 5


class Interrupted(MemoryStore):
    """A store in which something happens just before notes are written, once."""

    happens = None

    def write_notes(self, changes):
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return super().write_notes(changes)


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (lambda service: publish(service, "www", "v"), "DomainRecordDuplicate"),
        (lambda service: publish(service, "www", "a.test.com", kind="CNAME"), "DomainRecordConflict"),
        (lambda service: service.put_domain("other.test"), None),
        (lambda service: service.delete_domain("example.com"), "InvalidDomainName.NoExist"),
        (lambda service: publish(service, "mail", "v"), None),
    ],
)
def test_who_comes_too_late_with_a_record_is_answered_by_what_is_there_then(happens, code):
    service = Service(store=Interrupted(), domains=["example.com"])
    service.store.happens = lambda: happens(service)
    assert dns(service, "AddDomainRecord", **WRITTEN).json.get("Code") == code


def test_records_are_there_for_every_process_on_a_database(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with closing(SQLStore(url)) as one, closing(SQLStore(url)) as other:
        record = publish(Service(store=one), "www", "v")
        assert [each["RecordId"] for each in listed(Service(store=other))] == [record]


NAMES = sorted({name for taken in alidns.PARAMETERS.values() for name in (*taken.required, *taken.optional)})
VALUES = st.sampled_from(
    ["", "0", "1", "example.com", "www", "@", "*", "TXT", "MX", "LIKE", "x" * 300, "-", "\0\ud800"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    action=st.sampled_from(sorted(alidns.PARAMETERS)),
    parameters=st.dictionaries(st.sampled_from([*NAMES, "Nobody"]), VALUES | st.text(max_size=9)),
)
def test_whatever_is_asked_is_answered_or_refused(service, action, parameters):
    needed = dict.fromkeys(alidns.PARAMETERS[action].required, "example.com")
    response = dns(service, action, **{**needed, **parameters})
    assert response.status in {200, 400}, response.json
    assert response.json["RequestId"]


# -- what a resolver finds ---------------------------------------------------------------------------------------------


def resolved(service, name, kind="TXT"):
    return sorted(service.zones.resolver().resolve(name, kind))


def test_a_resolver_finds_what_is_served_on_the_default_line_in_any_case(service):
    publish(service, "Www", "v")
    publish(service, "www", "elsewhere", Line="telecom")
    paused = publish(service, "www", "paused")
    done(service, "SetDomainRecordStatus", RecordId=paused, Status="Disable")
    assert resolved(service, "WWW.example.com.") == ["v"]
    assert resolved(service, "www.example.com", "A") == resolved(service, "example.com") == []
    done(service, "SetDomainRecordStatus", RecordId=paused, Status="Enable")
    assert resolved(service, "www.example.com") == ["paused", "v"]


def test_the_longest_domain_of_the_account_answers_for_a_name(service):
    service.put_domain("example.com")
    publish(service, "a.sub", "of the upper one")
    assert resolved(service, "a.sub.example.com") == ["of the upper one"]
    service.put_domain("sub.example.com")
    assert resolved(service, "a.sub.example.com") == []
    publish(service, "a", "of the lower one", domain="sub.example.com")
    assert resolved(service, "a.sub.example.com") == ["of the lower one"]
    assert resolved(service, "a.other.com") == []


def test_a_name_with_the_domain_written_twice_is_another_name(service):
    publish(service, "_dnsauth.example.com", "v")
    assert resolved(service, "_dnsauth.example.com") == []
    assert resolved(service, "_dnsauth.example.com.example.com") == ["v"]


def test_an_alias_is_followed_as_far_as_the_account_goes(service):
    publish(service, "a", "B.example.net.", kind="CNAME")
    publish(service, "b", "v", domain="example.net")
    assert resolved(service, "a.example.com") == ["v"]
    assert resolved(service, "a.example.com", "CNAME") == ["B.example.net."]
    publish(service, "round", "round.example.com", kind="CNAME")
    publish(service, "out", "a.nowhere", kind="CNAME")
    assert resolved(service, "round.example.com") == resolved(service, "out.example.com") == []


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (["*"], {"a": "*", "b.a": "*", "@": None}),
        (["*", "a"], {"a": "a", "b.a": None, "c": "*"}),
        (["*", "x.a"], {"a": None, "b.a": None, "x.a": "x.a"}),
        (["*", "*.a"], {"b.a": "*.a", "c.b.a": "*.a", "a": None, "c": "*"}),
    ],
)
def test_a_wildcard_stands_for_names_that_are_not_there(service, hosts, found):
    """RFC 4592, section 2.2.1."""
    for host in hosts:
        publish(service, host, host)
    for host, value in found.items():
        assert resolved(service, full(host, "example.com")) == ([] if value is None else [value]), host


def test_names_and_host_records_are_each_other(service):
    for host, domain in product(["@", "www", "a.b", "*"], ["example.com", "example.co.uk"]):
        assert is_host(host)
        assert host_of(full(host, domain), domain) == host
        assert is_root(domain)
        assert root_of(f"x.y.{domain}".upper()) == domain
    assert host_of("badexample.com", "example.com") is None
