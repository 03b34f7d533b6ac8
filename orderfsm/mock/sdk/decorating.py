"""Functions of any sort, and classes of tests, that run in a context of their own each time."""

from __future__ import annotations

import functools
import inspect
import unittest
from contextlib import ExitStack, aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from orderfsm.invalid import InvalidValue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from contextlib import AbstractContextManager

    Block = Callable[[], AbstractContextManager[Any]]

F = TypeVar("F", bound="Callable[..., Any] | type[Any]")

_TEST = "test"
"""How the names of tests begin; in pytest those of classes do so too, in any case."""


def decorated(target: F, block: Block) -> F:
    """`target`, a function or a class of tests, that runs within `block()`; `InvalidValue` for anything else.

    Of a generator and of a coroutine, the block lasts until it ends. Of a class, each test has a block of its own, to
    which belongs what prepares it (`setUp`, `setup_method`); of classes inside of it, so has each of theirs.
    """
    if not callable(target):
        raise InvalidValue("what is decorated", target, ["a function", "a class of tests"])
    within: F = _class(target, block) if inspect.isclass(target) else _function(target, block)
    return within


def _function(function: Any, block: Block) -> Any:
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        with block():
            return function(*arguments, **named)

    @functools.wraps(function)
    def generate(*arguments: Any, **named: Any) -> Generator[Any, Any, Any]:
        with block():
            return (yield from function(*arguments, **named))

    @functools.wraps(function)
    async def call_async(*arguments: Any, **named: Any) -> Any:
        with block():
            return await function(*arguments, **named)

    @functools.wraps(function)
    async def generate_async(*arguments: Any, **named: Any) -> AsyncIterator[Any]:
        with block():
            async with aclosing(function(*arguments, **named)) as values:
                async for value in values:
                    yield value

    for runs in (function, getattr(function, "__call__", None)):  # noqa: B004  (an object may be called, too)
        if inspect.isasyncgenfunction(runs):
            return generate_async
        if inspect.isgeneratorfunction(runs):
            return generate
        if inspect.iscoroutinefunction(runs):
            return call_async
    return call


def _class(of: Any, block: Block) -> Any:
    """The class itself, whose tests run each in a block."""
    inner = [each for name, each in vars(of).items() if inspect.isclass(each) and name.lower().startswith(_TEST)]
    for each in inner:
        _class(each, block)
    names = [name for name in dir(of) if name.startswith(_TEST) and callable(getattr(of, name))]
    names = [name for name in names if not inspect.isclass(getattr(of, name))]
    if not (names or inner):
        raise InvalidValue("what is decorated", of, ["a class with tests: methods whose names begin with test"])
    if issubclass(of, unittest.TestCase):
        _prepared(of, block)
    elif hasattr(of, "setup_method"):
        _prepared_for_pytest(of, block)
    else:
        for name in names:
            method = inspect.getattr_static(of, name)
            kind = type(method) if isinstance(method, staticmethod | classmethod) else None
            within = _function(method.__func__ if kind else method, block)
            setattr(of, name, kind(within) if kind else within)
    return of


def _prepared(of: Any, block: Block) -> None:
    """Let the tests of a `TestCase` be in a block from before its `setUp` to after its clean-ups."""
    set_up = of.setUp

    @functools.wraps(set_up)
    def within(self: unittest.TestCase) -> None:
        self.enterContext(block())
        set_up(self)

    of.setUp = within


def _prepared_for_pytest(of: Any, block: Block) -> None:
    """Let the tests of a class for pytest be in a block from before `setup_method` to after `teardown_method`."""
    set_up, tear_down = of.setup_method, getattr(of, "teardown_method", None)
    blocks: list[ExitStack] = []

    def begin(self: Any, method: Any = None) -> None:
        with ExitStack() as stack:
            stack.enter_context(block())
            _call(set_up, self, method)
            blocks.append(stack.pop_all())

    def end(self: Any, method: Any = None) -> None:
        with blocks.pop():
            if tear_down is not None:
                _call(tear_down, self, method)

    of.setup_method, of.teardown_method = begin, end


def _call(prepare: Any, instance: Any, method: Any) -> None:
    """Call what prepares a test; it takes the test's method, or it does not, as it likes."""
    takes = len(inspect.signature(prepare).parameters)
    prepare(*(instance, method)[:takes])
