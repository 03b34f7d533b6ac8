"""Code that calls the real service by the official SDKs meets the mock unchanged, and leaves no trace of it."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import textwrap
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from functools import partialmethod
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

import aiohttp
import requests
from alibabacloud_cas20200407 import models
from alibabacloud_cas20200407.client import Client
from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_credentials.utils import auth_util
from alibabacloud_tea_openapi.models import Config
from orders import create
from suites import run_pytest

from orderfsm import InvalidValue, OrderFSMError
from orderfsm.client import guard
from orderfsm.client.connect import connect
from orderfsm.mock import NotMocked, Service, mock_cas
from orderfsm.mock.sdk import redirect
from orderfsm.tables import api

KEY = {"access_key_id": "id", "access_key_secret": "secret"}
ENDPOINTS = {
    "of a region": {"region_id": "ap-southeast-1"},
    "the service's": {"endpoint": "cas.aliyuncs.com"},
    "with a port": {"endpoint": "cas.aliyuncs.com:8443"},
    "a gateway of one's own": {"endpoint": "cas.gateway.example:8443"},
    "http": {"endpoint": "cas.aliyuncs.com", "protocol": "http"},
    "behind a proxy": {"endpoint": "cas.aliyuncs.com", "https_proxy": "http://192.0.2.1:3128"},
}


def real(**settings):
    """A client of the official SDK as a program makes it that knows of no mock."""
    return Client(Config(**KEY | {"region_id": "cn-hangzhou"} | settings))


def create_async(client):
    request = models.CreateCertificateForPackageRequestRequest(domain="example.com")
    return asyncio.run(client.create_certificate_for_package_request_async(request)).body.order_id


def orders_of(client):
    body = client.list_user_certificate_order(models.ListUserCertificateOrderRequest()).body
    return [row.order_id for row in body.certificate_order_list]


def state_of_the_process():
    """All that the mock replaces while it is active."""
    key = [os.environ.get(name) for name in redirect.ACCESS_KEY]
    read = [getattr(auth_util, name) for name in redirect._READ]
    seams = [requests.adapters.HTTPAdapter.send, aiohttp.ClientSession._request]
    return key, read, seams, redirect._HOOK in sys.meta_path, list(redirect._ACTIVE)


@pytest.fixture(autouse=True)
def nothing_left():
    before = state_of_the_process()
    yield
    assert state_of_the_process() == before


# -- which clients, and which endpoints --------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [create, create_async])
@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
@pytest.mark.parametrize("keys", [{}, {"id": "secret"}], ids=["any key", "signatures verified"])
def test_a_client_of_the_real_service_is_led_to_the_mock(call, endpoint, keys):
    before = real(**endpoint)
    with mock_cas(keys=keys) as server:
        assert [call(before), call(real(**endpoint))] == [order.id for order in server.orders()]


@pytest.mark.parametrize("call", [create, create_async])
def test_no_proxy_of_the_environment_is_asked(call, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with mock_cas() as server:
        plain = {"endpoint": server.api.removeprefix("http://"), "protocol": "http"}
        assert [call(real()), call(real(**plain))] == [order.id for order in server.orders()]


def test_the_signature_is_verified_as_the_real_service_does_it():
    with mock_cas(keys={"id": "another"}) as server:
        with pytest.raises(Exception, match="SignatureDoesNotMatch"):
            create(real())
        assert server.orders() == []


def test_a_guarded_client_and_one_that_asks_no_proxy_are_led_too(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    direct = connect("https://cas.aliyuncs.com", key=("id", "secret"))
    assert type(direct).__name__ == "DirectClient"
    with mock_cas() as server:
        assert [create(guard(real())), create(direct)] == [order.id for order in server.orders()]


def test_instances_are_bought_by_the_billing_sdk():
    buyer = pytest.importorskip("alibabacloud_bssopenapi20171214.client", reason="the group `test` is not installed")
    from alibabacloud_bssopenapi20171214 import models as billing

    spec = [
        billing.CreateInstanceRequestParameter(code=code, value=value)
        for code, value in (("fullSpec", "ws.dv.f"), ("fullDomainCount", "1"))
    ]
    order = {"product_code": "cas", "product_type": "cas", "subscription_type": "Subscription", "period": 12}
    before = buyer.Client(Config(**KEY, region_id="cn-hangzhou"))
    with mock_cas(keys={"id": "secret"}) as server:
        body = before.create_instance(billing.CreateInstanceRequest(parameter=spec, **order)).body
        assert [body.data.instance_id] == [instance.id for instance in server.instances()]


@pytest.mark.parametrize("endpoint", [None, "cas.aliyuncs.com", "https://cas.gateway.example"])
@pytest.mark.parametrize("keys", [{}, {"id": "secret"}], ids=["any key", "signatures verified"])
def test_the_legacy_sdk_is_led_to_the_mock(endpoint, keys):
    core = pytest.importorskip("aliyunsdkcore.client", reason="the legacy SDK is not installed")
    cas = pytest.importorskip("aliyunsdkcas.request.v20200407.CreateCertificateForPackageRequestRequest")
    before = core.AcsClient("id", "secret", "cn-hangzhou")
    with mock_cas(keys=keys) as server:
        for client in (before, core.AcsClient("id", "secret", "cn-hangzhou")):
            request = cas.CreateCertificateForPackageRequestRequest()
            request.set_Domain("example.com")
            if endpoint is not None:
                request.set_endpoint(endpoint)
            client.do_action_with_exception(request)
        assert len(server.orders()) == 2


LIST = {"Version": "2020-04-07", "Action": "ListUserCertificateOrder", "Signature": "s"}


@pytest.mark.parametrize(
    "signed",
    [
        {"headers": {"x-acs-version": "2020-04-07", "x-acs-action": "ListUserCertificateOrder"}},
        {"params": LIST},
        {"data": LIST},
    ],
    ids=["V3", "query", "form"],
)
def test_what_signs_its_requests_itself_is_led_too(signed):
    async def post():
        async with aiohttp.ClientSession() as session, session.post("https://cas.aliyuncs.com", **signed) as response:
            return await response.text()

    with mock_cas():
        assert "TotalCount" in requests.post("https://cas.aliyuncs.com", **signed, timeout=60).text
        assert "TotalCount" in asyncio.run(post())


@pytest.mark.parametrize(
    ("session", "url"),
    [
        ({"base_url": "https://cas.aliyuncs.com/"}, "/"),
        ({"headers": {"X-Acs-Version": "2020-04-07"}}, "https://cas.gateway.example"),
        ({"trust_env": True}, "https://cas.aliyuncs.com"),
        ({"proxy": "http://127.0.0.1:9"}, "https://cas.aliyuncs.com"),
    ],
    ids=["its base", "its headers", "the environment's proxy", "its proxy"],
)
def test_what_a_session_of_aiohttp_says_for_all_its_requests_counts(session, url, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def post():
        asked = {"x-acs-version": "2020-04-07", "x-acs-action": "ListUserCertificateOrder"}
        headers = {name: value for name, value in asked.items() if name.title() not in session.get("headers", {})}
        async with aiohttp.ClientSession(**session) as client, client.post(url, headers=headers) as response:
            return await response.text()

    with mock_cas():
        assert "TotalCount" in asyncio.run(post())


def test_a_library_that_is_imported_inside_is_led_as_well():
    """A fresh interpreter has not imported the SDK when it enters the mock, nor when it enters another one."""
    program = """if True:
        import sys
        from orderfsm.mock import mock_cas

        with mock_cas() as server:
            assert "requests" not in sys.modules and "aiohttp" not in sys.modules, "the mock imports no SDK"
            import asyncio
            from alibabacloud_cas20200407 import client, models
            from alibabacloud_credentials.client import Client as CredentialClient
            from alibabacloud_tea_openapi.models import Config

            cas = client.Client(Config(credential=CredentialClient(), region_id="cn-hangzhou"))
            asked = models.CreateCertificateForPackageRequestRequest(domain="example.com")
            cas.create_certificate_for_package_request(asked)
            asyncio.run(cas.create_certificate_for_package_request_async(asked))
            assert len(server.orders()) == 2
        import aiohttp, requests
        from alibabacloud_credentials.utils import auth_util
        assert aiohttp.ClientSession._request.__module__ == "aiohttp.client" and not sys.meta_path[0].__class__ is None
        assert not hasattr(requests.adapters.HTTPAdapter.send, "__wrapped__")
        assert auth_util.environment_access_key_id is None
    """
    environment = {name: value for name, value in os.environ.items() if name not in redirect.ACCESS_KEY}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


# -- the access key ----------------------------------------------------------------------------------------------------


def test_a_client_without_a_key_finds_one_that_the_mock_takes():
    with mock_cas(keys={"an-id": "a-secret"}) as server:
        credential = CredentialClient()
        client = Client(Config(credential=credential, region_id="cn-hangzhou"))
        assert create(client) == server.orders()[0].id
        assert os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] == credential.get_credential().access_key_id == "an-id"


def test_the_key_of_the_environment_is_back_afterwards(monkeypatch):
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "real")
    monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "token")
    monkeypatch.delenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", raising=False)
    monkeypatch.setattr(auth_util, "environment_access_key_id", "read long ago")
    with mock_cas(keys={"outer": "secret"}):
        with mock_cas(patched=False), mock_cas(keys={"inner": "secret"}):
            assert [os.environ.get(name) for name in redirect.ACCESS_KEY] == ["inner", "secret", None]
        assert auth_util.environment_access_key_id == os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] == "outer"
    assert [os.environ.get(name) for name in redirect.ACCESS_KEY] == ["real", None, "token"]
    assert auth_util.environment_access_key_id == "read long ago"


# -- what is for somebody else -----------------------------------------------------------------------------------------

OTHERS = [
    ("https://ecs.aliyuncs.com/", {"x-acs-version": "2014-05-26", "x-acs-action": "DescribeRegions"}),
    ("https://ecs.example.com/", {"x-acs-version": "2014-05-26", "x-acs-action": "DescribeRegions"}),
    ("https://bucket.oss-cn-hangzhou.aliyuncs.com/a", {}),
    ("http://100.100.100.200/latest/meta-data/ram/security-credentials/", {}),
]


@pytest.mark.parametrize(("url", "headers"), OTHERS)
def test_a_call_of_another_product_is_refused(url, headers):
    with mock_cas(), pytest.raises(NotMocked, match="is not sent, as a mock stands for Alibaba Cloud"):
        requests.post(url, headers=headers, timeout=60)


def test_an_sdk_says_of_another_product_that_it_is_refused():
    from alibabacloud_tea_openapi.client import Client as AnyClient
    from alibabacloud_tea_openapi.models import OpenApiRequest, Params

    from orderfsm.client.sdk import RuntimeOptions

    other = AnyClient(Config(**KEY, endpoint="ecs.aliyuncs.com"))
    params = Params(
        action="DescribeRegions",
        version="2014-05-26",
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    said = r"DescribeRegions of ecs\.aliyuncs\.com is not sent"
    with mock_cas():
        with pytest.raises(Exception, match=said):
            other.call_api(params, OpenApiRequest(), RuntimeOptions())
        with pytest.raises(Exception, match=said):
            asyncio.run(other.call_api_async(params, OpenApiRequest(), RuntimeOptions()))


@pytest.mark.parametrize("patterns", ["ecs.aliyuncs.com", ["ECS.*"], ("*",)], ids=str)
def test_a_host_may_be_let_through(patterns):
    rule = redirect.Redirect("http://127.0.0.1:1", passthrough=mock_cas(passthrough=patterns)._passthrough)
    assert rule.of(*OTHERS[0], None) is None


@pytest.mark.parametrize("patterns", ["https://ecs.aliyuncs.com", [""], [7]], ids=str)
def test_a_host_that_is_none_is_not(patterns):
    with pytest.raises(InvalidValue, match=r"passthrough .*: expected a host"):
        mock_cas(passthrough=patterns)


@pytest.mark.parametrize(
    "url",
    ["https://example.com/?Version=2020-04-07", "http://127.0.0.1:9/", "http://localhost/", "http://[::1]/x", "/x"],
)
def test_what_is_not_for_alibaba_cloud_goes_as_it_would(url):
    rule = redirect.Redirect("http://127.0.0.1:1")
    assert rule.of(url, {}, None) is None


def test_a_client_for_this_machine_meets_whom_it_names():
    with mock_cas() as outer, mock_cas() as inner:
        assert create(outer.client()) == outer.orders()[0].id
        assert inner.orders() == []


def test_all_versions_that_the_mock_answers_are_led():
    assert {api.VERSION, *api.PURCHASES.values()} <= set(redirect.VERSIONS)


def test_nobody_is_led_unless_that_is_wanted():
    with mock_cas(patched=False) as server:
        client = real(endpoint="127.0.0.1:9", protocol="http", http_proxy=None)
        assert redirect._ACTIVE == []
        with pytest.raises(Exception, match=r"127\.0\.0\.1"):
            create(client)
        assert server.orders() == []


# -- when it begins and ends -------------------------------------------------------------------------------------------


def test_of_two_mocks_the_inner_one_is_meant_and_the_outer_one_again_after_it():
    client = real()
    with mock_cas() as outer:
        create(client)
        with mock_cas() as inner:
            create(client)
            assert len(inner.orders()) == 1
        create(client)
        assert len(outer.orders()) == 2


def test_mocks_may_end_in_any_order():
    first, second = mock_cas(), mock_cas()
    first.start()
    inner = second.start()
    first.stop()
    create(real())
    assert len(inner.orders()) == 1
    second.stop()


def test_an_error_ends_it():
    with pytest.raises(ZeroDivisionError), mock_cas():
        raise ZeroDivisionError
    with pytest.raises(InvalidValue), mock_cas(review="never"):
        pass
    with pytest.raises(OrderFSMError, match="was not started"):
        mock_cas().stop()


def test_other_threads_are_led_too():
    with mock_cas() as server, ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda _: create(real()), range(8)))
        assert ids == {order.id for order in server.orders()}


def test_threads_with_mocks_of_their_own_leave_nothing_behind():
    together = threading.Barrier(4)

    def one(_):
        with mock_cas() as server:
            together.wait(60)
            create(server.client())
            together.wait(60)
            return len(server.orders())

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == [1] * 4


def test_one_mock_is_entered_by_several_threads_and_tasks_each_of_which_leaves_its_own():
    mock = mock_cas()
    together = threading.Barrier(3)

    def one(_):
        with mock as server:
            together.wait(60)
            assert mock.server is server
            create(server.client())
            together.wait(60)
            return len(server.orders())

    async def of_a_task(turns):
        with mock as server:
            for _ in range(turns):
                await asyncio.sleep(0)
            assert mock.server is server
            request = models.CreateCertificateForPackageRequestRequest(domain="example.com")
            await server.client().create_certificate_for_package_request_async(request)
            return len(server.orders())

    async def tasks():
        return await asyncio.gather(*map(of_a_task, (1, 3, 2)))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, range(3))) == [1] * 3
    assert asyncio.run(tasks()) == [1] * 3
    with pytest.raises(OrderFSMError, match="is not running"):
        _ = mock.server


def test_what_was_entered_elsewhere_can_be_left_here():
    mock = mock_cas(patched=False)
    with ThreadPoolExecutor(1) as pool:
        server = pool.submit(mock.start).result()
    assert mock.server is server
    mock.stop()
    with pytest.raises(OrderFSMError, match="was not started"):
        mock.stop()


def test_what_somebody_else_puts_over_it_stays():
    adapter, mock = requests.adapters.HTTPAdapter, mock_cas()
    before = adapter.send
    try:
        mock.start()
        adapter.send = theirs = partialmethod(adapter.send)
        mock.stop()
        assert vars(adapter)["send"] is theirs
        with mock_cas() as server:
            create(real())
            assert len(server.orders()) == 1
        assert vars(adapter)["send"] is theirs
    finally:
        adapter.send = before


# -- as a decorator ----------------------------------------------------------------------------------------------------

alone, told = mock_cas, mock_cas(packages={"geotrust-dv-1-starter": 3})


@pytest.mark.parametrize("decorate", [alone, told, mock_cas()], ids=["bare", "with settings", "with none"])
def test_a_function_runs_in_a_mock_of_its_own_each_time(decorate):
    @decorate
    def function(given, *, named):
        """What it does."""
        return given, named, [create(real()), *orders_of(real())]

    assert function(1, named=2) == function(1, named=2)
    assert function(1, named=2)[:2] == (1, 2)
    assert len(function(1, named=2)[2]) == 2
    assert (function.__name__, function.__doc__) == ("function", "What it does.")
    assert list(inspect.signature(function).parameters) == ["given", "named"]


def test_a_decorator_knows_its_server():
    @told
    def function():
        return [package.total for package in told.server.packages()]

    assert function() == [20, 3]
    with pytest.raises(OrderFSMError, match="is not running"):
        _ = told.server


def test_a_coroutine_is_in_it_until_it_ends():
    @told
    async def function():
        await asyncio.sleep(0)
        return len(told.server.orders()), create(real()), len(told.server.orders())

    assert inspect.iscoroutinefunction(function)
    before, _, after = asyncio.run(function())
    assert (before, after) == (0, 1)


def test_an_object_that_is_called_as_a_coroutine_is_in_it_until_it_ends():
    class Automation:
        async def __call__(self):
            await asyncio.sleep(0)
            return len(redirect._ACTIVE)

    assert asyncio.run(mock_cas(Automation())()) == 1


def test_a_generator_is_in_it_until_it_ends():
    @told
    def function():
        got = yield create(real())
        assert orders_of(real()) == [got]
        return "done"

    running = function()
    with pytest.raises(StopIteration, match="done"):
        running.send(next(running))
    left = function()
    next(left)
    left.close()


def test_an_asynchronous_generator_is_in_it_until_it_ends():
    @told
    async def function():
        yield create(real())
        yield orders_of(real())

    async def play():
        return [value async for value in function()]

    first, second = asyncio.run(play())
    assert [first] == second


def prepared():
    class Tests(unittest.TestCase):
        def setUp(self):
            self.order = create(real())

        def tearDown(self):
            assert orders_of(real())[0] == self.order

        def test_one(self):
            assert orders_of(real()) == [self.order]

        def test_another(self):
            create(real())
            assert len(orders_of(real())) == 2

        def helper(self):
            raise AssertionError

    return Tests


def prepared_asynchronously():
    class Tests(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            self.order = await asyncio.to_thread(create, real())

        async def test_one(self):
            assert orders_of(real()) == [self.order]

    return Tests


@pytest.mark.parametrize("made", [prepared, prepared_asynchronously])
def test_each_test_of_a_case_has_its_own_and_what_prepares_it_too(made):
    case = made()
    assert mock_cas(case) is case
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun == len([name for name in dir(case) if name.startswith("test_")])
    assert (result.errors, result.failures) == ([], [])


def test_classes_for_pytest_have_one_for_each_test(tmp_path):
    (tmp_path / "test_classes.py").write_text(
        textwrap.dedent(
            """
        import pytest
        from orders import create
        from test_mock_patching import orders_of, real
        from orderfsm.mock import mock_cas

        @mock_cas
        class TestPlain:
            def test_one(self):
                assert [create(real())] == orders_of(real())

            @staticmethod
            def test_static():
                assert [create(real())] == orders_of(real())

            @pytest.mark.parametrize("times", [1, 2])
            def test_parametrized(self, times, tmp_path):
                assert [create(real()) for _ in range(times)] == orders_of(real())

            class TestInner:
                def test_inner(self):
                    assert [create(real())] == orders_of(real())

        class Prepared:
            def setup_method(self, method):
                self.name, self.order = method.__name__, create(real())

        @mock_cas
        class TestPrepared(Prepared):
            def test_one(self):
                assert (self.name, [self.order]) == ("test_one", orders_of(real()))

            def test_another(self):
                assert [self.order] == orders_of(real())

            ended = []

            def teardown_method(self):
                self.ended.append(orders_of(real()) == [self.order])

        @pytest.fixture
        @mock_cas
        def order(tmp_path):
            yield create(real())

        def test_a_fixture_lasts_as_long_as_its_test(order):
            assert [order] == orders_of(real())

        def test_nothing_is_left():
            from orderfsm.mock.sdk import redirect
            assert redirect._ACTIVE == []
            assert TestPrepared.ended == [True, True]
        """
        )
    )
    here = Path(__file__).parent
    done = run_pytest(tmp_path, PYTHONPATH=f"{here}{os.pathsep}{here.parent}")
    assert "9 passed in" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("what", [7, type("Nothing", (), {"helper": print})], ids=["no function", "no test"])
def test_what_has_nothing_to_run_cannot_be_decorated(what):
    with pytest.raises(InvalidValue, match="what is decorated"):
        mock_cas(what)


def test_a_service_that_is_given_is_the_same_each_time():
    service = Service()
    mock = mock_cas(service)
    with mock:
        create(real())
    with mock as server:
        assert len(server.orders()) == 1
    with pytest.raises(InvalidValue, match="options"):
        mock_cas(service, review="at-once")
