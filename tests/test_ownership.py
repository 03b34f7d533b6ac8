"""With `validate="dns"` an owner validates a domain by the record that the service named, and in no other way."""

from __future__ import annotations

import random
from contextlib import closing

import attrs
import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from alidns import done, listed, publish
from orders import call, created, obeyed, state_of
from stores import KINDS, opened
from test_store import at_once

from orderfsm import ORDER_LIFECYCLE, Actor, InvalidValue, Operation, State
from orderfsm.mock import Choices, Service
from orderfsm.mock.cas import ownership
from orderfsm.mock.clock import Clock
from orderfsm.tables import instances as instances_table

pytest_plugins = ["postgres"]

OWNERS = [rule.trigger for rule in ORDER_LIFECYCLE.triggers if rule.actor is Actor.OWNER]
WAITS = next(row.source for row in ORDER_LIFECYCLE.transitions if row.trigger in OWNERS)
VALIDATED = next(row.target for row in ORDER_LIFECYCLE.transitions if row.trigger in OWNERS)


def serving(**settings):
    """A service whose owners validate by DNS, and whose instances take no time."""
    takes = {
        rule.trigger: 0 for rule in instances_table.LIFECYCLE.triggers if rule.follows is not None and not rule.adverse
    }
    return Service(validate="dns", takes=takes, choices=Choices(shown_after=0), **settings)


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    with closing(opened(request.param, request, tmp_path)) as store:
        yield store


def told(service, order_id):
    """What DescribeCertificateState answers."""
    response = call(service, Operation.DESCRIBE, OrderId=order_id)
    assert response.status == 200, response.json
    return response.json


def wanted(service, order_id):
    """The host record, in example.com, and the value that the description of an order names."""
    answer = told(service, order_id)
    return answer["RecordDomain"].lower().removesuffix(".example.com"), answer["RecordValue"]


# -- orders ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("review", ["manual", "at-once", "reads=1", "after=10"])
def test_an_order_is_validated_when_its_record_is_there_and_not_before(store, review):
    now = [1_790_000_000.0]
    service = serving(review=review, store=store, clock=Clock(lambda: now[0]))
    order = created(service, Domain="a.example.com")
    host, value = wanted(service, order)
    for _ in range(3):
        now[0] += 100
        service.catch_up()
        assert told(service, order)["Type"] == "domain_verify"
    publish(service, host, value)
    assert [line.trigger for line in service.history(order)].count(OWNERS[0]) == 1
    assert state_of(service, order) is (State.ISSUED if review == "at-once" else VALIDATED)
    told(service, order)
    now[0] += 10
    assert told(service, order)["Type"] == ("process" if review == "manual" else "certificate")
    obeyed(service)


