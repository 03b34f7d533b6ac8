"""Which driver a URL needs, as the table is one of CAS or of ACME, and which options that driver has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.invalid import OrderFSMError
from orderfsm.tables import acme

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.lifecycle import Lifecycle


def is_acme(lifecycle: Lifecycle, of_cas: Mapping[str, object], of_acme: Mapping[str, object]) -> bool:
    """Whether a table's orders are identified as those of ACME are; `OrderFSMError` names an option of the others.

    `of_cas` and `of_acme` are the options by their names: what was given, or None.
    """
    found = lifecycle.identity == acme.LIFECYCLE.identity
    whose, foreign = ("CAS", of_cas) if found else ("ACME", of_acme)
    for name, given in foreign.items():
        if given is not None:
            raise OrderFSMError(f"{name} is for servers that speak {whose}, and the table is {lifecycle.name}")
    return found
