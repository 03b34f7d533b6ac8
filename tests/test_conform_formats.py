"""What a check of conformance writes for other tools: JUnit XML, HAR, and lines for a shell."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import attrs
import pytest

pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
junitparser = pytest.importorskip("junitparser", reason="the extra `testing` is not installed")
pytest.importorskip("harfile", reason="the extra `testing` is not installed")

from chromium import chromium

from orderfsm import ORDER_LIFECYCLE, Basis, Operation, State, Transition
from orderfsm.mock import Service, mock_cas
from orderfsm.tables.instances import LIFECYCLE as INSTANCES
from orderfsm.tables.instances import Operation as Apply
from orderfsm.tables.instances import State as Instance
from orderfsm.testing import Answer, HTTPDriver, MachineDriver, Result, ServiceDriver, check_conformance
from orderfsm.testing.concurrency.run import Problem
from orderfsm.testing.curl import curl_lines
from orderfsm.testing.drivers.exchanges import HIDDEN, Exchange, Exchanges
from orderfsm.testing.har import har
from orderfsm.testing.junit import junit
from orderfsm.testing.naming import name_of
from orderfsm.testing.report import of_clients
from orderfsm.trace import Finding, Line

ISSUED = ["issued", "delete", "cancel", "describe"]
"""What is tried of most servers here."""

KEY = ("me", "a-secret-that-nobody-tells")


def deletes_issued():
    """A table in which an issued order can be deleted."""
    row = Transition(State.ISSUED, Operation.DELETE, State.DELETED, Basis.INFERRED, "nobody")
    return ORDER_LIFECYCLE.with_rows(row)


def keeps_withdrawn():
    """A table in which what is withdrawn stays under review."""
    row = ORDER_LIFECYCLE.transition(State.PENDING_REVIEW, Operation.CANCEL)
    return ORDER_LIFECYCLE.without(row).with_rows(attrs.evolve(row, target=State.PENDING_REVIEW))


@contextmanager
def checked(service, **options):
    """The report on a service behind its two ports, while it is there."""
    options = {"random": 0, "seed": 1, "budget": 1e6, **options}
    lifecycle = options.get("lifecycle", ORDER_LIFECYCLE)
    with mock_cas(service) as server:
        driver = HTTPDriver(server.api, server.control, key=KEY, lifecycle=lifecycle)
        yield check_conformance(driver, **options)


@pytest.fixture(scope="module")
def signatures():
    """The signatures that came to the server of `report`."""
    return []


@pytest.fixture(scope="module")
def report(signatures):
    """A report on a server that lets issued orders be deleted, and verifies signatures."""
    service = Service(lifecycle=deletes_issued(), keys=dict([KEY]), random=random.Random(1))
    handle = service.handle

    def noting(request):
        signatures.extend(re.findall("Signature=([0-9a-f]+)", request.headers.get("authorization", "")))
        return handle(request)

    service.handle = noting
    with checked(service, only=ISSUED) as report:
        assert report.verdict is Finding.VIOLATES
        return report


def cases_of(report):
    """The test cases of a report's JUnit XML by their names, each with its one result or None."""
    document = junitparser.JUnitXml.fromstring(junit(report).encode())
    cases = [case for suite in document for case in suite]
    assert document.tests == len(cases)
    assert document.failures == sum(isinstance(each, junitparser.Failure) for case in cases for each in case.result)
    return {case.name: next(iter(case.result), None) for case in cases}


# -- JUnit -------------------------------------------------------------------------------------------------------------


def test_junit_has_a_test_for_each_state_and_trigger_and_the_calls_that_show_a_failure(report):
    cases = cases_of(report)
    assert set(cases) == {name_of(ORDER_LIFECYCLE, *pair) for pair in report.coverage}
    assert {type(result) for result in cases.values()} == {type(None), junitparser.Failure}
    [failed] = [name for name, result in cases.items() if result is not None]
    assert failed == "test_delete_is_refused_when_issued"
    failure = cases[failed]
    assert failure.message.startswith("DeleteCertificateRequest in issued: expected OrderStateError (HTTP 403), got")
    assert failure.type == "state machine"
    assert "\n  4. DeleteCertificateRequest(order=1): accepted" in failure.text
    assert "curl -sS -X POST" in failure.text


