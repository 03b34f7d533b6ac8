"""Both signatures: what the official SDKs signed verifies, once; whatever was altered since does not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import string
import threading
from base64 import b64encode
from calendar import timegm
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import gmtime, strftime, strptime
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

pytest.importorskip("cryptography", reason="the extra `mock` is not installed")

from orderfsm.mock import Request
from orderfsm.mock.cas.gateway import GatewayError
from orderfsm.mock.cas.signature import Verifier

KEY, SECRET = "AKID-of-a-test", "Secret/of+a=test"
AWKWARD = "a b+c*d~e/f é 汉 &=%'\"!()"
FORMAT = "%Y-%m-%dT%H:%M:%SZ"
WINDOW = 15 * 60

REQUIRED_HEADERS = [
    "host",
    "x-acs-action",
    "x-acs-content-sha256",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-version",
]
REQUIRED_PARAMETERS = [
    "AccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureVersion",
    "Timestamp",
]

MISSING = ("MissingSignature", 400)
UNKNOWN = ("InvalidAccessKeyId.NotFound", 404)
EXPIRED = ("InvalidTimeStamp.Expired", 400)
MISMATCH = ("SignatureDoesNotMatch", 400)
REPLAYED = ("SignatureNonceUsed", 400)


# -- requests that real SDKs signed ------------------------------------------------------------------------------------


class Capture(ThreadingHTTPServer):
    """A server on loopback that answers anything with a RequestId, and keeps the last request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.endpoint = f"127.0.0.1:{self.server_port}"
        self.last = None


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.last = Request(self.command, url.path, url.query, dict(self.headers), body)
        answer = json.dumps({"RequestId": "R", "OrderId": 1}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *args):
        pass


def cas(call, **config):
    """A call of the official SDK's client; `call` names it, and may say that it is async."""

    def send(endpoint):
        pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
        from alibabacloud_cas20200407 import models
        from alibabacloud_cas20200407.client import Client
        from alibabacloud_tea_openapi.models import Config

        settings = {"access_key_id": KEY, "access_key_secret": SECRET, "protocol": "http", "endpoint": endpoint}
        client = Client(Config(**settings, **config))
        match call:
            case "delete":
                client.delete_certificate_request(models.DeleteCertificateRequestRequest(order_id=123451222))
            case "delete, async":
                request = models.DeleteCertificateRequestRequest(order_id=123451222)
                asyncio.run(client.delete_certificate_request_async(request))
            case "list, without parameters":
                client.list_user_certificate_order(models.ListUserCertificateOrderRequest())
            case "create, with awkward values":
                tag = models.CreateCertificateRequestRequestTags
                tags = [tag(key=AWKWARD, value="plain"), tag(key="empty", value=""), tag(key="k", value=AWKWARD)]
                client.create_certificate_request(
                    models.CreateCertificateRequestRequest(
                        domain="example.com", email="a@example.com", phone="1", username=AWKWARD, tags=tags
                    )
                )

    return send


def body(kind, **config):
    """A call of the official SDK's generic client, with a body: a form or JSON."""

    def send(endpoint):
        pytest.importorskip("alibabacloud_tea_openapi", reason="the extra `client` is not installed")
        from alibabacloud_tea_openapi.client import Client
        from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
        from darabonba.runtime import RuntimeOptions

        settings = {"access_key_id": KEY, "access_key_secret": SECRET, "protocol": "http", "endpoint": endpoint}
        named = {"action": "CancelOrderRequest", "version": "2020-04-07", "style": "RPC", "auth_type": "AK"}
        params = Params(**named, method="POST", pathname="/", protocol="HTTP", req_body_type=kind, body_type="json")
        request = OpenApiRequest(query={"Lang": "en"}, body={"OrderId": "123451222", "Note": AWKWARD})
        Client(Config(**settings, **config)).call_api(params, request, RuntimeOptions())

    return send


