"""A client of the official SDK, from an endpoint and the SDK's own default chain of credentials."""

from __future__ import annotations

import logging
import os
import re
from functools import partial
from ipaddress import ip_address
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import proxy_bypass

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.urls import without_credentials

from .sdk import Client

with needs("client"):
    from alibabacloud_credentials.client import Client as CredentialClient
    from alibabacloud_credentials.exceptions import CredentialException
    from alibabacloud_tea_openapi.models import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    Transport: TypeAlias = Callable[[Callable[..., Any], Callable[[Any], str], Any, dict[str, Any]], Any]
    """Sends a request of the SDK: given how the SDK does that, what makes its URL, it, and the settings of the call."""

REGION = "cn-hangzhou"


class NoCredentials(OrderFSMError):
    """The SDK's default chain of credentials has none."""


def connect(
    endpoint: str | None = None,
    region: str = REGION,
    *,
    key: tuple[str, str] | None = None,
    transport: Transport | None = None,
) -> Client:
    """A client for `endpoint`, an http(s) URL or a host: of this machine http, else https. None: the region's own.

    Requests to this machine, and to hosts that NO_PROXY names, go there straight; others, as the SDK sends them, to the
    proxy of the environment. It signs with `key`, an access key's id and secret. With None, credentials come from the
    SDK's default chain: the environment, its configuration files, the machine's RAM role. Raises `NoCredentials` if it
    has none, and `InvalidValue` for what is no endpoint. `transport` sends what the synchronous methods send.
    """
    url = None if endpoint is None else url_of(endpoint)
    settings: dict[str, Any] = _credentials() if key is None else {"access_key_id": key[0], "access_key_secret": key[1]}
    settings["region_id"] = region
    if url is not None:
        settings |= {"endpoint": url.netloc, "protocol": url.scheme}
    kind = DirectClient if url is not None and goes_straight(url) else Client
    return (kind if transport is None else _sending_by(transport, kind))(Config(**settings))


def goes_straight(url: SplitResult) -> bool:
    """Whether requests go to a URL's host without a proxy: the SDK ignores NO_PROXY."""
    host = url.hostname or ""
    return _is_here(host) or bool(proxy_bypass(host))


def _credentials() -> dict[str, Any]:
    """The settings of the default chain."""
    logging.getLogger("credentials").disabled = True  # the chain prints, with tracebacks, what it then raises
    credentials = CredentialClient()
    try:
        credentials.get_credential()
    except CredentialException as error:
        advice = "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET"
        raise NoCredentials(f"no credentials: {advice}, or use another source of the SDK's default chain") from error
    return {"credential": credentials}


def url_of(endpoint: str) -> SplitResult:
    """The URL of an endpoint; without a scheme, one of this machine is http, every other https.

    `InvalidValue` for what is no endpoint.
    """
    try:
        url = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        if "://" not in endpoint and _is_here(url.hostname or ""):
            url = url._replace(scheme="http")
        more = url.path.strip("/") or url.query or url.fragment or "@" in url.netloc or re.search(r"\s", endpoint)
        if url.scheme in {"http", "https"} and url.hostname and url.port != 0 and not more:
            return url
    except ValueError:
        pass  # a bracket that is not closed, a port that is none
    raise InvalidValue("endpoint", without_credentials(endpoint), ["a host", "http://HOST:PORT", "https://HOST"])


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


# -- without a proxy ---------------------------------------------------------------------------------------------------

TRANSPORTS = ("do_action", "async_do_action")
"""The functions of the SDK's core that send a request: `TeaCore` in older generations, `DaraCore` since."""


class DirectClient(Client):
    """A client of the official SDK that asks no proxy.

    The SDK sends every request to the proxy that HTTP_PROXY or HTTPS_PROXY names: to loopback as well, and whatever
    NO_PROXY says; no setting keeps it from that. To make the server itself the proxy puts the request target into
    absolute form (RFC 9112, section 3.2.2: `POST http://HOST/?...`), which many servers take for a path. So here the
    SDK's own code runs with its own transport, and that alone sees an environment without proxies.
    """


def _in_other_globals(function: FunctionType, **changed: Any) -> FunctionType:
    """The same function, to which some of the globals of its module are others."""
    code, closure = function.__code__, function.__closure__
    made = FunctionType(code, function.__globals__ | changed, function.__name__, function.__defaults__, closure)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _direct(core: type[Any], transport: Transport | None, *, is_direct: bool = True) -> type[Any]:
    """The SDK's core, with a transport that sees no variables of the environment if it `is_direct`, or another one."""
    sends: dict[str, Any] = {name: getattr(core, name) for name in TRANSPORTS}
    if is_direct:
        without_proxies = SimpleNamespace(environ={}, getenv=os.getenv)  # DEBUG=sdk still works
        sends = {name: _in_other_globals(send, os=without_proxies) for name, send in sends.items()}
    if transport is not None:
        sends[TRANSPORTS[0]] = partial(transport, sends[TRANSPORTS[0]], core.compose_url)
    return type(f"Direct{core.__name__}", (core,), {name: staticmethod(send) for name, send in sends.items()})


def _sending(
    client: type[Any], transport: Transport | None = None, *, is_direct: bool = True
) -> Iterator[tuple[str, FunctionType]]:
    """The methods of a client that send requests, with the transport that asks no proxy, or another one."""
    for of in reversed(client.__mro__):
        for name, method in vars(of).items():
            if isinstance(method, FunctionType):
                used = [(known, method.__globals__.get(known)) for known in method.__code__.co_names]
                cores = {known: core for known, core in used if core and hasattr(core, TRANSPORTS[0])}
                if cores:
                    others = {known: _direct(core, transport, is_direct=is_direct) for known, core in cores.items()}
                    yield name, _in_other_globals(method, **others)


def _sending_by(transport: Transport, kind: type[Client]) -> type[Client]:
    """A class of such clients that send by `transport` what their synchronous methods send."""
    sending = dict(_sending(Client, transport, is_direct=issubclass(kind, DirectClient)))
    return type(kind.__name__, (kind,), sending)


for _name, _method in _sending(Client):
    setattr(DirectClient, _name, _method)