WRONG = {
    "no record": {},
    "another value": {"value": "x"},
    "a quoted value": {"value": '"{value}"'},
    "a value with a blank": {"value": "{value} "},
    "another case of the value": {"value": "{upper}"},
    "another type": {"kind": "CNAME"},
    "another host": {"host": "_dnsauth"},
    "the host with the domain written twice": {"host": "{host}.example.com"},
    "another domain": {"domain": "example.net"},
    "the line of one provider": {"Line": "telecom"},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_the_record_that_was_named_validates_nothing(name):
    service = serving(review="at-once")
    order = created(service, Domain="a.example.com")
    host, value = wanted(service, order)
    given = {"host": "{host}", "value": "{value}", "kind": "TXT", "domain": "example.com", **WRONG[name]}
    written = {key: text.format(host=host, value=value, upper=value.upper()) for key, text in given.items()}
    if WRONG[name]:
        publish(service, written.pop("host"), written.pop("value"), **written)
    service.advance(86_400)
    assert told(service, order)["Type"] == "domain_verify"
    assert state_of(service, order) is WAITS


def test_a_record_may_become_right_in_each_of_the_ways_in_which_records_change():
    service = serving(domains=["example.com", "example.net"])
    ways = {
        "add": lambda host, value: publish(service, host, value),
        "update the value": lambda host, value: update(publish(service, host, "old"), host, value),
        "update the host": lambda host, value: update(publish(service, f"x{host}", value), host, value),
        "enable": lambda host, value: enable(paused(host, value)),
        "an alias": lambda host, value: (
            publish(service, host, f"{host}.example.net", kind="CNAME"),
            publish(service, host, value, domain="example.net"),
        ),
        "what an alias names": lambda host, value: (
            publish(service, host, value, domain="example.net"),
            publish(service, host, f"{host}.example.net", kind="CNAME"),
        ),
    }

    def update(record_id, host, value):
        done(service, "UpdateDomainRecord", RecordId=record_id, RR=host, Type="TXT", Value=value)

    def paused(host, value):
        other = publish(service, host, "other")
        done(service, "SetDomainRecordStatus", RecordId=other, Status="Disable")
        done(service, "UpdateDomainRecord", RecordId=other, RR=host, Type="TXT", Value=value)
        return other

    def enable(record_id):
        assert state_of(service, order) is WAITS
        done(service, "SetDomainRecordStatus", RecordId=record_id, Status="Enable")

    for number, way in enumerate(ways.values()):
        order = created(service, Domain=f"h{number}.Example.com")
        way(*wanted(service, order))
        assert state_of(service, order) is VALIDATED


def test_a_record_that_is_taken_away_afterwards_undoes_nothing():
    service = serving()
    order = created(service, Domain="a.example.com")
    record = publish(service, *wanted(service, order))
    done(service, "DeleteDomainRecord", RecordId=record)
    assert told(service, order)["Type"] == "process"


def test_a_record_left_in_place_validates_an_order_that_is_submitted_again():
    service = serving()
    order = created(service, Domain="a.example.com")
    record = publish(service, *wanted(service, order))
    assert call(service, Operation.CANCEL, OrderId=order).status == 200
    assert service.happen(order, "submitted").state is VALIDATED
    assert call(service, Operation.CANCEL, OrderId=order).status == 200
    done(service, "DeleteDomainRecord", RecordId=record)
    assert service.happen(order, "submitted").state is WAITS
    obeyed(service)


def test_a_record_left_in_place_does_not_validate_another_order_for_the_domain():
    service = serving()
    first, second = (created(service, Domain="a.example.com") for _ in range(2))
    host, value = wanted(service, first)
    publish(service, host, value)
    assert (state_of(service, first), state_of(service, second)) == (VALIDATED, WAITS)
    publish(service, *wanted(service, second))
    assert state_of(service, second) is VALIDATED


def test_an_order_that_is_rejected_is_validated_first():
    service = serving(review=attrs.evolve(Service(review="at-once").review, reject_share=1.0))
    order = created(service, Domain="a.example.com")
    service.advance(60)
    assert told(service, order)["Type"] == "domain_verify"
    publish(service, *wanted(service, order))
    assert told(service, order)["Type"] == "verify_fail"
    obeyed(service)


def test_what_is_validated_by_a_file_is_left_to_the_review():
    service = serving(review="at-once")
    assert told(service, created(service, ValidateType="FILE"))["Type"] == "certificate"


def test_an_event_that_is_forced_happens_without_a_record():
    service = serving()
    order = created(service)
    assert service.happen(order, OWNERS[0]).state is VALIDATED


def test_without_it_the_review_validates_as_before():
    service = Service(review="at-once")
    assert told(service, created(service))["Type"] == "certificate"
    for wrong in ("DNS", "file", "", 1, True):
        with pytest.raises(InvalidValue, match=r"^validate .*: expected dns, None"):
            Service(validate=wrong)


def test_a_record_that_was_published_when_nobody_looked_is_seen_by_the_next_read(store):
    """As after a crash between the record's commit and the order's."""
    order = created(serving(store=store), Domain="a.example.com")
    without = Service(store=store)
    publish(without, *wanted(without, order))
    assert state_of(without, order) is WAITS
    assert told(serving(store=store), order)["Type"] == "process"


def test_of_many_orders_those_are_validated_whose_records_are_published(store):
    service = serving(store=store)
    service.put_package("digicert-free-1-free", 40)
    orders = [created(service, Domain=f"h{number}.example.com") for number in range(8)]
    published = random.Random(1).sample(orders, 4)
    at_once(lambda number: publish(service, *wanted(service, published[number])), 4)
    assert [order for order in orders if state_of(service, order) is VALIDATED] == sorted(published)
    obeyed(service)


def test_of_very_many_orders_those_are_looked_at_whose_domain_is_in_the_name(store, monkeypatch):
    monkeypatch.setattr(ownership, "FEW", 2)
    service = serving(store=store)
    orders = [created(service, Domain=f"h{number}.example.com") for number in range(4)]
    host, value = wanted(service, orders[2])
    publish(service, host, value)
    assert [state_of(service, order) for order in orders] == [WAITS, WAITS, VALIDATED, WAITS]
    publish(service, "x", wanted(service, orders[0])[1])
    publish(service, wanted(service, orders[0])[0], "x.example.com", kind="CNAME")
    assert told(service, orders[0])["Type"] == "process"


def test_a_withdrawal_and_the_record_at_one_time_leave_an_order_that_the_table_allows(store):
    service = serving(store=store)
    for number in range(5):
        order = created(service, Domain=f"h{number}.example.com")
        host, value = wanted(service, order)
        acts = [
            lambda host=host, value=value: publish(service, host, value),
            lambda order=order: call(service, Operation.CANCEL, OrderId=order).status,
        ]
        at_once(lambda at, acts=acts: acts[at](), 2)
        assert state_of(service, order) is State.PENDING_APPLICATION
    obeyed(service)


# -- instances ---------------------------------------------------------------------------------------------------------


def applied(service, domain="a.example.com,b.example.com", **fields):
    """The id of an instance that was bought for many names, filled in, and applied for."""
    identifier = service.begin_instance().id
    record = service.store.get(identifier)
    assert service.store.commit(record, record.but(details='{"full": 9, "wild": 9}'), None, [])
    update = {"InstanceId": identifier, "Domain": domain, **fields}
    for action, given in (("UpdateInstance", update), ("ApplyCertificate", {"InstanceId": identifier})):
        response = call(service, action, **given)
        assert response.status == 200, response.json
    return identifier


def detail(service, identifier):
    """What GetInstanceDetail answers."""
    return call(service, "GetInstanceDetail", InstanceId=identifier).json


def asked(service, identifier):
    """The host records, in example.com, and the values that an instance names."""
    return [
        (f"{each['ValidationKey']}.{each['Domain']}".removesuffix(".example.com"), each["ValidationValue"])
        for each in detail(service, identifier)["DomainValidationList"]
    ]


@pytest.mark.parametrize("review", ["at-once", "reads=1", "after=10"])
def test_an_instance_is_issued_when_all_of_its_records_are_there_and_not_before(store, review):
    now = [1_790_000_000.0]
    service = serving(review=review, store=store, clock=Clock(lambda: now[0]))
    identifier = applied(service)
    records = asked(service, identifier)
    assert len(records) == 2
    publish(service, *records[0])
    for _ in range(3):
        now[0] += 100
        assert detail(service, identifier)["Status"] == "pending"
    publish(service, *records[1])
    detail(service, identifier)
    now[0] += 9
    if review == "after=10":
        assert "CertificateStatus" not in detail(service, identifier)
    now[0] += 1
    assert detail(service, identifier)["CertificateStatus"] == "issued"
    obeyed(service)


def test_the_reads_of_a_review_are_counted_from_the_last_record():
    service = serving(review="reads=3")
    identifier = applied(service, "a.example.com")
    for _ in range(5):
        record = asked(service, identifier)[0]
    publish(service, *record)
    words = [detail(service, identifier).get("CertificateStatus") for _ in range(4)]
    assert words == [None, None, None, "issued"]


def test_an_instance_of_a_manual_review_waits_for_the_event():
    service = serving()
    identifier = applied(service)
    for record in asked(service, identifier):
        publish(service, *record)
    assert detail(service, identifier)["Status"] == "pending"
    service.happen(identifier, "certificate_issued")
    assert detail(service, identifier)["CertificateStatus"] == "issued"


def test_records_left_in_place_do_not_validate_another_application():
    service = serving(review="at-once")
    identifier = applied(service)
    first = asked(service, identifier)
    publish(service, *first[0])
    assert call(service, "CancelPendingCertificate", InstanceId=identifier).status == 200
    assert detail(service, identifier)["Status"] == "normal"
    publish(service, *first[1])
    assert call(service, "ApplyCertificate", InstanceId=identifier).status == 200
    second = asked(service, identifier)
    assert not {value for _, value in first} & {value for _, value in second}
    assert detail(service, identifier)["Status"] == "pending"
    for record in second:
        publish(service, *record)
    assert detail(service, identifier)["CertificateStatus"] == "issued"
    obeyed(service)


def test_a_reissue_is_validated_anew_and_the_old_certificate_stays_until_then():
    service = serving(review="at-once")
    identifier = applied(service, "a.example.com")
    publish(service, *asked(service, identifier)[0])
    old = detail(service, identifier)["CertificateId"]
    assert call(service, "ApplyCertificate", InstanceId=identifier).status == 200
    assert detail(service, identifier)["CertificateId"] == old
    publish(service, *asked(service, identifier)[0])
    assert detail(service, identifier)["CertificateId"] != old


def test_records_that_are_there_before_the_submission_is_taken_up_count():
    takes = {"submission_accepted": 60}
    service = Service(validate="dns", review="at-once", takes=takes, choices=Choices(shown_after=0))
    identifier = applied(service, "a.example.com")
    publish(service, *asked(service, identifier)[0])
    assert "CertificateStatus" not in detail(service, identifier)
    service.advance(60)
    assert detail(service, identifier)["CertificateStatus"] == "issued"
    obeyed(service)


def test_an_instance_that_is_validated_by_http_is_left_to_the_review():
    service = serving(review="at-once")
    identifier = applied(service, "a.example.com", ValidationMethod="HTTP")
    assert detail(service, identifier)["CertificateStatus"] == "issued"


def test_a_root_domain_is_the_one_that_can_be_registered():
    service = serving()
    identifier = applied(service, "a.example.com.cn,b.example.com")
    roots = [each["RootDomain"] for each in detail(service, identifier)["DomainValidationList"]]
    assert roots == ["example.com.cn", "example.com"]
    for root in roots:
        assert listed(service, root) == []
