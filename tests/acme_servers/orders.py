"""An order from nothing to a certificate, with certbot's `acme` library, and http-01 answered on loopback."""

from __future__ import annotations

import threading
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from . import challtestsrv
from .authority import new_key, pem
from .process import ZONE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .process import AcmeServer

PREFIX = "/.well-known/acme-challenge/"


@contextmanager
def answering(port: int, folder: Path) -> Iterator[list[str]]:
    """Answers http-01 on a port of loopback by the files in `folder`, named for their tokens; the tokens asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            token = self.path.rpartition(PREFIX)[2]
            asked.append(token)
            found = next((file for file in folder.iterdir() if file.name == token), None)
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(found.read_bytes() if found else b"")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def new_name() -> str:
    """A name of which nobody has a certificate."""
    return f"o{uuid.uuid4().hex[:12]}.{ZONE}"


def issued(server: AcmeServer, folder: Path, *, answers: bool = True, dns: bool = False, seconds: float = 20):
    """The order of a new name, with its certificate and the CSR that it is for; proven by http-01, or by `dns`.

    The answer to http-01 is written to `folder`, unless it is not to be answered; it is up to the caller to serve it.
    """
    from acme import challenges, crypto_util

    connection, account = _connected(server)
    name, kind = new_name(), challenges.DNS01 if dns else challenges.HTTP01
    order = connection.new_order(crypto_util.make_csr(pem(new_key()), [name]))
    for authorization in order.authorizations:
        found = next(one for one in authorization.body.challenges if isinstance(one.chall, kind))
        if dns:
            challtestsrv.set_txt(server.settings["management"], f"_acme-challenge.{name}", found.validation(account))
        elif answers:
            (folder / found.chall.encode("token")).write_text(found.validation(account))
        # Not `answer_challenge`, which insists on a Link header that acmeeh does not send.
        nonces = connection.directory["newNonce"]
        connection.net.post(found.uri, found.response(account), new_nonce_url=nonces)
    deadline = datetime.now() + timedelta(seconds=seconds)  # noqa: DTZ005 as the library does
    return connection.poll_and_finalize(order, deadline)


def _connected(server: AcmeServer):
    import josepy
    from acme import client, messages

    key = josepy.JWKEC(key=new_key())
    network = client.ClientNetwork(key, alg=josepy.ES256, verify_ssl=str(server.ca) if server.ca else True)
    connection = client.ClientV2(client.ClientV2.get_directory(server.directory, network), network)
    connection.new_account(messages.NewRegistration.from_data(email=f"nobody@{ZONE}", terms_of_service_agreed=True))
    return connection, key
