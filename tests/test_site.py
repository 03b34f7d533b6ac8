"""The site that `make docs` builds: a broken link, or a picture that has drifted, fails it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from chromium import chromium

ROOT = Path(__file__).parent.parent
LEFT_OUT = shutil.ignore_patterns(".*", "node_modules", "__pycache__", "*.egg-info", "dist")


def load(path):
    """A hook of the site, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DOCUMENTATION = load(ROOT / "scripts" / "documentation.py")


def test_nothing_generated_has_drifted():
    assert DOCUMENTATION.drifted() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("docs/lifecycle.svg", "(ca) review passed", "(ca) review done", "docs/lifecycle.svg"),
        ("README.md", "[*] --> pending_review : CreateCertificateRequest", "[*] --> issued : Create", "README.md"),
        ("docs/divergences.md", "| that it is allowed |", "| nothing |", "docs/divergences.md"),
        ("docs/instances.svg", "(ca) review failed", "(ca) review done", "docs/instances.svg"),
        ("docs/instances.md", "| `idle` | nothing applied", "| `idle` | something applied", "docs/instances.md"),
    ],
)
def test_what_has_drifted_is_named(tmp_path, file, old, new, named):
    for name in (
        "docs/lifecycle.svg",
        "docs/instances.svg",
        "docs/acme.svg",
        "README.md",
        "docs/divergences.md",
        "docs/instances.md",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        text = (ROOT / name).read_text(encoding="utf-8")
        assert name != file or old in text
        (tmp_path / name).write_text(text.replace(old, new) if name == file else text, encoding="utf-8")
    (said,) = DOCUMENTATION.drifted(tmp_path)
    assert named in said


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://example.com/a.js"></script>',
        '<link rel="stylesheet" href="https://example.com/a.css">',
        '<link href="//example.com/a.css" rel=stylesheet>',
        "<img alt=a src=https://example.com/a.png>",
    ],
)
def test_what_a_page_loads_from_the_network_is_found(html):
    assert DOCUMENTATION.LOADED.search(html)
    assert not DOCUMENTATION.LOADED.search(html.replace("https:", "").replace("//example.com", "example"))
    assert not DOCUMENTATION.LOADED.search('<a href="https://example.com">a link</a>')


# -- the reference -----------------------------------------------------------------------------------------------------


def test_every_module_that_says_what_is_public_is_in_the_reference():
    root = ROOT / "orderfsm"
    public = set()
    for path in root.rglob("*.py"):
        if re.search(r"^__all__\b", path.read_text("utf-8"), re.MULTILINE):
            public.add(".".join(["orderfsm", *path.relative_to(root).with_suffix("").parts]).removesuffix(".__init__"))
    assert public <= {module for _, modules in DOCUMENTATION.REFERENCE.values() for module in modules}


def test_the_names_that_other_programs_rely_on_are_public():
    names = {
        "orderfsm": "State Operation Event Basis Transition Lifecycle ORDER_LIFECYCLE Order can check allowed explain "
        "judge narrow plan reachable verify Verdict OrderStateError NotFoundOrder Unreachable",
        "orderfsm.machine": "OrderMachine AsyncOrderMachine",
        "orderfsm.trace": "read judge replay",
        "orderfsm.mock": "Service create_app mock_cas Server Request Response",
        "orderfsm.client": "guard wait carry_out sweep Observation Divergence OutcomeUnknown WaitTimeout wait_async "
        "carry_out_async sweep_async",
        "orderfsm.testing": "Driver HTTPDriver ServiceDriver MachineDriver check_conformance lifecycle_machine "
        "check_history",
        "orderfsm.audit": "audit Report",
    }
    for needed in ("uvicorn", "alibabacloud_cas20200407", "duckdb"):
        pytest.importorskip(needed, reason="the extras are not installed")
    for module, expected in names.items():
        assert set(expected.split()) <= set(DOCUMENTATION.public(module)), module


