"""Where a request's parameters may stand, which of them names the operation, and the format of the answer."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import subprocess
from contextlib import closing
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

httpx = pytest.importorskip("httpx", reason="the group `test` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orders import created, order_in

from orderfsm import Operation, State
from orderfsm.mock import Fault, MemoryStore, Request, Response, Service, create_app
from orderfsm.mock.http.threads import Threads

SYSTEM = {"Action": "DescribePackageState", "Version": "2020-04-07"}
FORM = "application/x-www-form-urlencoded"
SIGNED = {"AccessKeyId": "k", "Signature": "s"}
"""As far as a service without keys looks at a signature."""


def ask(service, query=(), form=None, content_type=FORM, **headers):
    """The response to parameters in the query and in a form."""
    body = b"" if form is None else urlencode(form).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.handle(Request("POST", "/", dict(query), {"content-type": content_type, **names}, body))


@pytest.fixture
def service():
    return Service()


# -- where parameters stand --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=UTF-8", FORM.upper(), ""])
def test_all_parameters_may_stand_in_a_form(service, content_type):
    assert ask(service, form=SYSTEM, content_type=content_type).json["TotalCount"] == 20
    answer = ask(service, form=SYSTEM | {"Action": "ListUserCertificateOrder", "ShowSize": "7"})
    assert answer.json["ShowSize"] == 7


@given(st.text(st.sampled_from("aB1=&%+;.~-_ \u017f\u00e9") | st.characters(codec="utf-8"), max_size=20))
def test_a_query_is_read_as_urllib_reads_it(query):
    assert Request("GET", "/", query).query == dict(parse_qsl(query, keep_blank_values=True))


def test_the_query_wins_over_the_form(service):
    other = {"Action": "ListUserCertificateOrder", "Version": "2020-04-07"}
    assert "ProductCode" in ask(service, SYSTEM, other).json
    assert ask(service, {"Version": "2018-07-13"}, SYSTEM).json["Code"] == "InvalidVersion"


def test_a_part_may_stand_in_the_query_and_the_rest_in_the_form(service):
    assert ask(service, {"Version": "2020-04-07"}, {"Action": "DescribePackageState"}).status == 200


@pytest.mark.parametrize("missing", ["Version", "Action"])
def test_what_stands_in_neither_is_missing(service, missing):
    form = {name: value for name, value in SYSTEM.items() if name != missing}
    assert ask(service, form=form).json["Code"] == f"Missing{missing}"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "application/xml", "multipart/form-data; boundary=x", f"x{FORM}", "nonsense"],
)
def test_a_body_that_is_no_form_has_no_parameters(service, content_type):
    named = {"x-acs-action": "CreateCertificateForPackageRequest", "x-acs-version": "2020-04-07"}
    body = b'{"q":"x&Domain=b.example.com&y=1"}'
    answer = service.handle(Request("POST", "/", {}, {**named, "content-type": content_type}, body))
    assert (answer.status, answer.json["Code"]) == (400, "MissingDomain")
    assert service.count() == 0


def test_curl_calls_it_with_a_form(server):
    if shutil.which("curl") is None:
        pytest.skip("curl is not on this machine")
    command = ["curl", "--silent", "--noproxy", "*", "-X", "POST", f"{server.api}/"]
    for name, value in SYSTEM.items():
        command += ["-d", f"{name}={value}"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    assert '"TotalCount":20' in told


# -- what names the operation ------------------------------------------------------------------------------------------


def test_without_an_authorization_the_parameter_names_the_operation(service):
    assert ask(service, SYSTEM, x_acs_action="describePackageState").json["TotalCount"] == 20
    assert ask(service, form=SYSTEM, x_acs_action="describePackageState", x_acs_version="2020-04-07").status == 200


@pytest.mark.parametrize(
    ("name", "header", "said"),
    [
        ("Action", "x_acs_action", "DeleteCertificateRequest"),
        ("Action", "x_acs_action", "describepackagestate"),
        ("Action", "x_acs_action", "DescribePackageStates"),
        ("Version", "x_acs_version", "2018-07-13"),
    ],
)
def test_a_header_that_names_something_else_is_refused(service, name, header, said):
    for where in ({"query": SYSTEM}, {"form": SYSTEM}):
        answer = ask(service, **where, **{header: said})
        assert (answer.status, answer.json["Code"]) == (400, f"Invalid{name}")


def test_beside_an_authorization_the_header_names_the_operation(service):
    answer = ask(service, SYSTEM, authorization="any", x_acs_action="ListUserCertificateOrder")
    assert answer.json["CertificateOrderList"] == []


# -- the format of the answer ------------------------------------------------------------------------------------------


def read(response, root):
    """The members of an XML body, which must have that root."""
    assert response.headers["content-type"] == "application/xml;charset=utf-8"
    document = ET.fromstring(response.body)
    assert document.tag == root
    return document


@pytest.mark.parametrize("word", ["XML", "xml", "Xml"])
@pytest.mark.parametrize("where", ["query", "form"])
@pytest.mark.parametrize("more", [{}, SIGNED], ids=["unsigned", "signed"])
def test_an_answer_is_xml_where_the_format_says_so(service, word, where, more):
    document = read(ask(service, **{where: SYSTEM | more | {"Format": word}}), "DescribePackageStateResponse")
    assert document.findtext("TotalCount") == "20"
    assert document.findtext("RequestId")


@pytest.mark.parametrize("word", ["JSON", "json", "Json", ""])
def test_an_answer_is_json_where_the_format_says_so(service, word):
    assert ask(service, SYSTEM | {"Format": word}).json["TotalCount"] == 20


def test_without_a_format_a_query_signature_has_xml_and_all_others_have_json(service):
    read(ask(service, SYSTEM | SIGNED), "DescribePackageStateResponse")
    read(ask(service, form=SYSTEM | SIGNED), "DescribePackageStateResponse")
    assert ask(service, SYSTEM).json["TotalCount"] == 20
    assert ask(service, SYSTEM | SIGNED, authorization="any", x_acs_action=SYSTEM["Action"]).json["TotalCount"] == 20


def test_the_legacy_sdk_that_was_told_no_format_has_xml(server):
    client = pytest.importorskip("aliyunsdkcore.client", reason="the legacy SDK is not installed")
    request = pytest.importorskip("aliyunsdkcas.request.v20200407.DescribePackageStateRequest")
    asked = request.DescribePackageStateRequest()
    asked.set_endpoint(server.api.removeprefix("http://"))
    asked.set_protocol_type("http")
    with pytest.deprecated_call():
        answer = client.AcsClient("key", "secret", "cn-hangzhou").do_action(asked)
    document = ET.fromstring(answer)
    assert document.tag == "DescribePackageStateResponse"


def test_a_format_that_nobody_knows_is_refused(service):
    assert ask(service, SYSTEM | {"Format": "YAML"}).json["Code"] == "InvalidFormat"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "MissingVersion"),
        (SYSTEM | {"Version": "1"}, "InvalidVersion"),
        (SYSTEM | {"Action": "Explode"}, "InvalidAction.NotFound"),
        (SYSTEM | {"Action": "DeleteCertificateRequest"}, "MissingOrderId"),
        (SYSTEM | {"Action": "DeleteCertificateRequest", "OrderId": "1"}, "NotFoundOrder"),
    ],
)
def test_a_failure_is_an_error_element(service, given, code):
    response = ask(service, given | {"Format": "XML"})
    document = read(response, "Error")
    assert [part.tag for part in document] == ["RequestId", "HostId", "Code", "Message", "Recommend"]
    assert document.findtext("Code") == code
    assert response.status == ask(service, given).status


def test_a_wrong_signature_is_an_error_element():
    document = read(ask(Service(keys={"k": "secret"}), SYSTEM | {"Format": "XML"}), "Error")
    assert document.findtext("Code") == "MissingSignature"


def test_a_fault_and_what_the_service_does_not_survive_are_error_elements(service, monkeypatch):
    service.add_fault(Fault(retry_after=20, times=1))
    response = ask(service, SYSTEM | {"Format": "XML"})
    assert read(response, "Error").findtext("Code") == "Throttling.User"
    assert (response.status, response.headers["x-acs-retry-after"]) == (429, "20")
    service.add_fault(Fault(status=200, code="Odd", times=1))
    assert read(ask(service, SYSTEM | {"Format": "XML"}), "Error").findtext("Code") == "Odd"
    monkeypatch.setattr(service.store, "package", lambda *_: 1 / 0)
    assert read(ask(service, SYSTEM | {"Format": "XML"}), "Error").findtext("Code") == "Error"


@pytest.mark.parametrize("ends", [TimeoutError, asyncio.CancelledError])
def test_a_call_that_nobody_waits_for_any_more_is_answered_in_its_format(monkeypatch, ends):
    async def run(*_):
        raise ends

    monkeypatch.setattr(Threads, "run", run)
    monkeypatch.setattr(MemoryStore, "blocking", True)

    async def late(app):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://mock") as client:
            return await client.get("/", params=SYSTEM | {"Format": "XML"})

    response = asyncio.run(late(create_app(Service())))
    assert response.status_code == 500
    assert ET.fromstring(response.content).findtext("Code") == "Error"


def test_a_list_is_one_element_for_each_of_its_members(service):
    ids = [created(service, Domain=f"host{n}.example.com") for n in range(3)]
    asked = {"Action": "ListUserCertificateOrder", "Version": "2020-04-07", "Format": "XML"}
    document = read(ask(service, asked), "ListUserCertificateOrderResponse")
    assert [entry.findtext("OrderId") for entry in document.findall("CertificateOrderList")] == list(map(str, ids))
    assert document.findtext("TotalCount") == "3"


def test_xml_says_of_every_state_what_json_says(service):
    for state in set(State) - {State.DELETED}:
        asked = {"Action": "DescribeCertificateState", "OrderId": order_in(service, state), "Version": "2020-04-07"}
        document = read(ask(service, asked | {"Format": "XML"}), "DescribeCertificateStateResponse")
        members = {part.tag: part.text for part in document}
        assert members | {"RequestId": ""} == ask(service, asked).json | {"RequestId": ""}


@given(
    st.dictionaries(
        st.from_regex("[A-Z][A-Za-z]{0,8}", fullmatch=True),
        st.text() | st.integers() | st.booleans() | st.none(),
    )
)
def test_any_text_is_carried_by_xml(members):
    read_back = {part.tag: part.text or "" for part in ET.fromstring(Response.of(200, members).as_xml("R").body)}
    for name, value in members.items():
        if isinstance(value, str):
            assert len(read_back[name]) == len(value)
            assert all(a in {b, "\ufffd"} for a, b in zip(read_back[name], value, strict=True))
        else:
            assert read_back[name] == ("" if value is None else json.dumps(value))


NAMES = ["Action", "Version", "OrderId", "Domain", "ProductCode", "Keyword", "Status", "ShowSize", "Csr", "Tags.1.Key"]
VALUES = st.sampled_from([*Operation, "2020-04-07", "100000001", "a.example", "7", ""]) | st.text(max_size=20)
ONE = Service()


@given(st.dictionaries(st.sampled_from(NAMES), VALUES), st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_whatever_is_asked_is_answered_in_xml_that_can_be_read(query, form):
    response = ask(ONE, SYSTEM | query | {"Format": "XML"}, form)
    document = ET.fromstring(response.body)
    assert document.tag == ("Error" if response.status != 200 else f"{(SYSTEM | query)['Action']}Response")
    assert document.findtext("RequestId")
    assert response.status < 500


# -- answers without a body --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("given", [{}, {"Format": "XML"}])
def test_a_status_that_lets_no_body_follow_has_none(service, status, given):
    service.add_fault(Fault(status=status))
    response = ask(service, SYSTEM | given)
    assert (response.status, response.body) == (status, b"")


@pytest.mark.parametrize("status", [204, 205, 304])
def test_the_connection_goes_on_after_an_answer_without_a_body(server, status):
    server.service.add_fault(Fault(status=status, times=1))
    url = urlsplit(server.api)
    with closing(http.client.HTTPConnection(url.hostname, url.port, timeout=300)) as connection:
        for expected in (status, 200):
            connection.request("GET", f"/?{urlencode(SYSTEM)}")
            response = connection.getresponse()
            response.read()
            assert response.status == expected
            assert (expected, response.getheader("content-length")) != (204, "0")  # RFC 9110, 8.6