# What servers that show JUnit XML take (Jenkins' xunit plugin): these elements, in this order, with these attributes.
GRAMMAR = """
<grammar xmlns="http://relaxng.org/ns/structure/1.0" datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <define name="counts">
    <attribute name="tests"><data type="nonNegativeInteger"/></attribute>
    <attribute name="failures"><data type="nonNegativeInteger"/></attribute>
    <attribute name="errors"><data type="nonNegativeInteger"/></attribute>
    <optional><attribute name="skipped"><data type="nonNegativeInteger"/></attribute></optional>
    <optional><attribute name="time"><data type="decimal"/></attribute></optional>
  </define>
  <define name="outcome">
    <attribute name="message"/><optional><attribute name="type"/></optional><text/>
  </define>
  <start>
    <element name="testsuites">
      <attribute name="name"/><ref name="counts"/>
      <oneOrMore><element name="testsuite">
        <attribute name="name"/><ref name="counts"/>
        <optional><element name="properties"><oneOrMore>
          <element name="property"><attribute name="name"/><attribute name="value"/></element>
        </oneOrMore></element></optional>
        <zeroOrMore><element name="testcase">
          <attribute name="name"/><attribute name="classname"/>
          <optional><attribute name="time"><data type="decimal"/></attribute></optional>
          <optional><choice>
            <element name="failure"><ref name="outcome"/></element>
            <element name="error"><ref name="outcome"/></element>
            <element name="skipped"><ref name="outcome"/></element>
          </choice></optional>
        </element></zeroOrMore>
      </element></oneOrMore>
    </element>
  </start>
</grammar>
"""


@pytest.mark.parametrize("options", [{}, {"budget": 0.001}, {"exclude": ["delete"]}], ids=str)
def test_junit_is_what_servers_that_show_it_take(options):
    etree = pytest.importorskip("lxml.etree", reason="no lxml: pip install lxml")
    grammar = etree.RelaxNG(etree.fromstring(GRAMMAR))
    driver = ServiceDriver(Service(lifecycle=deletes_issued()))
    written = junit(check_conformance(driver, **{"random": 1, "seed": 1, "only": ISSUED} | options))
    assert grammar.validate(etree.fromstring(written.encode())), grammar.error_log


def test_where_nothing_could_be_decided_junit_has_an_error():
    report = check_conformance(ServiceDriver(Service()), budget=0.001)
    cases = cases_of(report)
    assert isinstance(cases["test_verdict"], junitparser.Error)
    assert cases["test_verdict"].message == f"undecided because {report.reason}"
    assert {type(each) for each in cases.values()} == {junitparser.Skipped, junitparser.Error}


def test_what_was_known_and_what_is_not_offered_are_skipped_tests():
    driver = ServiceDriver(Service(lifecycle=deletes_issued()))
    options = {"random": 0, "seed": 1, "only": ISSUED, "budget": 1e6}
    first = check_conformance(driver, **options)
    report = check_conformance(driver, known=first.failed, **options)
    assert cases_of(report)["test_delete_is_refused_when_issued"].message == "known before"
    lacking = attrs.evolve(report, coverage=dict.fromkeys(report.coverage, Result.NOT_OFFERED))
    assert {each.message for each in cases_of(lacking).values()} == {"the server does not offer this operation"}


def test_programs_that_were_not_played_are_skipped_tests_and_those_that_failed_are_failures():
    driver = ServiceDriver(Service(lifecycle=deletes_issued()))
    report = check_conformance(driver, random=1, seed=1, only=ISSUED, budget=1e6)
    assert report.parts == {"random": "not played, since something had failed before"}
    assert "the random part: not played" in str(report)
    assert isinstance(cases_of(report)["test_random"], junitparser.Skipped)
    told = attrs.evolve(report, violations=[attrs.evolve(each, part="random") for each in report.violations])
    assert isinstance(cases_of(told)["test_random"], junitparser.Failure)
    right = check_conformance(ServiceDriver(Service()), random=1, seed=1, only=ISSUED, budget=1e6)
    assert right.parts == {"random": ""}
    assert cases_of(right)["test_random"] is None


