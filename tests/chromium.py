"""Debian's Chromium, driven by playwright, for tests that look at what is drawn; skipped where either is missing."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager

import pytest

PATH = os.environ.get("ORDERFSM_CHROMIUM") or shutil.which("chromium")
"""Where Chromium is; `apt-get install chromium` puts it into the path."""

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium():
    """A headless browser that asks nobody anything; the test is skipped if there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    if PATH is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=PATH, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()
