"""The tables: each says what may happen in the life of one kind of order, and everything else is derived from it.

A table is compiled when its module is first imported, so one that nobody asks for costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import attrs

from orderfsm.invalid import InvalidValue

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle

NAMES = ("orders", "instances", "acme")
"""The tables of this package: each is a module here, with its `LIFECYCLE`."""


def named(name: str) -> Lifecycle:
    """The table of this package that is called `name`, or anybody's own: `package.module:ATTRIBUTE`, a `Lifecycle`.

    It bears the name by which it was asked for. `InvalidValue` if there is none.

    >>> from orderfsm.tables import named
    >>> named("orders")
    Lifecycle(edition='2020-04-07/2026-11', 29 transitions)
    """
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.words import close

    accepted = [*NAMES, "package.module:ATTRIBUTE of a table of one's own"]
    if not isinstance(name, str):
        raise InvalidValue("table", name, accepted)
    module, colon, attribute = name.partition(":")
    if not colon:
        if name not in NAMES:
            raise InvalidValue("table", name, accepted, close(name, NAMES))
        module, attribute = f"{__name__}.{name}", "LIFECYCLE"
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidValue("table", name, [f"{', '.join(accepted)}; {error}"]) from error
    if not isinstance(found, Lifecycle):
        raise InvalidValue("table", name, [f"a Lifecycle; this is a {type(found).__name__}"])
    return found if found.name == name else attrs.evolve(found, name=name)
