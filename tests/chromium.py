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


POOR_CONTRAST = """() => {
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const linear = c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = rgb => rgb.slice(0, 3).map(c => linear(c / 255))
    .reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const box = e.matches('g.state') && e.querySelector('.box');
      const fill = box ? getComputedStyle(box).fill : getComputedStyle(e).backgroundColor;
      if (fill !== 'none' && (parse(fill)[3] ?? 1) > 0) return parse(fill);
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const shown = walker.currentNode.textContent.trim();
    if (!shown || !element.getClientRects().length || element.closest('title, desc, style, .unseen')) continue;
    const style = getComputedStyle(element);
    const front = parse(element.closest('svg') ? style.fill : style.color);
    const [one, other] = [light(front), light(behind(element))].sort((a, b) => b - a);
    if ((one + .05) / (other + .05) < 4.5) poor.push([shown, front, behind(element)]);
  }
  return poor;
}"""
"""Every text of a page that stands out less from what is behind it than 4.5 to 1 (WCAG AA), with both colours."""
