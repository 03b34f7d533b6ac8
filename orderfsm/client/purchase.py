"""Buying an instance by the billing API, and never twice: it is paid at once."""

from __future__ import annotations

import uuid
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from orderfsm.clocks import wall
from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.trace import Outcome

from .arguments import id_of
from .backoff import RETRIES, backoff
from .connection import Connection
from .errors import OutcomeUnknown, UnreadableAnswer, naming, refused_by_service
from .lost_create import earliest
from .observation import meaning, word_in
from .preflight import TABLES
from .roles import roles
from .sdk import Answer, Listed, RuntimeOptions, id_field, method_name
from .steps import Process, Send, run, run_async

with needs("client"):
    from Tea.exceptions import TeaException

if TYPE_CHECKING:
    from collections.abc import Collection

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation

    from .preflight import Preflight


def purchase(client: Any, buyer: Any, request: Any, *, lifecycle: Lifecycle | None = None) -> Id:
    """Buy what the SDK's `request` asks for, and give the id of the new instance, of which `client` knows from then on.

    `buyer` is a client of the official SDK of the billing API (`alibabacloud_bssopenapi20171214`), `request` its
    `CreateInstanceRequest`; `client` is a client of the certificates' SDK, guarded or not. The request gets a
    `client_token` if it has none, as a copy: with the same token the service buys no second time, so a purchase whose
    answer was lost is sent again, up to three times. If it stays lost, or if the SDK knows no token, nothing is sent
    again, and the list is asked for what may have been bought: `OutcomeUnknown`, whose `candidates` these are.

    Raises the SDK's exception for a purchase that is refused, also one that is answered with 200 and no success, and
    `InvalidValue` if `buyer` sells nothing that begins an order of the table `lifecycle` (None: instances).
    """
    buying = _Buying(client, buyer, lifecycle)
    return run(buying.process(request), buying.perform)


async def purchase_async(client: Any, buyer: Any, request: Any, *, lifecycle: Lifecycle | None = None) -> Id:
    """`purchase` with the SDKs' asynchronous methods."""
    buying = _Buying(client, buyer, lifecycle)
    return await run_async(buying.process(request), buying.perform_async)


class _Buying:
    """A purchase: the connections by which it is made, and by which instances are listed."""

    def __init__(self, client: Any, buyer: Any, lifecycle: Lifecycle | None) -> None:
        self._connection = Connection.of(client, lifecycle=TABLES[-1] if lifecycle is None else lifecycle)
        self._preflight: Preflight = self._connection.preflight
        self._lifecycle = self._preflight.lifecycle
        begin = self._lifecycle.creates
        sold = [each for each in begin if hasattr(buyer, f"{method_name(each)}_with_options_async")]
        if not sold:
            accepted = (
                f"a client of the SDK that has {' or '.join(sorted(begin))}, as alibabacloud_bssopenapi20171214 has"
            )
            raise InvalidValue("buyer", buyer, [accepted])
        self._operation: Operation = sold[0]
        self._buyer = Connection(buyer, type(buyer), self._preflight, RuntimeOptions())

    def _through(self, step: Any) -> Connection:
        return self._buyer if isinstance(step, Send) and step.operation == self._operation else self._connection

    def perform(self, step: Any) -> Any:
        """What a step comes to."""
        return self._through(step).perform(step)

    async def perform_async(self, step: Any) -> Any:
        """The same, asynchronously."""
        return await self._through(step).perform_async(step)

    def process(self, request: Any) -> Process[Id]:
        if not hasattr(request, "__dict__"):
            raise InvalidValue("request", request, [f"the SDK's request for {self._operation}"])
        asked = copy(request)
        tokens = hasattr(asked, "client_token")
        if tokens and not asked.client_token:
            asked.client_token = uuid.uuid4().hex
        sent, error = wall(), None
        with naming(None, self._lifecycle.noun):
            for attempt in range(1, 1 + (1 + RETRIES if tokens else 1)):
                answer = self._read((yield Send(self._operation, asked)))
                if answer.outcome is Outcome.ACCEPTED:
                    bought = id_of(answer.response.body.data.instance_id, self._lifecycle)
                    self._preflight.memory.created(bought)
                    return bought
                error = cast("Exception", answer.error)
                if answer.outcome is Outcome.REFUSED:
                    raise refused_by_service(error, self._lifecycle, (), self._operation)
                yield backoff(attempt, answer)
            perhaps = yield from self._bought_since(sent)
            raise OutcomeUnknown(self._operation, None, candidates=perhaps) from error

    def _read(self, answer: Answer) -> Answer:
        """What an answer says of the purchase: success may be denied in a body that came with 200."""
        if answer.outcome is not Outcome.ACCEPTED:
            return answer
        body = answer.response.body
        if body.success and getattr(body.data, "instance_id", None) is not None:
            return answer
        code = getattr(body, "code", None)
        if body.success is False and code:
            said = {"code": code, "message": body.message, "data": {"statusCode": answer.response.status_code}}
            error = TeaException(said)  # type: ignore[no-untyped-call]
            return cast("Answer", Answer.of_error(error, self._lifecycle))
        unreadable = UnreadableAnswer(self._operation, "it has no success and no instance")
        return Answer(Outcome.UNKNOWN, error=unreadable, lifecycle=self._lifecycle)

    def _bought_since(self, sent: float) -> Process[Collection[Id]]:
        """The ids of the listed instances that may have been bought since then, and that nobody here knows."""
        rows = yield from self._preflight.reading.orders()
        if rows is None or isinstance(rows, Answer):
            return ()
        listing, named = cast("Operation", roles(self._lifecycle).lists), id_field(self._lifecycle)
        since = earliest(sent, self._preflight.reading.headers, wall())
        begins = {row.target for row in self._lifecycle.transitions if row.trigger == self._operation}
        later = {after for state in begins for after in self._lifecycle.reachable(state)}
        return [
            getattr(row, named)
            for row in rows
            if ((date := Listed.of(row).date) is None or date >= since)
            and meaning(listing, word_in(listing, row, self._lifecycle), self._lifecycle) & later
            and not self._preflight.memory.has_met(getattr(row, named))
        ]
