"""A service for V2.0 instances that obeys the table and nothing else, and a client of the official SDK that calls it.

What the table leaves open is the test's to choose: the words of a state that has several, what a silent pair comes to,
how far the words lag behind, and what happens before each call.
"""

from __future__ import annotations

from types import SimpleNamespace

from alibabacloud_cas20200407.client import Client
from alibabacloud_tea_openapi.models import Config
from Tea.exceptions import TeaException, UnretryableException

from orderfsm import Actor, OrderFSMError
from orderfsm.client import guard, sdk
from orderfsm.errors import ServiceError
from orderfsm.tables.instances import LIFECYCLE, Operation, State

RULED = [
    Operation.UPDATE,
    Operation.APPLY,
    Operation.CANCEL,
    Operation.REVOKE,
    Operation.REFUND,
    Operation.DELETE,
]
COMPLETIONS = {rule.follows: rule.trigger for rule in LIFECYCLE.triggers if rule.follows is not None}


class Cloud:
    """The service: the state of each instance, and what was sent to it."""

    def __init__(self):
        self.states = {}
        self._due = {}
        self.shown = {}  # the words that are read, where the test chooses them
        self.details = {}
        self.sent = []
        self.before_call = lambda _operation, _name: None
        self.accepts_silent = True
        self.lose = []  # operations of which the next answer is lost, after the call was carried out
        self.lose_before = []  # and before it
        self.fails = {}
        self.completes_after = None  # this many reads after a call the service completes what is under way

    def put(self, state, **details):
        """The id of a new instance in `state`."""
        name = LIFECYCLE.identity.new(68_000_000 + len(self.states))
        self.states[name] = None if state is None else State(state)
        self.details[name] = details
        return name

    def client(self, **settings):
        """A guarded client of the SDK."""
        return guard(self.bare(), **settings)

    def bare(self):
        """A client of the SDK that is not guarded."""
        return CloudClient(self)

    def calls(self):
        """What was sent, without reads."""
        return [operation for operation in self.sent if operation in RULED]

    def happen(self, name, event):
        """An event happens to the instance."""
        self.states[name] = LIFECYCLE.check(self.states[name], event)

    def words(self, name):
        """The words of the instance: those that the test chose, or the first that the table has."""
        if name in self.shown:
            return self.shown[name]
        rule = LIFECYCLE.state_rules[self.states[name]]
        first = [next(iter(rule.readings(at)), None) or None for at in range(2)]
        return dict(zip(("status", "certificate_status"), first, strict=True))

    def answer(self, operation, request):
        """What a call of the SDK returns or raises."""
        name = getattr(request, "instance_id", None)
        self.before_call(operation, name)
        self.sent.append(operation)
        if operation in self.fails:
            raise error_of(self.fails[operation])
        if operation in self.lose_before:
            self.lose_before.remove(operation)
            raise UnretryableException(None, RuntimeError("lost"))
        body = self._listed() if operation == Operation.LIST else self._carried_out(operation, name, request)
        if operation in self.lose:
            self.lose.remove(operation)
            raise UnretryableException(None, RuntimeError("lost"))
        return sdk.response(operation, **body)

    def _listed(self):
        there = [name for name, state in self.states.items() if state not in LIFECYCLE.gone]
        rows = [SimpleNamespace(**({"instance_id": name} | self.words(name) | self.details[name])) for name in there]
        return {"instance_list": rows, "total_count": len(rows)}

    def _carried_out(self, operation, name, request):
        state = self.states.get(name)
        if LIFECYCLE.is_silent(state, operation):
            if not self.accepts_silent:
                raise error_of(LIFECYCLE.refusal(state, operation).error)
            return {}
        try:
            row = LIFECYCLE.service_transition(state, operation)
        except ServiceError as error:
            raise error_of(type(error)) from None
        if operation == Operation.UPDATE:
            fields = {key: value for key, value in vars(request).items() if value is not None}
            self.details[name] = self.details[name] | fields
        self.states[name] = row.target
        if operation in COMPLETIONS and self.completes_after is not None:
            self._due[name] = self.completes_after, COMPLETIONS[operation]
        if operation != Operation.GET:
            return {}
        body = {"instance_id": name} | self.details[name] | self.words(name)
        self._complete(name)
        return body

    def _complete(self, name):
        left, event = self._due.get(name, (0, None))
        if event is None:
            return
        self._due[name] = left - 1, event
        if left <= 1:
            del self._due[name]
            if LIFECYCLE.can(self.states[name], event):
                self.happen(name, event)


class CloudClient(Client):
    """A client of the official SDK whose calls arrive at a `Cloud`."""

    def __init__(self, cloud):
        super().__init__(Config(endpoint="127.0.0.1:1", access_key_id="a", access_key_secret="b"))
        self.cloud = cloud


def _method(operation):
    def call(self, request, _runtime):
        return self.cloud.answer(operation, request)

    async def call_async(self, request, _runtime):
        return self.cloud.answer(operation, request)

    return call, call_async


for _operation in LIFECYCLE.operations:
    if sdk.offers(Client, _operation):
        _name = f"{sdk.method_name(_operation)}_with_options"
        _call, _call_async = _method(_operation)
        setattr(CloudClient, _name, _call)
        setattr(CloudClient, f"{_name}_async", _call_async)


def error_of(error):
    """The SDK's exception for an error of the table."""
    return TeaException({"code": error.code, "message": error.text, "data": {"statusCode": error.http_status}})


def call(client, operation, name, **fields):
    """Call `operation` on an instance, by the SDK's method and model for it."""
    return getattr(client, sdk.method_name(operation))(sdk.request(operation, instance_id=name, **fields))


async def call_async(client, operation, name, **fields):
    """The same by the asynchronous method."""
    method = getattr(client, f"{sdk.method_name(operation)}_async")
    return await method(sdk.request(operation, instance_id=name, **fields))


def by_others(state):
    """The rows by which others than a client move an instance from `state`."""
    return [row for row in LIFECYCLE.outgoing(state) if LIFECYCLE.actor(row) is not Actor.CLIENT]


def raised_or_returned(called, *arguments):
    """What a call returns, or the error of ours or of the SDK that it raises."""
    try:
        return called(*arguments)
    except (OrderFSMError, TeaException) as error:
        return error
