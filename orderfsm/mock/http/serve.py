"""The mock as a program: one process or several on one database, until a signal ends it."""

from __future__ import annotations

import ipaddress
import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import wait
from random import Random
from textwrap import indent
from typing import TYPE_CHECKING, Self

import attrs

from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.mock.cas.choices import Choices
from orderfsm.mock.cas.service import Service, tables_of
from orderfsm.mock.engine import CLOCK
from orderfsm.mock.review import Review
from orderfsm.mock.settings import keys_of, limits_of
from orderfsm.mock.stores.memory import MemoryStore
from orderfsm.mock.stores.store import PATIENCE
from orderfsm.questions import ORDER_LIFECYCLE

from .app import create_app, create_control_app
from .connection import Limits
from .port import Port, served
from .server import LOOPBACK
from .snippets import snippets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext, SpawnProcess

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.stores.store import Store

KEYS = "ORDERFSM_ACCESS_KEYS"
START_TIMEOUT = 30.0
"""Seconds in which the workers must be ready."""

END_TIMEOUT = 8.0
"""Seconds after a signal in which the program has ended, whatever it waits for."""

_WORKERS_END = 3.0  # seconds until a worker that does not end is killed
_QUICK = 10.0  # seconds that a worker must live to be no failure
_FAILURES = 5  # of workers in a row, after which no more are tried


