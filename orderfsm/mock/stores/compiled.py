"""Statements as a driver takes them: each is made a text once, since that takes longer than what it does."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .schema import Verbatim

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa

    Parameters = Mapping[str, Any]

_KNOWN = 1000  # statements

PLANNED_ANEW = "planned_anew"
"""The option of a statement that PostgreSQL is to plan for the values of its parameters, each time."""


class Compiled(NamedTuple):
    """A statement as a text, with the values that it has itself, and the names of parameters that are any text.

    `options` are what its driver is told besides.
    """

    text: str
    constants: Parameters
    verbatim: tuple[str, ...]
    options: Mapping[str, bool]

    def bound(self, parameters: Parameters) -> Parameters:
        """`parameters` as the driver takes them, the statement's own values among them."""
        if not self.constants and not self.verbatim:
            return parameters
        values = {**self.constants, **parameters}
        for name in self.verbatim:
            values[name] = Verbatim.written(values[name])
        return values


class Compiler:
    """Makes statements texts of one kind of database."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self._compiled = lru_cache(maxsize=_KNOWN)(self._compile)

    def __call__(self, statement: Any, parameters: Parameters) -> Compiled:
        """`statement` for parameters of those names: an insert or an update without values of its own sets these."""
        return self._compiled(statement, *parameters)

    def _compile(self, statement: Any, *names: str) -> Compiled:
        compiled = statement.compile(dialect=self._dialect, column_keys=names)
        constants = {name: value for name, value in compiled.params.items() if name not in names}
        verbatim = tuple(name for bind, name in compiled.bind_names.items() if isinstance(bind.type, Verbatim))
        planned_anew = self._dialect.name == "postgresql" and statement.get_execution_options().get(PLANNED_ANEW)
        return Compiled(str(compiled), constants, verbatim, {"prepare": False} if planned_anew else {})
