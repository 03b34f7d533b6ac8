"""The readers of the API, as processes (see `steps`): one order, its entry in the list, and the whole list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.tables.orders import Operation
from orderfsm.trace import Outcome

from .backoff import RETRIES, backoff
from .errors import refused_by_service
from .observation import meaning, meaning_of, perhaps_never_there
from .sdk import Answer, request
from .steps import Process, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State

    from .creates import Creates
    from .memory import Memory
    from .observation import Observation

PAGE = 50
"""Orders on a page of the list: the documented default."""


@attrs.define(eq=False)
class Reading:
    """Reads orders. What a read means follows from the table, and from the `memory` and the `creates` of the client.

    `headers` are the HTTP headers of the last page of the list.
    """

    lifecycle: Lifecycle
    memory: Memory
    creates: Creates
    headers: Mapping[str, str] = attrs.field(factory=dict, init=False)

    def read(self, order_id: int | str, *, lenient: bool = False) -> Process[tuple[Observation, Answer]]:
        """One DescribeCertificateState: what was observed, and what the call came to. For `lenient` see `Send`."""
        answer = yield Send(Operation.DESCRIBE, request(Operation.DESCRIBE, order_id=order_id), lenient)
        return self.saw(order_id, answer), answer

    def saw(self, order_id: int | str, answer: Answer) -> Observation:
        """The observation that the answer to a DescribeCertificateState is."""
        body = answer.response.body if answer.outcome is Outcome.ACCEPTED else None
        if body is not None:
            self.memory.met(order_id)
        just_created, met = self.creates.just_created(order_id), self.memory.has_met(order_id)
        states = meaning_of(answer, self.lifecycle, just_created=just_created, met=met)
        word = answer.code if body is None else body.type
        return self.memory.observation(order_id, states, word, body=body, error=answer.error)

    def saw_response(self, operation: Operation, request: Any, response: Any) -> None:
        """Take note of what a caller's own read was answered, if that can be read."""
        answer = Answer.of_response(operation, response)
        if answer.outcome is not Outcome.ACCEPTED:
            return
        if operation is Operation.DESCRIBE:
            self.saw(request.order_id, answer)
        for row in getattr(response.body, "certificate_order_list", None) or ():
            self.memory.met(row.order_id)

    def existing(self, observation: Observation) -> Observation:
        """`observation`, unless it says that there is no such order, and none was met: then `NotFoundOrder`."""
        if perhaps_never_there(observation.states, self.lifecycle) and observation.error is not None:
            raise refused_by_service(observation.error, self.lifecycle, (), Operation.DESCRIBE)
        return observation

    def read_until(
        self, order_id: int | str, suffices: Callable[[frozenset[State | None]], bool]
    ) -> Process[Observation]:
        """Read the order until what its states may be `suffices`, a bounded number of times; the last observation.

        Where one word of DescribeCertificateState means too many states, the list of orders may have another.
        """
        observation, answer = yield from self.read(order_id)
        for attempt in range(1, RETRIES + 1):
            if suffices(observation.states):
                return observation
            if not answer.passing and not answer.not_found:
                listed = yield from self.listed(observation)
                if suffices(listed.states) or answer.outcome is Outcome.REFUSED:
                    return listed
            yield backoff(attempt, answer)
            observation, answer = yield from self.read(order_id)
        return observation

    def listed(self, observation: Observation) -> Process[Observation]:
        """`observation`, narrowed by the `Status` that the list has for the order, if it is there."""
        row = yield from self.row(observation.order_id)
        if row is None:
            return observation
        self.memory.met(observation.order_id)
        states = meaning(Operation.LIST, row.status, self.lifecycle)
        both = observation.states & states
        return self.memory.observation(observation.order_id, both or states, row.status, body=observation.body)

    def row(self, order_id: int | str) -> Process[Any]:
        """The order's entry in the list; None if it is not there, or if the list cannot be read."""
        rows = yield from self.orders(until=lambda row: str(row.order_id) == str(order_id))
        found = [] if isinstance(rows, Answer) else rows
        return next((row for row in found if str(row.order_id) == str(order_id)), None)

    def orders(
        self, status: str | None = None, until: Callable[[Any], bool] = lambda _: False
    ) -> Process[list[Any] | Answer]:
        """The entries of the list, page by page up to one that `until` wants; or the answer with which a page failed.

        With `status`, those of that status alone.
        """
        found: list[Any] = []
        page = 0
        while True:
            page += 1
            answer = yield from self.page(page, status)
            if answer.outcome is not Outcome.ACCEPTED:
                return answer
            body = answer.response.body
            rows = body.certificate_order_list or []
            found += rows
            if not rows or page * PAGE >= (body.total_count or 0) or any(map(until, rows)):
                return found

    def page(self, number: int, status: str | None = None) -> Process[Answer]:
        """The answer to one page of the list, asked again a bounded number of times while it is lost or throttled."""
        asked = request(Operation.LIST, current_page=number, show_size=PAGE, status=status)
        answer: Answer = yield Send(Operation.LIST, asked)
        for attempt in range(1, RETRIES + 1):
            if not answer.passing:
                break
            yield backoff(attempt, answer)
            answer = yield Send(Operation.LIST, asked)
        if answer.outcome is Outcome.ACCEPTED:
            self.headers = answer.response.headers or {}
        return answer
