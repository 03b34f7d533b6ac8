"""The dashboard's search, counts and forms: what they find and do without a script, and what they say is wrong."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("jinja2", reason="the extra `mock` is not installed")

from stores import KINDS, opened
from test_dashboard import Page, created, fetch, listed

from orderfsm import InvalidValue, State
from orderfsm.mock import Service
from orderfsm.mock.http import dashboard
from orderfsm.mock.http.dashboard.forms import FORMS
from orderfsm.tables import instances
from orderfsm.wire import statuses

API = "http://127.0.0.1:8080"


@pytest.fixture
def service():
    """A service with an order in each state that is found, two that are issued, and instances."""
    service = Service()
    for number, state in enumerate([*service.engine.found(), State.ISSUED]):
        service.begin(state, {"Domain": f"shop-{number}.{state.value.replace('_', '-')}.example.com"})
    service.begin_instance("issued", {"Domain": "shop-7.example.net"})
    service.begin_instance()
    return service


def found(service, **asked):
    """The ids of the orders and of the instances that a page lists, and what it says of each list."""
    shown = Page(dashboard.page(service, **asked))
    keys = {key for _, tag in shown.tags if (key := tag.get("data-key"))}
    orders = {int(key.removeprefix("order-")) for key in keys if re.fullmatch("order-[0-9]+", key)}
    others = {key.removeprefix("instance-") for key in keys if re.fullmatch("instance-cas-.+", key)}
    return orders, others, shown.words


def in_states(service, *states):
    return {record.id for record in service.orders() if record.state in states}


# -- counts ------------------------------------------------------------------------------------------------------------


def test_every_state_says_how_many_are_in_it_in_the_list_and_in_the_drawing(service):
    html = dashboard.page(service)
    for state in service.engine.found():
        number = "2" if state is State.ISSUED else "1"
        assert re.search(
            rf'data-key="state-{state}"[^>]*>{state.replace("_", " ")} <span class="count">{number}<', html
        )
        (box,) = re.findall(rf'<g class="state[^"]*" data-state="{state}">(.*?)</g></g>', html)
        assert re.search(rf'class="count".*>{number}</text>$', box)
        assert f", {number} order{'s' * (number != '1')} in it</title>" in box
    assert 'data-key="state-any" aria-current=true>any state <span class="count">9<' in html
    assert 'data-state="deleted"><title>' in html
    assert not re.search(r'data-state="deleted">(?:(?!</g>).)*class="count"', html)


def test_the_life_of_what_there_is_is_drawn_unless_another_one_is_asked_for(service):
    def drawn(service, **asked):
        return re.search("The life of (a|an) (certificate )?(\\w+)", Page(dashboard.page(service, **asked)).words)[0]

    assert drawn(Service()) == "The life of an order"
    assert drawn(service) == drawn(service, life="orders") == "The life of an order"
    assert drawn(service, life="instances") == "The life of an instance"
    only = Service()
    only.begin_instance()
    assert drawn(only) == "The life of an instance"
    with pytest.raises(InvalidValue, match="life 'parcels': expected orders, instances"):
        dashboard.page(service, life="parcels")


# -- search ------------------------------------------------------------------------------------------------------------


def test_an_id_finds_that_order_or_that_instance_and_nothing_else(service):
    order, instance = service.latest(1)[0].id, service.instances.latest(1)[0].id
    assert found(service, q=f" {order} ")[:2] == ({order}, set())
    assert found(service, q=instance)[:2] == (set(), {instance})
    assert f"1 to 1 of 1 with the order id {order}, newest first." in found(service, q=str(order))[2]
    assert found(service, q=str(order), state="revoked")[0] == set()


def test_an_order_that_is_gone_is_not_found_by_its_id():
    service = Service()
    gone = service.begin("deleted", {"Domain": "example.com"}).id
    service.begin("issued", {"Domain": "example.com"})
    orders, _, words = found(service, q=str(gone))
    assert orders == set()
    assert f"None of 1 with the order id {gone}." in words


@pytest.mark.parametrize("write", [str, str.upper, lambda word: word.replace("_", " "), lambda word: f" {word} "])
def test_a_state_finds_all_that_are_in_it_however_it_is_written(service, write):
    for state in service.engine.found():
        assert found(service, q=write(state.value))[0] == in_states(service, state)
    words = found(service, q="being reviewed")[2]
    assert "1 to 1 of 1 in being reviewed, newest first." in words
    assert "None of 2 with being reviewed in a domain." in words  # of the instances, whose states have other names


def test_a_word_of_the_api_finds_all_that_it_may_mean(service):
    for word, meant in statuses(service.lifecycle).items():
        expected = in_states(service, *meant) if meant - {None} else set()
        assert found(service, q=word)[0] == expected, word
    assert found(service, q="CHECKING", state="being_reviewed")[0] == in_states(service, State.BEING_REVIEWED)


def test_anything_else_finds_a_part_of_a_domain_in_both_lists(service):
    orders, others, words = found(service, q="shop-7")
    assert len(orders) == len(others) == 1
    assert words.count("1 to 1 of 1 with shop-7 in a domain, newest first.") == 2
    assert len(found(service, q="example.com")[0]) == 9
    assert found(service, q="example.com", state="issued")[0] == in_states(service, State.ISSUED)
    assert "None of 9 with nowhere in a domain, in issued." in found(service, q="nowhere", state="issued")[2]


def test_what_is_found_has_pages_newest_first():
    service = Service()
    service.put_package("digicert-free-1-free", 1000)
    ids = [
        created(service, Domain=f"{'shop' if number % 2 else 'other'}-{number}.example.com") for number in range(503)
    ]
    shops = ids[1::2][::-1]
    for page, first in (("1", 0), ("2", 100), ("3", 200), ("4", 200)):
        shown = Page(dashboard.page(service, q="shop-", page=page))
        assert listed(shown)[0] == shops[first : first + 100]
        assert f"of {len(shops)} with shop- in a domain" in shown.words
    keys = listed(Page(dashboard.page(service, q="shop-", page="2", instance_page=None)))[1]
    assert keys["page-older"] == "/?page=3&q=shop-"
    assert keys["state-issued"] == "/?state=issued&q=shop-"


STRANGE = ['"><script>', "%", "_", "\x00", "\N{SNOWMAN}", "'", "a" * 5000, "9" * 5000, "none", "Status=nothing"]


@pytest.mark.parametrize("text", STRANGE)
def test_whatever_is_looked_for_is_no_error(service, text):
    orders, others, words = found(service, q=text)
    assert orders == others == set()
    assert "None of 9 with" in words
    assert "<script>" not in dashboard.page(service, q=text)


# -- an empty page -----------------------------------------------------------------------------------------------------


class Open(HTMLParser):
    """The summaries of what is folded out on a page, and all its texts in <pre>."""

    def __init__(self, html):
        super().__init__()
        self.summaries, self.programs, self._inside, self._open = [], [], "", False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        """Note where we are."""
        self._inside = tag
        if tag == "details":
            self._open = "open" in dict(attributes)
        if tag == "pre":
            self.programs.append("")

    def handle_data(self, data):
        """Note what it says."""
        if self._inside == "summary" and self._open and data.strip():
            self.summaries.append(data)
        if self._inside == "pre":
            self.programs[-1] += data


def test_an_empty_page_says_how_to_call_the_mock_and_has_a_form_for_a_first_order(service):
    empty = Open(dashboard.page(Service(), api=API))
    assert empty.summaries == ["New order", "Call this mock from a program", "New instance"]
    assert len(empty.programs) == 3
    assert all("127.0.0.1:8080" in program for program in empty.programs)
    assert Open(dashboard.page(service, api=API)).summaries == []
    assert Open(dashboard.page(Service())).programs == []  # where nobody knows the API port
    assert len(Open(dashboard.page(Service(keys={"id": "secret"}), api=API)).programs) == 2  # curl cannot sign


def test_the_page_of_a_running_mock_names_its_api_port(server):
    assert all(server.api.removeprefix("http://") in each for each in Open(fetch(server.control + "/")[2]).programs)


# -- forms without the script ------------------------------------------------------------------------------------------


def submit(server, name, back=None, **fields):
    """What a form leads to: its status, the address, and the page that is shown with what is wrong."""
    fields |= {"New": name} if name in {"orders", "instances"} else {}
    status, headers, body = fetch(f"{server.control}/dashboard/{name}?{urlencode(back or {})}", fields)
    return status, headers["location"], body


def test_a_form_makes_a_new_order_or_instance_in_any_state_and_shows_it(server):
    for state in server.service.engine.found():
        status, address, _ = submit(server, "orders", Domain="shop.example.com", State=state)
        assert status == 303
        (record,) = server.service.latest(1)
        assert address == f"/dashboard/orders/{record.id}"
        assert (record.state, record.domains) == (state, ("shop.example.com",))
    assert submit(server, "orders", Domain="example.com")[0] == 303
    assert server.service.latest(1)[0].state is State.PENDING_REVIEW
    for state in server.service.instances.found():
        status, address, _ = submit(server, "instances", State=state, Domain="example.com", Spec="ws.dv.f")
        (record,) = server.service.instances.latest(1)
        assert (status, address, record.state) == (303, f"/dashboard/instances/{record.id}", state)
    assert submit(server, "instances")[0] == 303
    assert server.service.instances.latest(1)[0].state is instances.State.UNUSED


def test_forms_set_packages_clock_and_completions(server):
    assert submit(server, "packages", ProductCode="wosign-dv", TotalCount="7")[:2] == (303, "/")
    assert [(each.product_code, each.total) for each in server.service.packages()][1] == ("wosign-dv", 7)
    before = server.service.clock.offset
    for by, seconds in (("90", 90), ("1d", 86_400), (" 0.5h ", 1_800)):
        assert submit(server, "clock", By=by)[0] == 303
        assert server.service.clock.offset - before == pytest.approx(seconds)
        before = server.service.clock.offset
    for mode in ("manual", "clock"):
        assert submit(server, "completions", Mode=mode)[0] == 303
        assert server.service.completions == mode


def test_a_form_makes_the_fault_that_the_control_port_would_make(server):
    filled = {"Operation": "DeleteCertificateRequest", "Id": "100000001", "Times": "2", "Probability": "0.5"}
    filled |= {"Code": "Error", "Status": "502", "RetryAfter": "10", "Delay": "1.5", "When": "after"}
    assert submit(server, "faults", **filled, Transport="", Read="")[0] == 303
    assert submit(server, "faults", Operation="*", Id="cas-cn-7", When="before", Transport="reset")[0] == 303
    assert submit(server, "faults", Operation="*", Read="stale", When="before")[0] == 303
    rules = server.service.fault_rules()
    assert rules[0] == {
        "Operation": "DeleteCertificateRequest",
        "OrderId": 100000001,
        "Times": 2,
        "Probability": 0.5,
        "Status": 502,
        "Code": "Error",
        "RetryAfter": 10,
        "Delay": 1.5,
        "When": "after",
        "Transport": None,
        "Read": None,
    }
    assert (rules[1]["InstanceId"], rules[1]["Transport"], rules[2]["Read"]) == ("cas-cn-7", "reset", "stale")
    assert submit(server, "faults/clear")[:2] == (303, "/")
    assert server.service.fault_rules() == []


@pytest.mark.parametrize(
    ("name", "fields", "status", "said"),
    [
        ("orders", {"Domain": "no domain"}, 400, "InvalidDomain: The specified Domain is invalid: expected 1 to"),
        ("orders", {}, 400, "MissingDomain"),
        (
            "orders",
            {"Domain": "a.example.com", "State": "nowhere"},
            400,
            "state 'nowhere': expected",
        ),
        (
            "orders",
            {"Domain": "a.example.com", "ProductCode": "never-bought"},
            409,
            "no certificate resource plans were purchased",
        ),
        ("instances", {"Spec": "nothing"}, 400, "Spec 'nothing': expected brand.grade.kind"),
        ("instances", {"Domain": "b c"}, 400, "Domain 'b c': expected"),
        ("packages", {"ProductCode": "p", "TotalCount": "many"}, 400, "TotalCount 'many': expected an integer in 0 .."),
        ("packages", {"ProductCode": "p", "TotalCount": "-1"}, 400, "TotalCount -1: expected an integer in 0 .."),
        ("packages", {"TotalCount": "1"}, 400, "product code '': expected a text of 1 to"),
        ("clock", {"By": "tomorrow"}, 400, "By 'tomorrow': expected a number of seconds, or one with m, h, d or w"),
        ("clock", {"By": "999999999w"}, 400, "advance"),
        ("clock", {}, 400, "By '': expected"),
        ("completions", {"Mode": "never"}, 400, "completions 'never': expected clock, manual"),
        ("faults", {"Operation": "delet"}, 400, "Operation 'delet': expected"),
        ("faults", {"Operation": "*", "Times": "0"}, 400, "Times 0: expected an integer in 1 .."),
        ("faults", {"Operation": "*", "Times": "1.5"}, 400, "Times '1.5': expected an integer in 1 .."),
        ("faults", {"Operation": "*", "Probability": "nan"}, 400, "Probability nan: expected a number in 0 .. 1"),
        ("faults", {"Operation": "*", "Probability": "half"}, 400, "Probability 'half': expected a number in 0 .. 1"),
        ("faults", {"Operation": "*", "Delay": "9" * 400}, 400, "Delay inf: expected a number in 0 .. 3600"),
        ("faults", {"Operation": "*", "Read": "nope"}, 400, "Read 'nope': expected unknow, stale, missing"),
        ("faults", {"Operation": "RefundInstance", "Id": "7"}, 400, "Operation 'RefundInstance': expected"),
        ("faults", {"Operation": "*", "Nonsense": "1"}, 400, "member of a fault rule 'Nonsense': expected Operation"),
    ],
)
def test_what_a_form_cannot_do_is_said_on_the_page_which_keeps_what_was_filled_in(server, name, fields, status, said):
    before = server.service.revision()
    answered, _, body = submit(server, name, {"state": "issued"}, **fields)
    assert answered == status
    (told,) = re.findall(r'<p id="problem" role="alert">(.*?)</p>', body)
    assert said in Page(told).words
    assert server.service.revision() == before
    assert 'data-key="state-issued" aria-current=true' in body  # it is the page on which the form was
    kept = {found.get("value") for tag, found in Page(body).tags if tag == "input"}
    free = [value for field, value in fields.items() if field not in {"State", "Mode", "Operation", "Read", "Nonsense"}]
    assert {*free} <= kept or name == "completions"


def test_no_unit_left_is_said_as_the_api_says_it(server):
    server.service.put_package("digicert-free-1-free", 0)
    status, _, body = submit(server, "orders", Domain="example.com")
    assert status == 409
    assert 'role="alert">' in body
    assert server.service.count() == 0


def test_a_form_leads_back_to_where_it_was(server):
    order = server.service.begin("issued", {"Domain": "example.com"}).id
    back = {"state": "issued", "q": "example", "chosen": order}
    here = f"/dashboard/orders/{order}?state=issued&q=example"
    assert submit(server, "clock", back, By="1")[:2] == (303, here)
    assert submit(server, "clock", {"chosen": "cas-cn-7"}, By="1")[1] == "/dashboard/instances/cas-cn-7"
    for strange in ("//evil.example", "https://evil.example", "\x00", "a b", "", "x" * 200):
        assert submit(server, "clock", {"chosen": strange}, By="1")[1] == "/"
    status, headers, _ = fetch(f"{server.control}/dashboard/faults?{urlencode(back)}")  # a refusal, loaded anew
    assert (status, headers["location"]) == (303, here)


@pytest.mark.parametrize("name", [*FORMS, "orders/100000001/events"])
def test_another_sites_form_does_nothing(server, name):
    before = server.service.revision()
    fields = {"Domain": "example.com", "ProductCode": "p", "TotalCount": "1", "By": "1", "Mode": "manual"}
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}):
        assert fetch(f"{server.control}/dashboard/{name}", fields, **headers)[0] == 403
    assert server.service.revision() == before


def test_what_the_foot_of_the_page_promises_is_there(server):
    foot = re.search("<footer>.*</footer>", dashboard.page(server.service))[0]
    addresses = re.findall('href="(.*?)"', foot)
    assert {*addresses} >= {
        "/orders",
        "/instances",
        "/packages",
        "/faults",
        "/clock",
        "/completions",
        "/history",
        "/health",
    }
    for address in addresses:
        status, _, body = fetch(server.control + address)
        assert status == 200
        assert all(json.loads(line) is not None for line in body.splitlines())


def test_a_port_that_listens_everywhere_is_named_by_the_host_that_is_asked():
    from orderfsm.mock.http.app import create_control_app
    from orderfsm.mock.http.server import _serve

    for api, named in (
        ("http://0.0.0.0:8080", "127.0.0.1:8080"),
        ("http://[::]:8081", "127.0.0.1:8081"),
        ("http://192.0.2.7:8080", "192.0.2.7:8080"),
        ("http://mock:8080", "mock:8080"),
    ):
        with _serve(create_control_app(Service(), api=api)) as control:
            programs = Open(fetch(control)[2]).programs
        assert len(programs) == 3
        assert all(named in program and "0.0.0.0" not in program for program in programs)


@pytest.mark.parametrize("kind", KINDS)
def test_every_store_finds_and_counts_the_same(kind, request, tmp_path):
    service = Service(store=opened(kind, request, tmp_path))
    service.put_package("digicert-free-1-free", 300)
    for number in range(230):
        state = "issued" if number % 7 else "verify_fail"
        service.begin(state, {"Domain": f"{'shop' if number % 2 else 'other'}-{number}.example.com"})
    ids = [record.id for record in service.orders()]
    shops = ids[1::2][::-1]
    assert listed(Page(dashboard.page(service, q="shop-")))[0] == shops[:100]
    assert listed(Page(dashboard.page(service, q="shop-", page="2")))[0] == shops[100:]
    assert listed(Page(dashboard.page(service, q="verify fail")))[0] == ids[::7][::-1]
    assert listed(Page(dashboard.page(service, q="Shop%")))[0] == []
    assert found(service, q=str(ids[3]))[0] == {ids[3]}
    for text in STRANGE:
        assert found(service, q=text)[0] == set()
    html = dashboard.page(service)
    assert '>verify fail <span class="count">33<' in html
    assert '>issued <span class="count">197<' in html
    service.store.close()
