"""What the site has besides the pages under docs/: the README, the table in every form, the reference.

A hook of MkDocs. It fails the build when a generated part of a page is not what the table generates now, and when a
page would load something from the network. Links to files of the repository are followed: the files become part of the
site.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from importlib import import_module
from importlib.util import find_spec
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
    "questions": ("Questions to a table", ["orderfsm", "orderfsm.explanation", "orderfsm.paths"]),
    "tables": (
        "Tables, their rows and errors",
        [
            "orderfsm.rows",
            "orderfsm.tables",
            "orderfsm.tables.orders",
            "orderfsm.tables.instances",
            "orderfsm.tables.acme",
            "orderfsm.errors",
            "orderfsm.codes",
            "orderfsm.identity",
            "orderfsm.verification",
        ],
    ),
    "traces": ("Words of the API, and recorded histories", ["orderfsm.wire", "orderfsm.trace"]),
    "machine": ("Machines with callbacks", ["orderfsm.machine"]),
    "forms": (
        "Forms, drawings, coverage, drift",
        ["orderfsm.export", "orderfsm.drawing", "orderfsm.coverage", "orderfsm.drift"],
    ),
    "client": ("The client", ["orderfsm.client"]),
    "mock": ("The mock, and the pytest plugin", ["orderfsm.mock", "orderfsm.pytest_plugin"]),
    "testing": ("The conformance kit", ["orderfsm.testing", "orderfsm.testing.strategies"]),
    "audit": ("The audit, conversion and the recorder", ["orderfsm.audit", "orderfsm.convert", "orderfsm.recorder"]),
}
"""The pages of the reference: the title of each, and the modules on it."""

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
    from mkdocs.structure.files import File, InclusionLevel

    root = Path(config.config_file_path).parent
    for (beginning, table), (name, form) in itertools.product(TABLES.items(), FORMS.items()):
        files.append(File.generated(config, beginning + name, content=exported(form, named(table))))
    for name, (title, modules) in REFERENCE.items():
        text = "\n\n".join([f"# {title}", *map(_directive, modules)])
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    files.append(File.generated(config, "index.md", abs_src_path=str(root / "README.md")))
    seen, placed = {"README.md"}, _places(config["nav"])
    todo = ["README.md", *(f"docs/{file.src_uri}" for file in files.documentation_pages() if not file.generated_by)]
    for source in todo:
        for target in _linked(root, source):
            if target not in seen and not target.startswith("docs/") and (root / target).is_file():
                seen.add(target)
                moved = File.generated(config, f"repository/{target}", abs_src_path=str(root / target))
                if moved.src_uri not in placed:
                    moved.inclusion = InclusionLevel.NOT_IN_NAV
                files.append(moved)
                todo += [target] * target.endswith(".md")
    config["nav"] = _there(config["nav"], {file.src_uri for file in files})
    return files


def public(module: str) -> list[str]:
    """The public names of a module: those of its `__all__`, or else those that are defined in it."""
    loaded = import_module(module)
    names = getattr(loaded, "__all__", None)
    defined = [name for name, value in vars(loaded).items() if getattr(value, "__module__", None) == module]
    return sorted(names) if names is not None else [name for name in defined if not name.startswith("_")]


def _directive(module: str) -> str:
    """What mkdocstrings shows a module by: all public names, also those that come from its rooms."""
    loaded = import_module(module)
    hidden = [name for name in public(module) if _has_room(module, name)]
    names = "".join(f"\n        - {name}" for name in public(module) if name not in hidden) or " []"
    rooms = [
        f"::: {module}.{name}.{getattr(loaded, name).__name__}\n    options:\n      heading_level: 3" for name in hidden
    ]
    return "\n\n".join([f"::: {module}\n    options:\n      members:{names}", *rooms])


def _has_room(module: str, name: str) -> bool:
    """Whether a file of the module has the name of one of its functions: mkdocstrings takes that for the member."""
    package = getattr(import_module(module), "__path__", None)
    return package is not None and find_spec(f"{module}.{name}") is not None


def _places(nav: list[Any]) -> set[str]:
    """The files that a navigation names."""
    inside = [value for entry in nav for value in entry.values()]
    return {each for value in inside for each in (_places(value) if isinstance(value, list) else [value])}


def _there(nav: list[Any], files: set[str]) -> list[Any]:
    """A navigation without what is not there; MkDocs says of what is there, and is not in it."""
    kept = []
    for entry in nav:
        ((title, value),) = entry.items()
        if isinstance(value, list):
            kept.append({title: _there(value, files)})
        elif value in files:
            kept.append(entry)
    return kept


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