def legacy(method, *, sts=False):
    """A call of the SDK before that, `aliyun-python-sdk-core`: parameters in the query, or in a form too."""

    def send(endpoint):
        pytest.importorskip("aliyunsdkcore", reason="aliyun-python-sdk-core is not installed")
        from aliyunsdkcore.auth.credentials import AccessKeyCredential, StsTokenCredential
        from aliyunsdkcore.client import AcsClient
        from aliyunsdkcore.request import CommonRequest

        credential = StsTokenCredential(KEY, SECRET, AWKWARD) if sts else AccessKeyCredential(KEY, SECRET)
        request = CommonRequest(endpoint, "2020-04-07", "CancelOrderRequest")
        request.set_method(method)
        request.set_protocol_type("http")
        request.add_query_param("OrderId", "123451222")
        if method == "POST":
            request.add_body_params("Note", AWKWARD)
        AcsClient(region_id="cn-hangzhou", credential=credential).do_action_with_exception(request)

    return send


STS = {"type": "sts", "security_token": "a/token+with=signs"}
V2 = {"signature_algorithm": "v2"}
IN_HEADER = {
    "delete": cas("delete"),
    "delete, async": cas("delete, async"),
    "delete, STS": cas("delete", **STS),
    "list, without parameters": cas("list, without parameters"),
    "create, with awkward values": cas("create, with awkward values"),
    "a form": body("formData"),
    "JSON": body("json"),
}
IN_QUERY = {
    "v2: delete": cas("delete", **V2),
    "v2: delete, async": cas("delete, async", **V2),
    "v2: delete, STS": cas("delete", **V2, **STS),
    "v2: list, without parameters": cas("list, without parameters", **V2),
    "v2: create, with awkward values": cas("create, with awkward values", **V2),
    "v2: a form": body("formData", **V2),
    "legacy: GET": legacy("GET"),
    "legacy: a form": legacy("POST"),
    "legacy: STS": legacy("GET", sts=True),
}


@pytest.fixture(scope="module")
def capture():
    """The request that an SDK makes for one of the calls above, by its name; each is made once."""
    with Capture() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        requests = {}

        def captured(name):
            if name not in requests:
                (IN_HEADER | IN_QUERY)[name](server.endpoint)
                requests[name] = server.last
            return requests[name]

        yield captured
        server.shutdown()


@pytest.fixture(scope="module", params=[*IN_HEADER, *IN_QUERY])
def signed(request, capture):
    """A signed request."""
    return capture(request.param)


@pytest.fixture(scope="module", params=IN_HEADER)
def in_header(request, capture):
    """A request with a header signature."""
    return capture(request.param)


@pytest.fixture(scope="module", params=IN_QUERY)
def in_query(request, capture):
    """A request with a query signature."""
    return capture(request.param)


# -- asking ------------------------------------------------------------------------------------------------------------


class Nonces:
    """A store of nonces: `until` which time each was to be remembered."""

    def __init__(self):
        self.until = {}

    def fresh(self, nonce, until):
        """Whether the nonce is new."""
        new = nonce not in self.until
        self.until.setdefault(nonce, until)
        return new


def date(request):
    """The time of a signature, as it stands there."""
    return request.headers.get("x-acs-date") or request.parameters["Timestamp"]


def verifier(request, *, late=0.0, keys=None, nonces=None):
    """A verifier at the time at which `request` was signed, or so much later."""
    at = timegm(strptime(date(request), FORMAT)) + late
    return Verifier({KEY: SECRET} if keys is None else keys, fresh=(nonces or Nonces()).fresh, now=lambda: at)


def refusal(judge, request):
    """Code and status with which `judge` refuses `request`; what it says gives nothing away."""
    with pytest.raises(GatewayError) as caught:
        judge.verify(request)
    said = repr(caught.value) + str(caught.value)
    assert SECRET not in said
    assert KEY not in said
    assert not re.search(r"[0-9a-f]{32}|[A-Za-z0-9+/]{27}=|%2F", said)
    return caught.value.code, caught.value.http_status


