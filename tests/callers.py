"""The clients through which the scenario is played: official SDKs for Python and Node, legacy ones, and none at all.

`connected` gives a caller by its name. What the machine lacks for one, Node or a package, is a skip that says so.
"""

from __future__ import annotations

import asyncio
import hmac
import http.client
import json
import os
import re
import subprocess
import uuid
from base64 import b64encode
from contextlib import closing, contextmanager
from functools import partial
from time import gmtime, strftime
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

import pytest
from node_packages import INSTALLED, NODE
from scenario import Answer

from orderfsm.mock import Request

VERSION = "2020-04-07"


class PythonSDK:
    """`alibabacloud_cas20200407`: a method and a request model for each action."""

    drops = frozenset()

    def __init__(self, client):
        self._client = client

    def call(self, action, parameters):
        """See `scenario.Caller`."""
        from Tea.exceptions import TeaException

        try:
            response = self._invoke(_snake_case(action), _model(action, parameters))
        except TeaException as error:
            if not error.data:  # no answer came
                raise
            request_id = error.data["RequestId"]
            return Answer.refusal(error.statusCode, error.code, error.message, request_id, type(error).__name__)
        return Answer(response.status_code, response.body.to_map())

    def _invoke(self, method, request):
        return getattr(self._client, method)(request)


class AsyncPythonSDK(PythonSDK):
    """The same SDK, by its asynchronous methods."""

    def __init__(self, client, runner):
        super().__init__(client)
        self._runner = runner

    def _invoke(self, method, request):
        return self._runner.run(getattr(self._client, f"{method}_async")(request))


def _snake_case(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _model(action, parameters):
    """The request model of `action`, its fields set from `parameters`."""
    from alibabacloud_cas20200407 import models

    fields = {_snake_case(name): value for name, value in parameters.items()}
    if "tags" in fields:
        tag = getattr(models, f"{action}RequestTags")
        fields["tags"] = [tag(key=pair["Key"], value=pair["Value"]) for pair in fields["tags"]]
    return getattr(models, f"{action}Request")(**fields)


class LegacySDK:
    """`aliyun-python-sdk-core`, which knows no action and signs the query.

    A read is an `RpcRequest`, sent by GET; all else is a `CommonRequest`, sent by POST with a form in its body.
    """

    drops = frozenset()

    def __init__(self, client, endpoint):
        self._client = client
        self._endpoint = endpoint

    def call(self, action, parameters):
        """See `scenario.Caller`."""
        from aliyunsdkcore.acs_exception.exceptions import ServerException

        request = self._request(action, parameters)
        request.set_endpoint(self._endpoint)
        try:
            body = self._client.do_action_with_exception(request)
        except ServerException as error:
            return Answer.refusal(
                error.http_status, error.error_code, error.message, error.request_id, type(error).__name__
            )
        return Answer(200, json.loads(body))

    def _request(self, action, parameters):
        request = self._read(action) if action.startswith(("Describe", "List")) else self._common(action)
        add = request.add_query_param if request.get_method() == "GET" else request.add_body_params
        for name, value in _flat(parameters).items():
            add(name, value)
        return request

    def _read(self, action):
        from aliyunsdkcore.request import RpcRequest

        return RpcRequest("cas", VERSION, action)

    def _common(self, action):
        from aliyunsdkcore.request import CommonRequest

        request = CommonRequest(version=VERSION, action_name=action)
        request.set_method("POST")
        request.set_protocol_type("http")
        return request


class LegacyProductSDK(LegacySDK):
    """`aliyun-python-sdk-cas`, which has a class for each action; all that it sends stands in the query."""

    def _request(self, action, parameters):
        from importlib import import_module

        request = getattr(import_module(f"aliyunsdkcas.request.v20200407.{action}Request"), f"{action}Request")()
        request.set_protocol_type("http")
        for name, value in _flat(parameters).items():
            request.add_query_param(name, value)
        return request


class Form:
    """What curl does: a form in a POST, `Action` and `Version` in it, signed by hand if there is a secret."""

    drops = frozenset()
    format = "JSON"

    def __init__(self, host, access_key_id, secret):
        self._connection = http.client.HTTPConnection(host, timeout=300)
        self._access_key_id, self._secret = access_key_id, secret

    def close(self):
        self._connection.close()

    def call(self, action, parameters):
        """See `scenario.Caller`."""
        form = {"Action": action, "Version": VERSION, "Format": self.format, **_flat(parameters)}
        if self._secret is not None:
            form = self._signed(form)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/", urlencode(form), headers)
        response = self._connection.getresponse()
        body = self.read(response.read().decode(), f"{action}Response" if response.status == 200 else "Error")
        if response.status == 200:
            return Answer(200, body)
        return Answer.refusal(response.status, body["Code"], body["Message"], body["RequestId"])

    def read(self, text, _root):
        """The members of a body."""
        return json.loads(text)

    def _signed(self, form):
        form |= {
            "AccessKeyId": self._access_key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureNonce": uuid.uuid4().hex,
            "SignatureVersion": "1.0",
            "Timestamp": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime()),
        }
        pairs = sorted((quote(name, safe="~"), quote(str(value), safe="~")) for name, value in form.items())
        text = f"POST&%2F&{quote('&'.join(map('='.join, pairs)), safe='')}"
        signature = hmac.new(f"{self._secret}&".encode(), text.encode(), "sha1").digest()
        return form | {"Signature": b64encode(signature).decode()}


