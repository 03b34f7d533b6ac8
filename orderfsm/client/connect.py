"""A client of the official SDK, from an endpoint and the SDK's own default chain of credentials."""

from __future__ import annotations

import logging
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.urls import without_credentials

from .direct import DirectClient
from .sdk import Client

with needs("client"):
    from alibabacloud_credentials.client import Client as CredentialClient
    from alibabacloud_credentials.exceptions import CredentialException
    from alibabacloud_tea_openapi.models import Config

if TYPE_CHECKING:
    from urllib.parse import SplitResult

REGION = "cn-hangzhou"


class NoCredentials(OrderFSMError):
    """The SDK's default chain of credentials has none."""

    def __str__(self) -> str:
        return (
            "no credentials: set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, "
            "or use another source of the SDK's default chain"
        )


def connect(endpoint: str | None = None, region: str = REGION, *, key: tuple[str, str] | None = None) -> Client:
    """A client for `endpoint`, an http(s) URL or a host: of this machine http, else https. None: the region's own.

    Requests to this machine, and to hosts that NO_PROXY names, go there straight; others, as the SDK sends them, to the
    proxy of the environment. It signs with `key`, an access key's id and secret. With None, credentials come from the
    SDK's default chain: the environment, its configuration files, the machine's RAM role. Raises `NoCredentials` if it
    has none, and `InvalidValue` for what is no endpoint.
    """
    url = None if endpoint is None else url_of(endpoint)
    settings: dict[str, Any] = _credentials() if key is None else {"access_key_id": key[0], "access_key_secret": key[1]}
    settings["region_id"] = region
    if url is not None:
        settings |= {"endpoint": url.netloc, "protocol": url.scheme}
    direct = url is not None and _is_reached_directly(url.hostname or "")
    return (DirectClient if direct else Client)(Config(**settings))


def _credentials() -> dict[str, Any]:
    """The settings of the default chain."""
    logging.getLogger("credentials").disabled = True  # the chain prints, with tracebacks, what it then raises
    credentials = CredentialClient()
    try:
        credentials.get_credential()
    except CredentialException as error:
        raise NoCredentials from error
    return {"credential": credentials}


def url_of(endpoint: str) -> SplitResult:
    """The URL of an endpoint; without a scheme, one of this machine is http, every other https.

    `InvalidValue` for what is no endpoint.
    """
    try:
        url = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        if "://" not in endpoint and _is_here(url.hostname or ""):
            url = url._replace(scheme="http")
        if url.scheme in {"http", "https"} and url.hostname and url.port != 0 and not _more_than_a_host(url, endpoint):
            return url
    except ValueError:
        pass  # a bracket that is not closed, a port that is none
    raise InvalidValue("endpoint", without_credentials(endpoint), ["a host", "http://HOST:PORT", "https://HOST"])


def _more_than_a_host(url: SplitResult, endpoint: str) -> bool:
    return bool(url.path.strip("/") or url.query or url.fragment or "@" in url.netloc or re.search(r"\s", endpoint))


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _is_reached_directly(host: str) -> bool:
    """Whether no proxy is to be asked for a host: it is this machine, or NO_PROXY has it, which the SDK ignores."""
    return _is_here(host) or bool(proxy_bypass(host))
