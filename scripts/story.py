"""The notebook of the whole story, executed, as a page of the site.

As a program it runs `examples/story.ipynb` from top to bottom into `.build/story.ipynb`. As a hook of MkDocs it makes a
page of that, if it is there; the notebook in the repository has no outputs, so that there are none that could be old.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "examples" / "story.ipynb"
EXECUTED = Path(".build") / "story.ipynb"
PAGE = "story.md"
OUTPUT = re.compile(r"<!-- output (\d+) (\d+) -->")


def execute(out: Path) -> dict[str, Any]:
    """Run the notebook in a kernel of its own, write it with its outputs, and return it; a cell that fails raises."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(SOURCE, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    out.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, out)
    return json.loads(out.read_text("utf-8"))  # type: ignore[no-any-return]


def markdown(notebook: dict[str, Any]) -> str:
    """The cells one after the other, and a comment in the place of each output."""
    parts = []
    for number, cell in enumerate(notebook["cells"]):
        text = "".join(cell["source"])
        parts.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
        parts += [f"<!-- output {number} {at} -->" for at in range(len(cell.get("outputs", ())))]
    return "\n\n".join(parts) + "\n"


def shown(output: dict[str, Any]) -> str:
    """An output as HTML: as the value shows itself, or its text."""
    data = output.get("data", {})
    if "text/html" in data:
        return f'<div class="output">{"".join(data["text/html"])}</div>'
    text = "".join(output.get("text") or data["text/plain"])
    return f'<pre class="printed"><code>{escape(text)}</code></pre>'


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the page."""
    from mkdocs.structure.files import File

    executed = Path(config.config_file_path).parent / EXECUTED
    if executed.is_file():
        files.append(File.generated(config, PAGE, content=markdown(json.loads(executed.read_text("utf-8")))))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links of the notebook are relative to where it is in the repository."""
    return markdown.replace("](../docs/", "](") if page.file.src_uri == PAGE else markdown


def on_page_content(html: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Put the outputs into the page."""
    if page.file.src_uri != PAGE:
        return html
    cells = json.loads((Path(config.config_file_path).parent / EXECUTED).read_text("utf-8"))["cells"]
    return OUTPUT.sub(lambda found: shown(cells[int(found[1])]["outputs"][int(found[2])]), html)


if __name__ == "__main__":
    execute(ROOT / EXECUTED)