@attrs.frozen(kw_only=True)
class Settings:
    """What `orderfsm serve` is told. Ports: 0 is any free one. `database` is a SQLAlchemy URL, None is memory.

    `lifecycle` is the table that rules orders, or instances; the others are ruled by theirs. `completions` and `takes`
    are as for `Service`: how, and in how many seconds, what is under way is completed; `choices`, `validate` and
    `domains` too. `patience` is how many seconds a change waits for the database, `connections` what a client may take
    of a port.
    """

    host: str = LOOPBACK
    port: int = 0
    control_host: str = LOOPBACK
    control_port: int = 0
    expose_control: bool = False
    lifecycle: Lifecycle = ORDER_LIFECYCLE
    database: str | None = attrs.field(default=None, repr=False)
    workers: int = 1
    packages: Mapping[str, int] = attrs.field(factory=dict)
    review: Review = attrs.field(factory=Review)
    completions: str = CLOCK
    takes: Mapping[str, float] = attrs.field(factory=dict)
    choices: Choices = attrs.field(factory=Choices)
    validate: str | None = None
    domains: tuple[str, ...] = ()
    seed: int | None = None
    limits: bool = False
    patience: float = PATIENCE
    connections: Limits = attrs.field(factory=Limits)

    def __attrs_post_init__(self) -> None:
        if self.workers < 1 or (self.workers > 1 and self.database is None):
            raise InvalidValue("workers", self.workers, ["1", "more, on one --database"])
        self.tables()
        if not (self.expose_control or _is_loopback(self.control_host)):
            raise InvalidValue("control host", self.control_host, ["a loopback address", "any, with --expose-control"])

    def tables(self) -> tuple[Lifecycle, Lifecycle]:
        """The tables of orders and of instances."""
        return tables_of(self.lifecycle)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the first line of standard output says where, when it is ready.

    The exit status: 0, or 1 if no worker can be had.
    """
    settings = attrs.evolve(settings, seed=Random().getrandbits(63) if settings.seed is None else settings.seed)
    stop = threading.Event()

    def end(*_: object) -> None:
        if not stop.is_set():
            _end_by(END_TIMEOUT)
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        _serve(settings, stop)
    except _NoWorkers as error:
        print(f"orderfsm: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(settings: Settings, stop: threading.Event) -> None:
    with ExitStack() as stack:
        api, control = (
            stack.enter_context(_listener(host, port))
            for host, port in ((settings.host, settings.port), (settings.control_host, settings.control_port))
        )
        service = _service(settings)
        stack.callback(service.store.close)
        for product_code, total in settings.packages.items():
            service.put_package(product_code, total)
        workers = None
        if settings.workers == 1:
            stack.enter_context(served(create_app(service), api, settings.connections))
        else:
            workers = stack.enter_context(_Workers(settings, api, stop))
        control_app = create_control_app(service, exposed=settings.expose_control, api=_url(api))
        stack.enter_context(served(control_app, control, settings.connections))
        if not service.verifies:
            accepts = "every access key and signature is accepted"
            print(f"orderfsm: {accepts}; {KEYS} names those to verify", file=sys.stderr)
        if not stop.is_set():
            print(json.dumps({"api": _url(api), "control": _url(control)}), flush=True)
            if sys.stderr.isatty():
                print(_for_people(_url(api), _url(control), signed=service.verifies), file=sys.stderr)
        stop.wait()
        if workers is not None:
            workers.check()


def _for_people(api: str, control: str, *, signed: bool) -> str:
    """What is said on a terminal besides: where the dashboard is, and the shortest programs that call the mock."""
    programs = "\n\n".join(
        f"{language}:\n{indent(program, '  ')}" for language, program in snippets(api, signed=signed).items()
    )
    unchanged = "Python, without a change to it:\n  orderfsm run --endpoint"
    return f"\nDashboard: {control}\n\n{programs}\n\n{unchanged} {api} python program.py\n\nCtrl-C ends it."


def _end_by(seconds: float) -> None:
    """End this process within so many seconds, if it has not ended by then."""

    def end() -> None:
        time.sleep(seconds)
        for child in multiprocessing.active_children():
            child.kill()
        line = f"orderfsm: ended, though something still waited after {seconds:g} s"
        saying = threading.Thread(target=print, args=(line,), kwargs={"file": sys.stderr, "flush": True}, daemon=True)
        saying.start()
        saying.join(1)  # nobody may be reading
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


def access_keys(text: str) -> dict[str, str]:
    """The secrets by access key id that `id:secret,id:secret` names, each once; else an `InvalidValue` without them."""
    return keys_of(text, KEYS)


def _service(settings: Settings) -> Service:
    return Service(
        lifecycle=settings.lifecycle,
        store=_store(settings),
        random=Random(settings.seed),
        review=settings.review,
        completions=settings.completions,
        takes=settings.takes,
        choices=settings.choices,
        validate=settings.validate,
        domains=settings.domains,
        keys=access_keys(os.environ.get(KEYS, "")),
        limits=limits_of(settings.limits, settings.lifecycle),
    )


def _store(settings: Settings) -> Store:
    if settings.database is None:
        return MemoryStore()
    from orderfsm.mock.stores.sql import SQLStore

    return SQLStore(settings.database, patience=settings.patience)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise OrderFSMError(f"cannot listen on {host} port {port}: {reason}") from None
    with listener:
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _NoWorkers(OrderFSMError):
    """Workers cannot be had."""


@attrs.define
class _Worker:
    """A process that serves, and what it has said of itself: nothing yet, that it is ready, or why it cannot start."""

    process: SpawnProcess
    news: Connection
    began: float = attrs.field(factory=time.monotonic)
    ready: bool = False
    reason: str = "it ended without a word"

    def listen(self) -> None:
        """Take in what it said."""
        with suppress(EOFError, OSError):
            while self.news.poll():
                self.ready, self.reason = self.news.recv()

    @property
    def failed(self) -> bool:
        """Whether it is of no use: it ended by itself, and soon. One that somebody killed may be replaced for ever."""
        killed = self.process.exitcode in {-signal.SIGKILL, -signal.SIGTERM}
        return not killed and (not self.ready or time.monotonic() - self.began < _QUICK)


class _Workers:
    """Processes that serve the API port together; one that dies is replaced, unless that is of no use."""

    def __init__(self, settings: Settings, listener: socket.socket, stop: threading.Event) -> None:
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._settings, self._listener, self._stop = settings, listener, stop
        self._workers: list[_Worker] = []
        self._failures = 0
        self._problem: str | None = None
        self._ending = threading.Event()
        self._watch = threading.Thread(target=self._replace_the_dead, daemon=True)

    def __enter__(self) -> Self:
        try:
            self._workers += [self._start() for _ in range(self._settings.workers)]
            deadline = time.monotonic() + START_TIMEOUT
            while not (self._stop.is_set() or all(worker.ready for worker in self._workers)):
                if time.monotonic() > deadline:
                    raise _NoWorkers(f"the workers were not ready within {START_TIMEOUT:.0f} seconds")
                wait([end for each in self._workers for end in (each.process.sentinel, each.news)], 0.2)
                self._look()
                self.check()
            self._watch.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._watch.join()
        self._end()

    def check(self) -> None:
        """Raise if no worker can be had any more."""
        if self._problem is not None:
            raise _NoWorkers(self._problem)

    def _start(self) -> _Worker:
        news, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(self._settings, self._listener, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, news)

    def _look(self) -> None:
        """Replace those that died; give up when one after the other does so at once."""
        for at, worker in enumerate(self._workers):
            worker.listen()
            if worker.process.is_alive():
                continue
            worker.listen()
            worker.news.close()
            self._failures = self._failures + 1 if worker.failed else 0
            if self._failures >= _FAILURES:
                self._problem = f"gave up after {_FAILURES} workers in a row that ended at once: {worker.reason}"
                return
            self._workers[at] = self._start()

    def _replace_the_dead(self) -> None:
        while not self._ending.wait(0.2):
            self._look()
            if self._problem is not None:
                self._stop.set()
                return

    def _end(self) -> None:
        """End them; those that do not, since they are stopped or wait for something, are killed."""
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + _WORKERS_END
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            worker.process.kill()
            worker.process.join()


def _work(settings: Settings, listener: socket.socket, news: Connection) -> None:
    """One worker: serve until told to end, or until the parent is gone."""
    try:
        service = _service(settings)
        port = Port(create_app(service), settings.connections)
    except Exception as error:  # noqa: BLE001  (the parent says it)
        news.send((False, " ".join(f"{type(error).__name__}: {error}".split())))
        raise SystemExit(1) from None
    parent = multiprocessing.parent_process()

    def follow_the_parent() -> None:
        if parent is not None:
            parent.join()
        port.end()
        _end_by(END_TIMEOUT)

    threading.Thread(target=follow_the_parent, daemon=True).start()
    news.send((True, "it ended without a word"))
    port.run(sockets=[listener])
    service.store.close()
