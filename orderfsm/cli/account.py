"""`orderfsm orders`, `orderfsm instances`: what an account has, listed, shown, given up and swept.

The commands are made of a table, `group`; what is called and what is said of it follows from there.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from orderfsm.errors import Refusal
from orderfsm.explanation import explain, listed, with_article
from orderfsm.extras import needs
from orderfsm.identity import MAX_ID
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.tables import instances as _instances
from orderfsm.tables import orders as _orders
from orderfsm.verdict import Verdict

from .choice import STATES, choose, chosen, union
from .printing import DURATION, as_csv, as_json, print_columns, print_json, say
from .progress import bar
from .terminal import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from orderfsm.client import Candidate, SweepReport
    from orderfsm.identity import Identity
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State


def _states(context: click.Context, option: click.Parameter, given: tuple[frozenset[Any], ...]) -> frozenset[Any]:
    """All the states that the option names; not "no order", of which there is nothing to list."""
    states = union(context, option, given)
    if None in states:
        raise InvalidValue("state", "none", filter(None, chosen(context).state_rules))
    return states


_in_states = partial(click.option, "--status", "states", type=STATES, multiple=True, callback=_states)


endpoint_option = click.option(
    "--endpoint", metavar="URL", help="Host or URL of the service, or of a mock; default: the region's own."
)
region_option = click.option("--region", help="Default: cn-hangzhou.")


def _connected(command: Callable[..., int]) -> Callable[..., int]:
    """A command whose first arguments are a client, of the endpoint given to it or to the group, and the table."""

    @endpoint_option
    @region_option
    @click.pass_obj
    @wraps(command)
    def with_client(
        of_the_group: tuple[str | None, str | None], /, endpoint: str | None, region: str | None, **options: Any
    ) -> int:
        with needs("client"):
            from orderfsm.client import guard
            from orderfsm.client.connect import REGION, connect

        client = connect(endpoint or of_the_group[0], region or of_the_group[1] or REGION)
        lifecycle = chosen(click.get_current_context())
        return command(guard(client, lifecycle=lifecycle), lifecycle, **options)

    return with_client


class IdOf(click.ParamType):  # type: ignore[type-arg]
    """The id of an order of a table."""

    def __init__(self, identity: Identity) -> None:
        self.name = identity.words
        self._identity = identity

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if self._identity.is_text:
            return self._identity.check(value)
        return click.IntRange(1, MAX_ID).convert(value, param, ctx)


class Call(NamedTuple):
    """A command that calls one operation: its name, the operation, and what is said of it."""

    name: str
    operation: Operation
    about: str


def group(lifecycle: Lifecycle, about: str, calls: Collection[Call], swept: str, *, dry: bool) -> click.Group:
    """The commands for what an account has of a table: list, show, one for each of `calls`, and sweep.

    With `dry`, the calls are made only with `--yes`, as the sweep is.
    """
    identity = lifecycle.identity
    kind, metavar = IdOf(identity), identity.key.upper()

    class Commands(click.Group):
        def make_context(self, *arguments: Any, **options: Any) -> click.Context:
            context = super().make_context(*arguments, **options)
            choose(context, lifecycle)  # also where a shell asks for its words
            return context

    @click.group(f"{lifecycle.noun}s", cls=Commands, help=f"{about}\n\n{CREDENTIALS}")
    @endpoint_option
    @region_option
    @click.pass_context
    def has(ctx: click.Context, endpoint: str | None, region: str | None) -> None:
        ctx.obj = endpoint, region

    has.command("list", help=f"List the account's {lifecycle.noun}s.")(_copied(_list))
    shown = f"Show {with_article(lifecycle.noun)}: what it was read as, and what is allowed."
    show = click.argument("order_id", metavar=metavar, type=kind)(_copied(_show))
    has.command("show", help=f"{shown} Exit 1 if there is no such {lifecycle.noun}.")(show)
    for each in calls:
        call = partial(_call, each.operation)
        if dry:
            call = click.option("--yes", is_flag=True, help="Do it; without this, say what would become of it.")(call)
        else:
            call = partial(call, yes=True)
        command = click.argument("ids", metavar=f"{metavar}...", type=kind, nargs=-1, required=True)(_connected(call))
        has.command(each.name, help=each.about)(as_json(command))
    has.command("sweep", help=swept)(_copied(_sweep))
    return has


def _copied(command: Callable[..., int]) -> Callable[..., int]:
    """`command` with its options once more: click takes them away from the function that it makes a command of."""

    @wraps(command)
    def copy(*arguments: Any, **options: Any) -> int:
        return command(*arguments, **options)

    copy.__click_params__ = [*command.__click_params__]  # type: ignore[attr-defined]
    return copy


@_in_states(help="Only those in this state.")
@as_csv
@as_json
@_connected
def _list(client: Any, lifecycle: Lifecycle, states: frozenset[State], *, as_csv: bool, as_json: bool) -> int:
    from orderfsm.client import sweep

    wanted = states or [state for state in lifecycle.state_rules if state is not None]
    with _sdk_errors(lifecycle):
        found = sweep(client, states=wanted, dry_run=True).selected
    if as_json:
        return print_json({f"{lifecycle.noun}s": [_candidate(each, lifecycle) for each in found]})
    print_columns([_header(lifecycle), *map(_row, found)], as_csv=as_csv)
    if not as_csv:
        _say_coarse(found, states)
    return 0


def _say_coarse(found: Collection[Candidate], states: Collection[State | None]) -> None:
    """That some are listed which may be in another state than the ones that were asked for, as their words say both."""
    coarse = {each.status: each.states for each in found if states and not each.states <= set(states)}
    for status, meant in coarse.items():
        say(f"note: {status} may be {listed(sorted(map(str, meant)), 'or')}; show says which")


@as_json
@_connected
def _show(client: Any, lifecycle: Lifecycle, order_id: Any, *, as_json: bool) -> int:
    from orderfsm.client import observe

    with _sdk_errors(lifecycle):
        seen = observe(client, order_id)
    states = [state for state in lifecycle.state_rules if state in seen.states]
    allowed = [lifecycle.allowed(state) for state in states if state is not None]
    somewhere = dict.fromkeys(each for some in allowed for each in some)
    in_all = [each for each in somewhere if all(each in some for some in allowed)]
    perhaps = [each for each in somewhere if each not in in_all]
    if as_json:
        found = {lifecycle.identity.key: order_id, "read": seen.word, "states": states}
        print_json(found | {"allowed": in_all, "perhaps_allowed": perhaps})
    else:
        say(f"{lifecycle.noun + ':':9} {order_id}")
        say(f"read as:  {safe(str(seen))}")
        say(f"state:    {' or '.join(map(lifecycle.name_of, states))}")
        say(f"allowed:  {', '.join(in_all) or 'nothing that changes anything'}")
        if perhaps:
            say(f"perhaps:  {', '.join(perhaps)}")
    return 1 if None in seen.states else 0


def _call(
    operation: Operation, client: Any, lifecycle: Lifecycle, ids: tuple[Any, ...], *, yes: bool, as_json: bool
) -> int:
    done: list[dict[str, Any]] = []
    for order_id in ids:
        came = (_called if yes else _foreseen)(client, lifecycle, operation, order_id)
        done.append({lifecycle.identity.key: order_id, **came})
        if not as_json:
            say(f"{order_id}: {safe(came.get('reason', 'done'))}")
    if as_json:
        print_json({"operation": operation, f"{lifecycle.noun}s": done} | ({} if yes else {"dry_run": True}))
    outcomes = {answer["outcome"] for answer in done}
    return 3 if "unknown" in outcomes else 1 if "refused" in outcomes else 0


def _called(client: Any, lifecycle: Lifecycle, operation: Operation, order_id: Any) -> dict[str, Any]:
    """What became of a call."""
    from orderfsm.client import OutcomeUnknown
    from orderfsm.client.sdk import id_field, method_name, request

    try:
        with _sdk_errors(lifecycle):
            getattr(client, method_name(operation))(request(operation, **{id_field(lifecycle): order_id}))
    except OutcomeUnknown as unknown:
        return {"outcome": "unknown", "reason": str(unknown)}
    except (Refusal, Failed) as refusal:
        reason = str(refusal).removeprefix(f"{lifecycle.noun} {order_id}: ")
        return {"outcome": "refused", "code": refusal.code, "reason": reason}
    return {"outcome": "accepted"}


def _foreseen(client: Any, lifecycle: Lifecycle, operation: Operation, order_id: Any) -> dict[str, Any]:
    """What would become of a call: `accepted`, `refused` or `undecided`, as far as the table tells."""
    from orderfsm.client import observe

    with _sdk_errors(lifecycle):
        seen = observe(client, order_id)
    why = explain(lifecycle, seen.states, operation)
    outcome = {Verdict.LEGAL: "accepted", Verdict.ILLEGAL: "refused", Verdict.UNDECIDED: "undecided"}[why.verdict]
    return {"outcome": outcome, "read": seen.word, "reason": f"read as {seen}; nothing was sent. {why}"}


@click.option("--older-than", type=DURATION, default=0, metavar="DURATION", help="Only of at least this age: 7d, 12h.")
@_in_states(help="Those in this state, instead of those of which nothing is left but to give them up.")
@click.option("--yes", is_flag=True, help="Do it; without this, show what would be done.")
@click.option("--rate", type=float, help="Calls a second of each operation; default: the documented limits.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=4, show_default=True)
@click.option("--journal", type=click.Path(dir_okay=False), help="Write each call here; if it exists, go on from it.")
@as_json
@_connected
def _sweep(
    client: Any,
    lifecycle: Lifecycle,
    states: frozenset[State],
    *,
    older_than: float,
    yes: bool,
    concurrency: int,
    as_json: bool,
    **how: Any,
) -> int:
    from orderfsm.client import sweep as run
    from orderfsm.client.sweep import failed

    wanted = states or failed(lifecycle)
    how |= {"states": wanted, "older_than": older_than}
    with _sdk_errors(lifecycle):
        selected = run(client, dry_run=True, **how).selected
        if not as_json:
            of = f"in {' or '.join(sorted(wanted))}" + (f", at least {older_than:g} s old" if older_than else "")
            _print_selection(selected, f"{of}, at {getattr(client, '_endpoint', None)}", lifecycle)
        if not yes:
            others = [] if states else _others(client, lifecycle, selected)
            if as_json:
                return print_json(_summary(selected, None, lifecycle) | _counted(others))
            for status, count in _counted(others).get("not_asked_for", {}).items():
                say(f"{count} more, {status}, could be given up: ask for them by --status")
            return 0
        with _progress(len(selected)) as progress:
            report = run(client, selected=selected, concurrency=concurrency, on_progress=progress, **how)
    if as_json:
        print_json(_summary(selected, report, lifecycle))
    else:
        _print_report(report)
    return 1 if report.left or report.unverified else 0


def _others(client: Any, lifecycle: Lifecycle, selected: Collection[Candidate]) -> list[Candidate]:
    """What could be given up as well, where giving up takes calls that the service completes later."""
    from orderfsm.client import sweep as run
    from orderfsm.client.roles import roles

    if not roles(lifecycle).completed:
        return []
    every = run(client, states=[state for state in lifecycle.state_rules if state is not None], dry_run=True).selected
    there = {each.order_id for each in selected}
    return [each for each in every if each.plan is not None and each.order_id not in there]


def _counted(others: Collection[Candidate]) -> dict[str, dict[str, int]]:
    """How many there are with each status, if there are any."""
    counted = Counter(each.status for each in others)
    return {"not_asked_for": dict(sorted(counted.items()))} if counted else {}


class Failed(OrderFSMError):
    """The service refused a call, or did not answer it. Made as `Failed(answer, noun)`."""

    @property
    def code(self) -> str | None:
        """What the service answered; None if it did not."""
        return self.args[0].code  # type: ignore[no-any-return]

    def __str__(self) -> str:
        answer = self.args[0]
        error, notes = answer.error, list(getattr(answer.error, "__notes__", []))
        named = f"{self.args[1]} {getattr(error, 'order_id', None)}"  # which order it is, is said by the caller
        notes = [note for note in notes if note != named]
        while self.code is None and (cause := _cause(error)) is not None:
            error = cause  # the last says it in a few words, as "Connection refused"
        detail = str(getattr(error, "message", error)).splitlines()[:1]
        return ": ".join(["the service", str(answer), *detail, *notes])


def _cause(error: Any) -> Any:
    """What `error` was raised for: the SDK keeps it in a field."""
    return getattr(error, "inner_exception", None) or error.__cause__ or error.__context__


@contextmanager
def _sdk_errors(lifecycle: Lifecycle) -> Iterator[None]:
    """Turn the SDK's errors, which print whole responses, into `Failed`."""
    from orderfsm.client.sdk import Answer

    try:
        yield
    except Exception as error:
        answer = None if isinstance(error, Refusal) else Answer.of_error(error, lifecycle)
        if answer is None:
            raise
        raise Failed(answer, lifecycle.noun) from error


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Candidate, str | None], None]]:
    """A bar; gives what is to be called for each order that is dealt with, from any thread."""
    gone = 0
    lock = threading.Lock()
    with bar("sweeping", total) as shown:

        def dealt_with(_candidate: Candidate, reason: str | None) -> None:
            nonlocal gone
            with lock:
                gone += reason is None
                shown.update(1, f"gone: {gone}")

        yield dealt_with


