"""The mock that a fixture gives: one of its own, or one that runs already, as the environment says."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .invalid import OrderFSMError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .lifecycle import Lifecycle
    from .mock import Server

ENDPOINT, CONTROL = "ORDERFSM_CAS_ENDPOINT", "ORDERFSM_CAS_CONTROL"


class CannotBeTold(OrderFSMError):
    """A mock that runs already cannot be given a setting that is for a new one."""


@contextmanager
def mocked(settings: Mapping[str, Any], lifecycle: Lifecycle) -> Iterator[Server]:
    """A mock as `mock_cas(**settings)` is, ruled by `lifecycle` unless they name another table.

    If the environment variable ORDERFSM_CAS_ENDPOINT names the URL of a running one, it is that; if
    ORDERFSM_CAS_CONTROL names its control port as well, it is reset before, and has the packages of a new one. Raises
    `CannotBeTold` if it would have to be another one, and what `mock_cas` raises.
    """
    from .mock import mock_cas

    endpoint, control = os.environ.get(ENDPOINT), os.environ.get(CONTROL, "")
    if endpoint:
        with _running(endpoint, control, dict(settings)) as server:
            yield server
    else:
        table: dict[str, Any] = {} if settings.keys() & {"service", "table", "lifecycle"} else {"lifecycle": lifecycle}
        with mock_cas(**(table | dict(settings))) as server:
            yield server


@contextmanager
def _running(endpoint: str, control: str, settings: dict[str, Any]) -> Iterator[Server]:
    from .mock import Server
    from .mock.http.mock_cas import leading
    from .mock.sdk.redirect import origin
    from .mock.settings import packages_of
    from .testing.drivers.http import key_of_environment

    packages = packages_of(settings.pop("packages", ()))
    passthrough, patched = settings.pop("passthrough", ()), settings.pop("patched", True)
    if settings or (packages and not control):
        name = next(iter(settings), "packages")
        raise CannotBeTold(f"{ENDPOINT} names a mock that runs already: it cannot be told {name}")
    try:
        url = origin(endpoint)
    except ValueError as error:
        raise OrderFSMError(str(error)) from None
    if control:
        _reset(control, packages)
    key = key_of_environment()
    server = Server(url, control.rstrip("/"), None, {}, key)
    with leading(url, key, passthrough, signed=bool(os.environ.get("ORDERFSM_ACCESS_KEYS")), patched=patched):
        yield server


def _reset(control: str, packages: dict[str, int]) -> None:
    """Let it be as a new one is."""
    from .mock.cas.parameters import DEFAULT_PRODUCT
    from .mock.cas.service import DEFAULT_UNITS
    from .testing.drivers.cas import done
    from .testing.drivers.http import ControlClient, url_of_control

    try:
        port = ControlClient(url_of_control(control), timeout=10)
        done(port, "POST", "/reset")
        for product_code, units in ({DEFAULT_PRODUCT: DEFAULT_UNITS} | packages).items():
            done(port, "PUT", f"/packages/{product_code}", {"TotalCount": units})
    except OrderFSMError as error:
        raise OrderFSMError(f"{CONTROL}: {error}") from None
