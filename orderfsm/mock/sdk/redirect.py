"""Leads requests for Alibaba Cloud to a mock, where SDKs hand them to their HTTP libraries.

`requests` sends what the official SDK's synchronous methods say, aiohttp what its asynchronous ones say, and a copy of
`requests` of its own what `aliyun-python-sdk-core` says. One method of each is replaced as long as somebody is led; of
a library that is imported later, when it is. So it does not matter when a client was made, and of which generation.

This file needs the standard library alone and imports nothing of ours: `sitecustomize.py` takes it into programs whose
interpreter has no orderfsm.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import sys
import threading
from fnmatch import fnmatchcase
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSIONS = {"2020-04-07": "certificates", "2015-01-09": "DNS records", "2017-12-14": "purchases"}
"""The API versions that a mock answers."""

_ALIBABA = ".aliyuncs.com"
_METADATA = "100.100.100.200"
"""Where a machine of Alibaba Cloud asks for the credentials of its role."""

ACCESS_KEY = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN")
"""The variables of the environment that are an access key to SDKs: its id, its secret, and a token if it has one."""


class Redirect(NamedTuple):
    """Where requests go: the URL of a mock's API port.

    `signed`: it verifies signatures, so that what was signed stays as it is. `key` is the access key of clients that
    ask the environment for theirs; None leaves the environment alone. To hosts that are like one of `passthrough` (`*`
    is any part) requests go as they would. `refusal` makes the error of those that go nowhere; no OSError, which SDKs
    take for one of the network.
    """

    url: str
    signed: bool = False
    key: tuple[str, str] | None = None
    passthrough: tuple[str, ...] = ()
    refusal: Callable[[str], Exception] = RuntimeError

    def of(self, url: str, headers: Mapping[str, str], body: object) -> tuple[str, str | None] | None:
        """The URL to which a request goes instead, past any proxy, and the `Host` that it names, if another.

        None if it goes as it would: what is for this machine, or not for Alibaba Cloud. It is led if its API version is
        one that mocks answer, whatever its host; what else is for Alibaba Cloud is refused.
        """
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if url.startswith(f"{self.url}/"):
            return url, None  # no proxy knows the way
        if not host or is_here(host) or any(fnmatchcase(host, pattern) for pattern in self.passthrough):
            return None
        asked = _asked(parts.query, {name.lower(): value for name, value in headers.items()}, body)
        if asked.get("version") in VERSIONS:
            rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            keeps = self.signed or host.endswith(_ALIBABA)
            return self.url + rest, parts.netloc if keeps else urlsplit(self.url).netloc
        if "version" in asked or host.endswith(_ALIBABA) or host == _METADATA:
            raise self.refusal(
                f"{asked.get('action') or 'A request'} of {host} is not sent, as a mock "
                f"stands for Alibaba Cloud and answers for {', '.join(VERSIONS.values())}: name the host as "
                "passthrough to let it be called"
            )
        return None


ENDPOINT, PASSTHROUGH, KEYS = "ORDERFSM_CAS_ENDPOINT", "ORDERFSM_CAS_PASSTHROUGH", "ORDERFSM_ACCESS_KEYS"
"""The variables by which a program is led: the URL of a mock, hosts with commas, and whether there are keys."""


def of_environment(environment: Mapping[str, str]) -> Redirect | None:
    """Where the environment leads to, if it does; `ValueError` if it names no URL."""
    if not environment.get(ENDPOINT):
        return None
    hosts = tuple(filter(None, environment.get(PASSTHROUGH, "").lower().replace(" ", "").split(",")))
    return Redirect(origin(environment[ENDPOINT]), bool(environment.get(KEYS)), passthrough=hosts)


def origin(text: str) -> str:
    """The URL of a server, `http://HOST:PORT`; `ValueError` if the text is none."""
    url = urlsplit(text if "://" in text else f"http://{text}")
    try:
        usable = url.port != 0
    except ValueError:
        usable = False
    more = url.path.strip("/") or url.query or url.fragment or "@" in url.netloc
    if url.scheme not in {"http", "https"} or not url.hostname or more or not usable:
        raise ValueError(f"{ENDPOINT} {text.rpartition('@')[2]!r}: expected http://HOST:PORT")
    return f"{url.scheme}://{url.netloc}"


def is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _asked(query: str, headers: Mapping[str, Any], body: object) -> dict[str, str]:
    """The action and the version of a request for an API: signature V3 has them in headers, V1 among the parameters."""
    if "x-acs-version" in headers:
        return {name: _text(headers.get(f"x-acs-{name}", "")) for name in ("action", "version")}
    form = _text(body) if "form" in _text(headers.get("content-type", "form")) else ""
    for parameters in (query, form):
        if "Signature=" in parameters and "Version=" in parameters:
            found = parse_qs(parameters)
            return {name.lower(): found.get(name, [""])[0] for name in ("Action", "Version")}
    return {}


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


# -- where requests pass by --------------------------------------------------------------------------------------------


def _of_requests(send: Callable[..., Any]) -> Callable[..., Any]:
    """`HTTPAdapter.send`, of `requests` or of a copy of it."""

    @functools.wraps(send)
    def led(adapter: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        to = next((active.of(request.url, request.headers, request.body) for active in _ACTIVE[-1:]), None)
        if to is not None:
            request = request.copy()
            request.url, host = to
            request.headers.update({"Host": host} if host else {})
            arguments, options = arguments[:4], {**options, "proxies": {}}
        return send(adapter, request, *arguments, **options)

    return led


def _of_aiohttp(request: Callable[..., Any]) -> Callable[..., Any]:
    """`ClientSession._request` of aiohttp."""

    @functools.wraps(request)
    async def led(session: Any, method: str, url: Any, **options: Any) -> Any:
        headers, body, parameters = dict(options.get("headers") or {}), options.get("data"), options.get("params")
        full = str(url if urlsplit(str(url)).netloc else session._build_url(url))  # the session may have a base
        if parameters:
            asked = parameters if isinstance(parameters, str) else urlencode(parameters)
            full += f"{'&' if '?' in full else '?'}{asked}"
        form = urlencode(body) if isinstance(body, dict) else body
        to = next((active.of(full, {**session.headers, **headers}, form) for active in _ACTIVE[-1:]), None)
        if to is not None:
            url, host = to
            if host:
                headers = {name: value for name, value in headers.items() if name.lower() != "host"} | {"Host": host}
            mock = urlsplit(url)
            theirs = session.trust_env or getattr(session, "_default_proxy", None)  # which None would mean
            proxy = f"http://{mock.netloc}" if theirs and mock.scheme == "http" else None
            options |= {"headers": headers, "proxy": proxy, "params": None}
        return await request(session, method, url, **options)

    return led


_SEAMS: dict[str, tuple[str, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "requests.adapters": ("HTTPAdapter", "send", _of_requests),
    "aliyunsdkcore.vendored.requests.adapters": ("HTTPAdapter", "send", _of_requests),
    "aiohttp.client": ("ClientSession", "_request", _of_aiohttp),
}
"""The modules of the HTTP libraries; of which class which method is replaced, and by what."""

_CREDENTIALS = "alibabacloud_credentials.utils.auth_util"
"""The module that has read the access key from the environment once and for all, when it was imported."""

_READ = ("environment_access_key_id", "environment_access_key_secret", "environment_security_token")

_ACTIVE: list[Redirect] = []
"""Who is led where; the last one counts, in all threads."""

_LOCK = threading.RLock()
_LED: dict[str, tuple[Callable[..., Any], Any]] = {}
"""What leads, and what stood there before, by the name of the module."""


def lead(redirect: Redirect) -> Callable[[], None]:
    """Lead requests of the whole process by `redirect`, until what is given back is called."""
    with _LOCK:
        _ACTIVE.append(redirect)
        if len(_ACTIVE) == 1:
            sys.meta_path.insert(0, _HOOK)
            for name in _SEAMS:
                _replace(name)
        _KEY.say(_key())

    def leave() -> None:
        with _LOCK:
            at = next((at for at, active in enumerate(_ACTIVE) if active is redirect), None)
            if at is None:
                return
            del _ACTIVE[at]
            if not _ACTIVE:
                sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not _HOOK]
                for name in _SEAMS:
                    _restore(name)
            _KEY.say(_key())

    return leave


def _key() -> tuple[str, str] | None:
    return next((active.key for active in reversed(_ACTIVE) if active.key is not None), None)


def _replace(name: str) -> None:
    owner, method, by = _SEAMS[name]
    of = getattr(sys.modules.get(name), owner, None)
    if of is not None and vars(of)[method] is not _LED.get(name, (None, None))[0]:
        _LED[name] = by(getattr(of, method)), vars(of)[method]
        setattr(of, method, _LED[name][0])


def _restore(name: str) -> None:
    """Put back what was replaced; what somebody else has put over it stays, and leads nobody."""
    owner, method, _ = _SEAMS[name]
    of = getattr(sys.modules.get(name), owner, None)
    led, stood = _LED.get(name, (None, None))
    if of is not None and vars(of)[method] is led:
        setattr(of, method, stood)
        del _LED[name]


class _Hook(MetaPathFinder):
    """Replaces what there is to replace in a library when it is imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name not in _SEAMS:
            return None
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def executed(module: Any) -> None:
                execute(module)
                with _LOCK:
                    if _ACTIVE:
                        _replace(name)

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


_HOOK = _Hook()


class _Key:
    """The access key that the environment says, and what it said before: to SDKs that ask it, and to one that did."""

    before: tuple[str | None, ...] | None = None
    read_before: tuple[str | None, ...] | None = None

    def say(self, key: tuple[str, str] | None) -> None:
        if self.before is None:
            if key is None:
                return
            self.before = tuple(map(os.environ.get, ACCESS_KEY))
            read = sys.modules.get(_CREDENTIALS)
            self.read_before = self.before if read is None else tuple(getattr(read, name, None) for name in _READ)
        assert self.before is not None
        assert self.read_before is not None
        for name, value in zip(ACCESS_KEY, self.before if key is None else (*key, None), strict=True):
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if (read := sys.modules.get(_CREDENTIALS)) is not None:
            for name, value in zip(_READ, self.read_before if key is None else (*key, None), strict=True):
                setattr(read, name, value)
        if key is None:
            self.before = self.read_before = None


_KEY = _Key()
