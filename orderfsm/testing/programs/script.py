"""Counterexamples as Python programs that anybody can run.

Against a server with URLs, it needs the official SDK and nothing of this project; else it drives the same driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.api import PURCHASES, VERSION
from orderfsm.testing.drivers.instances import parameters, purchase
from orderfsm.testing.drivers.orders import application, list_parameters
from orderfsm.testing.model.roles import roles
from orderfsm.testing.model.steps import (
    Ask,
    Buy,
    Call,
    Create,
    Happen,
    Observe,
    Place,
    ReadAccount,
    ReadCertificate,
    ReadList,
    ReadQuota,
    Wait,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, Trigger
    from orderfsm.testing.drivers.driver import Driver
    from orderfsm.testing.model.failure import Failure
    from orderfsm.testing.model.steps import Step

_OVER_HTTP = '''\
import json
import os
import time
import urllib.error
import urllib.request

from alibabacloud_cas20200407 import models
from alibabacloud_cas20200407.client import Client
from alibabacloud_tea_openapi import models as openapi
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions
from Tea.exceptions import TeaException

API, CONTROL, PRODUCTS = {api!r}, {control!r}, {products!r}
key_id, _, secret = os.environ.get("ORDERFSM_ACCESS_KEYS", "test:test").split(",")[0].partition(":")
scheme, _, host = API.partition("://")
if scheme == "http":  # the SDK would ask a proxy, even for a server of this machine
    os.environ = {{name: value for name, value in os.environ.items() if name.lower() != "http_proxy"}}
client = Client(Config(access_key_id=key_id, access_key_secret=secret, protocol=scheme, endpoint=host))


def call(method, model, **parameters):
    """Make a call with the official SDK, and print the answer."""
    try:
        body = getattr(client, method)(getattr(models, model + "Request")(**parameters)).body.to_map()
    except TeaException as error:
        print(f"{{method}}({{parameters}}): {{error.code}} (HTTP {{error.statusCode}})")
        return {{}}
    print(f"{{method}}({{parameters}}): {{body}}")
    return body


def ask(action, version, **parameters):
    """Send any request with the official SDK, and print the answer."""
    params = openapi.Params(action, version, "HTTPS", "/", "POST", "AK", "json", "formData", "RPC")
    try:
        body = client.call_api(params, openapi.OpenApiRequest(query=parameters), RuntimeOptions())["body"]
    except TeaException as error:
        print(f"{{action}}({{parameters}}): {{error.code}} (HTTP {{error.statusCode}})")
        return {{}}
    print(f"{{action}}({{parameters}}): {{body}}")
    return body


def control(method, path, document=None):
    """Make a request of the control port, and print the answer."""
    data = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(CONTROL + path, data, {{"Content-Type": "application/json"}}, method=method)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request) as response:
            answer = response.read().decode()
    except urllib.error.HTTPError as error:
        answer = f"HTTP {{error.code}} {{error.read().decode()}}"
    print(f"{{method}} {{path}} {{document or ''}}: {{answer}}")
    return answer

'''

_INSTANCES_OVER_HTTP = '''
def wait(seconds):
    """Let the service complete something."""
    time.sleep(seconds)


def placed(state, domain):
    """The id of a new instance in a state."""
    return json.loads(control("POST", "/instances", {"State": state, "Domain": domain}))["InstanceId"]


def bought(version, **parameters):
    """The id of an instance that is bought."""
    return (ask("CreateInstance", version, **parameters).get("Data") or {}).get("InstanceId")


def certificate(instance):
    """Download the certificate of an instance."""
    issued = ask("GetInstanceDetail", "2020-04-07", InstanceId=instance).get("CertificateId")
    ask("GetUserCertificateDetail", "2020-04-07", CertId=issued)

'''

_WITH_DRIVER = """\
{enums}{imports}from {module} import {name}

