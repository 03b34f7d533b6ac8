"""Whoever is held by a machine obeys the table; what cannot be held is refused, and is as it was before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from unittest.mock import MagicMock

import attrs
import pytest
from machines import BOTH, Plain, answer, obeys
from transitions.extensions import LockedMachine

from orderfsm import InvalidValue, OrderStateError, State
from orderfsm.machine import OrderMachine


class WithState:
    state: State | None = None


class WithDict:
    __slots__ = ("__dict__", "id")


class Stored:
    """The state is kept as a database keeps it."""

    def __init__(self):
        self.row = {}

    @property
    def state(self):
        return self.row["state"]

    @state.setter
    def state(self, state):
        self.row["state"] = str(state)


class AnsweringNone:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)


class Empty:
    """False in a condition, as an empty container is."""

    def __len__(self):
        return 0


class EqualToAll:
    __hash__ = None

    def __eq__(self, other):
        return True


@dataclass
class Data:
    id: int = 0


@attrs.define(slots=False)
class Attrs:
    id: int = 0


def mapped(**members):
    """A row of SQLAlchemy's, with `members`."""
    orm = pytest.importorskip("sqlalchemy.orm", reason="the extra `mock` is not installed")
    from sqlalchemy import Integer, String

    columns = {"id": orm.mapped_column(Integer, primary_key=True), "state": orm.mapped_column(String)}
    return type("Row", (orm.declarative_base(),), {"__tablename__": "orders", **columns, **members})(id=1)


def extensible():
    """A pydantic model that takes what it does not know."""
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")
    return pydantic.create_model("Extensible", __config__={"extra": "allow"}, id=(int, 0))()


HELD = [Plain, WithState, WithDict, Stored, AnsweringNone, Empty, EqualToAll, Data, Attrs, mapped, extensible]


@BOTH
@pytest.mark.parametrize("make", HELD)
def test_a_model_obeys_the_table(machine, make):
    model = make()
    machine(model, State.ISSUED)
    assert model.state == State.ISSUED
    obeys(model)


@BOTH
def test_a_model_obeys_the_table_when_it_was_added_later_or_removed(machine):
    later = Plain()
    holder = machine([])
    holder.add_model(later, State.EXPIRED)
    assert later.state is State.EXPIRED
    holder.remove_model(later)
    assert holder.models == []
    obeys(later)
    with pytest.raises(InvalidValue, match="of its own or from a machine"):
        holder.add_model(later)


# -- models with methods of their own --------------------------------------------------------------------------------


class Row:
    def delete(self):
        return "gone"

    def list(self):
        return "listed"


class Inheriting(Row):
    pass


def with_attribute(name="may_delete"):
    model = Plain()
    setattr(model, name, lambda: True)
    return model


class WithProperty:
    @property
    def cancel(self):
        return "canceled"


TAKEN = [
    (Row, ["delete", "list"]),
    (Inheriting, ["delete", "list"]),
    (lambda: mapped(delete=lambda _: "gone"), ["delete"]),
    (with_attribute, ["may_delete"]),
    (WithProperty, ["cancel"]),
    (lambda: with_attribute("is_ISSUED"), ["is_ISSUED"]),
    (lambda: with_attribute("trigger"), ["trigger"]),
    (MagicMock, ["trigger", "delete", "may_delete", "is_DELETED"]),
]


@BOTH
@pytest.mark.parametrize(("make", "names"), TAKEN)
def test_a_model_with_an_attribute_called_like_a_method_of_the_machine_is_refused(machine, make, names):
    model, good = make(), Plain()
    before = dict(vars(model))
    with pytest.raises(
        InvalidValue, match=r"give it an OrderMachine as an attribute, or .* model_override=True"
    ) as caught:
        machine([good, model])
    assert all(name in str(caught.value) for name in names)
    assert vars(model) == before
    assert vars(good) == {}


@BOTH
@pytest.mark.parametrize("make", [Row, Inheriting, Plain, with_attribute, lambda: mapped(delete=lambda _: "gone")])
def test_model_override_lets_the_machine_replace_them(machine, make):
    model = make()
    machine(model, model_override=True)
    obeys(model)


def test_a_model_with_an_order_as_an_attribute_keeps_its_own_methods():
    row = Row()
    row.order = OrderMachine(initial=State.ISSUED)
    with pytest.raises(OrderStateError):
        row.order.delete()
    assert row.delete() == "gone"