# -- the site, built ---------------------------------------------------------------------------------------------------


def build(root, *planted):
    """Build a copy of the repository to which something was added: what ended, and said what."""
    pytest.importorskip("mkdocs", reason="the group `docs` is not installed")
    shutil.copytree(ROOT, root, ignore=LEFT_OUT)
    (root / ".build").mkdir()
    shutil.copy(root / "examples" / "story.ipynb", root / ".build")  # as if it had been executed
    for file, text in planted:
        with (root / file).open("a", encoding="utf-8") as page:
            page.write(text)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.long
def test_the_site_has_every_name_and_every_page_fits_every_window(tmp_path):
    """One build for all of it: each takes long."""
    done = build(tmp_path / "root")
    assert done.returncode == 0, done.stderr
    site = tmp_path / "root" / ".build" / "site"
    has_every_public_name(site)
    has_all_of_it_for_programs(site)
    fits(site)


def has_every_public_name(site):
    for page, (_, modules) in DOCUMENTATION.REFERENCE.items():
        html = (site / "reference" / f"{page}.html").read_text("utf-8")
        for module in modules:
            names = DOCUMENTATION.public(module)
            assert [name for name in names if not re.search(rf'id="{module}\.({name}|{name}\.{name})"', html)] == []


def has_all_of_it_for_programs(site):
    """The index has every page, and the whole has the text of each."""
    index, whole = ((site / name).read_text("utf-8") for name in ("llms.txt", "llms-full.txt"))
    pages = re.findall(r"\]\(([^)]*\.md)\)", index)
    sources = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sources | {"index.md", "story.md", "reference/questions.md"} <= set(pages)
    for page in pages:
        assert (site / page).read_text("utf-8").strip() in whole
    assert "Whether `trigger` is allowed" in whole  # what a docstring says


def fits(site):
    """No page is wider than the window, where a table is too wide it is scrolled, and no word in one is broken."""
    with chromium() as browser:
        tab = browser.new_page()
        for page in sorted(path for path in site.rglob("*.html") if path.name != "404.html"):
            tab.goto(page.as_uri())
            for width in (390, 700, 1280, 1920):
                tab.set_viewport_size({"width": width, "height": 900})
                assert tab.evaluate(WIDER_AND_BROKEN) == [0, []], (page, width)


WIDER_AND_BROKEN = r"""() => {
  const page = document.documentElement, broken = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = texts.nextNode()); ) {
    const around = text.parentElement;
    if (!around.closest("td, th") || !around.offsetParent) continue;
    if (around.closest("a[href^=http], script, style, svg")) continue;
    for (const word of text.data.matchAll(/[\w.]+/g)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((line) => Math.round(line.top))).size > 1) broken.push(word[0]);
    }
  }
  return [page.scrollWidth - page.clientWidth, broken];
}"""


@pytest.mark.long
def test_the_build_fails_on_what_is_broken_and_names_it(tmp_path):
    done = build(
        tmp_path / "root",
        ("docs/forms.md", "\n[no such page](nowhere.md)\n\n[no such heading](clients.md#nowhere)\n"),
        ("README.md", "\n[no such file](examples/nowhere.py)\n"),
        ("docs/lost.md", "# In no place of the navigation\n"),
        ("docs/acme.md", '\n<img src="https://example.com/a.png">\n'),
    )
    assert done.returncode != 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    for named in ("nowhere.md", "#nowhere", "examples/nowhere.py"):
        assert [line for line in warnings if named in line], named
    assert "lost.md" in done.stderr
    assert "acme.html loads from the network" in done.stderr


@pytest.mark.long
def test_the_build_fails_where_a_picture_has_drifted(tmp_path):
    done = build(tmp_path / "root", ("docs/lifecycle.svg", "<!-- drifted -->"))
    assert done.returncode != 0
    assert "docs/lifecycle.svg is not what the table generates now" in done.stderr
