"""A customer's account of instances: its owner's calls by the official SDKs, and what happens behind the service.

`connected` gives one, whose calls are synchronous ("sync") or asynchronous ("async"). Actions are methods of the SDKs;
answers are dictionaries with the fields as the documents name them, without those that the SDK makes up.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager

import pytest

pytest.importorskip("alibabacloud_cas20200407.client", reason="the extra `client` is not installed")
pytest.importorskip("cryptography", reason="the extra `mock` is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orderfsm.mock import Fault

DAY = 86_400


class Refused(Exception):
    """What a call was refused with."""

    def __init__(self, code, status):
        super().__init__(code, status)
        self.code, self.status = code, status


class Account:
    """Calls CAS and the billing API at `server`, and what happens to instances behind its `service`."""

    def __init__(self, server, run):
        self._server = server
        self._run = run
        self.client = server.client()
        self.service = server.service

    # -- calls -------------------------------------------------------------------------------------------------------

    def do(self, action, **fields):
        """The body of a call that succeeds; `Refused` if it does not."""
        from alibabacloud_cas20200407 import models

        model = getattr(models, f"{action}Request", None)
        return self._called(self.client, action, *([] if model is None else [model().from_map(fields)]))

    def _called(self, client, action, *requests):
        from Tea.exceptions import TeaException

        method = snake_case(action)
        try:
            if self._run is None:
                response = getattr(client, method)(*requests)
            else:
                response = self._run(getattr(client, f"{method}_async")(*requests))
        except TeaException as error:
            raise Refused(error.code, error.statusCode) from error
        assert response.status_code == 200
        assert response.body is not None, "the SDK could not read it"
        answered = response.body.to_map()
        return {name: value for name, value in answered.items() if value is not None and name != "RequestId"}

    def buy(self, spec="ws.dv.f", *, token=None, **parameters):
        """The id of a new instance, bought by the SDK of the billing API."""
        return self.bought(spec, token=token, **parameters)["InstanceId"]

    def bought(self, spec="ws.dv.f", *, token=None, fields=None, **parameters):
        """What a purchase answers."""
        models = pytest.importorskip("alibabacloud_bssopenapi20171214.models", reason="the billing SDK is missing")
        from alibabacloud_bssopenapi20171214.client import Client
        from alibabacloud_tea_openapi.models import Config

        host = self._server.api.removeprefix("http://")
        config = {"endpoint": host, "http_proxy": self._server.api, "protocol": "http"}
        client = Client(Config(access_key_id="id", access_key_secret="secret", **config))
        chosen = {"fullSpec": spec, "fullDomainCount": "1", **parameters}
        request = models.CreateInstanceRequest().from_map(
            {
                "ProductCode": "cas",
                "ProductType": "cas",
                "SubscriptionType": "Subscription",
                "Period": 12,
                "PricingCycle": 2,
                "ClientToken": token,
                "Parameter": [{"Code": code, "Value": value} for code, value in chosen.items()],
            }
            | (fields or {})
        )
        answered = self._called(client, "CreateInstance", request)
        assert (answered["Success"], answered["Code"]) == (True, "Success")
        return answered["Data"]

    def refused(self, code, action, *, status=400, **fields):
        """A call that is refused with that code."""
        with pytest.raises(Refused) as caught:
            self.do(action, **fields)
        assert (caught.value.code, caught.value.status) == (code, status)

    def get(self, instance):
        """What GetInstanceDetail answers."""
        return self.do("GetInstanceDetail", InstanceId=instance)

    def words(self, instance):
        """The two words of an instance: `Status`, and `CertificateStatus` or None."""
        read = self.get(instance)
        return read["Status"], read.get("CertificateStatus")

    def listed(self, **filters):
        """The ids in a list of instances."""
        return [entry["InstanceId"] for entry in self.do("ListInstances", **filters)["InstanceList"]]

    # -- behind the service's back -----------------------------------------------------------------------------------

    def unused(self, domain="a.example.com", spec="ws.dv.f"):
        """The id of an instance that was bought and settled, and filled in if there is a domain."""
        given = {"Spec": spec} | ({} if domain is None else {"Domain": domain})
        return self.service.begin_instance(parameters=given).id

    def happen(self, instance, *events):
        """Events, one after another."""
        for event in events:
            self.service.happen(instance, event)

    def advance(self, seconds):
        """Let time go by."""
        self.service.advance(seconds)

    def state(self, instance):
        """The state of an instance, as the service has it."""
        return self.service.instances.order(instance).state

    def fail(self, **rule):
        """Let calls go wrong by a rule, as the control port takes it."""
        self.service.add_fault(Fault.parse(rule))

    # -- ways --------------------------------------------------------------------------------------------------------

    def applied(self, instance, domain="a.example.com"):
        """An instance that was filled in and applied for."""
        self.do("UpdateInstance", InstanceId=instance, Domain=domain, ContactIdList=[1])
        self.do("ApplyCertificate", InstanceId=instance)
        return instance

    def issued(self, instance=None):
        """An instance with a certificate."""
        instance = self.applied(self.unused() if instance is None else instance)
        self.advance(17)
        self.happen(instance, "certificate_issued")
        return instance


def signing_request(domain):
    """A certificate signing request in PEM, whose common name is `domain`."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def snake_case(name):
    """An action as the SDKs' methods are called."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


@contextmanager
def connected(server, form):
    """An account at `server`, its calls "sync" or "async"."""
    if form == "sync":
        yield Account(server, None)
        return
    with asyncio.Runner() as runner:
        yield Account(server, runner.run)