class XMLForm(Form):
    """The same, answered in XML."""

    format = "xml"
    numbers = re.compile("(Order|AliyunOrder|Certificate)Id|.*Count|.*Page|ShowSize|BuyDate|Cert(Start|End)Time")

    def read(self, text, root):
        """The members of an element, which must be a `root`; an element may stand there more than once."""
        document = ET.fromstring(text)
        assert document.tag == root
        members = self._members(document)
        if root == "ListUserCertificateOrderResponse":
            members["CertificateOrderList"] = list(map(self._members, document.findall("CertificateOrderList")))
        return members

    def _members(self, element):
        members = {}
        for part in element:
            text = part.text or ""
            is_json = text in {"true", "false"} or self.numbers.fullmatch(part.tag)
            members[part.tag] = json.loads(text) if is_json and len(part) == 0 else text
        return members


class NodeSDK:
    """An SDK for Node in a process of its own (node/caller.cjs, node/pop_core.cjs)."""

    def __init__(self, process, drops=frozenset()):
        self._process = process
        self.drops = drops

    def call(self, action, parameters):
        """See `scenario.Caller`."""
        self._process.stdin.write(f"{json.dumps({'action': action, 'parameters': parameters})}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process ended; its standard error says why"
        said = json.loads(line)
        if "raised" in said:
            return Answer.refusal(said["status"], said["code"], said["message"], said["requestId"], said["raised"])
        return Answer(said["status"], said["body"])


class InProcess:
    """No SDK, no socket and no signature: the service's own `handle`."""

    drops = frozenset()

    def __init__(self, service):
        self._service = service

    def call(self, action, parameters):
        """See `scenario.Caller`."""
        headers = {"x-acs-version": VERSION, "x-acs-action": action}
        response = self._service.handle(Request("POST", "/", _flat(parameters), headers))
        body = response.json
        if response.status == 200:
            return Answer(200, body)
        return Answer.refusal(response.status, body["Code"], body["Message"], body["RequestId"])


def _flat(parameters):
    """Parameters as the wire has them: of lists, a parameter for each member of each element."""
    flat = {}
    for name, value in parameters.items():
        if isinstance(value, list):
            flat |= {f"{name}.{n}.{key}": part for n, one in enumerate(value, 1) for key, part in one.items()}
        else:
            flat[name] = value
    return flat


# -- connecting --------------------------------------------------------------------------------------------------------


@contextmanager
def _python(server, **config):
    _needs("alibabacloud_cas20200407.client", "alibabacloud-cas20200407")
    yield PythonSDK(server.client(**config))


@contextmanager
def _python_async(server, **config):
    _needs("alibabacloud_cas20200407.client", "alibabacloud-cas20200407")
    with asyncio.Runner() as runner:
        yield AsyncPythonSDK(server.client(**config), runner)


@contextmanager
def _python_v2(server, **config):
    with _python(server, signature_algorithm="v2", **config) as caller:
        yield caller


@contextmanager
def _legacy(server, access_key_id, access_key_secret, kind=LegacySDK):
    _needs("aliyunsdkcore.client", "aliyun-python-sdk-core")
    from aliyunsdkcore.client import AcsClient

    client = AcsClient(access_key_id, access_key_secret, "cn-hangzhou")
    with client.session:
        yield kind(client, _host(server))


@contextmanager
def _legacy_product(server, **key):
    _needs("aliyunsdkcas.request", "aliyun-python-sdk-cas")
    with _legacy(server, **key, kind=LegacyProductSDK) as caller:
        yield caller


@contextmanager
def _form(server, access_key_id, access_key_secret, kind=Form):
    with closing(kind(_host(server), access_key_id, access_key_secret)) as caller:
        yield caller


@contextmanager
def _node(script, **variables):
    command = ["node", str(NODE / script)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
    environment = os.environ | {"NODE_PATH": str(INSTALLED / "node_modules")} | variables
    with subprocess.Popen(command, env=environment, **pipes) as process:
        yield process


def _key(access_key_id, access_key_secret):
    return {"ALIBABA_CLOUD_ACCESS_KEY_ID": access_key_id, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": access_key_secret}


@contextmanager
def _node_sdk(server, **key):
    with _node("caller.cjs", CAS_ENDPOINT=_host(server), **_key(**key)) as process:
        yield NodeSDK(process, drops=frozenset({"CertId"}))  # its newest release, 3.0.0, is older than this field


@contextmanager
def _pop_core(server, package, calls, **key):
    settings = {"CAS_ENDPOINT": server.api, "POP_CORE": package, "POP_CALLS": calls}
    with _node("pop_core.cjs", **settings, **_key(**key)) as process:
        yield NodeSDK(process)


CONNECTIONS = {
    "python": _python,
    "python-async": _python_async,
    "python-v2": _python_v2,
    "node": _node_sdk,
    "node-pop-core-1.7.9": partial(_pop_core, package="pop-core-1.7.9", calls="forms"),
    "node-pop-core-1.8.0": partial(_pop_core, package="pop-core-1.8.0", calls="camel case"),
    "legacy": _legacy,
    "legacy-cas": _legacy_product,
    "form": _form,
    "form-xml": partial(_form, kind=XMLForm),
}
"""Callers by name: each given a server and an access key, until its block ends."""


def connected(name, server, access_key_id, access_key_secret):
    """The caller `name`, connected to `server`, as context manager."""
    return CONNECTIONS[name](server, access_key_id=access_key_id, access_key_secret=access_key_secret)


def _host(server):
    return server.api.removeprefix("http://")


def _needs(module, package):
    pytest.importorskip(module, reason=f"{package} is not installed")