def _header(lifecycle: Lifecycle) -> tuple[str, ...]:
    return (lifecycle.noun.upper(), "STATUS", "DOMAIN", "PRODUCT", "DATE")


def _print_selection(selected: Collection[Candidate], of: str, lifecycle: Lifecycle) -> None:
    rows: list[tuple[str, ...]] = [(*_header(lifecycle), "PLAN")]
    rows += [(*_row(each), "none: it stays" if each.plan is None else str(each.plan)) for each in selected]
    if selected:
        print_columns(rows)
    say(f"{len(selected)} {lifecycle.noun}s {of}")
    if renewals := sum(each.may_be_renewal for each in selected):
        say(f"{renewals} of them may be renewals that wait to be submitted; deleting a renewal frees no quota.")


def _print_report(report: SweepReport) -> None:
    for order_id, reason in sorted(report.left.items()):
        say(f"left: {order_id}: {safe(reason)}")
    if report.by_others:
        say(f"gone already, so that this sweep freed nothing by them: {', '.join(map(str, report.by_others))}")
    if report.unverified:
        say(f"not verified, because the list could not be read again: {safe(report.unverified)}")
    perhaps = f" (and perhaps {report.perhaps_freed} more)" if report.perhaps_freed else ""
    freed = f", quota freed: {report.freed}{perhaps}" if report.units else ""
    say(f"deleted: {len(report.deleted)}, left: {len(report.left)}{freed}")


