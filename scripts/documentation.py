"""What the site has besides the pages under docs/: the README, the table in every form, the reference.

A hook of MkDocs. It fails the build when a generated part of a page is not what the table generates now, and when a
page would load something from the network. Links to files of the repository are followed: the files become part of the
site.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orderfsm.export import divergences, exported, words_of_states
from orderfsm.tables import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent

FORMS = {
    "lifecycle.json": "json",
    "vectors.json": "vectors",
    "lifecycle.xstate.json": "xstate",
    "lifecycle.scxml": "scxml",
    "lifecycle.mmd": "mermaid",
    "lifecycle.dot": "dot",
    "table.md": "markdown",
    "lifecycle.html": "html",
}
"""The table's forms by the name of their file in the site; the SVG is under docs/, where the README shows it."""

TABLES = {"": "orders", "instances.": "instances", "acme.": "acme"}
"""What the names of a table's files begin with; the interactive page shows every table."""

REFERENCE = {
    "the questions": ["orderfsm.lifecycle", "orderfsm.explanation", "orderfsm.paths", "orderfsm.order"],
    "the table and its errors": ["orderfsm.spec", "orderfsm.errors", "orderfsm.verification"],
    "words, traces, machines": ["orderfsm.wire", "orderfsm.trace", "orderfsm.machine"],
    "forms": ["orderfsm.export", "orderfsm.drawing", "orderfsm.coverage", "orderfsm.drift"],
    "client": ["orderfsm.client"],
    "mock": ["orderfsm.mock", "orderfsm.pytest_plugin"],
    "testing": ["orderfsm.testing"],
    "audit": ["orderfsm.audit", "orderfsm.recorder"],
}
"""The pages of the reference, and the modules on each."""

LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")
MERMAID = re.compile(r"```mermaid\n(.*?)```\n", re.DOTALL)
GENERATED = re.compile(r"<!-- generated: .*? -->\n(.*?)<!-- end -->", re.DOTALL)
LOADED = re.compile(
    r"""<(?:script|img|iframe|link(?=[^>]*rel="?stylesheet))[^>]*\s(?:src|href)="?(?:https?:)?//[^\s">]+"""
)


def drifted(root: Path = ROOT) -> list[str]:
    """The generated parts of pages that are not what the table generates now, as sentences."""
    instances = named("instances")

    def text(name: str) -> str:
        return (root / name).read_text("utf-8")

    parts = {
        "docs/lifecycle.svg": ([text("docs/lifecycle.svg")], [exported("svg")]),
        "docs/instances.svg": ([text("docs/instances.svg")], [exported("svg", instances)]),
        "docs/acme.svg": ([text("docs/acme.svg")], [exported("svg", named("acme"))]),
        "the diagram in README.md": (MERMAID.findall(text("README.md")), [exported("mermaid")]),
        "the list in docs/divergences.md": (GENERATED.findall(text("docs/divergences.md")), [divergences()]),
        "the states in docs/instances.md": (GENERATED.findall(text("docs/instances.md")), [words_of_states(instances)]),
    }
    return [f"{name} is not what the table generates now" for name, (found, now) in parts.items() if found != now]


def on_pre_build(config: MkDocsConfig) -> None:
    """Fail if a picture or another generated part has drifted."""
    from mkdocs.exceptions import PluginError

    wrong = drifted(Path(config.config_file_path).parent)
    if wrong:
        raise PluginError("; ".join(wrong))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README as first page, the forms, the reference, and what any page links to in the repository."""
    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    for (beginning, table), (name, form) in itertools.product(TABLES.items(), FORMS.items()):
        files.append(File.generated(config, beginning + name, content=exported(form, named(table))))
    for title, modules in REFERENCE.items():
        text = "\n".join([f"# Reference: {title}", *(f"\n::: {module}" for module in modules)])
        files.append(File.generated(config, f"reference/{title.replace(' ', '-').replace(',', '')}.md", content=text))
    files.append(File.generated(config, "index.md", abs_src_path=str(root / "README.md")))
    seen = {"README.md"}
    todo = ["README.md", *(f"docs/{file.src_uri}" for file in files.documentation_pages() if not file.generated_by)]
    for source in todo:
        for target in _linked(root, source):
            if target not in seen and not target.startswith("docs/") and (root / target).is_file():
                seen.add(target)
                files.append(File.generated(config, f"repository/{target}", abs_src_path=str(root / target)))
                todo += [target] * target.endswith(".md")
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """The README's diagram is shown as the drawing; links go where their files are in the site."""
    root = Path(config.config_file_path).parent
    source = _source(page.file.src_uri)
    if not (root / source).is_file():
        return markdown  # it was generated, and links to nothing of the repository

    def moved(match: re.Match[str]) -> str:
        target = _resolved(source, match[2])
        if not (root / target).exists():
            return match[0]  # MkDocs will say that it is broken
        return f"{match[1]}{posixpath.relpath(_in_site(target), posixpath.dirname(page.file.src_uri) or '.')}{match[3]}"

    drawn = MERMAID.sub("![The life of a certificate order](docs/lifecycle.svg)\n", markdown)
    return LINK.sub(moved, drawn)


def on_post_build(config: MkDocsConfig) -> None:
    """Fail if a page loads anything from the network."""
    from mkdocs.exceptions import PluginError

    for file in Path(config.site_dir).rglob("*.html"):
        loaded = LOADED.search(file.read_text("utf-8"))
        if loaded:
            raise PluginError(f"{file.relative_to(config.site_dir)} loads from the network: {loaded[0]}")


def _linked(root: Path, source: str) -> Iterator[str]:
    """The files of the repository that a page links to."""
    for match in LINK.finditer((root / source).read_text("utf-8")):
        yield _resolved(source, match[2])


def _resolved(source: str, link: str) -> str:
    """The file of the repository that a link in the file `source` means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _source(uri: str) -> str:
    """Where a page of the site is in the repository."""
    if uri == "index.md":
        return "README.md"
    return uri.removeprefix("repository/") if uri.startswith("repository/") else f"docs/{uri}"


def _in_site(target: str) -> str:
    """Where a file of the repository is in the site."""
    if target == "README.md":
        return "index.md"
    return target.removeprefix("docs/") if target.startswith("docs/") else f"repository/{target}"
