"""A client of the official SDK that asks no proxy.

The SDK sends every request to the proxy that HTTP_PROXY or HTTPS_PROXY names: to loopback as well, and whatever
NO_PROXY says; no setting keeps it from that. To make the server itself the proxy puts the request target into absolute
form (RFC 9112, section 3.2.2: `POST http://HOST/?...`), which many servers take for a path. So here the SDK's own code
runs with its own transport, and that alone sees an environment without proxies.
"""

from __future__ import annotations

import os
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from .sdk import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

TRANSPORTS = ("do_action", "async_do_action")
"""The functions of the SDK's core that send a request: `TeaCore` in older generations, `DaraCore` since."""


class DirectClient(Client):
    """An SDK client whose requests go straight to its endpoint, as they go to the service where no proxy is set."""


def _in_other_globals(function: FunctionType, **changed: Any) -> FunctionType:
    """The same function, to which some of the globals of its module are others."""
    code, closure = function.__code__, function.__closure__
    made = FunctionType(code, function.__globals__ | changed, function.__name__, function.__defaults__, closure)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__doc__ = function.__doc__
    return made


def _direct(core: type[Any]) -> type[Any]:
    """The SDK's core, with a transport that sees no variables of the environment."""
    without_proxies = SimpleNamespace(environ={}, getenv=os.getenv)  # DEBUG=sdk still works
    sends = {name: staticmethod(_in_other_globals(getattr(core, name), os=without_proxies)) for name in TRANSPORTS}
    return type(f"Direct{core.__name__}", (core,), sends)


def _sending(client: type[Any]) -> Iterator[tuple[str, FunctionType]]:
    """The methods of a client that send requests, with the transport that asks no proxy."""
    for of in reversed(client.__mro__):
        for name, method in vars(of).items():
            if isinstance(method, FunctionType):
                used = [(known, method.__globals__.get(known)) for known in method.__code__.co_names]
                cores = {known: _direct(core) for known, core in used if core and hasattr(core, TRANSPORTS[0])}
                if cores:
                    yield name, _in_other_globals(method, **cores)


for _name, _method in _sending(Client):
    setattr(DirectClient, _name, _method)
