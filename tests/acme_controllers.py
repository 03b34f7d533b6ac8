"""Small ACME controllers, as they are found in the wild: each does one thing wrong, or meets something that is wrong.

They are made of certbot's `acme` library, and take the directory of a server, or of a recorder before it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from acme_servers.authority import new_key, pem
from acme_servers.orders import _connected, new_name
from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from acme_servers import AcmeServer

    from orderfsm.recorder import Recording

PATIENCE = 20
"""Seconds in which a server has to make up its mind."""


@frozen
class Controller:
    """A client with an account, at a server or at the recorder before it, that puts its answers into `answers`."""

    server: AcmeServer
    answers: Path
    connection: Any = field(init=False)
    account: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        connection, account = _connected(self.server)
        object.__setattr__(self, "connection", connection)
        object.__setattr__(self, "account", account)

    @classmethod
    def before(cls, server: AcmeServer, recorder: Recording, answers: Path) -> Controller:
        """One that knows nothing but the recorder."""
        return cls(evolve(server, directory=recorder.directory, ca=recorder.ca), answers)

    def post(self, url: str, body: Any = None) -> Any:
        """The answer to a signed request, or to a POST-as-GET; an `acme.messages.Error` if it is refused."""
        return self.connection.net.post(url, body, new_nonce_url=self.connection.directory["newNonce"])

    def ordered(self) -> Any:
        """A new order of a name of its own."""
        from acme import crypto_util

        return self.connection.new_order(crypto_util.make_csr(pem(new_key()), [new_name()]))

    def proves(self, order: Any, *, truly: bool = True) -> None:
        """Respond to http-01 of each authorization, and wait until it is settled."""
        from acme import challenges

        for authorization in order.authorizations:
            found = next(one for one in authorization.body.challenges if isinstance(one.chall, challenges.HTTP01))
            if truly:
                (self.answers / found.chall.encode("token")).write_text(found.validation(self.account))
            self.post(found.uri, found.response(self.account))
            self.waits(authorization.uri, lambda said: said["status"] != "pending")

    def waits(self, url: str, enough: Callable[[Any], bool]) -> Any:
        """Read until it is enough; what was read last."""
        deadline = time.monotonic() + PATIENCE
        while not enough(said := self.reads(url)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return said

    def reads(self, url: str) -> Any:
        """What is there."""
        return self.post(url).json()

    def finalizes(self, order: Any) -> Any:
        """What the server answers to the order's CSR; an `acme.messages.Error` if it refuses it."""
        return self.connection.begin_finalization(order)


def finalizes_twice(at: Controller) -> str:
    """As issues of lego and cert-manager have it: two workers finalize one order, and the second is refused."""
    from acme import messages

    order = at.ordered()
    at.proves(order)
    at.finalizes(order)
    with suppress(messages.Error):
        at.finalizes(order)
    at.waits(order.uri, lambda said: said["status"] == "valid")
    return order.uri


def stops_at_ready(at: Controller) -> str:
    """It proves everything, and forgets to finalize."""
    order = at.ordered()
    at.proves(order)
    at.reads(order.uri)
    return order.uri


def fails(at: Controller) -> str:
    """It has nothing to show for its name, and asks what became of the order."""
    order = at.ordered()
    at.proves(order, truly=False)
    at.reads(order.uri)
    return order.uri
