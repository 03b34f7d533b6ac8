"""What values look like in a notebook: pieces of HTML, light or dark as the notebook is, that need no script.

A value's `_repr_html_` says what is to be shown of it, by these pieces; nothing here knows any value. Text is escaped
unless it is `Html` already, so that nothing from a log or a server becomes markup.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHOWN = 20
"""How many rows a table has at most, unless it is told otherwise."""

STYLE = """
.orderfsm-shown.orderfsm-shown {
  color-scheme: light dark; --ink: light-dark(#1c2733, #e6ebf0); --soft: light-dark(#566370, #a3afbb);
  --line: light-dark(#d3dae2, #2d3843); --good: light-dark(#0a7a3d, #55d88c); --bad: light-dark(#b3261e, #ff8a80);
  --unsure: light-dark(#8a4500, #f0a860); --accent: light-dark(#0b57b0, #7db7ff);
  --orderfsm-paper: light-dark(#ffffff, #151b22); --orderfsm-ink: light-dark(#1c2733, #e6ebf0);
  --orderfsm-soft: light-dark(#5a6775, #a3afbb); --orderfsm-box: light-dark(#f1f4f8, #222b35);
  --orderfsm-operation: light-dark(#0b57b0, #7db7ff); --orderfsm-event: light-dark(#8a4500, #f0a860);
  --orderfsm-lit: light-dark(#0a7a3d, #55d88c); --orderfsm-on-lit: light-dark(#ffffff, #08150d);
  background: light-dark(#ffffff, #151b22); color: var(--ink); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 14px; margin: 4px 0; max-width: 1100px; overflow-x: auto;
  font: 14px/1.45 system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif;
  :is([data-jp-theme-light="true"], .vscode-light, [theme="light"], [data-theme="light"],
    [data-md-color-scheme="default"]) & { color-scheme: light; }
  :is([data-jp-theme-light="false"], .vscode-dark, [theme="dark"], [data-theme="dark"],
    [data-md-color-scheme="slate"]) & { color-scheme: dark; }
  svg.orderfsm { color-scheme: inherit; display: block; margin: 6px auto; }
  .title { font-weight: 600; font-size: 15px; margin: 0 0 6px; overflow-wrap: anywhere; }
  .badge { border: 1px solid; border-radius: 9px; padding: 0 8px; font-size: 13px; white-space: nowrap; }
  .good { color: var(--good); } .bad { color: var(--bad); }
  .unsure { color: var(--unsure); } .soft { color: var(--soft); }
  a { color: var(--accent); overflow-wrap: anywhere; }
  code { background: none; color: inherit; padding: 0; font-size: 0.95em; word-break: normal; overflow-wrap: inherit; }
  table { border-collapse: collapse; margin: 6px 0; font-size: 13px; border: 0; color: inherit; }
  tr:nth-child(n) { background: none; }
  th, td { text-align: left; vertical-align: top; padding: 2px 12px 2px 0; border: 0; border-top: 1px solid var(--line);
    background: none; max-width: 460px; overflow-wrap: break-word; white-space: normal; }
  th { color: var(--soft); font-weight: 600; }
  .facts :is(th, td) { border: 0; max-width: 720px; }
  .facts td { overflow-wrap: anywhere; }
  .rows td:last-child { min-width: 150px; }
  .matrix :is(th, td) { padding: 1px 5px; text-align: center; }
  .matrix th:first-child { text-align: right; white-space: nowrap; }
  .matrix thead th { writing-mode: vertical-rl; rotate: 180deg; text-align: left; vertical-align: bottom; border: 0;
    padding: 4px 1px; white-space: nowrap; }
  summary { cursor: pointer; color: var(--accent); }
  pre { margin: 4px 0; font-size: 12px; line-height: 1.35; overflow-x: auto; background: none; color: inherit;
    border: 0; padding: 0; }
}
"""
"""The style of everything that is shown; it is part of each value's HTML, since a notebook has no other place for it.

Whether it is light or dark, JupyterLab, VS Code, Colab and pages of documentation say by an attribute; where none does,
the reader's preference decides.
"""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Part: TypeAlias = "str | Html | None"
"""What an element is made of: HTML, or text that is escaped; None adds nothing."""


def mood(yes: bool | None) -> str:
    """The class of what is well, is not, or is not known."""
    return "unsure" if yes is None else "good" if yes else "bad"


def element(name: str, *parts: Part, **attributes: str) -> Html:
    """An element with attributes; `class` is spelt `class_`."""
    given = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items() if value)
    return Html(f"<{name}{given}>{joined(*parts)}</{name}>")


def joined(*parts: Part) -> Html:
    """The parts one after the other."""
    return Html("".join(part if isinstance(part, Html) else escape(str(part)) for part in parts if part is not None))


def badge(word: str, yes: bool | None) -> Html:
    """A verdict in its colour."""
    return element("span", word, class_=f"badge {mood(yes)}")


def code(text: object) -> Html:
    """A name of a program."""
    return element("code", str(text))


def whole(text: str) -> Html:
    """A text that is not broken into lines, such as a time."""
    return element("span", text, style="white-space: nowrap") if text else Html()


def source(reference: str) -> Html:
    """References, separated by `; `, of which URLs are links."""
    parts = reference.split("; ")
    links = [_link(part) if part.startswith(("https://", "http://")) else joined(part) for part in parts]
    return Html("; ".join(links))


def _link(url: str) -> Html:
    name = url.partition("://")[2]
    shown = name if len(name) <= 60 else f"{name[:24]}…{name[-34:]}"
    return element("a", shown, href=url, title=url, rel="noopener", target="_blank")


def facts(*pairs: tuple[str, Part]) -> Html:
    """Names and what is said of each; what is empty is left out."""
    rows = [element("tr", element("th", name), element("td", said)) for name, said in pairs if said]
    return element("table", element("tbody", *rows), class_="facts") if rows else Html()


def table(headings: Sequence[str], rows: Iterable[Sequence[Part]], *, most: int = SHOWN, class_: str = "rows") -> Html:
    """A table of at most so many rows, and how many more there are; nothing if there is none.

    Columns of which no row says anything are left out.
    """
    every = list(rows)
    said = [number for number in range(len(headings)) if any(row[number] for row in every)]
    if not said:
        return Html()
    headings, every = [headings[number] for number in said], [[row[number] for number in said] for row in every]
    head = element("thead", element("tr", *(element("th", heading) for heading in headings)))
    body = element("tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in every[:most]))
    more = element("div", f"… {len(every) - most:,} more", class_="soft") if len(every) > most else None
    return joined(element("table", head, body, class_=class_), more)


def matrix(columns: Sequence[str], rows: Iterable[tuple[str, Sequence[Html]]]) -> Html:
    """A table of marks, one for each pair of a row and a column; a column's name stands upright."""
    head = element("thead", element("tr", element("th"), *(element("th", column) for column in columns)))
    body = element("tbody", *(element("tr", element("th", name), *cells) for name, cells in rows))
    return element("table", head, body, class_="matrix")


def mark(sign: str, yes: bool | None, title: str) -> Html:
    """A cell of a matrix."""
    return element("td", sign, class_=mood(yes), title=title)


def folded(summary: str, *parts: Part) -> Html:
    """What is seen after a click; nothing if there is nothing."""
    content = joined(*parts)
    return element("details", element("summary", summary), content) if content else Html()


def card(title: Part, *parts: Part, said: Html | None = None) -> str:
    """What a value shows of itself: its title, the verdict `said` of it, if there is one, and the rest."""
    head = element("div", said, Html(" ") if said else None, title, class_="title")
    return f'<div class="orderfsm-shown"><style>{STYLE}</style>{joined(head, *parts)}</div>'
