"""Which order a create made whose answer was lost.

The API has no idempotency token, so a create that is sent twice may make two orders. The list of the account's orders
tells: an order for the same domains, of the same product, that began after the call and that nobody here knows.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

import attrs

from .observation import meaning, word_in
from .roles import roles
from .sdk import domains_of_csr, id_field

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State

MAX_SKEW = 15 * 60
"""Seconds that the clocks of client and service may differ: beyond, the service refuses every signature."""

PRECISION = 2
"""Seconds by which two times of the service's clock are told apart: its answers' `date` has whole seconds."""


def earliest(sent: float, headers: Mapping[str, str], now: float) -> float:
    """The earliest date, on the service's clock, of an order whose create was sent at `sent`, by our clock.

    It is `now` by our clock, and `headers` are those of an answer that just came: their `date` tells how the two
    clocks differ. All in Unix time.
    """
    date = {name.lower(): value for name, value in headers.items()}.get("date")
    try:
        return sent + parsedate_to_datetime(date or "").timestamp() - now - PRECISION
    except ValueError:
        return sent - MAX_SKEW


@attrs.frozen
class Application:
    """What a lost create applied for: `domains`, none if they are not known, and a product if one was named."""

    domains: frozenset[str]
    product: str | None

    @classmethod
    def of(cls, request: Any) -> Application:
        """The application that the SDK's `request` makes, by its `domain` or its `csr`."""
        domain = getattr(request, "domain", None)
        csr = getattr(request, "csr", None)
        domains = domain.split(",") if domain else domains_of_csr(csr) if csr else ()
        return cls(_normal(domains), getattr(request, "product_code", None))

    @classmethod
    def renewing(cls, rows: Iterable[Any]) -> Application:
        """The application that a renewal of the listed order makes, which is the one of `rows`, if it is listed."""
        return next((cls(_domains(row), getattr(row, "product_code", None)) for row in rows), cls(frozenset(), None))

    def made(
        self, rows: Iterable[Any], since: float, begins: Collection[State | None], lifecycle: Lifecycle
    ) -> tuple[list[Id], list[Id]]:
        """The ids of the listed orders that it may have made `since` then, and of those of which that is doubtful.

        `begins` are the states in which such an order begins. It is doubtful if only a date speaks against it, or if
        the domains are not known, or are the same in part: the documents do not say what the list has there.
        """
        listing = cast("Operation", roles(lifecycle).lists)
        later = {state for start in begins for state in lifecycle.reachable(start)}
        made: list[Id] = []
        doubtful: list[Id] = []
        for row in rows:
            states = meaning(listing, word_in(listing, row, lifecycle), lifecycle)
            domains, date = _domains(row), getattr(row, "buy_date", None)
            recent = date is None or date >= since * 1000
            if not states & later or self.product not in {None, getattr(row, "product_code", None)}:
                continue
            if recent and domains and domains == self.domains:
                made.append(getattr(row, id_field(lifecycle)))
            elif (recent or states & set(begins)) and (not self.domains or domains & self.domains):
                doubtful.append(getattr(row, id_field(lifecycle)))
        return made, doubtful


def _domains(row: Any) -> frozenset[str]:
    named = getattr(row, "domain", None) or getattr(row, "common_name", None) or ""
    return _normal(named.split(","))


def _normal(domains: Iterable[str]) -> frozenset[str]:
    return frozenset({domain.strip().lower() for domain in domains} - {""})
