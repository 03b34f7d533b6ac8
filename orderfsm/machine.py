"""The table as a pytransitions machine, for people who want its callbacks, sync or async.

Every trigger except the creates has two methods, named for its member in lower case: `cancel()` and `may_cancel()`,
`review_passed()` and `may_review_passed()`. Reads and what creates another order are internal transitions: callbacks
run, and the state does not change. A refused trigger raises the table's `OrderStateError` for its own caller, and one
of which the sources say nothing `Unspecified`, whatever the model and whatever else is under way; what would break
that is refused when the machine is made (docs/machine.md).

Without need of callbacks, use the functions of `lifecycle.py`: they are a hundred times faster (README, "How fast").
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from enum import Enum
from functools import cached_property
from inspect import getattr_static, ismethod
from itertools import product, repeat
from operator import is_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn
from weakref import WeakValueDictionary

import attrs
from transitions.core import Event, Machine, MachineError, listify
from transitions.core import State as MachineState
from transitions.extensions.asyncio import AsyncEvent, AsyncMachine, AsyncState
from transitions.extensions.locking import LockedMachine
from transitions.extensions.nesting import HierarchicalMachine

from .invalid import InvalidValue
from .questions import ORDER_LIFECYCLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import EllipsisType

    from .lifecycle import Lifecycle
    from .rows import State, Trigger

_OF_THE_TABLE = "none: the table has them; give another as lifecycle=, and add triggers of your own with add_transition"
_AS_AN_ATTRIBUTE = "give it an OrderMachine as an attribute"
_REFUSED_OPTIONS = {
    **dict.fromkeys(("states", "transitions", "ordered_transitions", "auto_transitions", "markup"), _OF_THE_TABLE),
    "ignore_invalid_triggers": "none: a refused trigger must not pass for an accepted one; catch OrderStateError",
    "queued": "none: a queue tells the error of one trigger to the caller of another; an AsyncOrderMachine makes the "
    "triggers of a model wait for one another anyway, and in an OrderMachine a callback's trigger runs at once",
}
"""What a machine may not be told, and what to do instead."""


class _TableEvent(Event):
    """An event that the table refuses with its own error; one that was added is refused as pytransitions does."""

    machine: Any

    def _is_valid_source(self, state: Any) -> bool:
        trigger = self.machine.triggers.get(self.name)
        if trigger is None:
            return super()._is_valid_source(state)
        self.machine.lifecycle.transition(state.value, trigger)
        return True


class _AsyncTableEvent(_TableEvent, AsyncEvent):
    """The same for an asynchronous machine, whose callers learn of every cancellation."""

    async def _trigger(self, event_data: Any) -> bool:  # type: ignore[override]
        try:
            return await super()._trigger(event_data)
        finally:  # pytransitions drops what is raised in finalize_event
            if isinstance(event_data.error, asyncio.CancelledError):
                raise event_data.error


class _TableState(MachineState):
    """A state that a trigger leaves only if no callback of the trigger has left it before."""

    def exit(self, event_data: Any) -> None:
        super().exit(event_data)
        event_data.machine._refuse_if_left(self, event_data)


class _AsyncTableState(AsyncState):
    """The same for an asynchronous machine: nothing is awaited between the question and the move."""

    async def exit(self, event_data: Any) -> None:  # type: ignore[override]  # as AsyncState
        await super().exit(event_data)
        event_data.machine._refuse_if_left(self, event_data)


class _Models(list[Any]):
    """The models of a machine. Equal ones are not the same."""

    def __contains__(self, model: object) -> bool:
        return any(map(is_, self, repeat(model)))

    def remove(self, model: object) -> None:
        del self[list(map(id, self)).index(id(model))]


class _FromTable(Machine):
    event_cls = _TableEvent
    state_cls: type[Any] = _TableState
    _own_classes: ClassVar[Mapping[str, type]] = {"event_cls": _TableEvent, "state_cls": _TableState}
    _refused_bases: ClassVar[Mapping[type, str]]
    triggers: Mapping[str, Trigger] = MappingProxyType({})
    """The table's triggers by the names of their methods; none before the table's rows are in the machine."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Make the classes of events and states from those that an extension brings, such as a `LockedEvent`."""
        super().__init_subclass__(**options)
        for attribute, own in cls._own_classes.items():
            inherited = getattr(cls, attribute)
            bases = [base for base in cls.__mro__ if base is not _FromTable and attribute in vars(base)]
            foreign = next(each for base in bases if not issubclass(each := vars(base)[attribute], own))
            if not (issubclass(inherited, own) and issubclass(inherited, foreign)):
                both = (inherited if issubclass(inherited, own) else own, foreign)
                named = {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.{attribute}"}
                setattr(cls, attribute, type(attribute, both, named))

    def __init__(
        self,
        model: object | list[object] | None = None,
        initial: State | EllipsisType = ...,
        *,
        lifecycle: Lifecycle = ORDER_LIFECYCLE,
        **options: Any,
    ) -> None:
        """A machine for `model`, or each of a list (None: the machine itself), whose `.state` is `initial` at first.

        Without `initial` it is the state to which the first create of the table leads. `lifecycle` is the table;
        `options` are those of a pytransitions machine, such as `after_state_change`. What the machine could not keep
        its word with is an `InvalidValue` that says what to do instead: docs/machine.md.
        """
        self._refuse_bases()
        for option, instead in _REFUSED_OPTIONS.items():
            value = options.pop(option, None)
            if value:
                raise InvalidValue(f"option {option}", value, [instead])
        self.lifecycle = lifecycle
        states = {state: rule for state, rule in lifecycle.state_rules.items() if state is not None}
        triggers = {each.name.lower(): each for each in lifecycle.trigger_rules if each not in lifecycle.creates}
        self._state_names = state_names = {state: state.name for state in states}
        names: dict[str, str] = {each: name for name, each in triggers.items()}
        self._trigger_names = {name: name for name in triggers} | names
        begun = (row.target for row in lifecycle.transitions if row.source is None)
        models = [self.self_literal] if model is None else listify(model)
        sources: dict[tuple[str, str | None], Any] = {(name, None): [] for name in triggers}
        for (state, state_name), (name, trigger) in product(state_names.items(), triggers.items()):
            row = lifecycle.table[state].get(trigger)
            if row is not None:
                target = None if row.target == state else state_names[row.target]  # type: ignore[index]
                sources.setdefault((name, target), []).append(state_name)
        super().__init__(
            model=[models] if isinstance(self, AsyncMachine) else models,  # that is one call of add_model in both
            states=[{"name": state, "final": rule.terminal} for state, rule in states.items()],
            initial=lifecycle.state(next(begun, None) if initial is ... else initial),
            transitions=[[name, each, target] for (name, target), each in sources.items()],
            auto_transitions=False,
            **options,
        )
        self.triggers = triggers

    if TYPE_CHECKING:
        # The methods that pytransitions adds at run time, one for each trigger.
        state: State

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    def __copy__(self) -> NoReturn:
        raise TypeError("a shallow copy's triggers would move the original: use copy.deepcopy")

    # -- who is held -------------------------------------------------------------------------------------------------

    @property
    def models(self) -> _Models:
        """The models that the machine holds, in the order in which they were added."""
        return self._models

    @models.setter
    def models(self, models: Iterable[object]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._models = _Models(models)

    def add_model(self, model: Any, initial: Any = None, **options: Any) -> None:
        """Hold `model` too, or each of a list, from the state `initial` on (None: the machine's own)."""
        state = self.get_state(self.initial if initial is None else initial)
        models = {id(each): each for each in (self if each is self.self_literal else each for each in listify(model))}
        for each in models.values():
            self._refuse_taken(each, self._names)
        held = len(self.models)
        for each in models.values():
            try:
                super().add_model([each], state.value, **options)
                if self.get_model_state(each) is not state:
                    raise AttributeError(f"{self.model_attribute} keeps another value")
            except Exception as error:
                del self.models[held:]
                for one, name in product(models.values(), self._names):
                    with suppress(Exception):
                        delattr(one, name)
                why = " ".join(str(error).split())
                accepted = f"an object that takes new attributes, its state among them, as this does not ({why}): "
                raise InvalidValue("model", each, [accepted + _AS_AN_ATTRIBUTE]) from error

    def _refuse_taken(self, model: object, names: Iterable[str]) -> None:
        """Refuse what is no model, and a model with methods of its own where the machine's would be."""
        if isinstance(model, str | Enum | type):
            raise InvalidValue("model", model, ["an object of your own; a state is given as initial="])
        taken = [] if self.model_override else [name for name in names if getattr(model, name, None) is not None]
        if taken:
            accepted = f"an object without attributes called {', '.join(taken)}, of its own or from a machine: "
            accepted += f"{_AS_AN_ATTRIBUTE}, or replace them with model_override=True"
            raise InvalidValue("model", model, [accepted])

    @cached_property
    def _names(self) -> list[str]:
        """The names of the methods that every model gets."""
        prefix = "is_" if self.model_attribute == "state" else f"is_{self.model_attribute}_"
        triggers = ["trigger", *self.events]
        return [*triggers, *(f"may_{name}" for name in triggers), *(prefix + name for name in self.states)]

    def _checked_assignment(self, model: Any, name: str, func: object) -> None:
        """Bind a method to a model that has none of that name, or whose own is to be replaced."""
        setattr(model, name, func)
        if getattr(model, name) is not func:
            raise AttributeError(f"{name} keeps another value")

    @property
    def initial(self) -> Any:
        """The name of the state in which models are added, unless another is given; set as a member or its value."""
        return self._initial

    @initial.setter
    def initial(self, value: Any) -> None:
        self._initial = self.get_state(value).name

    # -- what may be said --------------------------------------------------------------------------------------------

    def get_state(self, state: Any) -> Any:
        """Pytransitions' object for a state, given as a member, its value, or its name; else `InvalidValue`."""
        try:
            return self.states[str(self._state_names.get(state, state))]
        except (KeyError, TypeError):
            raise InvalidValue("state", state, self._state_names) from None

    def __repr__(self) -> str:
        where = [self.get_model_state(model).value for model in self.models]
        return f"{type(self).__name__}({where[0] if len(where) == 1 else f'{len(where)} models'})"

    def is_state(self, state: Any, model: object) -> bool:
        """Whether `model` is in the state, however either is said; `InvalidValue` if one of them is no state."""
        return self.get_model_state(model) is self.get_state(state)

    def _trigger_name(self, trigger: Any) -> str:
        """The name of the methods for a trigger, given as a member, its value, or that name; else `InvalidValue`."""
        try:
            return self._trigger_names[trigger]
        except (KeyError, TypeError):
            if isinstance(trigger, str) and trigger in self.events:
                return trigger
            raise InvalidValue("trigger", trigger, self.events) from None

    def _get_trigger(self, model: object, trigger_name: str, *args: Any, **kwargs: Any) -> Any:
        return super()._get_trigger(model, self._trigger_name(trigger_name), *args, **kwargs)

    def _can_trigger(self, model: object, trigger: str, *args: Any, **kwargs: Any) -> Any:
        name = self._trigger_name(trigger)
        if name in self.triggers:  # whoever watches the table sees that it was asked
            self.lifecycle.can(self.get_model_state(model).value, self.triggers[name])  # type: ignore[arg-type]
        return super()._can_trigger(model, name, *args, **kwargs)  # type: ignore[misc]  # not in the stubs

    def dispatch(self, trigger: str, *args: Any, **kwargs: Any) -> Any:
        """Fire `trigger` on every model; the first that is refused raises."""
        return super().dispatch(self._trigger_name(trigger), *args, **kwargs)

    def get_triggers(self, *args: Any) -> list[str]:
        """The names of the triggers that are allowed in one of the states."""
        names = {each.name if isinstance(each, MachineState) else self.get_state(each).name for each in args}
        return [name for name, event in self.events.items() if not names.isdisjoint(event.transitions)]

    def resolve_callable(self, func: Any, event_data: Any) -> Any:  # type: ignore[override]  # pytransitions': static
        """What is called for a callback: for `on_enter_...` and `on_exit_...` of a model, of such models alone."""
        if isinstance(func, str) and func in self._hooks:
            model = event_data.model
            if getattr_static(model, func, None) is None and not ismethod(getattr(model, func, None)):
                return lambda *_args, **_named: None
        return super().resolve_callable(func, event_data)

    @cached_property
    def _hooks(self) -> frozenset[str]:
        """The names under which pytransitions finds callbacks on models: it then asks every model for them."""
        return frozenset(f"{hook}_{name}" for hook, name in product(self.state_cls.dynamic_methods, self.states))

    # -- what may be changed -----------------------------------------------------------------------------------------

    @property
    def on_exception(self) -> Any:
        """None: an error is its caller's."""
        return ()

    @on_exception.setter
    def on_exception(self, value: object) -> None:
        if value:
            instead = "none: it would take the error from the caller; finalize_event hears of it too (event_data.error)"
            raise InvalidValue("option on_exception", value, [instead])

    def add_states(self, states: Any, *args: Any, **kwargs: Any) -> None:
        """Add the table's states; any other is refused."""
        if self.triggers:
            raise InvalidValue("state", states, [_OF_THE_TABLE])
        super().add_states(states, *args, **kwargs)

    def add_transition(self, trigger: str, source: Any, dest: Any = None, *args: Any, **kwargs: Any) -> None:
        """Add a transition by a trigger of your own; states are members, their values or their names."""
        if self.triggers:
            self._refuse_unless_own(trigger)
            source, dest = self._names_of(source), dest if dest in (None, "=") else self.get_state(dest).name
            if trigger not in self.events:
                for model in self.models:
                    self._refuse_taken(model, [trigger, f"may_{trigger}"])
            self.__dict__.pop("_names", None)
        super().add_transition(trigger, source, dest, *args, **kwargs)

    def remove_transition(self, trigger: str, source: Any = "*", dest: Any = "*") -> None:
        """Remove transitions of a trigger of your own; states are members, their values or their names."""
        name = self._trigger_name(trigger)
        self._refuse_unless_own(name)
        self.__dict__.pop("_names", None)
        super().remove_transition(name, self._names_of(source), self._names_of(dest))
        if name not in self.events:
            for model in self.models:
                delattr(model, f"may_{name}")  # pytransitions leaves it

    def _names_of(self, states: Any) -> Any:
        return states if states == "*" else [self.get_state(state).name for state in listify(states)]

    def _refuse_unless_own(self, trigger: str) -> None:
        if trigger in self._trigger_names:
            raise InvalidValue("trigger", trigger, ["one of your own: for other rows give another table as lifecycle="])

    # -- what the machine refuses ------------------------------------------------------------------------------------

    def _refuse_if_left(self, state: Any, event_data: Any) -> None:
        """Refuse to leave `state` a second time: a callback has moved the model, or a task that it started."""
        now = self.get_model_state(event_data.model)
        if now is not state:
            event_data.event._is_valid_source(now)
            began = f"{event_data.event.name} began in {state.name}"
            raise MachineError(f"{began}; a callback moved the model to {now.name}")

    def _refuse_bases(self) -> None:
        for base, instead in self._refused_bases.items():
            if isinstance(self, base):
                raise InvalidValue("base class", base.__name__, [instead])
        mro = type(self).__mro__
        for base in mro[: mro.index(_FromTable)]:
            if issubclass(base, Machine) and not issubclass(base, _FromTable):
                raise InvalidValue("first base class", base.__name__, ["OrderMachine or AsyncOrderMachine before it"])


class OrderMachine(_FromTable):
    """A pytransitions `Machine` built from the table.

    >>> from orderfsm.machine import OrderMachine
    >>> order = OrderMachine()
    >>> order.may_delete(), order.cancel(), order.state
    (False, True, <State.PENDING_APPLICATION: 'pending_application'>)
    >>> order.cancel()
    Traceback (most recent call last):
    ...
    orderfsm.errors.OrderStateError: CancelOrderRequest is not allowed in pending_application, ...
    """

    _refused_bases: ClassVar[Mapping[type, str]] = {
        HierarchicalMachine: "none: no state of the table is within another; derive from OrderMachine alone",
        AsyncMachine: "AsyncOrderMachine in place of OrderMachine",
    }


@attrs.define(eq=False)
class _Turn:
    """The time of one trigger of a model, its callbacks' included."""

    over: bool = False


_NO_TURN = _Turn(over=True)


class AsyncOrderMachine(_FromTable, AsyncMachine):  # pyright: ignore[reportIncompatibleVariableOverride, reportIncompatibleMethodOverride]
    """The same with `await order.cancel()`; callbacks may be coroutines.

    Triggers of one model wait for one another, and each is judged when its turn comes. Those of a callback run at once.
    """

    event_cls = _AsyncTableEvent
    state_cls = _AsyncTableState  # type: ignore[assignment]  # the stubs have the hierarchical machine's
    _own_classes: ClassVar[Mapping[str, type]] = {"event_cls": _AsyncTableEvent, "state_cls": _AsyncTableState}
    _refused_bases: ClassVar[Mapping[type, str]] = {
        HierarchicalMachine: "none: no state of the table is within another; derive from AsyncOrderMachine alone",
        LockedMachine: "none: the triggers of a model wait for one another anyway, in tasks; threads use OrderMachine",
    }
    async_tasks = {}  # noqa: RUF012  # pytransitions' own class attribute
    """The tasks that pytransitions would cancel for a later trigger: none."""
    _locks: ClassVar[WeakValueDictionary[int, asyncio.Lock]] = WeakValueDictionary()
    _turn: ClassVar[ContextVar[_Turn]] = ContextVar("_turn", default=_NO_TURN)

    async def process_context(self, func: Callable[[], Any], model: object) -> bool:
        """Run a trigger when the triggers of `model` before it have ended; that of a callback at once."""
        if not self._turn.get().over:
            return await self._process_async(func, model)
        async with self._locks.setdefault(id(model), asyncio.Lock()):
            turn = _Turn()
            self._turn.set(turn)
            try:
                return await self._process_async(func, model)
            finally:
                turn.over = True

    async def callbacks(self, funcs: Any, event_data: Any) -> None:  # type: ignore[override]  # as AsyncMachine
        """Run callbacks, if there are any; a cancellation meanwhile is kept for the caller of the trigger."""
        if funcs:
            try:
                await super().callbacks(funcs, event_data)
            except asyncio.CancelledError as cancelled:
                event_data.error = cancelled
                raise
