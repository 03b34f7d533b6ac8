"""What a mutant is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from orderfsm import ORDER_LIFECYCLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm import Lifecycle
    from orderfsm.mock import Service

MANY = 1_000_000


@attrs.frozen
class Mutant:
    """A broken server: its `name` says what is wrong with it, `make` makes one, with the options of a `Service`.

    `by_calls`: it shows in what calls alone can do, without a control port. `review`: how the CA must act for that.
    `scarce`: it takes a package that can be used up. `clients`: only concurrent clients can see it;
    then the check may be limited to `only` one state and trigger. `lifecycle` is the table by which it is judged.
    """

    name: str
    make: Callable[..., Service] = attrs.field(repr=False)
    by_calls: bool = attrs.field(default=False, kw_only=True)
    review: str = attrs.field(default="manual", kw_only=True)
    scarce: bool = attrs.field(default=False, kw_only=True)
    clients: bool = attrs.field(default=False, kw_only=True)
    only: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, kw_only=True, repr=False)

    @property
    def units(self) -> int:
        """The units of its package where calls alone must do: some mutants do not let go of any."""
        return 5 if self.scarce else MANY
