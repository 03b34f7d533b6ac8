"""The dashboard of instances: what there is, its words, and a button for everything that may happen next."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from urllib.parse import urlencode

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("jinja2", reason="the extra `mock` is not installed")

from test_dashboard import Page

from orderfsm import InvalidValue
from orderfsm.mock import Clock, Fault, Service, mock_cas
from orderfsm.mock.http import dashboard
from orderfsm.tables.instances import LIFECYCLE, Operation, State

FOUND = [state for state in State if state not in LIFECYCLE.gone]


@pytest.fixture
def service():
    return Service(clock=Clock(lambda: 1_800_000_000.0))


@pytest.mark.parametrize("state", FOUND)
def test_there_is_a_button_for_every_event_that_the_table_allows_and_a_line_for_every_call(service, state):
    instance = service.begin_instance(state)
    shown = Page(dashboard.page(service, order_id=instance.id))
    rows = [row for row in LIFECYCLE.transitions if row.source is state and row.changes]
    events = [row.trigger for row in rows if not LIFECYCLE.by_client(row.trigger)]
    assert sorted(shown.buttons) == sorted(events)
    said = re.search(r"What its client can call now(.*?)Status", shown.words).group(1).split()
    assert {each for each in Operation if each in said} == {row.trigger for row in rows} - {*events}
    actions = {found["action"] for tag, found in shown.tags if tag == "form" and found["action"].count("/events")}
    assert actions == ({f"/dashboard/instances/{instance.id}/events"} if events else set())


def test_orders_and_instances_are_listed_beside_each_other_each_by_its_own_states(service):
    order = service.begin("issued", {"Domain": "a.example.com"}).id
    issued, unused = service.begin_instance("issued").id, service.begin_instance().id
    keys = [found.get("data-key") for _, found in Page(dashboard.page(service)).tags]
    assert {f"order-{order}", f"instance-{issued}", f"instance-{unused}"} <= set(keys)
    html = dashboard.page(service, instance_state="issued")
    tags = Page(html).tags
    links = {found["data-key"]: found["href"] for _, found in tags if found.get("data-key") and "href" in found}
    assert f"instance-{unused}" not in links
    assert links[f"instance-{issued}"] == f"/dashboard/instances/{issued}?instance_state=issued"
    assert links[f"order-{order}"] == f"/dashboard/orders/{order}?instance_state=issued"
    assert links["state-payed" if "state-payed" in links else "state-issued"].endswith("instance_state=issued")
    with pytest.raises(InvalidValue):
        dashboard.page(service, instance_state="verify_fail")


def test_an_instance_is_shown_with_both_words_and_when_what_is_under_way_is_completed(service):
    words = Page(dashboard.page(service, order_id=service.begin_instance("revoking").id)).words
    assert "Statusnormal CertificateStatusissued" in words
    assert "Completed2027-01-15 08:01:00" in words


def test_what_is_final_for_an_order_only_is_not_shown_so_of_an_instance(service):
    service.begin("revoked", {"Domain": "a.example.com"})
    service.begin_instance("revoked")
    tags = Page(dashboard.page(service)).tags
    badges = [found["class"] for tag, found in tags if (tag, found.get("data-state")) == ("span", "revoked")]
    assert sorted(badges) == ["badge", "badge terminal"]


@pytest.mark.parametrize("state", FOUND)
def test_no_certificate_and_no_key_is_on_any_page(service, state):
    instance = service.begin_instance(state)
    service.instances.fire(instance.id, Operation.GET)
    assert "BEGIN" not in dashboard.page(service, order_id=instance.id) + dashboard.page(service)


def test_an_instance_that_is_gone_or_never_was_is_told_of(service):
    gone = service.begin_instance("deleted").id
    assert (
        f"This instance is gone: to its client there is no instance {gone}"
        in Page(dashboard.page(service, order_id=gone)).words
    )
    assert "There is no instance cas-cn-7." in Page(dashboard.page(service, order_id="cas-cn-7")).words


def test_a_fault_of_an_instance_is_shown(service):
    service.add_fault(Fault(operation="refund", instance_id="cas-cn-7", code="Error"))
    assert "RefundInstance on instance cas-cn-7" in Page(dashboard.page(service)).words


# -- over HTTP ---------------------------------------------------------------------------------------------------------


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments):
        return None


def fetch(url, form=None):
    """Status, the address that it leads to, and the body."""
    data = None if form is None else urlencode(form).encode()
    try:
        with urllib.request.build_opener(_Stay).open(urllib.request.Request(url, data), timeout=300) as answer:
            return answer.status, answer.headers.get("location"), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("location"), error.read().decode()


def test_a_button_works_without_the_script_and_leads_back_to_the_instance():
    with mock_cas() as server:
        instance = server.instance("pending").id
        path = f"/dashboard/instances/{instance}"
        assert fetch(server.control + path)[0] == 200
        assert fetch(f"{server.control}{path}/events", {"Event": "certificate_issued"})[:2] == (303, path)
        assert server.instances()[0].state is State.ISSUED
        assert fetch(f"{server.control}{path}/events", {"Event": "certificate_issued"})[0] == 409
        assert fetch(f"{server.control}{path}/events", {"Event": "nonsense"})[0] == 400
        assert fetch(f"{server.control}/dashboard/instances/cas-cn-7/events", {"Event": "shut_down"})[0] == 404
        assert fetch(f"{server.control}/?instance_state=nowhere")[0] == 400
        assert "There is no instance %3Cb%3E" not in fetch(f"{server.control}/dashboard/instances/%3Cb%3E")[2]
