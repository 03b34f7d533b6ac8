"""The site that `make docs` builds: a broken link, or a picture that has drifted, fails it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEFT_OUT = shutil.ignore_patterns(".*", "node_modules", "__pycache__", "*.egg-info", "dist")


def load(path):
    """The hook of the site, as a module."""
    spec = importlib.util.spec_from_file_location("documentation", path)
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


@pytest.mark.long
@pytest.mark.parametrize(
    ("file", "planted", "said"),
    [
        (None, "", ""),
        ("docs/forms.md", "\n[no such page](nowhere.md)\n", "nowhere.md"),
        ("docs/forms.md", "\n[no such heading](clients.md#nowhere)\n", "#nowhere"),
        ("README.md", "\n[no such file](examples/nowhere.py)\n", "examples/nowhere.py"),
        ("docs/lifecycle.svg", "<!-- drifted -->", "docs/lifecycle.svg is not what the table generates now"),
        ("docs/forms.md", '\n<img src="https://example.com/a.png">\n', "loads from the network"),
    ],
    ids=["as it is", "page", "heading", "file", "picture", "network"],
)
def test_the_build_fails_on_what_is_broken_and_on_nothing_else(tmp_path, file, planted, said):
    pytest.importorskip("mkdocs", reason="the group `docs` is not installed")
    root = tmp_path / "root"
    shutil.copytree(ROOT, root, ignore=LEFT_OUT)
    if file is not None:
        with (root / file).open("a", encoding="utf-8") as page:
            page.write(planted)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode == 0) is (file is None), done.stderr
    assert said in done.stderr
    if file is None:
        for name in ("index.html", "forms.html", "table.html", "lifecycle.html", "reference/the-questions.html"):
            assert (root / ".build" / "site" / name).is_file()
