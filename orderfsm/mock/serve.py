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
from contextlib import ExitStack, contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import InvalidValue, OrderFSMError
from orderfsm.wire import RATE_LIMITS

from .app import create_app, create_control_app
from .review import Review
from .server import LOOPBACK, configured
from .service import Service
from .store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.context import SpawnContext, SpawnProcess

    from .store import Store

KEYS = "ORDERFSM_ACCESS_KEYS"
START_TIMEOUT = 30.0
"""Seconds in which the workers must be ready."""


@attrs.frozen(kw_only=True)
class Settings:
    """What `orderfsm serve` is told. Ports: 0 is any free one. `database` is a SQLAlchemy URL, None is memory."""

    host: str = LOOPBACK
    port: int = 0
    control_host: str = LOOPBACK
    control_port: int = 0
    expose_control: bool = False
    database: str | None = attrs.field(default=None, repr=False)
    workers: int = 1
    packages: Mapping[str, int] = attrs.field(factory=dict)
    review: Review = attrs.field(factory=Review)
    seed: int | None = None
    limits: bool = False

    def __attrs_post_init__(self) -> None:
        if self.workers < 1 or (self.workers > 1 and self.database is None):
            raise InvalidValue("workers", self.workers, ["1", "more, on one --database"])
        if not (self.expose_control or _is_loopback(self.control_host)):
            raise InvalidValue("control host", self.control_host, ["a loopback address", "any, with --expose-control"])


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; the first line of standard output says where, when it is ready."""
    keys = access_keys(os.environ.get(KEYS, ""))
    if not keys:
        print(f"orderfsm: every access key and signature is accepted; {KEYS} names those to verify", file=sys.stderr)
    settings = attrs.evolve(settings, seed=Random().getrandbits(63) if settings.seed is None else settings.seed)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        api, control = (
            stack.enter_context(_listener(host, port))
            for host, port in ((settings.host, settings.port), (settings.control_host, settings.control_port))
        )
        service = _service(settings)
        stack.callback(service.store.close)
        for product_code, total in settings.packages.items():
            service.put_package(product_code, total)
        if settings.workers == 1:
            stack.enter_context(_in_thread(create_app(service), api))
        else:
            stack.enter_context(_Workers(settings, api))
        stack.enter_context(_in_thread(create_control_app(service), control))
        print(json.dumps({"api": _url(api), "control": _url(control)}), flush=True)
        stop.wait()


def access_keys(text: str) -> dict[str, str]:
    """The secrets by access key id that `id:secret,id:secret` names, each once; else an `InvalidValue` without them."""
    keys = {}
    for number, pair in enumerate(filter(None, text.split(",")), 1):
        key_id, _, secret = pair.strip().partition(":")
        if not key_id or not secret:
            raise InvalidValue(KEYS, f"entry {number}", ["id:secret,id:secret"])
        if key_id in keys:
            raise InvalidValue(KEYS, f"entry {number}", ["an id that no entry before it has"])
        keys[key_id] = secret
    return keys


def _service(settings: Settings) -> Service:
    return Service(
        store=_store(settings.database),
        random=Random(settings.seed),
        review=settings.review,
        keys=access_keys(os.environ.get(KEYS, "")),
        limits=RATE_LIMITS if settings.limits else None,
    )


def _store(database: str | None) -> Store:
    if database is None:
        return MemoryStore()
    from .sql import SQLStore

    store: Store = SQLStore(database)
    return store


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


@contextmanager
def _in_thread(app: Any, listener: socket.socket) -> Iterator[None]:
    """Serve `app` from a thread."""
    server = configured(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


class _Workers:
    """Processes that serve the API port together; one that dies is replaced."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._arguments = (settings, listener)
        self._ready = self._context.Semaphore(0)
        self._stopping = threading.Event()
        self._processes: list[SpawnProcess] = []
        self._watch = threading.Thread(target=self._replace_the_dead, daemon=True)

    def __enter__(self) -> None:
        try:
            for _ in range(self._arguments[0].workers):
                self._processes.append(self._start())
            deadline = time.monotonic() + START_TIMEOUT
            for _ in self._processes:
                if not self._ready.acquire(timeout=max(0.0, deadline - time.monotonic())):
                    raise OrderFSMError(f"the workers were not ready within {START_TIMEOUT:.0f} seconds")
            self._watch.start()
        except BaseException:
            self._end()
            raise

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._watch.join()
        self._end()

    def _start(self) -> SpawnProcess:
        process = self._context.Process(target=_work, args=(*self._arguments, self._ready), daemon=True)
        process.start()
        return process

    def _replace_the_dead(self) -> None:
        while not self._stopping.wait(0.2):
            for at, process in enumerate(self._processes):
                if not process.is_alive():
                    self._processes[at] = self._start()

    def _end(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()


def _work(settings: Settings, listener: socket.socket, ready: Any) -> None:
    """One worker: serve until told to end, or until the parent is gone."""
    service = _service(settings)
    server = configured(create_app(service))
    parent = multiprocessing.parent_process()

    def follow_the_parent() -> None:
        if parent is not None:
            parent.join()
        server.should_exit = True

    threading.Thread(target=follow_the_parent, daemon=True).start()
    ready.release()
    server.run(sockets=[listener])
    service.store.close()