def test_characters_that_xml_does_not_have_are_replaced(report):
    [violation] = report.violations
    odd = attrs.evolve(report, violations=(attrs.evolve(violation, got="\x00 \x1b[1m \ud800 <&>]]>"),))
    message = cases_of(odd)["test_delete_is_refused_when_issued"].message
    assert message.endswith("got \ufffd \ufffd[1m \ufffd <&>]]>")


# -- HAR ---------------------------------------------------------------------------------------------------------------


def test_har_has_each_request_and_answer_of_a_violation_and_what_it_was_made_for(report):
    log = json.loads(har(report))["log"]
    assert (log["version"], log["creator"]["name"]) == ("1.2", "orderfsm")
    comments = [entry["comment"].partition("accepted: ")[2] for entry in log["entries"]]
    assert comments[:3] == ["to begin with an empty account"] * 3
    assert [comment.partition("(")[0] for comment in comments[3:]] == [
        "1. CreateCertificateRequest",
        "2. domain_validated",
        "3. review_passed",
        "4. DeleteCertificateRequest",
    ]
    last = log["entries"][-1]
    sent = {header["name"].lower(): header["value"] for header in last["request"]["headers"]}
    assert sent["x-acs-action"] == "DeleteCertificateRequest"
    assert sent["authorization"] == HIDDEN
    [created] = [json.loads(entry["response"]["content"]["text"]) for entry in log["entries"][3:4]]
    assert last["request"]["queryString"] == [{"name": "OrderId", "value": str(created["OrderId"])}]
    assert [entry["response"]["status"] for entry in log["entries"]] == [204, *[200] * 6]
    assert set(json.loads(last["response"]["content"]["text"])) == {"RequestId"}
    times = [datetime.fromisoformat(entry["startedDateTime"]) for entry in log["entries"]]
    assert times == sorted(times)
    assert all(entry["time"] > 0 for entry in log["entries"])


def test_a_browser_replays_the_answers_of_a_har_file(tmp_path):
    with checked(Service(lifecycle=keeps_withdrawn()), only=["pending_review", "cancel"]) as report:
        pass
    path = tmp_path / "violations.har"
    path.write_text(har(report), encoding="utf-8")
    entries = json.loads(path.read_text())["log"]["entries"]
    [shown] = [
        entry for entry in entries if entry["request"]["method"] == "GET" and "/orders/" in entry["request"]["url"]
    ][-1:]
    with chromium() as browser:
        page = browser.new_page()
        page.route_from_har(path)
        page.goto(shown["request"]["url"])
        assert json.loads(page.inner_text("body"))["State"] == "pending_review"


def test_no_report_tells_a_secret_or_a_signature(report, signatures):
    told = [junit(report), har(report), str(report.text(curl=True)), json.dumps(report.as_json())]
    assert len({*signatures}) > 50
    for text in told:
        assert KEY[1] not in text
        assert not [signature for signature in signatures if signature in text]


