"""The rules of the table that no document says outright, as a markdown table for `docs/divergences.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import Basis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.lifecycle import Lifecycle


def divergences(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """Every inferred row, row with an inferred part, inferred reading and inferred refusal, in table order."""
    lines = ["| rule | what is inferred | nearest document |", "|---|---|---|"]
    lines += [f"| {rule} | {what} | {short(reference)} |" for rule, what, reference in _inferred(lifecycle)]
    return "\n".join(lines) + "\n"


def _inferred(lifecycle: Lifecycle) -> Iterator[tuple[str, str, str]]:
    for row in lifecycle.transitions:
        rule = f"`{row.source or 'no order'}`: {row.trigger} → `{row.target}`"
        if row.basis is Basis.INFERRED:
            yield rule, "that it is allowed", row.reference
        if row.note:
            yield rule, row.note, row.reference
    for state in lifecycle.states:
        if state.basis is Basis.INFERRED:
            read = (
                f"`{state.type}`, `{state.status}`" if state.type else f"{state.service_code}, and is absent from lists"
            )
            yield f"`{state.state}`", f"that it reads as {read}", state.reference
    for trigger in lifecycle.triggers:
        if trigger.basis is Basis.INFERRED:
            yield f"{trigger.trigger}", "that it is refused where no row allows it", trigger.reference


def short(reference: str) -> str:
    """A link to the document of a reference, named for its last part."""
    url, _, step = reference.rpartition("https://")[2].partition(" ")
    name = url.rsplit("/", 1)[-1].removesuffix(".html")
    return f"[{name}](https://{url}){f', {step}' if step else ''}"
