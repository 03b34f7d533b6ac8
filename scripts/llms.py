"""The documentation for programs that read: `llms.txt`, an index of its pages, and `llms-full.txt`, all of their text.

A hook of MkDocs. Each page of the navigation is in the site as markdown too, beside its HTML, and the reference as
signatures and docstrings, as Python has them.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.plugins import event_priority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page

DIRECTIVE = re.compile(r"^::: (\S+)\n    options:\n      members:((?:\n        - \w+)*)", re.MULTILINE)
PARAGRAPH = re.compile(r"^(?![#|<!`\[\s])(?:.+\n?)+", re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")

TEXTS: dict[str, str] = {}
"""The markdown of each page, by where it is."""


@event_priority(-100)  # after the hooks that change it
def on_page_markdown(markdown: str, page: Page, **_: Any) -> None:
    """Keep the text of a page."""
    TEXTS[page.file.src_uri] = DIRECTIVE.sub(_module, markdown)


def on_nav(nav: Navigation, **_: Any) -> None:
    """Keep the order of the pages."""
    NAV[:] = nav.items


NAV: list[Any] = []


def on_post_build(config: MkDocsConfig) -> None:
    """Write the index, the whole, and each page."""
    site = Path(config.site_dir)
    index, whole = [f"# {config.site_name}\n\n> {config.site_description}\n"], []
    for title, pages in _sections():
        index.append(f"\n## {title}\n\n")
        for page in pages:
            uri, text = page.file.src_uri, TEXTS[page.file.src_uri]
            (site / uri).parent.mkdir(parents=True, exist_ok=True)
            (site / uri).write_text(text, "utf-8")
            index.append(f"- [{page.title}]({uri}){_about(text)}\n")
            whole.append(f"<!-- {uri} -->\n\n{text.strip()}\n")
    index.append("\n## All of it\n\n- [llms-full.txt](llms-full.txt): every page of this list in one file.\n")
    (site / "llms.txt").write_text("".join(index), "utf-8")
    (site / "llms-full.txt").write_text("\n\n".join(whole), "utf-8")


def _about(text: str) -> str:
    """The first sentence of a page."""
    first = PARAGRAPH.search(text)
    if first is None:
        return ""
    sentence, end, _ = " ".join(LINK.sub(r"\1", first[0]).split()).partition(". ")
    return f": {sentence.rstrip(':')}{end.strip()}"


def _sections() -> Iterator[tuple[str, list[Page]]]:
    alone = [item for item in NAV if item.is_page]
    yield "Begin here", [page for page in alone if page.file.src_uri in TEXTS]
    for section in NAV:
        if section.is_section:
            yield section.title, [each for each in section.children if each.is_page and each.file.src_uri in TEXTS]


def _module(found: re.Match[str]) -> str:
    """A module of the reference: its docstring, and those of its public names."""
    module = import_module(found[1])
    parts = [f"## {found[1]}\n\n{inspect.getdoc(module) or ''}"]
    for name in found[2].replace("- ", "").split():
        parts += _described(f"{found[1]}.{name}", getattr(module, name))
    return "\n\n".join(parts)


def _described(name: str, value: Any) -> Iterator[str]:
    if not callable(value):
        return
    yield f"### {name}\n\n```python\n{name.rpartition('.')[2]}{_signature(value)}\n```\n\n{inspect.getdoc(value) or ''}"
    if inspect.isclass(value):
        for member, inner in vars(value).items():
            if not member.startswith("_") and (inspect.isfunction(inner) or isinstance(inner, property)):
                said = inspect.getdoc(inner)
                if said:
                    yield f"- `{member}{'' if isinstance(inner, property) else _signature(inner)}`: {said}"


def _signature(value: Any) -> str:
    try:
        return str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
