"""Both ports turn away what a web page of somewhere else lets a browser send, and nothing that a client sends."""

from __future__ import annotations

import http.client
import json
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest
from chromium import chromium

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orderfsm.mock import Service, mock_cas
from orderfsm.mock.http.app import create_control_app
from orderfsm.mock.http.server import _serve

CREATE = "/?Action=CreateCertificateForPackageRequest&Version=2020-04-07&Domain=a.example"
KEYS = {"the-key-id": "not really a secret"}


def asked(url, method, path, **headers):
    """The status and the body of the answer to a request with these headers; a Host of None is no Host."""
    address = urlsplit(url)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    host = headers.pop("Host", address.netloc)
    with closing(http.client.HTTPConnection(address.hostname, address.port, timeout=300)) as connection:
        connection.putrequest(method, path, skip_host=True)
        for name, value in ({} if host is None else {"Host": host} | headers).items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, json.loads(response.read())


REBOUND = [
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "aliyuncs.com.evil.example",
    "test.evil.example",
    "eviltest.example",
]
CROSS_SITE = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "same-origin", "Origin": "http://evil.example"},
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("marks", [*({"Host": host} for host in REBOUND), *CROSS_SITE], ids=str)
def test_a_web_page_of_somewhere_else_is_turned_away_from_the_api_port(server, method, marks):
    status, body = asked(server.api, method, CREATE, **marks)
    assert (status, body["Code"]) == (403, "Forbidden")
    assert set(body) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
    assert server.orders() == []


@pytest.mark.parametrize(
    "marks", [*({"Host": host} for host in [*REBOUND, "mock", "cas.aliyuncs.com"]), *CROSS_SITE], ids=str
)
def test_a_web_page_of_somewhere_else_is_turned_away_from_the_control_port(server, marks):
    order = server.order()
    status, body = asked(server.control, "POST", "/reset", **marks)
    assert (status, set(body), body["Code"]) == (403, {"Code", "Message"}, "Forbidden")
    assert server.orders() == [order]


OURS = [
    "127.0.0.1:8080",
    "localhost",
    "LOCALHOST:1",
    "[::1]:8080",
    "192.168.0.7",
    "mock:8080",
    "mock.svc.cluster.local",
    "mock.namespace.svc",
    "cas.test:8080",
    "cas.home.arpa",
    "host.docker.internal",
    "cas.aliyuncs.com",
    None,
]


@pytest.mark.parametrize("host", OURS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_is_answered_by_the_api_port_under_any_name_that_is_no_web_page(server, host, method):
    assert asked(server.api, method, CREATE, Host=host)[0] == 200


def test_a_control_port_that_is_exposed_is_reached_by_the_names_that_containers_have():
    with _serve(create_control_app(Service(), exposed=True)) as control:
        for host in ("mock:8080", "mock.namespace.svc", "127.0.0.1"):
            assert asked(control, "GET", "/health", Host=host)[0] == 200
        for marks in [*({"Host": host} for host in REBOUND), *CROSS_SITE]:
            assert asked(control, "POST", "/faults", **marks)[0] == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_a_person_types_into_a_browser_is_answered(server, site):
    for url, path in ((server.api, CREATE), (server.control, "/health")):
        assert asked(url, "GET", path, Sec_Fetch_Site=site)[0] == 200


def test_a_link_may_lead_to_the_dashboard(server):
    assert asked(server.control, "GET", "/health", Sec_Fetch_Site="cross-site")[0] == 200


@pytest.mark.parametrize("marks", [{"Host": REBOUND[0]}, *CROSS_SITE], ids=str)
def test_where_signatures_are_verified_they_alone_decide(marks):
    with mock_cas(keys=KEYS) as server:
        assert asked(server.api, "POST", CREATE, **marks)[1]["Code"] == "MissingSignature"
        assert asked(server.control, "POST", "/reset", **marks)[0] == 403


@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_what_is_at_no_path_is_answered_in_json(server, method):
    assert asked(server.api, method, "*")[1]["Code"] == "InvalidAction.NotFound"
    assert asked(server.control, method, "*") == (404, {"Code": "NotFound", "Message": "nothing is at *"})


def test_what_the_dashboard_names_is_there(server):
    server.put_package("p", 3)
    packages = asked(server.control, "GET", "/packages")[1]["Packages"]
    assert {"ProductCode": "p", "TotalCount": 3, "UsedCount": 0} in packages
    assert list(asked(server.control, "GET", "/clock")[1]) == ["now"]
    for path in ("/orders", "/packages", "/faults", "/clock", "/health"):
        assert asked(server.control, "GET", path)[0] == 200


# -- a real browser ----------------------------------------------------------------------------------------------------

LURE = """<!doctype html><img src="{api}{create}1"><script>
const asked = [
  fetch("{api}{create}2", {{mode: "no-cors"}}),
  fetch("{api}/", {{method: "POST", mode: "no-cors", body: new URLSearchParams("{form}")}}),
  fetch("{control}/reset", {{method: "POST", mode: "no-cors"}}),
];
Promise.allSettled(asked).then(() => {{ document.title = "asked" }});
</script>"""


@contextmanager
def page_at(text):
    """The port at which a web server on loopback answers every GET with a page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as web:
        thread = Thread(target=web.serve_forever)
        thread.start()
        try:
            yield web.server_port
        finally:
            web.shutdown()
            thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_browser_that_was_lured_changes_nothing(server, host):
    order = server.order()
    lure = LURE.format(api=server.api, control=server.control, create=f"{CREATE}&n=", form=CREATE.removeprefix("/?"))
    with chromium() as browser, page_at(lure) as port:
        page = browser.new_page()
        page.goto(f"http://{host}:{port}/")
        page.wait_for_function("document.title == 'asked'")
        page.wait_for_load_state("load")
    assert server.orders() == [order]