def altered(request, *, drop=(), **changes):
    """`request` with other fields; of `query` and `headers` only what is given, and without what is in `drop`."""
    fields = {name: getattr(request, name) for name in ("method", "path", "query", "headers", "body")}
    for name, change in changes.items():
        fields[name] = fields[name] | change if isinstance(change, dict) else change
    for name in ("query", "headers"):
        fields[name] = {key: value for key, value in fields[name].items() if key not in drop}
    return Request(**fields)


def signed_names(request):
    """The headers that a header signature covers."""
    listed = request.headers["authorization"].split(",")[1].removeprefix("SignedHeaders=")
    return listed.split(";")


def dated(request, date):
    """`request` with another time in its signature."""
    if "x-acs-date" in request.headers:
        return altered(request, headers={"x-acs-date": date})
    return altered(request, query={"Timestamp": date})


def encoded(text):
    """`text` as RFC 3986 encodes it, said in another way."""
    unreserved = string.ascii_letters + string.digits + "-._~"
    each = (chr(byte) if chr(byte) in unreserved else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))
    return "".join(each)


def canonical(query):
    """The parameters, sorted and encoded."""
    return "&".join(f"{encoded(name)}={encoded(query[name])}" for name in sorted(query))


def signed_by_header(request, names=None, *, key=KEY, secret=SECRET):
    """`request` with a header signature over the headers `names`, in the order given."""
    names = signed_names(request) if names is None else names
    entries = [f"{name}:{request.headers.get(name, '')}" for name in dict.fromkeys(names)]
    digest = hashlib.sha256(request.body).hexdigest()
    lines = [request.method, request.path, canonical(request.query), *entries, "", ";".join(names), digest]
    hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    signature = hmac.new(secret.encode(), f"ACS3-HMAC-SHA256\n{hashed}".encode(), "sha256").hexdigest()
    authorization = f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={';'.join(names)},Signature={signature}"
    return altered(request, headers={"authorization": authorization})


def signed_by_query(request, *, key=KEY, secret=SECRET):
    """`request` with a query signature."""
    request = altered(request, drop={"Signature"}, query={"AccessKeyId": key})
    to_sign = f"{request.method}&%2F&{encoded(canonical(request.parameters))}"
    signature = b64encode(hmac.new(f"{secret}&".encode(), to_sign.encode(), "sha1").digest()).decode()
    return altered(request, query={"Signature": signature})


TEXT = st.text(max_size=12)
BY_HEADER = st.sampled_from([*IN_HEADER])
BY_QUERY = st.sampled_from([call for call in IN_QUERY if not call.startswith("legacy")])


# -- what was signed verifies ------------------------------------------------------------------------------------------


def test_what_an_official_sdk_signed_verifies(signed):
    assert verifier(signed).verify(signed) == KEY


def test_it_verifies_by_the_machines_clock(capture):
    request = capture("delete")
    assert Verifier({KEY: SECRET}, fresh=Nonces().fresh).verify(request) == KEY


def test_the_example_of_the_documents_for_the_header_signature_verifies():
    """V3 request structure and signature, "Fixed parameter values"."""
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    authorization = (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )
    query = {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}
    request = Request("POST", "/", query, headers | {"Authorization": authorization})
    assert verifier(request, keys={"YourAccessKeyId": "YourAccessKeySecret"}).verify(request) == "YourAccessKeyId"


def test_the_example_of_the_documents_for_the_query_signature_verifies():
    """The query signature's example: DescribeRegions."""
    url = (
        "SignatureVersion=1.0&Action=DescribeRegions&Format=XML&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"
        "&Version=2014-05-26&AccessKeyId=testid&Signature=OLeaidS1JvxuMvnyHOwuJ%2BuX5qY%3D&SignatureMethod=HMAC-SHA1"
        "&Timestamp=2016-02-23T12%3A46%3A24Z"
    )
    request = Request("GET", "/", url)
    assert verifier(request, keys={"testid": "testsecret"}).verify(request) == "testid"


