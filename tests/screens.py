"""A terminal of so many columns, on which the command line runs in this process."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from contextlib import redirect_stdout

from orderfsm.cli import main

ESCAPES = re.compile(r"\x1b\][^\x1b]*\x1b\\|\x1b\[[0-9;]*[A-Za-z]")
"""Addresses of links and styles, as a terminal obeys them."""


def plain(text):
    """What a terminal shows of a text."""
    return ESCAPES.sub("", text)


def on_a_terminal(columns, act):
    """What a function returns, and what it wrote to standard output, which was a terminal of so many columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    written = []

    def read():
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # nobody has the other end any more
                return
            written.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with os.fdopen(its, "w", encoding="utf-8") as screen, redirect_stdout(screen):
            found = act()
    finally:
        reader.join(60)
        os.close(ours)
    return found, b"".join(written).decode().replace("\r\n", "\n")


def run_on_a_terminal(columns, *arguments):
    """The exit status of a command, and what it showed."""
    return on_a_terminal(columns, lambda: main([*map(str, arguments)]))
