"""Instances by other ways of calling: older SDKs, forms, the signature of queries, answers in XML; many at once."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.register_assert_rewrite("scenario")

import callers
import stores

from orderfsm.mock import Choices, Clock, Request, Service, mock_cas
from orderfsm.tables import api

KEY_ID, SECRET = "the-key-id", "not really a secret"
KNOWING = ["python", "python-async", "python-v2"]
"""Callers whose SDK has models for instances."""

BY_NAME = ["legacy", "form"]
"""Callers that call any action by its name; others know too few, or turn fields of answers into what they expect."""


@pytest.mark.parametrize("caller", [*KNOWING, *BY_NAME])
def test_an_instance_is_read_updated_applied_for_and_listed_where_signatures_are_verified(caller):
    service = Service(keys={KEY_ID: SECRET})
    instance = service.begin_instance().id
    with mock_cas(service) as server, callers.connected(caller, server, KEY_ID, SECRET) as connection:
        given = {"InstanceId": instance}
        steps = [
            ("UpdateInstance", {**given, "Domain": "a.example.com", "CertificateName": "ü & +"}),
            ("ApplyCertificate", given),
            ("GetInstanceDetail", given),
            ("ListInstances", {"Keyword": instance}),
        ]
        answers = [connection.call(action, parameters) for action, parameters in steps]
        assert [answer.status for answer in answers] == [200] * 4
        detail, listed = answers[2].body, answers[3].body["InstanceList"]
        assert (detail["Domain"], detail["CertificateName"]) == ("a.example.com", "ü & +")
        assert [entry["InstanceId"] for entry in listed] == [instance]
        refused = connection.call("DeleteInstance", given)
        assert (refused.status, refused.code) == (400, "InvalidStatus.DeleteProtection")


def test_an_answer_in_xml_says_the_same(tmp_path):
    service = Service(clock=Clock(lambda: 0.0))
    instance = service.begin_instance(parameters={"Domain": "a.example.com"}).id
    service.instances.fire(instance, "ApplyCertificate")
    service.happen(instance, "submission_accepted")
    headers = {"x-acs-version": api.VERSION, "x-acs-action": "GetInstanceDetail"}
    text = service.handle(Request("POST", "/", {"InstanceId": instance, "Format": "XML"}, headers)).body.decode()
    assert f"<GetInstanceDetailResponse><InstanceId>{instance}</InstanceId><Status>pending</Status>" in text
    assert "<DomainValidationList><Domain>a.example.com</Domain>" in text


@pytest.mark.parametrize("kind", stores.KINDS)
def test_many_who_buy_with_one_token_buy_one_instance(kind, request, tmp_path):
    store = stores.opened(kind, request, tmp_path)
    services = [Service(store=store) for _ in range(4)]
    headers = {"x-acs-version": "2017-12-14", "x-acs-action": "CreateInstance"}
    asked = {"ProductCode": "cas", "SubscriptionType": "Subscription", "ClientToken": "one"}
    bought = []
    together = threading.Barrier(len(services))

    def buy(service):
        together.wait()
        bought.extend(service.handle(Request("POST", "/", asked, headers)).json["Data"]["InstanceId"] for _ in range(5))

    buyers = [threading.Thread(target=buy, args=[service]) for service in services]
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        buyer.join()
    assert len(bought) == 20
    assert len(set(bought)) == 1
    assert services[0].instances.count() == 1
    assert [line.trigger for line in services[0].history()] == ["CreateInstance"]
    store.close()


@pytest.mark.parametrize("kind", stores.KINDS)
def test_a_withdrawal_and_an_issuance_at_once_have_one_ending(kind, request, tmp_path):
    """A withdrawal against an issuance: one ending, and one certificate exactly where the CA was the last."""
    store = stores.opened(kind, request, tmp_path)
    service, other = Service(store=store, completions="manual"), Service(store=store, completions="manual")
    headers = {"x-acs-version": api.VERSION}
    for n in range(10):
        instance = service.begin_instance(parameters={"Domain": f"{n}.example.com"}).id
        call = lambda action, service=service, instance=instance: service.handle(  # noqa: E731
            Request("POST", "/", {"InstanceId": instance}, {**headers, "x-acs-action": action})
        )
        assert call("ApplyCertificate").status == 200
        service.happen(instance, "submission_accepted")
        statuses = []
        together = threading.Barrier(2)

        def withdraw(call=call, together=together, statuses=statuses):
            together.wait()
            statuses.append(call("CancelPendingCertificate").status)

        withdrawal = threading.Thread(target=withdraw)
        withdrawal.start()
        together.wait()
        other.happen(instance, "certificate_issued")
        withdrawal.join()
        read = call("GetInstanceDetail").json
        assert (read["Status"], read["CertificateStatus"]) == ("normal", "issued")
        certificates = service.handle(
            Request("POST", "/", {"InstanceId": instance}, {**headers, "x-acs-action": "ListCertificates"})
        ).json
        assert certificates["TotalCount"] == 1
        assert statuses in ([200], [400])
    store.close()


def test_serve_takes_what_a_service_may_choose(monkeypatch):
    testing = pytest.importorskip("click.testing", reason="the extra `cli` is not installed")
    from orderfsm.cli.serve import serve

    told = []
    monkeypatch.setattr("orderfsm.mock.http.serve.serve", lambda settings: told.append(settings.choices) or 0)
    for arguments in ([], ["--choose", "auto-submits"], ["--choose", "in-seconds", "--choose", "needs-contacts"]):
        testing.CliRunner().invoke(serve, arguments, catch_exceptions=False)
    assert told == [Choices(), Choices(auto_submits=True), Choices(in_seconds=True, needs_contacts=True)]