@given(parameters=st.dictionaries(TEXT.map(lambda name: f"_{name}"), TEXT, max_size=4))
@example({f"_{number}": chr(number) for number in range(256)})
@example({f"_{chr(number)}": "" for number in range(256)})
def test_every_parameter_is_encoded_as_the_sdk_encodes_it(capture, parameters):
    tea = pytest.importorskip("alibabacloud_tea_openapi.utils", reason="the extra `client` is not installed")
    request = altered(capture("v2: delete"), drop={"Signature"}, query=parameters)
    signature = tea.Utils.get_rpcsignature(request.query, request.method, SECRET)
    assert verifier(request).verify(altered(request, query={"Signature": signature})) == KEY


def test_spaces_around_a_header_are_no_part_of_it(in_header):
    spaced = {name: f" {value}\t" for name, value in in_header.headers.items() if name in {"user-agent", "host"}}
    assert verifier(in_header).verify(altered(in_header, headers=spaced)) == KEY


def test_a_header_that_need_not_be_signed_may_be_added_on_the_way(in_header):
    assert verifier(in_header).verify(altered(in_header, headers={"x-forwarded-for": "192.0.2.1"})) == KEY


def test_each_key_verifies_with_its_own_secret(signed):
    assert verifier(signed, keys={"another": "x", KEY: SECRET}).verify(signed) == KEY


# -- the wrong secret, an unknown key ----------------------------------------------------------------------------------


def test_the_wrong_secret_does_not_match(signed):
    assert refusal(verifier(signed, keys={KEY: f"{SECRET}x"}), signed) == MISMATCH


def test_an_unknown_key_is_not_found(signed):
    assert refusal(verifier(signed, keys={"another": SECRET}), signed) == UNKNOWN


def test_without_keys_nobody_is_found(signed):
    assert refusal(verifier(signed, keys={}), signed) == UNKNOWN


def test_an_unknown_key_is_found_out_before_the_time(signed):
    assert refusal(verifier(signed, keys={}, late=1e6), signed) == UNKNOWN


# -- whatever is altered does not match --------------------------------------------------------------------------------


@given(data=st.data())
def test_an_altered_parameter_does_not_match_a_header_signature(capture, data):
    request = capture(data.draw(st.sampled_from([call for call in IN_HEADER if call != "list, without parameters"])))
    name = data.draw(st.sampled_from(sorted(request.query)))
    value = data.draw(TEXT)
    assume(value != request.query[name])
    assert refusal(verifier(request), altered(request, query={name: value})) == MISMATCH


@given(data=st.data())
def test_an_altered_parameter_does_not_match_a_query_signature(capture, data):
    request = capture(data.draw(BY_QUERY))
    name = data.draw(st.sampled_from(sorted(set(request.query) - {"AccessKeyId", "Timestamp"})))
    value = data.draw(st.text(min_size=1, max_size=12))
    assume(value != request.query[name])
    assert refusal(verifier(request), altered(request, query={name: value})) == MISMATCH


@given(call=BY_HEADER | BY_QUERY, name=TEXT, value=TEXT)
def test_an_added_parameter_does_not_match(capture, call, name, value):
    request = capture(call)
    assume(name not in request.parameters)
    assert refusal(verifier(request), altered(request, query={name: value})) == MISMATCH


def test_a_removed_parameter_does_not_match(signed):
    removable = set(signed.query) - set(REQUIRED_PARAMETERS)
    for name in removable:
        assert refusal(verifier(signed), altered(signed, drop={name})) == MISMATCH


@pytest.mark.parametrize(
    ("signed_as", "sent"),
    [
        ({"A": "b", "C": "d"}, {"A": "b&C=d"}),
        ({"A": "b", "C": "d"}, {"A=b&C": "d"}),
        ({"A": "b"}, {"A": "b", "": ""}),
        ({"A": "=b"}, {"A=": "b"}),
        ({"A": "%41"}, {"A": "A"}),
        ({"A": "+"}, {"A": " "}),
        ({"A": "?"}, {"A": "\ud800"}),
    ],
)
def test_parameters_that_look_alike_do_not_match(capture, signed_as, sent):
    by_header = signed_by_header(Request("POST", "/", signed_as, capture("delete").headers))
    assert verifier(by_header).verify(by_header) == KEY
    assert refusal(verifier(by_header), altered(by_header, query=sent, drop=set(signed_as) - set(sent))) == MISMATCH
    by_query = signed_by_query(altered(capture("v2: delete"), query=signed_as))
    assert verifier(by_query).verify(by_query) == KEY
    assert refusal(verifier(by_query), altered(by_query, query=sent, drop=set(signed_as) - set(sent))) == MISMATCH


