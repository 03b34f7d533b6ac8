"""`orderfsm orders`: an account's orders, listed, shown, cancelled, deleted and swept."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import click

from orderfsm.errors import Refusal
from orderfsm.extras import needs
from orderfsm.identity import MAX_ID
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.orders import Operation

from .choice import STATES, union
from .printing import DURATION, as_json, print_columns, print_json
from .progress import bar
from .terminal import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from orderfsm.client import Candidate, SweepReport
    from orderfsm.rows import State

order_ids = click.argument("order_ids", metavar="ORDER_ID...", type=click.IntRange(1, MAX_ID), nargs=-1, required=True)


def _states(context: click.Context, option: click.Parameter, given: tuple[frozenset[Any], ...]) -> frozenset[Any]:
    """All the states that the option names; not "no order", of which there is nothing to list."""
    states = union(context, option, given)
    if None in states:
        raise InvalidValue("state", "none", filter(None, ORDER_LIFECYCLE.state_rules))
    return states


_in_states = partial(click.option, "--status", "states", type=STATES, multiple=True, callback=_states)


endpoint_option = click.option(
    "--endpoint", metavar="URL", help="Host or URL of the service, or of a mock; default: the region's own."
)
region_option = click.option("--region", help="Default: cn-hangzhou.")


@click.group()
@endpoint_option
@region_option
@click.pass_context
def orders(ctx: click.Context, endpoint: str | None, region: str | None) -> None:
    """List, show, cancel, delete and sweep an account's orders.

    Credentials come from the SDK's default chain, such as ALIBABA_CLOUD_ACCESS_KEY_ID and
    ALIBABA_CLOUD_ACCESS_KEY_SECRET in the environment.
    """
    ctx.obj = endpoint, region


def connected(command: Callable[..., int]) -> Callable[..., int]:
    """A command whose first argument is a client, of the endpoint given to the command or to the group."""

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
        return command(guard(client), **options)

    return with_client


@orders.command("list")
@_in_states(help="Only orders in this state.")
@as_json
@connected
def list_orders(client: Any, states: frozenset[State], *, as_json: bool) -> int:
    """List the account's orders."""
    from orderfsm.client import sweep

    wanted = states or [state for state in ORDER_LIFECYCLE.state_rules if state is not None]
    with _sdk_errors():
        found = sweep(client, states=wanted, dry_run=True).selected
    if as_json:
        return print_json({"orders": [_order(each) for each in found]})
    return print_columns([("ORDER", "STATUS", "DOMAIN", "PRODUCT", "DATE"), *map(_row, found)])


@orders.command()
@click.argument("order_id", type=click.IntRange(1, MAX_ID))
@as_json
@connected
def show(client: Any, order_id: int, *, as_json: bool) -> int:
    """Show an order: what it was read as, and what is allowed. Exit 1 if there is no such order."""
    from orderfsm.client import observe

    with _sdk_errors():
        seen = observe(client, order_id)
    states = [state for state in ORDER_LIFECYCLE.state_rules if state in seen.states]
    allowed = [ORDER_LIFECYCLE.allowed(state) for state in states if state is not None]
    somewhere = dict.fromkeys(each for some in allowed for each in some)
    in_all = [each for each in somewhere if all(each in some for some in allowed)]
    perhaps = [each for each in somewhere if each not in in_all]
    if as_json:
        found = {"order_id": order_id, "read": seen.word, "states": states}
        print_json(found | {"allowed": in_all, "perhaps_allowed": perhaps})
    else:
        click.echo(f"order:    {order_id}")
        click.echo(f"read as:  {safe(str(seen))}")
        click.echo(f"state:    {' or '.join(map(ORDER_LIFECYCLE.name_of, states))}")
        click.echo(f"allowed:  {', '.join(in_all) or 'nothing that changes anything'}")
        if perhaps:
            click.echo(f"perhaps:  {', '.join(perhaps)}")
    return 1 if None in seen.states else 0


@orders.command()
@order_ids
@as_json
@connected
def cancel(client: Any, order_ids: tuple[int, ...], *, as_json: bool) -> int:
    """Withdraw applications: pending or under review to pending application.

    The order keeps its unit of quota until it is deleted. Exit 1 if one is refused, 3 if it is not known whether one
    was carried out.
    """
    return _call(client, Operation.CANCEL, order_ids, as_json=as_json)


@orders.command()
@order_ids
@as_json
@connected
def delete(client: Any, order_ids: tuple[int, ...], *, as_json: bool) -> int:
    """Delete orders that failed or were withdrawn, which frees their quota.

    Exit 1 if one is refused, 3 if it is not known whether one was carried out.
    """
    return _call(client, Operation.DELETE, order_ids, as_json=as_json)


def _call(client: Any, operation: Operation, ids: tuple[int, ...], *, as_json: bool) -> int:
    from orderfsm.client import OutcomeUnknown
    from orderfsm.client.sdk import method_name, request

    call = getattr(client, method_name(operation))
    done: list[dict[str, Any]] = []
    for order_id in ids:
        answer: dict[str, Any] = {"order_id": order_id, "outcome": "accepted"}
        try:
            with _sdk_errors():
                call(request(operation, order_id=order_id))
        except OutcomeUnknown as unknown:
            answer |= {"outcome": "unknown", "reason": str(unknown)}
        except (Refusal, Failed) as refusal:
            reason = str(refusal).removeprefix(f"order {order_id}: ")
            answer |= {"outcome": "refused", "code": refusal.code, "reason": reason}
        done.append(answer)
        if not as_json:
            click.echo(f"{order_id}: {safe(answer.get('reason', 'done'))}")
    if as_json:
        print_json({"operation": operation, "orders": done})
    outcomes = {answer["outcome"] for answer in done}
    return 3 if "unknown" in outcomes else 1 if "refused" in outcomes else 0