def _summary(selected: Collection[Candidate], report: SweepReport | None, lifecycle: Lifecycle) -> dict[str, Any]:
    key = lifecycle.identity.key
    summary: dict[str, Any] = {"selected": [_candidate(each, lifecycle) for each in selected]}
    if report is not None:
        summary |= {
            "deleted": sorted(report.deleted),
            "left": [{key: order, "reason": reason} for order, reason in sorted(report.left.items())],
            **({"freed": report.freed, "perhaps_freed": report.perhaps_freed} if report.units else {}),
            "unverified": report.unverified,
            "by_others": sorted(report.by_others),
        }
    return summary


def _candidate(each: Candidate, lifecycle: Lifecycle) -> dict[str, Any]:
    return {
        lifecycle.identity.key: each.order_id,
        "status": each.status,
        "domain": each.domain,
        "product": each.product,
        "date": None if each.bought is None else datetime.fromtimestamp(each.bought, UTC).isoformat(),
        "plan": None if each.plan is None else list(each.plan.triggers),
        "may_be_renewal": each.may_be_renewal,
    }


def _row(each: Candidate) -> tuple[str, str, str, str, str]:
    date = "-" if each.bought is None else f"{datetime.fromtimestamp(each.bought, UTC):%Y-%m-%d}"
    return str(each.order_id), each.status, each.domain or "-", each.product or "-", date


