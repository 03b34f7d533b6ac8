"""The rules of the table that no document says outright, as a markdown table for `docs/divergences.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import Basis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import StateRule


def divergences(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """Every row, reading and refusal that no document states, every part of a row, and every silence.

    They are inferred unless it says `observed`. In table order.
    """
    lines = ["| rule | what is inferred | nearest document |", "|---|---|---|"]
    lines += [f"| {rule} | {what} | {short(reference)} |" for rule, what, reference in _undocumented(lifecycle)]
    return "\n".join(lines) + "\n"


def _undocumented(lifecycle: Lifecycle) -> Iterator[tuple[str, str, str]]:
    for row in lifecycle.transitions:
        rule = f"`{lifecycle.name_of(row.source)}`: {row.trigger} → `{row.target}`"
        if row.basis is not Basis.DOCUMENTED:
            yield rule, f"that it is allowed{_seen(row.basis)}", row.reference
        if row.note:
            yield rule, row.note, row.reference
    for state in lifecycle.states:
        if state.basis is not Basis.DOCUMENTED:
            reads = f"that it reads as {_read(state, lifecycle)}{_seen(state.basis)}"
            yield f"`{lifecycle.name_of(state.state)}`", reads, state.reference
    yield from _refused(lifecycle)
    for silence in lifecycle.silences:
        where = ", ".join(f"`{lifecycle.name_of(state)}`" for state in silence.states)
        yield f"{where}: {', '.join(silence.triggers)}", "nothing: it may be allowed, or refused", silence.reference


def _refused(lifecycle: Lifecycle) -> Iterator[tuple[str, str, str]]:
    for trigger in lifecycle.triggers:
        if trigger.basis is not Basis.DOCUMENTED:
            refused = f"that it is refused where no row allows it{_seen(trigger.basis)}"
            yield f"{trigger.trigger}", refused, trigger.reference
    for each in lifecycle.refusal_rules:
        if each.basis is not None and each.basis is not Basis.DOCUMENTED:
            where = ", ".join(f"`{lifecycle.name_of(state)}`" for state in each.states) or "every state"
            passes = ", and succeeds later by itself" if each.passes else ""
            refused = f"that it is refused with `{each.error.code}`{passes}{_seen(each.basis)}"
            yield f"{where}: {', '.join(each.triggers) or 'every trigger'}", refused, each.reference


def _seen(basis: Basis) -> str:
    return "" if basis is Basis.INFERRED else f" ({basis})"


def _read(rule: StateRule, lifecycle: Lifecycle) -> str:
    words = [" or ".join(f"`{word}`" for word in rule.readings(at)) for at, _ in enumerate(lifecycle.vocabularies)]
    if any(words):
        return ", ".join(filter(None, words))
    return "nothing" if rule.found else f"{lifecycle.not_found.code}, and is absent from lists"


def short(reference: str) -> str:
    """A link to the document of a reference, named for its last part; a reference without an address as it is."""
    if "https://" not in reference:
        return reference
    url, _, step = reference.rpartition("https://")[2].partition(" ")
    name = url.rsplit("/", 1)[-1].removesuffix(".html")
    return f"[{name}](https://{url}){f', {step}' if step else ''}"