@orders.command()
@click.option(
    "--older-than", type=DURATION, default=0, metavar="DURATION", help="Only orders of at least this age, as 7d or 12h."
)
@_in_states(help="Orders in this state, instead of those whose review failed.")
@click.option("--yes", is_flag=True, help="Do it; without this, show what would be done.")
@click.option("--rate", type=float, help="Calls a second of each operation; default: the documented limits.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=4, show_default=True)
@click.option("--journal", type=click.Path(dir_okay=False), help="Write each call here; if it exists, go on from it.")
@as_json
@connected
def sweep(
    client: Any, states: frozenset[State], *, older_than: float, yes: bool, concurrency: int, as_json: bool, **how: Any
) -> int:
    """Free the quota of failed applications by deleting their orders.

    Takes orders whose review failed, unless --status says otherwise. An order that is pending application (PAYED) was
    withdrawn, or is a renewal that waits to be submitted. Shows the orders, and deletes them only with --yes. Exit 1 if
    some are left.
    """
    from orderfsm.client import sweep as run
    from orderfsm.client.sweep import failed

    wanted = states or failed(ORDER_LIFECYCLE)
    how |= {"states": wanted, "older_than": older_than}
    with _sdk_errors():
        selected = run(client, dry_run=True, **how).selected
        if not as_json:
            of = f"in {' or '.join(sorted(wanted))}" + (f", at least {older_than:g} s old" if older_than else "")
            _print_selection(selected, f"{of}, at {getattr(client, '_endpoint', None)}")
        if not yes:
            return print_json(_summary(selected, None)) if as_json else 0
        with _progress(len(selected)) as progress:
            report = run(client, selected=selected, concurrency=concurrency, on_progress=progress, **how)
    if as_json:
        print_json(_summary(selected, report))
    else:
        _print_report(report)
    return 1 if report.left or report.unverified else 0


class Failed(OrderFSMError):
    """The service refused a call, or did not answer it. Made as `Failed(answer)`."""

    @property
    def code(self) -> str | None:
        """What the service answered; None if it did not."""
        return self.args[0].code  # type: ignore[no-any-return]

    def __str__(self) -> str:
        answer = self.args[0]
        error, notes = answer.error, list(getattr(answer.error, "__notes__", []))
        if (named := f"order {getattr(error, 'order_id', None)}") in notes:  # which order it is, is said by the caller
            notes.remove(named)
        while self.code is None and (cause := _cause(error)) is not None:
            error = cause  # the last says it in a few words, as "Connection refused"
        detail = str(getattr(error, "message", error)).splitlines()[:1]
        return ": ".join(["the service", str(answer), *detail, *notes])


def _cause(error: Any) -> Any:
    """What `error` was raised for: the SDK keeps it in a field."""
    return getattr(error, "inner_exception", None) or error.__cause__ or error.__context__


@contextmanager
def _sdk_errors() -> Iterator[None]:
    """Turn the SDK's errors, which print whole responses, into `Failed`."""
    from orderfsm.client.sdk import Answer

    try:
        yield
    except Exception as error:
        answer = None if isinstance(error, Refusal) else Answer.of_error(error)
        if answer is None:
            raise
        raise Failed(answer) from error


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


def _print_selection(selected: Collection[Candidate], of: str) -> None:
    rows: list[tuple[str, ...]] = [("ORDER", "STATUS", "DOMAIN", "PRODUCT", "DATE", "PLAN")]
    rows += [(*_row(each), "none: it stays" if each.plan is None else str(each.plan)) for each in selected]
    if selected:
        print_columns(rows)
    click.echo(f"{len(selected)} orders {of}")
    if renewals := sum(each.may_be_renewal for each in selected):
        click.echo(f"{renewals} of them may be renewals that wait to be submitted; deleting a renewal frees no quota.")


def _print_report(report: SweepReport) -> None:
    for order_id, reason in sorted(report.left.items()):
        click.echo(f"left: {order_id}: {safe(reason)}")
    if report.by_others:
        orders = ", ".join(map(str, report.by_others))
        click.echo(f"gone already, so that this sweep freed nothing by them: {orders}")
    if report.unverified:
        click.echo(f"not verified, because the list could not be read again: {safe(report.unverified)}")
    perhaps = f" (and perhaps {report.perhaps_freed} more)" if report.perhaps_freed else ""
    click.echo(f"deleted: {len(report.deleted)}, left: {len(report.left)}, quota freed: {report.freed}{perhaps}")


def _summary(selected: Collection[Candidate], report: SweepReport | None) -> dict[str, Any]:
    summary: dict[str, Any] = {"selected": [_order(each) for each in selected]}
    if report is not None:
        summary |= {
            "deleted": sorted(report.deleted),
            "left": [{"order_id": order, "reason": reason} for order, reason in sorted(report.left.items())],
            "freed": report.freed,
            "perhaps_freed": report.perhaps_freed,
            "unverified": report.unverified,
            "by_others": sorted(report.by_others),
        }
    return summary


def _order(each: Candidate) -> dict[str, Any]:
    return {
        "order_id": each.order_id,
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