@given(data=st.data())
def test_an_altered_header_does_not_match_a_header_signature(capture, data):
    request = capture(data.draw(BY_HEADER))
    name = data.draw(st.sampled_from(sorted(set(signed_names(request)) - {"x-acs-date"})))
    value = data.draw(st.text(min_size=1, max_size=12))
    assume(value.strip() != request.headers[name])
    assert refusal(verifier(request), altered(request, headers={name: value})) == MISMATCH


@given(call=BY_HEADER | BY_QUERY, seconds=st.integers(-WINDOW, WINDOW).filter(bool))
def test_an_altered_date_does_not_match(capture, call, seconds):
    request = capture(call)
    other = strftime(FORMAT, gmtime(timegm(strptime(date(request), FORMAT)) + seconds))
    assert refusal(verifier(request), dated(request, other)) == MISMATCH


def test_a_removed_header_does_not_match(in_header):
    for name in set(signed_names(in_header)) - set(REQUIRED_HEADERS):
        assert refusal(verifier(in_header), altered(in_header, drop={name})) == MISMATCH


@given(call=BY_HEADER, name=st.from_regex(r"x-acs-[a-z-]{0,9}", fullmatch=True), value=TEXT)
def test_an_added_x_acs_header_does_not_match_a_header_signature(capture, call, name, value):
    request = capture(call)
    assume(name not in request.headers)
    assert refusal(verifier(request), altered(request, headers={name: value})) == MISMATCH


def test_another_method_does_not_match(signed):
    for method in {"GET", "POST", "PUT", "post", "get", "", "\ud800"} - {signed.method}:
        assert refusal(verifier(signed), altered(signed, method=method)) == MISMATCH


@pytest.mark.parametrize("path", ["", "//", "/x", "/%2F", "/é", "/\ud800"])
def test_another_path_does_not_match(signed, path):
    assert refusal(verifier(signed), altered(signed, path=path)) == MISMATCH


@given(call=BY_HEADER, body=st.binary(max_size=40))
def test_another_body_does_not_match_a_header_signature(capture, call, body):
    request = capture(call)
    assume(body != request.body)
    assert refusal(verifier(request), altered(request, body=body)) == MISMATCH


@pytest.mark.parametrize("body", [b"", b"Note=b", b"Another=1", b"Note=b&OrderId=1"])
@pytest.mark.parametrize("call", ["v2: a form", "legacy: a form"])
def test_another_form_does_not_match_a_query_signature(capture, call, body):
    request = capture(call)
    assert refusal(verifier(request), altered(request, body=body)) == MISMATCH


@pytest.mark.parametrize("header", ["x-acs-action", "x-acs-version"])
def test_a_header_that_says_another_action_than_a_query_signature_does_not_match(in_query, header):
    assert refusal(verifier(in_query), altered(in_query, headers={header: "DeleteCertificateRequest2"})) == MISMATCH


@given(data=st.data())
def test_an_authorization_altered_anywhere_is_refused(capture, data):
    request = capture(data.draw(BY_HEADER))
    authorization = request.headers["authorization"]
    at = data.draw(st.integers(0, len(authorization)))
    instead = data.draw(st.text(max_size=2))
    spoilt = authorization[:at] + instead + authorization[at + data.draw(st.integers(0, 2)) :]
    assume(spoilt != authorization)
    refused = refusal(verifier(request), altered(request, headers={"authorization": spoilt}))
    assert refused in {MISSING, UNKNOWN, MISMATCH}


