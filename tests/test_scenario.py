"""One scenario, unmodified, through every official SDK, with signatures verified; in process; and on every store."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.register_assert_rewrite("scenario")

import attrs
import callers
import scenario
import stores
from node_packages import install_node_packages
from tables import table

from orderfsm import ORDER_LIFECYCLE, Operation, State, can
from orderfsm.mock import Request, Service, mock_cas
from orderfsm.mock.http.control import Control

# The SDKs for Python call what Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

KEY_ID, SECRET = "the-key-id", "not really a secret"


class HTTPControl:
    """The control port, over HTTP."""

    def __init__(self, url):
        self._url = url

    def __call__(self, method, path, document=None):
        """See `scenario.Control`."""
        data = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self._url}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


class InProcessControl:
    """The control port, without HTTP."""

    def __init__(self, service):
        self._control = Control(service)

    def __call__(self, method, path, document=None):
        """See `scenario.Control`."""
        body = b"" if document is None else json.dumps(document).encode()
        response = self._control.handle(Request(method, path, body=body))
        return response.status, response.body.decode()


@pytest.fixture(scope="session")
def node_packages():
    """The official SDKs for Node, installed."""
    install_node_packages()


@pytest.fixture(params=callers.CONNECTIONS)
def sdk(request):
    """The name of an SDK, which this machine has."""
    if request.param.startswith("node"):
        request.getfixturevalue("node_packages")
    return request.param


@pytest.fixture
def store(request, tmp_path):
    """An empty store of the kind that the test names."""
    made = stores.opened(request.param, request, tmp_path)
    yield made
    made.close()


TAKES_LONG = {"node-pop-core-1.7.9", "legacy-cas", "form"}
OVER_HTTP = [
    *(pytest.param(sdk, "memory", marks=[pytest.mark.long] * (sdk in TAKES_LONG)) for sdk in callers.CONNECTIONS),
    *(("python", store) for store in stores.KINDS[1:]),
]


@pytest.mark.parametrize(("sdk", "store"), OVER_HTTP, indirect=True)
def test_the_scenario_runs_unmodified_through_the_official_sdks(sdk, store):
    service = Service(store=store, keys={KEY_ID: SECRET})
    with mock_cas(service) as server, callers.connected(sdk, server, KEY_ID, SECRET) as caller:
        scenario.play(caller, HTTPControl(server.control))


@pytest.mark.parametrize("store", stores.KINDS, indirect=True)
def test_the_scenario_runs_in_process_too(store):
    play_in_process(store=store)


def play_in_process(**options):
    service = Service(**options)
    scenario.play(callers.InProcess(service), InProcessControl(service))


DELETION = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
STEPS = [operation for operation in Operation if operation in scenario.STEPS]
ILLEGAL = [(state, step) for state in State for step in STEPS if not can(state, step)]


@pytest.mark.parametrize("row", ORDER_LIFECYCLE.transitions, ids=lambda row: f"{row.source}-{row.trigger}")
def test_the_scenario_fails_where_a_row_of_the_table_is_missing(row):
    with pytest.raises(AssertionError):
        play_in_process(lifecycle=ORDER_LIFECYCLE.without(row))


@pytest.mark.parametrize(("state", "operation"), ILLEGAL)
def test_the_scenario_fails_where_an_illegal_operation_is_allowed(state, operation):
    row = attrs.evolve(DELETION, source=state, trigger=operation, quota=0)
    with pytest.raises(AssertionError):
        play_in_process(lifecycle=table([*ORDER_LIFECYCLE.transitions, row]))


SIGNATURES = {
    "python": "ACS3-HMAC-SHA256",
    "python-async": "ACS3-HMAC-SHA256",
    "python-v2": "HMAC-SHA1",
    "node": "ACS3-HMAC-SHA256",
    "node-pop-core-1.7.9": "HMAC-SHA1",
    "node-pop-core-1.8.0": "HMAC-SHA1",
    "legacy": "HMAC-SHA1",
    "legacy-cas": "HMAC-SHA1",
    "form": "HMAC-SHA1",
    "form-xml": "HMAC-SHA1",
}
READS_BY_GET = {"legacy", "node-pop-core-1.8.0"}


def test_the_sdks_sign_in_the_two_ways_that_there_are(sdk):
    service = Service(keys={KEY_ID: SECRET})
    arrived = []
    handle = service.handle
    service.handle = lambda request: arrived.append(request) or handle(request)
    with mock_cas(service) as server, callers.connected(sdk, server, KEY_ID, SECRET) as caller:
        assert caller.call(scenario.CREATE_FOR_PACKAGE, {"Domain": "a.example", "Tags": scenario.TAGS}).status == 200
        assert caller.call(scenario.LIST, {}).body["TotalCount"] == 1
    for request in arrived:
        by_header = request.headers.get("authorization", "").partition(" ")[0]
        assert (by_header or request.parameters["SignatureMethod"]) == SIGNATURES[sdk]
    assert [request.method for request in arrived] == ["POST", "GET" if sdk in READS_BY_GET else "POST"]


EXCEPTIONS = {
    "python": "ClientException",
    "python-async": "ClientException",
    "python-v2": "ClientException",
    "node": "ClientError",
    "node-pop-core-1.7.9": "Error",
    "node-pop-core-1.8.0": "Error",
    "legacy": "ServerException",
    "legacy-cas": "ServerException",
    "form": None,
    "form-xml": None,
}


@pytest.mark.parametrize(
    ("key_id", "secret", "status", "code"),
    [
        (KEY_ID, "another secret", 400, "SignatureDoesNotMatch"),
        ("another-key-id", SECRET, 404, "InvalidAccessKeyId.NotFound"),
    ],
    ids=["wrong-secret", "unknown-key"],
)
def test_a_wrong_key_is_an_exception_of_the_sdk_that_says_so(sdk, key_id, secret, status, code):
    with mock_cas(keys={KEY_ID: SECRET}) as server, callers.connected(sdk, server, key_id, secret) as caller:
        answer = caller.call(scenario.CREATE_FOR_PACKAGE, {"Domain": "a.example", "Tags": scenario.TAGS})
        if (sdk, code) == ("legacy-cas", "SignatureDoesNotMatch"):
            code = "InvalidAccessKeySecret"  # what its core makes of a message that repeats the text that it signed
        assert (answer.status, answer.code, answer.raised) == (status, code, EXCEPTIONS[sdk])
        assert server.service.count() == 0


def test_an_order_is_created_described_listed_cancelled_and_deleted_where_no_key_is_verified(sdk):
    with mock_cas() as server, callers.connected(sdk, server, KEY_ID, SECRET) as caller:
        cas = scenario.Account(caller, HTTPControl(server.control))
        order_id = cas.create("walk.example")
        cas.reads(order_id, "domain_verify", "CHECKING")
        cas.refused("OrderStateError", scenario.DELETE, OrderId=order_id)
        cas.do(scenario.CANCEL, OrderId=order_id)
        assert cas.listed() == [order_id]
        cas.do(scenario.DELETE, OrderId=order_id)
        scenario.is_gone(cas, order_id)
