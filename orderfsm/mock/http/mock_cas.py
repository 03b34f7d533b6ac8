"""`mock_cas`: a mock on loopback as a context, or as a decorator, to which clients of the official SDKs are led."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterable
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from orderfsm.clocks import going_by
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.mock.cas.service import Service
from orderfsm.mock.sdk.decorating import decorated
from orderfsm.mock.sdk.redirect import Redirect, lead
from orderfsm.mock.settings import options_of, packages_of

from .app import create_app, create_control_app
from .requests import Noted
from .server import ANY_KEY, Server, _serve

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from types import TracebackType

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any] | type[Any]")


_OWN = ("assert_all_fired", "autojump", "packages", "passthrough", "patched")
"""The settings that are not the service's."""


_HOST = re.compile(r"(?![^:]*:[0-9]*$)[^/\s]+")
"""What can be a host, or be like one; none with a port."""


_Who: TypeAlias = "tuple[int, asyncio.Task[Any] | None]"
"""A thread, and the task that it runs."""


class NotMocked(OrderFSMError):
    """A call of another product of Alibaba Cloud was not sent, as a mock stands for it."""


class MockCAS:
    """A mock to which SDKs are led, to be entered as often as is wanted: each time it is a new one. See `mock_cas`."""

    def __init__(
        self,
        service: Service | None = None,
        *,
        packages: Mapping[str, int] | str | Iterable[str] = (),
        patched: bool = True,
        passthrough: str | Collection[str] = (),
        autojump: bool = False,
        assert_all_fired: bool = False,
        **options: Any,
    ) -> None:
        if service is not None and options:
            raise InvalidValue("options", sorted(options), ["none beside a service"])
        options_of(options, also=_OWN)
        self._given, self._options = service, options
        self._packages = packages_of(packages or ())
        for name, value in (("patched", patched), ("autojump", autojump), ("assert_all_fired", assert_all_fired)):
            if not isinstance(value, bool):
                raise InvalidValue(name, value, ["True", "False"])
        self._patched, self._autojump, self._assert_all_fired = patched, autojump, assert_all_fired
        self._passthrough = _hosts(passthrough)
        self._servers: list[tuple[_Who, Server]] = []
        self._entered: list[tuple[_Who, ExitStack]] = []

    @property
    def server(self) -> Server:
        """The mock that is running: the last one that was entered by this thread and task, or else by any."""
        if not self._servers:
            raise OrderFSMError("the mock is not running: enter it by `with`, or decorate what is to run in it")
        return _last(self._servers)[1]

    @contextmanager
    def _running(self) -> Iterator[Server]:
        options = options_of(self._options)
        service = Service(**options) if self._given is None else self._given
        for product_code, total in self._packages.items():
            service.put_package(product_code, total)
        bought = {package.product_code: package.total for package in service.packages()}
        key = next(iter((options.get("keys") or {}).items()), ANY_KEY)
        with ExitStack() as stack:
            noted: Any = Noted(service)
            api = stack.enter_context(_serve(create_app(noted)))
            control = stack.enter_context(_serve(create_control_app(service, api=api)))
            server = Server(api, control, service, bought, key, noted.exchanges)
            if self._autojump:
                stack.enter_context(going_by(service.clock.now, service.advance))
            stack.enter_context(leading(api, key, self._passthrough, signed=service.verifies, patched=self._patched))
            running = _who(), server
            self._servers.append(running)
            stack.callback(self._servers.remove, running)
            yield server
            if self._assert_all_fired:
                server.assert_all_fired()

    def start(self) -> Server:
        """Enter it, until `stop`."""
        with ExitStack() as stack:
            server = stack.enter_context(self._running())
            self._entered.append((_who(), stack.pop_all()))
        return server

    def stop(self) -> None:
        """Leave what was entered last, by this thread and task, or else by any."""
        self._left().close()

    def _left(self) -> ExitStack:
        if not self._entered:
            raise OrderFSMError("the mock was not started")
        entered = _last(self._entered)
        self._entered.remove(entered)
        return entered[1]

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left().__exit__(kind, error, traceback)

    def __call__(self, target: F) -> F:
        """`target`, a function of any sort or a class of tests, in a mock of its own each time that it is called."""
        return decorated(target, self._running)


@overload
def mock_cas(service: F, /) -> F: ...


@overload
def mock_cas(
    service: Service | None = None,
    *,
    packages: Mapping[str, int] | str | Iterable[str] = (),
    patched: bool = True,
    passthrough: str | Collection[str] = (),
    autojump: bool = False,
    assert_all_fired: bool = False,
    **options: Any,
) -> MockCAS: ...


def mock_cas(service: Any = None, **settings: Any) -> Any:
    """Serve `service`, or a new `Service(**options)`, on free loopback ports, and lead the official SDKs there.

    A context, whose value is the `Server`, or a decorator of functions (with `async` and `yield` too) and of classes of
    tests: each call and each test has a mock of its own. `packages` are bought before, units by product code, besides
    those that the service has.

    While it is active, what SDKs in this process call of certificates, DNS records and purchases goes to it, whenever
    and for whatever endpoint their clients were made, unless that is on this machine. Clients without an access key
    find one in the environment. Calls of other products of Alibaba Cloud raise `NotMocked`, unless their host is like
    one of `passthrough` (`*` is any part). Of several mocks, the one that was entered last is meant, in all threads.
    `patched=False` leads nobody.

    With `autojump`, `orderfsm.client` goes by the clock of the mock, and moves it instead of sleeping. With
    `assert_all_fired` it is an AssertionError at the end if there is a fault that was never met. `options` may also be
    in the words of the command line (`review="reads=1"`, `packages="CODE=N"`, `keys="id:secret"`); see
    `orderfsm.mock.settings`.

    >>> from orderfsm.mock import mock_cas
    >>> with mock_cas(packages={"digicert-free-1-free": 2}) as server:
    ...     order = server.order(state="issued")
    ...     server.packages()
    [Package(product_code='digicert-free-1-free', total=2, used=1, issued=1)]
    """
    if service is None or isinstance(service, Service):
        return MockCAS(service, **settings)
    return MockCAS(**settings)(service)


@contextmanager
def leading(
    url: str, key: tuple[str, str], passthrough: str | Collection[str], *, signed: bool, patched: bool
) -> Iterator[None]:
    """Lead SDKs to the mock at `url` until the block ends, if they are to be `patched`; see `mock_cas`."""
    hosts = _hosts(passthrough)
    leave = lead(Redirect(url, signed, key, hosts, NotMocked)) if patched else None
    try:
        yield
    finally:
        if leave is not None:
            leave()


def _who() -> _Who:
    try:
        return threading.get_ident(), asyncio.current_task()
    except RuntimeError:
        return threading.get_ident(), None


def _last(entered: list[tuple[_Who, T]]) -> tuple[_Who, T]:
    """The last one that was entered by this thread and task, or else by any."""
    here = _who()
    return next((each for each in reversed(entered) if each[0] == here), entered[-1])


def _hosts(given: str | Collection[str]) -> tuple[str, ...]:
    hosts = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    for host in hosts:
        if not isinstance(host, str) or not _HOST.fullmatch(host):
            raise InvalidValue("passthrough", host, ["a host, in which * is any part: oss-*.aliyuncs.com"])
    return tuple(host.lower() for host in hosts)