# -- what must be signed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["delete, STS", "a form"])
def test_host_the_x_acs_headers_and_the_type_of_a_body_must_be_signed(capture, call):
    request = capture(call)
    names = [name for name in signed_names(request) if name.startswith("x-acs-") or name in {"host", "content-type"}]
    assert verifier(request).verify(signed_by_header(request, names)) == KEY
    for left_out in names:
        less = [name for name in names if name != left_out]
        assert refusal(verifier(request), signed_by_header(request, less)) == MISMATCH, left_out


def test_the_type_of_no_body_need_not_be_signed(capture):
    """As aiohttp adds it after the SDK has signed."""
    request = altered(capture("delete"), headers={"content-type": "application/octet-stream"})
    assert verifier(request).verify(request) == KEY


def test_signed_headers_are_listed_in_order_and_once(in_header):
    names = signed_names(in_header)
    assert verifier(in_header).verify(signed_by_header(in_header, names)) == KEY
    for other in (names[::-1], [names[0], *names], [*names, ""]):
        assert refusal(verifier(in_header), signed_by_header(in_header, other)) == MISMATCH
        authorization = in_header.headers["authorization"].replace(";".join(names), ";".join(other))
        request = altered(in_header, headers={"authorization": authorization})
        assert refusal(verifier(in_header), request) == MISMATCH


def test_the_signed_digest_is_the_bodys(in_header):
    digest = {"x-acs-content-sha256": hashlib.sha256(b"another").hexdigest()}
    request = signed_by_header(altered(in_header, headers=digest))
    assert refusal(verifier(in_header), request) == MISMATCH


def test_only_the_documented_method_and_version_of_the_query_signature_are_known(in_query):
    for other in ({"SignatureMethod": "HMAC-SHA256"}, {"SignatureVersion": "2.0"}):
        assert refusal(verifier(in_query), signed_by_query(altered(in_query, query=other))) == MISMATCH


# -- the time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [-WINDOW, -1, 0, 1, WINDOW])
def test_a_signature_is_good_for_fifteen_minutes_both_ways(signed, late):
    assert verifier(signed, late=late).verify(signed) == KEY


@pytest.mark.parametrize("late", [-WINDOW - 0.001, WINDOW + 0.001, -1e9, 1e9])
def test_a_signature_from_another_time_is_expired(signed, late):
    assert refusal(verifier(signed, late=late), signed) == EXPIRED


def test_a_time_is_found_out_before_a_signature_that_does_not_match(signed):
    assert refusal(verifier(signed, late=WINDOW + 1), altered(signed, query={"Added": "1"})) == EXPIRED


@pytest.mark.parametrize(
    "spoil",
    [
        lambda date: date[:-1],
        lambda date: date[:10],
        lambda date: date.lower(),
        lambda date: date.replace("T", " "),
        lambda date: date.replace("-", "").replace(":", ""),
        lambda date: date.replace("Z", "+00:00"),
        lambda date: date.replace("Z", ".0Z"),
        lambda date: f"{date}\n",
        lambda date: f"{date} and more",
        lambda date: date.translate({ord("0") + digit: ord("０") + digit for digit in range(10)}),  # noqa: RUF001
        lambda date: str(timegm(strptime(date, FORMAT))),
        lambda _: "2026-13-24T02:15:02Z",
        lambda _: "2026-11-24T25:15:02Z",
        lambda _: "0000-01-01T00:00:00Z",
        lambda _: "0001-01-01T00:00:00Z",
        lambda _: "9999-12-31T23:59:59Z",
        lambda _: "\ud800",
        lambda _: "2" * 1_000_000,
    ],
)
@pytest.mark.parametrize("call", ["delete", "v2: delete"])
def test_what_is_no_time_is_expired(capture, call, spoil):
    request = capture(call)
    assert refusal(verifier(request), dated(request, spoil(date(request)))) == EXPIRED


# -- the nonce ---------------------------------------------------------------------------------------------------------


def test_a_replayed_request_is_refused(signed):
    judge = verifier(signed)
    judge.verify(signed)
    assert refusal(judge, signed) == REPLAYED


def test_a_nonce_used_once_is_used_in_every_request_of_the_key(capture):
    first, second = capture("delete"), capture("v2: delete")
    nonce = {"SignatureNonce": first.headers["x-acs-signature-nonce"]}
    judge = verifier(first)
    assert judge.verify(first) == KEY
    assert refusal(judge, signed_by_query(altered(second, query=nonce))) == REPLAYED


