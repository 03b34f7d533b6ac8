"""The calls of the API about certificate instances, for drivers: a purchase, an update with data, lists and counts."""

from __future__ import annotations

from itertools import count
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from orderfsm.errors import Meaning
from orderfsm.tables.api import PARAMETERS, PURCHASES
from orderfsm.tables.instances import Operation

from .driver import Answer, Entry, Page, says_nothing
from .orders import rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orderfsm.identity import Id
    from orderfsm.rows import Trigger

    from .cas import CASDriver

SPEC = "ws.dv.f"
"""What is bought: for a single domain, validated by DNS."""


def purchase(token: str) -> dict[str, str]:
    """The parameters of a purchase, by the API's names; purchases with the same `token` are one."""
    return {
        "ProductCode": "cas",
        "ProductType": "cas",
        "SubscriptionType": "Subscription",
        "Period": "12",
        "PricingCycle": "2",
        "Parameter.1.Code": "fullSpec",
        "Parameter.1.Value": SPEC,
        "Parameter.2.Code": "fullDomainCount",
        "Parameter.2.Value": "1",
        "ClientToken": token,
    }


def parameters(operation: Trigger, instance_id: Id, domain: str = "") -> dict[str, Any]:
    """The parameters of a call on an instance, by the API's names; an update fills in `domain` and a contact."""
    taken = PARAMETERS[operation]
    data = {"Domain": domain, "ContactIdList.1": 1} if "Domain" in taken.optional else {}
    return {taken.required[0]: instance_id, **data}


class Instances:
    """The calls about instances, made by a driver. Each instance has a domain of its own."""

    home, reads, lists_oldest_first = "/instances", Operation.GET, False

    def __init__(self, driver: CASDriver) -> None:
        self._driver = driver
        self._numbers = count(1)
        self._domains: dict[Id, str] = {}
        self._tokens: dict[Id, str] = {}

    @property
    def probes(self) -> Sequence[tuple[Trigger, Mapping[str, Any]]]:
        """Reads by which a server is found to be there."""
        return [(Operation.LIST, {}), (Operation.SUMMARY, {}), (Operation.GET, {"InstanceId": "cas-cn-00000000"})]

    def create(self, operation: Trigger | None, _package: int) -> Answer | None:
        """An instance as just bought: by the control port if it can do that, else by a purchase."""
        made = self._made("settling")
        return made if made is not None else self._known(self.bought(operation or Operation.PURCHASE), self._domain())

    def placed(self) -> Answer | None:
        """An instance whose purchase is settled; None without a control port that can do that."""
        return self._made("unused")

    def _made(self, state: str) -> Answer | None:
        domain = self._domain()
        return self._known(self._driver.placed({"State": state, "Spec": SPEC, "Domain": domain}), domain)

    def _domain(self) -> str:
        return f"instance-{next(self._numbers)}.example.com"

    def _known(self, answer: Answer | None, domain: str) -> Answer | None:
        if answer is not None and answer.order_id is not None:
            self._domains[answer.order_id] = domain
        return answer

    def bought(self, operation: Trigger, again: Id | None = None) -> Answer | None:
        """Buy an instance, or one `again` by the request that bought it; None where purchases are not offered.

        A purchase that failed may be answered with HTTP 200.
        """
        token = token_hex(16) if again is None else self._tokens.get(again, "")
        answer = self._driver.request(operation, purchase(token), version=PURCHASES[operation])
        if not token or _is_not_offered(answer, self._driver):
            return None
        body = answer.body or {}
        data = body.get("Data")
        if says_nothing(answer) or answer.http_status != 200:
            return answer
        if body.get("Success") is not True:
            return Answer.refused(str(body.get("Code", "")), body=body)
        instance_id = data.get("InstanceId") if isinstance(data, dict) else None
        if isinstance(instance_id, str):
            self._tokens[instance_id] = token
        return Answer.accepted(http_status=200, body=body, order_id=instance_id)

    def call(self, operation: Trigger, instance_id: Id) -> Answer:
        """Call an operation on an instance."""
        domain = self._domains.get(instance_id, "instance.example.com")
        return self._driver.request(operation, parameters(operation, instance_id, domain))

    def seen(self, instance_id: Id) -> dict[str, str]:
        """By its detail: both words, a field that is missing with the word for that."""
        body = self._driver.body_of(Operation.GET, parameters(Operation.GET, instance_id))
        return {each.field: body.get(each.field) or "" for each in self._driver.lifecycle.vocabularies}

    def listed(
        self,
        *,
        status: str | None = None,
        keyword: str | None = None,
        page: int = 1,
        size: int = 50,
        field: str | None = None,
    ) -> Page:
        """A page of the list; what is missing of the answer is empty."""
        fields = [each.field for each in self._driver.lifecycle.vocabularies]
        asked = {field or fields[0]: status, "Keyword": keyword, "CurrentPage": page, "ShowSize": size}
        body = self._driver.body_of(Operation.LIST, {name: each for name, each in asked.items() if each is not None})
        entries = [_entry(each, fields) for each in rows(body, "InstanceList")]
        return Page(tuple(entries), body.get("TotalCount", 0), body)

    def quota(self, _package: int) -> None:
        """There is none."""


def _entry(each: Mapping[str, Any], fields: Sequence[str]) -> Entry:
    first, *others = fields
    words = {field: each.get(field) or "" for field in others}
    return Entry(each.get("InstanceId", ""), each.get(first) or "", each.get("Domain") or "", words)


def _is_not_offered(answer: Answer, driver: CASDriver) -> bool:
    """Whether a server has no purchases: it does not know the action, or not the version."""
    return driver.lifecycle.codes.meaning_of(answer.code) is Meaning.NOT_OFFERED
