"""The notebook of the whole story runs from top to bottom, shows what it says, and is kept without outputs."""

from __future__ import annotations

import importlib.util
import json
import re
from html import unescape
from pathlib import Path

import pytest

for module in ("nbclient", "ipykernel"):
    pytest.importorskip(module, reason="the group `test` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("story", ROOT / "scripts" / "story.py")
STORY = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(STORY)

SAYS = {
    "table": ["<svg", "The life of a certificate order", "29 rows"],
    "refused": ["illegal", "CancelOrderRequest, then DeleteCertificateRequest", "documented"],
    "several-states": ["undecided", "in about_to_expire"],
    "verdict": ["Verdict.ILLEGAL"],
    "plan": ["From being_reviewed to deleted", "pending_application"],
    "plan-with-events": ["wait for ", "domain_validated"],
    "guard": ["DeleteCertificateRequest is not allowed in being_reviewed", "GuardedClient("],
    "carry-out": ["CancelOrderRequest -> pending_application\nDeleteCertificateRequest -> deleted"],
    "wait": ["State.ISSUED"],
    "replay": ["conforms", "2 orders, 2 conform"],
    "conformance": ["violates", "DeleteCertificateRequest in issued: failed", "a program that shows it"],
    "coverage": ["rows tried: 2 of 29", "<svg"],
    "history": ["violates", "client a", "client b"],
    "audit": ["2,000 orders", "violates"],
    "other-plan": ["withdrawal_completed", "RefundInstance"],
    "other-refusal": ["illegal", "Too early"],
}
"""What the cell of that id says."""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The notebook after a run."""
    return STORY.execute(tmp_path_factory.mktemp("story") / "story.ipynb")


def source(cell):
    return "".join(cell["source"])


def test_every_value_of_the_story_is_shown(notebook):
    cells = {cell["id"]: cell for cell in notebook["cells"] if cell["cell_type"] == "code"}
    assert SAYS.keys() == cells.keys() - {"end"}
    for name, expected in SAYS.items():
        shown = "".join(map(STORY.shown, cells[name]["outputs"]))
        said = unescape(re.sub(r"<style>.*?</style>", "", shown, flags=re.DOTALL))
        assert [each for each in expected if each not in said] == [], name


def test_nothing_is_printed_to_standard_error_and_no_cell_is_without_an_output_but_the_last(notebook):
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [output for cell in code for output in cell["outputs"] if output.get("name") == "stderr"] == []
    assert [source(cell) for cell in code if not cell["outputs"]] == ["until_the_end.close()"]


def test_the_page_has_each_cell_and_its_outputs(notebook):
    page = STORY.markdown(notebook)
    for cell in notebook["cells"]:
        assert source(cell) in page
    assert len(STORY.OUTPUT.findall(page)) == sum(len(cell.get("outputs", ())) for cell in notebook["cells"])


def test_it_is_kept_without_outputs():
    cells = json.loads((ROOT / "examples" / "story.ipynb").read_text("utf-8"))["cells"]
    kept = [(cell["outputs"], cell["execution_count"]) for cell in cells if cell["cell_type"] == "code"]
    assert kept == [([], None)] * len(kept)