def test_another_nonce_is_another_request(capture):
    judge = verifier(capture("delete"))
    for call in ("delete", "v2: delete", "delete, STS"):
        assert judge.verify(capture(call)) == KEY


def test_a_nonce_is_one_keys_own(capture):
    request = capture("v2: delete")
    judge = verifier(request, keys={KEY: SECRET, "another": "its secret"})
    assert judge.verify(request) == KEY
    assert judge.verify(signed_by_query(request, key="another", secret="its secret")) == "another"


def test_a_nonce_is_remembered_until_the_request_is_expired(signed):
    nonces = Nonces()
    verifier(signed, nonces=nonces).verify(signed)
    ((nonce, until),) = nonces.until.items()
    assert refusal(verifier(signed, late=until - timegm(strptime(date(signed), FORMAT))), signed) == EXPIRED
    assert len(nonce) == 32
    assert set(nonce) <= set("0123456789abcdef")


def test_only_a_signature_that_matches_uses_up_a_nonce(signed):
    nonces = Nonces()
    refused = [
        refusal(verifier(signed, nonces=nonces), altered(signed, query={"Added": "1"})),
        refusal(verifier(signed, nonces=nonces, keys={KEY: "wrong"}), signed),
        refusal(verifier(signed, nonces=nonces, keys={}), signed),
        refusal(verifier(signed, nonces=nonces, late=WINDOW + 1), signed),
    ]
    assert refused == [MISMATCH, MISMATCH, UNKNOWN, EXPIRED]
    assert nonces.until == {}
    assert verifier(signed, nonces=nonces).verify(signed) == KEY


# -- what is missing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{}, {"OrderId": "1"}, {"AccessKeyId": KEY, "SignatureNonce": "1"}])
def test_a_request_without_a_signature_is_refused(query):
    judge = Verifier({KEY: SECRET}, fresh=Nonces().fresh)
    assert refusal(judge, Request(query=query)) == MISSING
    with pytest.raises(GatewayError, match="lacks the header Authorization, or the parameter Signature"):
        judge.verify(Request(query=query))


@pytest.mark.parametrize("name", REQUIRED_HEADERS)
def test_a_header_signature_without_a_required_header_is_missing(in_header, name):
    assert refusal(verifier(in_header), altered(in_header, drop={name})) == MISSING
    assert refusal(verifier(in_header), altered(in_header, headers={name: ""})) == MISSING


@pytest.mark.parametrize("name", REQUIRED_PARAMETERS)
def test_a_query_signature_without_a_required_parameter_is_missing(in_query, name):
    assert refusal(verifier(in_query), altered(in_query, drop={name})) == MISSING
    assert refusal(verifier(in_query), altered(in_query, query={name: ""})) == MISSING


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "garbage",
        "Basic QUtJRDpTRUNSRVQ=",
        "ACS3-HMAC-SHA256",
        "ACS3-HMAC-SHA256 ",
        f"ACS3-HMAC-SHA256 Credential={KEY}",
        f"ACS3-HMAC-SHA256 Credential={KEY},SignedHeaders=host",
        f"ACS3-HMAC-SHA256 Credential={KEY},SignedHeaders=host,Signature=",
        f"ACS3-HMAC-SHA256 Credential={KEY},SignedHeaders=,Signature=0",
        "ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=0",
        f"ACS3-HMAC-SHA256 Credential={KEY},Signature=0,SignedHeaders=host",
        f"ACS3-HMAC-SHA256 Credential={KEY},SignedHeaders=host,Signature=0,Signature=1",
        f"ACS3-HMAC-SM3 Credential={KEY},SignedHeaders=host,Signature=0",
        f"acs3-hmac-sha256 Credential={KEY},SignedHeaders=host,Signature=0",
        f"ACS3-HMAC-SHA256 Credential={KEY},SignedHeaders={'x;' * 1_000_000},Signature=0",
        "\ud800",
        "," * 1_000_000,
    ],
)
def test_an_authorization_of_another_form_is_no_signature(capture, authorization):
    request = capture("delete")
    assert refusal(verifier(request), altered(request, headers={"authorization": authorization})) == MISSING


