"""Steps of programs, done through a driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .steps import Ask, Call, Create, Happen, Observe, ReadList, ReadQuota

if TYPE_CHECKING:
    from orderfsm.testing.drivers.limit import LimitedDriver

    from .account import Account
    from .steps import Step


class CannotForce(Exception):
    """A step that this driver cannot do, or a state that the server does not let an order come to; it says why."""

    def __init__(self, why: str = "no order could be brought to this state") -> None:
        super().__init__(why)


def perform(step: Step, driver: LimitedDriver, account: Account) -> Any:
    """What a driver gives for a step on the orders of an account.

    `CannotForce` if it has no such method, `NoAnswer` if no answer came.
    """
    match step:
        case Create(operation, _, package):
            return driver.ask("create", operation, **_of(package))
        case Call(operation, order):
            return driver.ask("call", operation, _id(account, order))
        case Happen(event, order):
            return driver.ask("happen", int(_id(account, order)), event)
        case Observe(order):
            return driver.ask("observe", _id(account, order))
        case _:
            return _perform_if_it_can(step, driver, account)


def _perform_if_it_can(step: Step, driver: LimitedDriver, account: Account) -> Any:
    """Do what not every driver can."""
    match step:
        case ReadList(status, like, page, size) if driver.can("orders"):
            if like is not None and not account.knows_domain(like):
                raise CannotForce("no list has told the domain")
            keyword = None if like is None else account.domain(like)
            return driver.ask("orders", status=status, keyword=keyword, page=page, size=size)
        case ReadQuota(package) if driver.can("quota"):
            return driver.ask("quota", **_of(package))
        case Ask(action, _, _, parameters, version) if driver.can("request"):
            return driver.ask("request", action, dict(parameters), version=version)
    raise CannotForce("the driver has no such method")


def _id(account: Account, order: int | str) -> int | str:
    return account.ids[order] if isinstance(order, int) else order


def _of(package: int) -> dict[str, int]:
    """What a driver is given for a package; nothing for the first, which is the only one of most drivers."""
    return {} if package == 1 else {"package": package}
