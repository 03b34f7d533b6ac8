"""Every extra that is named is there, and nobody is sent to an index for a name that is not ours."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import orderfsm
from orderfsm.extras import MissingExtra

ROOT = Path(__file__).parent.parent
SOURCES = Path(orderfsm.__file__).parent
TEXTS = [*SOURCES.rglob("*.py"), *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.py")]
INSTALLED_ALREADY = ("extras.py", "streams.py", "extras.md")
"""What speaks to those who have installed it: then pip looks for the extra's packages alone."""


def extras():
    """The extras of the project, each with what it brings."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


def named_in(text):
    """The extras that a text names."""
    lists = re.findall(r"(?:orderfsm|install '?\.)\[([\w,]+)\]", text) + re.findall(r'\bneeds\("(\w+)"\)', text)
    return {extra for each in lists for extra in each.split(",")}


def test_every_extra_that_a_text_names_is_one():
    named = {extra: path for path in TEXTS for extra in named_in(path.read_text("utf-8"))}
    assert set(named) >= {"mock", "client", "audit", "polars", "spark", "testing", "cli", "acme"}
    assert {extra: path for extra, path in named.items() if extra not in extras()} == {}


def test_all_are_all_but_spark():
    [everything] = extras()["all"]
    assert named_in(everything) == {*extras()} - {"all", "spark"}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_nobody_is_told_to_install_by_a_name_that_is_in_no_index(path):
    told = re.findall(r"(?:pip|uv|pipx) (?:\w+ )*?install (?:-\S+ )*['\"]?orderfsm\b.*", path.read_text("utf-8"))
    assert path.name in INSTALLED_ALREADY or told == []


def test_polars_is_an_extra_of_its_own(monkeypatch, tmp_path):
    pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
    from orderfsm.audit import audit

    log = tmp_path / "log.jsonl"
    log.write_text('{"time": "2026-01-01T00:00:00Z", "order_id": 1, "event": "submitted"}\n')
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.delitem(sys.modules, "orderfsm.audit.engines.on_polars", raising=False)
    with pytest.raises(MissingExtra, match=r"polars is not installed: pip install 'orderfsm\[polars\]'"):
        audit(log, engine="polars")
    assert audit(log).orders == 1


@pytest.mark.parametrize("program", ["orderfsm", "orderfsm.cli"])
def test_the_command_line_without_its_extra_is_one_line(program):
    code = f"import sys, runpy; sys.modules['click'] = None; runpy.run_module('{program}', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "orderfsm: click is not installed: pip install 'orderfsm[cli]'\n"