@pytest.mark.parametrize("authorization", ["", "Basic QUtJRDpTRUNSRVQ="])
def test_beside_an_authorization_a_query_signature_does_not_count(in_query, authorization):
    request = altered(in_query, headers={"authorization": authorization})
    assert refusal(verifier(in_query), request) == MISSING


def test_what_is_missing_is_found_out_before_an_unknown_key(capture):
    by_header, by_query = capture("delete"), capture("v2: delete")
    assert refusal(verifier(by_header, keys={}), altered(by_header, drop={"x-acs-date"})) == MISSING
    assert refusal(verifier(by_query, keys={}), altered(by_query, drop={"Timestamp"})) == MISSING


# -- garbage, and secrets ----------------------------------------------------------------------------------------------

ANYTHING = st.text(max_size=30) | st.sampled_from([KEY, SECRET, "HMAC-SHA1", "1.0", "2026-11-24T02:15:02Z", "/"])
LISTED = st.lists(st.sampled_from([*REQUIRED_HEADERS, "%s", "é", ""]), max_size=9).map(";".join)
AUTHORIZATIONS = ANYTHING | st.tuples(st.just(KEY) | ANYTHING, LISTED | ANYTHING, ANYTHING).map(
    lambda parts: "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={}".format(*parts)
)
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST"]) | ANYTHING,
    path=st.just("/") | ANYTHING,
    query=st.dictionaries(st.sampled_from([*REQUIRED_PARAMETERS, "Action"]) | ANYTHING, ANYTHING) | ANYTHING,
    headers=st.dictionaries(st.sampled_from(REQUIRED_HEADERS) | ANYTHING, ANYTHING)
    | st.fixed_dictionaries(
        {"authorization": AUTHORIZATIONS, **dict.fromkeys(REQUIRED_HEADERS, ANYTHING)},
        optional={"content-type": ANYTHING},
    ),
    body=st.binary(max_size=60),
)


@given(request=REQUESTS)
def test_garbage_is_refused_and_nothing_else(request):
    now = timegm(strptime("2026-11-24T02:15:02Z", FORMAT))
    judge = Verifier({KEY: SECRET}, fresh=Nonces().fresh, now=lambda: now)
    with pytest.raises(GatewayError) as caught:
        judge.verify(request)
    assert (caught.value.code, caught.value.http_status) in {MISSING, UNKNOWN, EXPIRED, MISMATCH}
    assert SECRET not in repr(caught.value)


@given(data=st.data())
def test_garbage_in_one_place_of_a_signed_request_is_refused_and_nothing_else(capture, data):
    signed = capture(data.draw(BY_HEADER | BY_QUERY))
    place = data.draw(st.sampled_from(["headers", "query"]))
    name = data.draw(st.sampled_from(sorted(getattr(signed, place)) or ["x"]))
    judge = verifier(signed)
    request = altered(signed, **{place: {name: data.draw(ANYTHING | st.just("汉" * 100_000))}})
    try:
        assert judge.verify(request) == KEY
    except GatewayError as error:
        assert (error.code, error.http_status) in {MISSING, UNKNOWN, EXPIRED, MISMATCH}  # noqa: PT017


def test_a_verifier_does_not_show_its_secrets():
    judge = Verifier({KEY: SECRET}, fresh=Nonces().fresh)
    assert SECRET not in repr(judge)
    assert SECRET not in repr(vars(judge))


def test_signatures_are_compared_in_constant_time(signed, monkeypatch):
    compared = []
    compare = hmac.compare_digest

    def counting(left, right):
        compared.append((left, right))
        return compare(left, right)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    verifier(signed).verify(signed)
    refusal(verifier(signed, keys={KEY: "wrong"}), signed)
    (matched, wrong) = compared
    assert matched[0] == matched[1] == wrong[1] != wrong[0]
