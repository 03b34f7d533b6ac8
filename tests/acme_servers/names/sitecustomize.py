"""What a server's Python imports before the server: where names are, for servers that cannot be told.

The folder of this file is put on `PYTHONPATH` of one server's process, so neither the machine nor the server's own
code is changed. Names below `.test` are at 127.0.0.1; what is asked at port 80 of it is asked at the port in
`ORDERFSM_HTTP_PORT`, and DNS at the one in `ORDERFSM_DNS_PORT`.
"""

import os
import socket
from contextlib import suppress

LOOPBACK = "127.0.0.1"
ASKED = 80

_ask = socket.getaddrinfo


def _answer(host, port, *arguments, **named):
    name = host.decode() if isinstance(host, bytes) else host
    if name == LOOPBACK or (name or "").lower().rstrip(".").endswith(".test"):
        host, port = LOOPBACK, int(os.environ["ORDERFSM_HTTP_PORT"]) if str(port) == str(ASKED) else port
    return _ask(host, port, *arguments, **named)


socket.getaddrinfo = _answer

with suppress(ImportError):
    import dns.resolver

    _init = dns.resolver.BaseResolver.__init__

    def _init_with_ours(resolver, *arguments, **named):
        _init(resolver, *arguments, **named)
        resolver.nameservers, resolver.port = [LOOPBACK], int(os.environ["ORDERFSM_DNS_PORT"])

    dns.resolver.BaseResolver.__init__ = _init_with_ours
