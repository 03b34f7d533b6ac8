"""What tests do with the domains and records of a mock: in process, and with the official SDK of AliDNS."""

from __future__ import annotations

from orderfsm.mock import Request
from orderfsm.tables.alidns import VERSION


def dns(service, action, **parameters):
    """The response to a call of AliDNS, made as its SDK makes it."""
    headers = {"x-acs-version": VERSION, "x-acs-action": action}
    return service.handle(Request("POST", "/", parameters, headers))


def done(service, action, **parameters):
    """What a call that succeeds answers, without its RequestId."""
    response = dns(service, action, **parameters)
    assert response.status == 200, response.json
    return {name: value for name, value in response.json.items() if name != "RequestId"}


def refused(service, code, action, **parameters):
    """A call that is refused with that code, as AliDNS says it."""
    response = dns(service, action, **parameters)
    assert (response.status, response.json.get("Code")) == (400, code), response.json
    assert response.json["HostId"] == "alidns.aliyuncs.com"
    assert "product=Alidns" in response.json["Recommend"]
    return response.json["Message"]


def publish(service, rr, value, domain="example.com", kind="TXT", **parameters):
    """The id of a new record."""
    return done(service, "AddDomainRecord", DomainName=domain, RR=rr, Type=kind, Value=value, **parameters)["RecordId"]


def listed(service, domain="example.com", **parameters):
    """The records of a domain, as they are listed."""
    answer = done(service, "DescribeDomainRecords", DomainName=domain, **parameters)
    return answer["DomainRecords"]["Record"]


def sdk(server):
    """A client of the official SDK of AliDNS, with the keys of the server's own client."""
    from alibabacloud_alidns20150109.client import Client
    from alibabacloud_tea_openapi.models import Config

    host = server.api.removeprefix("http://")
    return Client(
        Config(access_key_id="id", access_key_secret="secret", endpoint=host, protocol="http", http_proxy=server.api)
    )
