"""The dashboard on the control port: what the mock holds, drawn and live, and what may be done to it.

Functions from data to HTML (`rendering`, of `lists`, what is `sought` in them, and which is `chosen`), what forms do
(`forms`), and the `routes` that serve it. The page works without its script: links choose an order and a state, and
whatever changes something is a form. The script only keeps it up to date (`/dashboard/stream` says when there is
something new). Everything is on this port; a content security policy allows nothing else. What is shown is picked field
by field (`fields`), so that no certificate key can get into it.
"""

from __future__ import annotations

from .rendering import page as page
from .routes import routes as routes