PRIVATE = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ({"headers": {"Authorization": "ACS3-HMAC-SHA256 Credential=a,Signature=5ec2e7"}}, "5ec2e7"),
        ({"headers": {"X-Acs-Security-Token": "5ec2e7"}}, "5ec2e7"),
        ({"answer_headers": {"Set-Cookie": "session=5ec2e7"}}, "5ec2e7"),
        ({"url": "http://a/?Action=B&Signature=5ec2e7%3D&SecurityToken=5ec2e7"}, "5ec2e7"),
        ({"url": "http://me:5ec2e7@a/"}, "5ec2e7"),
        ({"body": b"Action=B&Signature=5ec2e7"}, "5ec2e7"),
        ({"body": b'{"protected": "e30", "signature": "5ec2e7"}'}, "5ec2e7"),
        ({"url": "http://a/?Signature=5ec2e7", "answer": b'{"Message": "5ec2e7 does not match"}'}, "5ec2e7"),
        ({"answer": json.dumps({"Data": [{"PrivateKey": "5ec2e7"}]}).encode()}, "5ec2e7"),
        ({"answer": json.dumps({"Key": PRIVATE}).encode()}, "MIIE"),
        ({"answer": PRIVATE.encode()}, "MIIE"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_shown_of_an_exchange_has_no_secret(fields, secret):
    nothing = {"method": "POST", "url": "http://a/", "headers": {}, "body": b"", "started": datetime.now(UTC)}
    exchange = Exchange(**{**nothing, "seconds": 0.1, **fields})
    assert secret in repr(exchange)
    assert secret not in repr(exchange.shown())


def test_what_is_no_secret_is_shown_as_it_is():
    body = b'{"OrderId":7,"Signature":"","CSR":"-----BEGIN CERTIFICATE REQUEST-----"}'
    exchange = Exchange(
        "POST", "http://a/?OrderId=7", {"accept": "x"}, b"\xff\x00", datetime.now(UTC), 0.1, answer=body
    )
    shown = exchange.shown()
    assert (shown.url, shown.headers, shown.body, shown.answer) == (
        "http://a/?OrderId=7",
        {"accept": "x"},
        b"\xff\x00",
        body,
    )


def test_a_request_that_nobody_answered_is_told_with_status_0():
    driver = HTTPDriver("http://127.0.0.1:1")
    assert driver.request("ListUserCertificateOrder", {}) == Answer.unknown()
    [exchange] = driver.exchanges.taken()
    assert exchange.status == 0
    assert "ConnectionRefusedError" in exchange.error
    assert driver.exchanges.taken() == ()


def test_what_the_sdk_sends_by_itself_is_told_too(server, monkeypatch):
    monkeypatch.setenv("DEBUG", "sdk")
    driver = HTTPDriver(server.api)
    driver.request("ListUserCertificateOrder", {})
    [exchange] = driver.exchanges.taken()
    assert (exchange.method, exchange.status) == ("POST", 200)
    assert exchange.headers["x-acs-action"] == "ListUserCertificateOrder"
    assert json.loads(exchange.answer)["TotalCount"] == 0


def test_an_answer_that_is_no_text_is_told_in_base64(report):
    [violation] = report.violations
    odd = attrs.evolve(violation, exchanges=(attrs.evolve(violation.exchanges[-1], answer=b"\xff\x00"),))
    [entry] = json.loads(har(attrs.evolve(report, violations=(odd,))))["log"]["entries"]
    assert entry["response"]["content"] == {
        "size": 2,
        "mimeType": "application/json;charset=utf-8",
        "text": "/wA=",
        "encoding": "base64",
    }


def test_a_driver_that_notes_nothing_has_a_har_without_entries_and_no_lines_for_a_shell():
    from orderfsm.machine import OrderMachine

    report = check_conformance(MachineDriver(partial(OrderMachine, lifecycle=deletes_issued())), random=0, only=ISSUED)
    assert report.verdict is Finding.VIOLATES
    assert json.loads(har(report))["log"]["entries"] == []
    assert "curl" not in report.as_json()["violations"][0]


def test_of_what_many_clients_sent_that_is_told_which_names_an_order_of_the_violation():
    line = Line(time="2026-08-05T06:10:01Z", order_id=7, trigger=Operation.DELETE, outcome="accepted", client="a")
    problem = Problem("two orders have one id", culprit=line, lines=(line,), picture="")
    sent = [
        exchange("POST", url, answer=answer)
        for url, answer in [
            ("http://a/?OrderId=7", b""),
            ("http://a/?OrderId=77", b""),
            ("http://a/", b'{"OrderId":7}'),
            ("http://a/", b""),
        ]
    ]
    told = of_clients(problem, ORDER_LIFECYCLE, exchanges=sent).exchanges
    assert [(each.url, each.answer, each.comment) for each in told] == [
        (each.url, each.answer, "one of the calls at once") for each in (sent[0], sent[2])
    ]


def test_no_more_exchanges_are_kept_than_can_be_held(monkeypatch):
    monkeypatch.setattr("orderfsm.testing.drivers.exchanges.MOST", 2)
    kept = Exchanges()
    for number in range(3):
        with kept.asked("GET", f"http://a/{number}", {}, b""):
            pass
    assert [exchange.url for exchange in kept.taken()] == ["http://a/1", "http://a/2"]


# -- lines for a shell -------------------------------------------------------------------------------------------------


def run(lines):
    """What the shell prints of such lines, and what of ids it tells aside."""
    for program in ("bash", "curl", "sed"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    script = "\n".join(line + ("" if line.startswith(("order_", "instance_")) else "; echo") for line in lines)
    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    return [json.loads(line) for line in done.stdout.split("\n") if line.strip()], done.stderr


def test_the_lines_for_a_shell_show_the_violation_again_with_ids_of_their_own():
    with checked(Service(lifecycle=deletes_issued()), only=ISSUED) as report:
        [violation] = report.violations
        ids = [call["got"].rpartition(" ")[2] for call in violation.calls[:1]]
        told, aside = run(violation.curl)
        assert not any(ids[0] in line for line in violation.curl)
        assert set(told[-1]) == {"RequestId"}
        assert '"OrderId"' in aside
        assert ids[0] not in aside


def test_the_lines_for_a_shell_are_of_instances_too():
    table = INSTANCES.without(INSTANCES.transition(Instance.UNUSED, Apply.APPLY))
    with checked(
        Service(instances=table, random=random.Random(1)), lifecycle=INSTANCES, only=["unused", Apply.APPLY]
    ) as report:
        shown = [each for each in report.violations if each.trigger == Apply.APPLY]
        told, _ = run(shown[0].curl)
        assert shown[0].curl[-1].count('"$instance_1"') == 1
        assert told[-1]["Code"].startswith("OperationDenied")


def exchange(method, url, body=b"", answer=b"", **headers):
    return Exchange(method, url, headers, body, datetime.now(UTC), 0.1, answer=answer)


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://a/?OrderId=7", "'http://a/?OrderId='\"$order_1\""),
        ("http://a/?OrderId=7&Page=7", "'http://a/?OrderId='\"$order_1\"'&Page=7'"),
        ("http://a/?OrderId=77", "'http://a/?OrderId=77'"),
        ("http://a/orders/7", 'http://a/orders/"$order_1"'),
        ("http://a/orders/7/events", 'http://a/orders/"$order_1"/events'),
        ("http://a/?Signature=5ec2e7&OrderId=8&Timestamp=1", "'http://a/?OrderId=8'"),
        ("http://a/?Timestamp=1", "http://a/"),
    ],
)
def test_a_variable_stands_where_the_id_of_an_order_stands_and_nowhere_else(url, line):
    made = exchange("POST", "http://a/", answer=b'{"OrderId": 7}')
    first, second = curl_lines([made, exchange("GET", url)], {"order_1": 7}, "OrderId")
    assert first.startswith("order_1=$(curl -sS -X POST http://a/ --data-raw '' | tee")
    assert second == f"curl -sS {line}"


def test_what_is_asked_again_and_again_is_one_line_and_what_is_signed_for_one_use_none():
    asked = exchange("GET", "http://a/")
    assert curl_lines([asked, asked, asked], {}, "OrderId") == ("curl -sS http://a/",)
    signed = exchange("POST", "http://a/", b"{}", **{"Content-Type": "application/jose+json"})
    assert curl_lines([asked, signed], {}, "OrderId") == ()


def test_a_body_is_quoted_for_the_shell():
    told, _ = run(
        [
            "printf %s "
            + curl_lines([exchange("PUT", "http://a/", b"""{"a": "it's $HOME"}""")], {}, "")[0].rpartition(
                "--data-raw "
            )[2]
        ]
    )
    assert told == [{"a": "it's $HOME"}]
