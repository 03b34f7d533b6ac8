"""Records what ACME clients and a server say to each other, as lines of a trace: a proxy on loopback.

Clients are pointed at the recorder's directory instead of the server's. Nothing that passes is changed, since a request
is signed together with its URL (RFC 8555, section 6.4): the server itself has to name its URLs by the host that it was
asked for. One that does not is refused at once.

`observer` (what an exchange says of orders) · `authority` (a certificate for loopback) · `proxy` (the recorder).
"""

from __future__ import annotations

from .observer import Answer, Asked, Exchange, Observer
from .proxy import Recording, Totals, Unanswered, recording

__all__ = ["Answer", "Asked", "Exchange", "Observer", "Recording", "Totals", "Unanswered", "recording"]