CREDENTIALS = """Credentials come from the SDK's default chain, such as ALIBABA_CLOUD_ACCESS_KEY_ID and
ALIBABA_CLOUD_ACCESS_KEY_SECRET in the environment."""

orders = group(
    _orders.LIFECYCLE,
    "List, show, cancel, delete and sweep an account's orders.",
    [
        Call(
            "cancel",
            _orders.Operation.CANCEL,
            "Withdraw applications: pending or under review to pending application."
            "\n\nThe order keeps its unit of quota until it is deleted. Exit 1 if one is refused, 3 if it is not known "
            "whether one was carried out.",
        ),
        Call(
            "delete",
            _orders.Operation.DELETE,
            "Delete orders that failed or were withdrawn, which frees their quota."
            "\n\nExit 1 if one is refused, 3 if it is not known whether one was carried out.",
        ),
    ],
    "Free the quota of failed applications by deleting their orders."
    "\n\nTakes orders whose review failed, unless --status says otherwise. An order that is pending application "
    "(PAYED) was withdrawn, or is a renewal that waits to be submitted. Shows the orders, and deletes them only with "
    "--yes. Exit 1 if some are left.",
    dry=False,
)

_ASKED = "\n\nSent only with --yes. Exit 1 if one is refused, 3 if it is not known whether one was carried out."
instances = group(
    _instances.LIFECYCLE,
    "List, show, give up and sweep V2.0 instances.",
    [
        Call(
            "withdraw",
            _instances.Operation.CANCEL,
            f"Withdraw applications that are under review; that takes minutes.{_ASKED}",
        ),
        Call(
            "refund",
            _instances.Operation.REFUND,
            f"Refund instances that hold no certificate, within seven days of the payment.{_ASKED}",
        ),
        Call(
            "delete",
            _instances.Operation.DELETE,
            f"Delete instances that were refunded, have ended or are shut down.{_ASKED}",
        ),
    ],
    "Give instances up: withdraw, refund, delete, each after the one before it has landed."
    "\n\nTakes those of which nothing is left but to delete them, unless --status says otherwise: inactive, pending. "
    "None with a certificate in force is touched. Shows the instances, and gives them up only with --yes. Exit 1 if "
    "some are left.",
    dry=True,
)
