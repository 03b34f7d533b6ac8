"""What is wrong with what was given: a value, a table, a goal. These errors name nobody, so that all can raise them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum


class OrderFSMError(Exception):
    """The base class of every error that orderfsm itself raises."""

    order_id: int | str | None = None
    """The order that it is about, where whoever raised it said so; an attribute of the instance, which pickle keeps."""

    noun: str = "order"
    """What the order is called; as `order_id`."""

    @property
    def _about(self) -> str:
        """What its text begins with: the order that it is about."""
        return "" if self.order_id is None else f"{self.noun} {self.order_id}: "


class InvalidValue(OrderFSMError, ValueError):
    """A value that means nothing here: a misspelt name, a member of the wrong enum, an order id out of range.

    It is never an answer to a question: "not a state" is not "illegal in that state". Made as
    `InvalidValue(kind, value, accepted[, close])`: `kind` says what was expected ("state", "order id"), `value` is what
    was given, `accepted` lists what is accepted, and `close` may have been meant, for the message.
    """

    def __init__(self, kind: str, value: object, accepted: Iterable[str | None], close: str = "") -> None:
        super().__init__(kind, value, tuple(accepted), close)

    @property
    def value(self) -> object:
        """What was given."""
        return self.args[1]

    @property
    def accepted(self) -> tuple[str | None, ...]:
        """What would have been accepted."""
        return self.args[2]  # type: ignore[no-any-return]

    def __str__(self) -> str:
        try:
            shown = repr(self.value)
        except Exception:  # noqa: BLE001  # a value that cannot even be shown, as an int of 5,000 digits
            shown = f"of type {type(self.value).__name__}"
        shown = shown if len(shown) <= 200 else f"{shown[:120]}...{shown[-77:]}"  # the end of a path is its name
        close = f"; did you mean {self.args[3]}?" if self.args[3] else ""
        return f"{self.args[0]} {shown}: expected {', '.join(map(str, self.accepted))}{close}"


class InvalidLifecycle(OrderFSMError, ValueError):
    """An inconsistent table; `problems` says why, one sentence each."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong with the table."""
        return self.args

    def __str__(self) -> str:
        return "; ".join(self.problems)


class Unreachable(OrderFSMError):
    """No path leads from `state` to `goal`.

    Made as `Unreachable(state, goal[, means[, nothing]])`: for the message, `means` says by what steps ("operations
    alone"), and `nothing` what no order is called. State and goal may be frozensets: no path leads from any of `states`
    to any of `goals`.
    """

    def __init__(
        self,
        state: StrEnum | frozenset[StrEnum | None] | None,
        goal: StrEnum | frozenset[StrEnum | None] | None,
        means: str = "operations or events",
        nothing: str = "no order",
    ) -> None:
        super().__init__(state, goal, means, nothing)

    @property
    def states(self) -> frozenset[StrEnum | None]:
        """The states that the order may be in, None among them for no order."""
        return _set(self.args[0])

    @property
    def goals(self) -> frozenset[StrEnum | None]:
        """The states of which it should have reached one."""
        return _set(self.args[1])

    @property
    def state(self) -> StrEnum | None:
        """The state of the order; None if there is no order, or if several states are possible."""
        return _only(self.states)

    @property
    def goal(self) -> StrEnum | None:
        """The state that it should have reached; None if there are several."""
        return _only(self.goals)

    def __str__(self) -> str:
        start, goal = (
            " or ".join(sorted(state or self.args[3] for state in each)) for each in (self.states, self.goals)
        )
        return f"{self._about}{goal} cannot be reached from {start} by {self.args[2]}"


def _set(one_or_more: StrEnum | frozenset[StrEnum | None] | None) -> frozenset[StrEnum | None]:
    return one_or_more if isinstance(one_or_more, frozenset) else frozenset([one_or_more])


def _only(states: frozenset[StrEnum | None]) -> StrEnum | None:
    return next(iter(states)) if len(states) == 1 else None
