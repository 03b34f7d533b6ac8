"""The readers of the API, as processes (see `steps`): one order, its entry in the list, and the whole list."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, cast

import attrs

from orderfsm.trace import Outcome

from .backoff import RETRIES, backoff
from .errors import refused_by_service
from .observation import Observation, everything, meaning, perhaps_never_there, word_in
from .roles import roles
from .sdk import Answer, field_name, id_field, request, rows_of
from .steps import Process, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation

    from .memory import Memory

PAGE = 50
"""Orders on a page of the list: the documented default."""


@attrs.define(eq=False)
class Reading:
    """Reads orders. What a read means follows from the table, and from the `memory` of the client.

    `headers` are the HTTP headers of the last page of the list.
    """

    lifecycle: Lifecycle
    memory: Memory
    headers: Mapping[str, str] = attrs.field(factory=dict, init=False)

    def read(self, order_id: int | str, *, lenient: bool = False) -> Process[tuple[Observation, Answer]]:
        """One read of the order: what was observed, and what the call came to. For `lenient` see `Send`."""
        operation = roles(self.lifecycle).read
        answer = yield Send(operation, request(operation, **{id_field(self.lifecycle): order_id}), lenient)
        return self.saw(order_id, answer), answer

    def saw(self, order_id: int | str, answer: Answer) -> Observation:
        """The observation that the answer to a read of one order is.

        Of an order that is new it means nothing that it is not found: the service needs a while to find it. Of one that
        was met before it means that it is deleted; of any other, that it is, or never was.
        """
        body, word, states = None, answer.code, everything(self.lifecycle)
        if answer.outcome is Outcome.ACCEPTED:
            self.memory.met(order_id)
            read, body = roles(self.lifecycle).read, answer.response.body
            word = word_in(read, body, self.lifecycle)
            states = meaning(read, word, self.lifecycle)
        elif answer.not_found and not self.memory.is_new(order_id):
            states = self.lifecycle.gone - ({None} if self.memory.has_met(order_id) else set())
        return self.memory.observation(order_id, states, word, body=body, error=answer.error)

    def saw_response(self, operation: Operation, request: Any, response: Any) -> None:
        """Take note of what a caller's own read was answered, if that can be read."""
        answer = Answer.of_response(operation, response, self.lifecycle)
        if answer.outcome is not Outcome.ACCEPTED:
            return
        its, named = roles(self.lifecycle), id_field(self.lifecycle)
        if operation == its.read:
            self.saw(getattr(request, named), answer)
        elif operation == its.lists:
            for row in rows_of(response.body):
                self.memory.met(getattr(row, named))

    def existing(self, observation: Observation) -> None:
        """Raise `NotFound` if `observation` says that there is no such order, and none was met."""
        if perhaps_never_there(observation.states, self.lifecycle) and observation.error is not None:
            raise refused_by_service(observation.error, self.lifecycle, (), roles(self.lifecycle).read)

    def read_until(
        self, order_id: int | str, suffices: Callable[[Observation], bool], *, changing: bool = False
    ) -> Process[Observation]:
        """Read the order until what is observed `suffices`, a bounded number of times; the last observation.

        Where what it answers means too many states, the list of orders may have another word. If there is none that
        could have, it is read once more only if its words are `changing`.
        """
        observation, answer = yield from self.read(order_id)
        for attempt in range(1, RETRIES + 1):
            if suffices(observation):
                return observation
            if not answer.passing and not answer.not_found:
                more = roles(self.lifecycle).list_tells_more or answer.outcome is Outcome.REFUSED
                listed = (yield from self.listed(observation)) if more else observation
                final = not more and not changing and listed.states != everything(self.lifecycle)
                if suffices(listed) or answer.outcome is Outcome.REFUSED or final:
                    return listed
            yield backoff(attempt, answer)
            observation, answer = yield from self.read(order_id)
        return observation

    def listed(self, observation: Observation) -> Process[Observation]:
        """`observation`, narrowed by what the list says of the state, if it can be read and the order is in it."""
        named = id_field(self.lifecycle)

        def wanted(row: Any) -> bool:
            return str(getattr(row, named)) == str(observation.order_id)

        rows = yield from self.orders(until=wanted)
        row = next(filter(wanted, () if rows is None or isinstance(rows, Answer) else rows), None)
        if row is None:
            return observation
        self.memory.met(observation.order_id)
        listing = cast("Operation", roles(self.lifecycle).lists)
        word = word_in(listing, row, self.lifecycle)
        states = meaning(listing, word, self.lifecycle)
        both = observation.states & states
        return self.memory.observation(observation.order_id, both or states, word, body=observation.body)

    def orders(
        self, status: str | None = None, until: Callable[[Any], bool] = lambda _: False
    ) -> Process[list[Any] | Answer | None]:
        """The entries of the list, page by page up to one that `until` wants; or the answer with which a page failed.

        With `status`, a word for a state, those of that status alone; without what lives by another table. None if the
        API has no list of orders.
        """
        if roles(self.lifecycle).lists is None:
            return None
        found: list[Any] = []
        named, others = id_field(self.lifecycle), self.lifecycle.identity.others
        for page in count(1):
            answer = yield from self.page(page, status)
            if answer.outcome is not Outcome.ACCEPTED:
                return answer
            rows = rows_of(answer.response.body)
            found += [row for row in rows if not str(getattr(row, named)).startswith(others)]
            if not rows or page * PAGE >= (answer.response.body.total_count or 0) or any(map(until, rows)):
                break
        return found

    def page(self, number: int, status: str | None = None) -> Process[Answer]:
        """The answer to one page of the list, asked again a bounded number of times while it is lost or throttled."""
        operation = cast("Operation", roles(self.lifecycle).lists)
        field = field_name(roles(self.lifecycle).fields[operation][0].field)
        asked = request(operation, current_page=number, show_size=PAGE, **{field: status})
        answer: Answer = yield Send(operation, asked)
        for attempt in range(1, RETRIES + 1):
            if not answer.passing:
                break
            yield backoff(attempt, answer)
            answer = yield Send(operation, asked)
        if answer.outcome is Outcome.ACCEPTED:
            self.headers = answer.response.headers or {}
        return answer
