"""The error codes of a table's API, and what each of them means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from .errors import Meaning, ServiceError


@attrs.frozen
class Codes:
    """The error codes of an API: those of its `errors`, and those of the `gateway` before it.

    `gateway` says what a code means by how it begins: another word may follow (`Throttling.User`, `ThrottlingUser`).
    `parameters` are beginnings that the name of a parameter follows, with the general code of each. A code of a
    parameter stands in `gateway` too. `prefix` is what codes begin with on the wire; without it they mean the same.

    >>> from orderfsm.tables.orders import LIFECYCLE
    >>> codes = LIFECYCLE.codes
    >>> codes.meaning_of("OrderStateError"), codes.meaning_of("Throttling.Api"), codes.meaning_of("SomethingNew")
    (<Meaning.STATE_FORBIDS: 'state_forbids'>, <Meaning.THROTTLED: 'throttled'>, None)
    >>> codes.general("OrderStateError"), codes.general("Throttling.Api"), codes.general("InvalidDomainName")
    ('OrderStateError', 'Throttling', 'InvalidParameter')
    """

    errors: tuple[type[ServiceError], ...] = ()
    gateway: tuple[tuple[str, Meaning], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    prefix: str = ""
    by_code: dict[str, type[ServiceError]] = attrs.field(
        default=attrs.Factory(lambda self: {error.code: error for error in self.errors if error.code}, takes_self=True),
        init=False,
        eq=False,
    )
    """The error class of each code of the API itself."""

    def meaning_of(self, code: str | None) -> Meaning | None:
        """What a code means; None if nobody knows it."""
        general = self.general(code)
        if general is None:
            return None
        error = self.by_code.get(general)
        return dict(self.gateway)[general] if error is None else error.means

    def general(self, code: str | None) -> str | None:
        """The code that means the same, without what it adds; of those there are few. None if nobody knows it."""
        if code is not None and self.prefix:
            code = code.removeprefix(self.prefix)
        if code is None or code in self.by_code:
            return code
        if not code.isascii() or not code.replace(".", "").isalnum():
            return None
        known = next((beginning for beginning, _ in self.gateway if _goes_on(code, beginning, (".", ""))), None)
        if known is not None or not code.isalnum():
            return known
        return next((general for beginning, general in self.parameters if _goes_on(code, beginning)), None)


def _goes_on(code: str, beginning: str, with_: tuple[str, ...] = ()) -> bool:
    """Whether `code` begins so, and goes on with another word or with one of these."""
    following = code[len(beginning) : len(beginning) + 1]
    return code.startswith(beginning) and (following in with_ or following.isupper())