# -- equal models ----------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("make", [Data, Attrs, EqualToAll])
def test_equal_models_are_held_each_for_itself(machine, make):
    first, second, third = make(), make(), make()
    holder = machine([first, second])
    holder.add_model(third, State.ISSUED)
    assert [id(model) for model in holder.models] == [id(first), id(second), id(third)]
    answer(second.cancel())
    states = [model.state for model in (first, second, third)]
    assert states == [State.PENDING_REVIEW, State.PENDING_APPLICATION, State.ISSUED]
    holder.remove_model(second)
    assert [id(model) for model in holder.models] == [id(first), id(third)]
    with pytest.raises(ValueError, match="is not in list"):
        holder.remove_model(second)


@BOTH
def test_a_model_that_is_given_twice_is_held_once_and_not_added_again(machine):
    model = Plain()
    holder = machine([model, model])
    assert holder.models == [model]
    with pytest.raises(InvalidValue, match="of its own or from a machine"):
        holder.add_model(model, State.ISSUED)
    assert model.state is State.PENDING_REVIEW


def test_a_locked_machine_gives_a_model_that_is_given_twice_one_lock():
    class Locked(OrderMachine, LockedMachine):
        pass

    model = Plain()
    Locked([model, model])
    assert model.cancel()


# -- what is no model ------------------------------------------------------------------------------------------------


@attrs.define
class Slots:
    state: State = State.ISSUED


@attrs.frozen
class Frozen:
    id: int = 0


@dataclass(frozen=True)
class FrozenData:
    id: int = 0


class Some(NamedTuple):
    id: int = 0


class SomeSlots:
    __slots__ = ("cancel", "may_trigger", "state", "trigger")


class Deaf:
    def __setattr__(self, name, value):
        pass


class Forgetful:
    """It keeps another state than it is given."""

    @property
    def state(self):
        return State.ISSUED

    @state.setter
    def state(self, state):
        pass


class ReadOnly:
    @property
    def state(self):
        return State.ISSUED


class Hidden:
    """A property whose value is not seen: pytransitions would set it."""

    @property
    def delete(self):
        return None

    @delete.setter
    def delete(self, value):
        pass


def validated(**config):
    """A pydantic model, as it is or frozen."""
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")
    return pydantic.create_model("Validated", __config__=config, id=(int, 0))()


class LikePydantic:
    """What a pydantic model does with attributes that it does not know."""

    def __setattr__(self, name, value):
        raise ValueError(f'1 validation error for LikePydantic\n  object has no field "{name}"')


UNFIT = [
    Slots,
    Frozen,
    FrozenData,
    SomeSlots,
    Deaf,
    Forgetful,
    ReadOnly,
    Hidden,
    LikePydantic,
    validated,
    lambda: validated(frozen=True),
    lambda: 7,
    lambda: {"state": "issued"},
    lambda: (Some(),),
]


@BOTH
@pytest.mark.parametrize("make", UNFIT)
def test_a_model_that_does_not_take_the_machines_methods_or_its_state_is_refused_and_left_alone(machine, make):
    model = make()
    before = {name: getattr(model, name) for name in ("state", "id") if hasattr(model, name)}
    with pytest.raises(
        InvalidValue, match=r"takes new attributes, its state among them.* an OrderMachine as an attribute"
    ):
        machine(model)
    holder, good = machine([]), Plain()
    with pytest.raises(InvalidValue):
        holder.add_model([good, *(model if isinstance(model, tuple) else [model])])
    assert holder.models == []
    assert {name: getattr(model, name) for name in ("state", "id") if hasattr(model, name)} == before
    for each in (model, good):
        assert not any(
            getattr(each, name, None) for name in ("trigger", "cancel", "delete", "may_delete", "is_DELETED")
        )


class Other(Enum):
    ONE = 1


@BOTH
@pytest.mark.parametrize("model", [State.ISSUED, "issued", State, Other.ONE, Plain, [State.ISSUED]])
def test_a_state_or_a_class_is_no_model(machine, model):
    with pytest.raises(InvalidValue, match="a state is given as initial="):
        machine(model)
    for each in (State.ISSUED, Plain, Other.ONE):
        assert not hasattr(each, "cancel")
        assert not hasattr(each, "state")


def test_a_falsy_model_is_a_model_and_an_empty_list_is_none():
    model = Empty()
    assert OrderMachine(model).models == [model]
    assert OrderMachine([]).models == []


@BOTH
def test_a_model_without_a_state_to_begin_in_is_refused(machine):
    with pytest.raises(InvalidValue, match="state None"):
        machine(initial=None)
    with pytest.raises(InvalidValue, match="state 'new'"):
        machine().add_model(Plain(), "new")
