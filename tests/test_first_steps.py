"""The first steps: each page has its script as it is, and what it prints; each script says what it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs" / "first-steps").glob("*.md"))
EXTRAS = {"mock": "uvicorn", "client": "alibabacloud_cas20200407", "testing": "hypothesis", "audit": "duckdb"}
NEEDS = re.compile(r"# needs: (orderfsm(?:\[([a-z,]+)\])?(?: [a-z]+)*)\n")


def script_of(page):
    return ROOT / "examples" / "first_steps" / f"{page.stem.replace('-', '_')}.py"


def blocks(page, language):
    """The blocks of code of a page in that language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_there_is_a_page_for_each_script_and_a_script_for_each_page():
    assert len(PAGES) == 5
    assert {script_of(page) for page in PAGES} == set((ROOT / "examples" / "first_steps").glob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_has_the_script_as_it_is(page):
    assert blocks(page, "python") == [script_of(page).read_text("utf-8")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_script_prints_what_the_page_says(page, tmp_path):
    script = shutil.copy(script_of(page), tmp_path)
    needs = NEEDS.match(script_of(page).read_text("utf-8"))
    for extra in (needs[2] or "").split(",") if needs[2] else ():
        pytest.importorskip(EXTRAS[extra], reason=f"the extra `{extra}` is not installed")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = blocks(page, "text")
    if printed:
        assert [done.stdout] == printed
    else:
        assert " passed" in done.stdout
        (shown,) = re.findall(r"^\d+ passed", page.read_text("utf-8"), re.MULTILINE)
        assert shown in done.stdout