driver = {made}  # as your test makes it
"""
_MADE = {
    "ServiceDriver": ("from orderfsm.mock import Service\n", "ServiceDriver(Service())"),
    "MachineDriver": ("from orderfsm.machine import OrderMachine\n", "MachineDriver(OrderMachine)"),
}


def script(driver: Driver, units: int | None, failure: Failure, lifecycle: Lifecycle) -> str:
    """A program that does what was done, prints each answer, and says what was expected of the last."""
    steps = [each.step for each in failure.done]
    api = getattr(driver, "api_url", None)
    if api is None:
        lines = _with_driver(driver, steps, units, lifecycle)
    elif lifecycle.identity.is_text:
        lines = _instances_over_http(driver, failure, lifecycle)
    else:
        lines = _over_http(driver, steps, units)
    end = f'print("expected of the last answer: " + {failure.expected!r})'
    return "\n".join([f'"""{failure}."""', "", *lines, end, ""])


def _over_http(driver: Driver, steps: list[Step], units: int | None) -> Iterator[str]:
    control = getattr(driver, "control_url", None)
    products = tuple(getattr(driver, "products", ()))[: max(getattr(step, "package", 1) for step in steps)]
    yield _OVER_HTTP.format(api=getattr(driver, "api_url", None), control=control, products=products)
    if control is not None:
        yield 'control("POST", "/reset")'
        if units is not None:
            yield f'for product in PRODUCTS:\n    control("PUT", f"/packages/{{product}}", {{"TotalCount": {units}}})'
    domains = {s.order: application(s.operation, s.order).get("Domain", "") for s in steps if isinstance(s, Create)}
    for step in steps:
        yield _control_request(step, has_control=control is not None) or _sdk_call(step, domains)


def _instances_over_http(driver: Driver, failure: Failure, lifecycle: Lifecycle) -> Iterator[str]:
    """The same of instances: every call by its parameters, so that any version of the SDK makes it."""
    control = getattr(driver, "control_url", None)
    yield _OVER_HTTP.format(api=getattr(driver, "api_url", None), control=control, products=())
    yield _INSTANCES_OVER_HTTP
    if control is not None:
        yield 'control("POST", "/reset")'
        yield f'control("PUT", "/completions", {{"Mode": {"clock" if failure.by_the_clock else "manual"!r}}})'
    for each in failure.done:
        yield _instance_step(each.step, lifecycle, has_control=control is not None)


def _instance_step(  # noqa: C901, PLR0911  # a case for each kind of step
    step: Step, lifecycle: Lifecycle, *, has_control: bool
) -> str:
    """A step on instances as calls of the script."""
    read = roles(lifecycle).read
    lists = roles(lifecycle).lists
    assert read is not None

    def of(order: int | str) -> str:
        return f"instance_{order}" if isinstance(order, int) else repr(order)

    def asked(operation: Trigger, order: int | str) -> str:
        given = parameters(operation, "", f"instance-{order}.example.com")
        named, *data = given.items()
        shown = "".join(f", {name!r}: {value!r}" for name, value in data)
        return f"ask({str(operation)!r}, {VERSION!r}, **{{{named[0]!r}: {of(order)}{shown}}})"

    match step:
        case Create(_, order) if has_control:
            return f'instance_{order} = placed("settling", "instance-{order}.example.com")'
        case Place(_, order) if has_control:
            return f'instance_{order} = placed("unused", "instance-{order}.example.com")'
        case Create(operation, order) | Place(operation, order) | Buy(operation, order, None):
            given = purchase(f"token-{order}")
            return f"instance_{order} = bought({PURCHASES[operation]!r}, **{given!r})"
        case Buy(operation, order, again):
            return f"instance_{order} = bought({PURCHASES[operation]!r}, **{purchase(f'token-{again}')!r})"
        case Happen(event, order):
            return f'control("POST", f"/instances/{{{of(order)}}}/events", {{"Event": "{event}"}})'
        case Wait(event, order):
            takes = lifecycle.trigger_rules[event].takes
            longest = 0 if takes is None else takes[1]
            waits = f'control("POST", "/clock", {{"advance": {longest:g}}})' if has_control else f"wait({longest:g})"
            return f"{waits}\n{asked(read, order)}"
        case Observe(order):
            return f'control("GET", f"/instances/{{{of(order)}}}")' if has_control else asked(read, order)
        case Call(operation, order):
            return asked(operation, order)
        case ReadList(_, status, _, page, size, field):
            filters = {} if status is None else {field or lifecycle.vocabularies[0].field: status}
            return f"ask({str(lists)!r}, {VERSION!r}, **{filters | {'CurrentPage': page, 'ShowSize': size}!r})"
        case ReadAccount(operation, order):
            named = "" if order is None else f", {lifecycle.identity.parameter}={of(order)}"
            return f"ask({str(operation)!r}, {VERSION!r}{named})"
        case ReadCertificate(_, order):
            return f"certificate({of(order)})"
        case Ask(_, action, _, _, given, version):
            return f"ask({str(action)!r}, {version!r}, **{dict(given)!r})"
    raise InvalidValue("step", step, ["a step on instances"])


def _control_request(step: Step, *, has_control: bool) -> str | None:
    """The request of the control port that a step is; None if it is a call."""
    match step:
        case Happen(event, order):
            return f'control("POST", f"/orders/{{{_variable(order)}}}/events", {{"Event": "{event}"}})'
        case Observe(order) if has_control:
            return f'control("GET", f"/orders/{{order_{order}}}")'
    return None


def _sdk_call(step: Step, domains: Mapping[int, str]) -> str:
    """The call of the SDK that a step is; `domains` are those of the orders."""
    match step:
        case Create(operation, order, package):
            made = _called(operation, f"product_code=PRODUCTS[{package - 1}]", **application(operation, order))
            return f"order_{order} = {made}{_ID}"
        case Call(operation, order, begins):
            made = _called(operation, f"order_id={_variable(order)}")
            return made if begins is None else f"order_{begins} = {made}{_ID}"
        case ReadList(operation, status, like, page, size):
            keyword = None if like is None else domains[like]
            return _called(operation, **list_parameters(status, keyword, page, size))
        case ReadQuota(operation, package):
            return _called(operation, f"product_code=PRODUCTS[{package - 1}]")
        case Ask(_, action, _, _, parameters, version):
            return f"ask({str(action)!r}, {version!r}, **{dict(parameters)!r})"
    read = roles(ORDER_LIFECYCLE).read
    assert read is not None
    return _called(read, f"order_id=order_{step.order}")


_ID = '.get("OrderId")'


def _called(operation: Operation, *arguments: str, **fields: object) -> str:
    """A call of the script's `call`, with `fields` by the API's names."""
    from orderfsm.client.sdk import method_name

    given = [f"{method_name(name)}={value!r}" for name, value in fields.items()]
    return f"call({', '.join([repr(method_name(operation)), repr(str(operation)), *arguments, *given])})"


def _with_driver(driver: Driver, steps: list[Step], units: int | None, lifecycle: Lifecycle) -> Iterator[str]:
    name = type(driver).__name__
    own = f"{name}()" if type(driver).__repr__ is object.__repr__ else repr(driver)
    imports, made = _MADE.get(name, ("", own)) if lifecycle.name == ORDER_LIFECYCLE.name else ("", own)
    home = "orderfsm.testing" if name in _MADE else type(driver).__module__
    enums: dict[str, set[str]] = {}
    for enum in map(type, lifecycle.trigger_rules):
        enums.setdefault(enum.__module__, set()).add(enum.__name__)
    named = "".join(f"from {module} import {', '.join(sorted(enums[module]))}\n" for module in sorted(enums))
    yield _WITH_DRIVER.format(enums=named, imports=imports, module=home, name=name, made=made)
    if callable(getattr(driver, "reset", None)):
        yield f"driver.reset({units!r})"
    for step in steps:
        yield _driver_step(step, lifecycle.noun.replace(" ", "_"))


def _driver_step(step: Step, noun: str) -> str:  # noqa: C901  # a case for each kind of step
    match step:
        case Create(operation, order, package):
            given = f"{_member(operation)}{_argument(package)}"
            return f"{noun}_{order} = driver.create({given}).order_id"
        case Call(operation, order, flawed=True):
            return f"print(driver.flawed({_member(operation)}, {_variable(order, noun)}))"
        case Call(operation, order, begins):
            made = f"driver.call({_member(operation)}, {_variable(order, noun)})"
            return f"print({made})" if begins is None else f"print(answer := {made})\n{noun}_{begins} = answer.order_id"
        case Happen(event, order):
            done = f"happen({_variable(order, noun)}, {_member(event)})"
        case Observe(order) | Wait(_, order):
            done = f"observe({noun}_{order})"
        case Buy(operation, order, again):
            given = f"{_member(operation)}{'' if again is None else f', {noun}_{again}'}"
            return f"print(answer := driver.buy({given}))\n{noun}_{order} = answer.order_id"
        case Place(operation, order):
            return f"{noun}_{order} = driver.place({_member(operation)}).order_id"
        case ReadList(_, status, _, page, size, field):
            filtered = "" if field is None else f", field={field!r}"
            done = f"orders(status={status!r}, page={page}, size={size}{filtered})"
        case ReadAccount(operation, order):
            done = f"read({_member(operation)}{'' if order is None else f', {noun}_{order}'})"
        case ReadCertificate(_, order):
            done = f"certificate({noun}_{order}_certificate)"
        case Ask(_, action, _, _, parameters, version):
            done = f"request({str(action)!r}, {dict(parameters)!r}, version={version!r})"
        case ReadQuota(_, package):
            done = f"quota({_argument(package).removeprefix(', ')})"
    return f"print(driver.{done})"


def _member(trigger: Trigger) -> str:
    return f"{type(trigger).__name__}.{trigger.name}"


def _argument(package: int) -> str:
    return "" if package == 1 else f", package={package}"


def _variable(order: int | str, noun: str = ORDER_LIFECYCLE.noun) -> str:
    return f"{noun}_{order}" if isinstance(order, int) else repr(order)
