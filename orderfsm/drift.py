"""Whether the official SDK still says what the spec says: an alarm for changes of the API.

The SDK's models are generated from the API's documents, and their comments are those documents' words. So a new word
for a state, a new operation on orders or instances or a new parameter shows in a new release of the SDK. The source is
read, not imported.
"""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from .extras import needs
from .invalid import InvalidValue
from .tables import NAMES, named
from .tables.api import PARAMETERS, PURCHASES
from .verdict import Uncertain
from .words import meanings

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

    from .lifecycle import Lifecycle
    from .rows import Vocabulary

PACKAGE = "alibabacloud_cas20200407"

OUTSIDE = {
    "ListTrusteeOrder": "hosting, not the life of an order",
    "GetUserCertificateDetail": "about a certificate; it names the order, or the instance, that it came from",
    "GetCertificateDetail": "about a certificate; it names the instance that it came from",
    "ListCertWarehouse": "certificates of private CAs",
    "DescribeDeploymentJob": "where certificates are used",
    "ListDeploymentJob": "where certificates are used",
}
"""Operations that take or answer the id of an order or an instance and are in no table, and why."""


@attrs.frozen
class Difference:
    """One difference: its `kind`, the field or operation `where` it is, and `what` is new, gone or changed."""

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what} ({self.where})"


@attrs.frozen
class Drift(Uncertain):
    """What the SDK of `version` says otherwise than the `tables`, which are named here."""

    _instead: ClassVar[str] = "ask its `.differences`"
    version: str
    differences: tuple[Difference, ...]
    tables: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The same, as `orderfsm drift --json` prints it."""
        return {
            "sdk": self.version,
            "tables": [*self.tables],
            "drift": [attrs.asdict(each) for each in self.differences],
        }


def drift(folder: str | os.PathLike[str] | None = None, lifecycle: Lifecycle | None = None) -> Drift:
    """Compare the SDK whose package is in `folder` (None: the installed one) with the table `lifecycle`.

    None: with every table of this package of which the SDK knows anything. Compared are the words of the fields that
    are read, the operations that take or answer an id, and the parameters of the table's operations, with whether they
    are required. Raises `MissingExtra` if no SDK is installed, and `InvalidValue` if there is none in `folder`, or one
    whose comments do not list the words (before 3.x), and for a `lifecycle` that is not of the CAS API.
    """
    sdk = _SDK.read(_installed() if folder is None else Path(folder))
    tables = [lifecycle] if lifecycle is not None else [each for each in map(named, NAMES) if any(sdk.read_in(each))]
    for table in tables:
        if not any(operation in sdk.actions for operation in table.operations):
            accepted = f"a table of the CAS API, whose SDK is compared; that has no {table.operations[0]}"
            raise InvalidValue("lifecycle", table.name, [accepted])
    if not any(sdk.fields(model)[each.field].values for table in tables for each, model in sdk.read_in(table)):
        wanted = "version 3.x, whose comments list the words of what is read"
        raise InvalidValue("SDK", str(folder), [wanted])
    parts = (_values, _operations, _parameters)
    differences = tuple(each for table in tables for part in parts for each in part(sdk, table))
    return Drift(sdk.version, differences, tuple(table.name for table in tables))


# -- comparing ---------------------------------------------------------------------------------------------------------


def _values(sdk: _SDK, lifecycle: Lifecycle) -> Iterator[Difference]:
    known = list(sdk.read_in(lifecycle))
    for vocabulary in lifecycle.vocabularies:
        words = filter(None, meanings(lifecycle, vocabulary))  # that a field is absent is no word of it
        ours = list(words)
        models = [model for each, model in known if each is vocabulary]
        for model in models:
            yield from _compared(
                "value", f"{model}.{vocabulary.field}", ours, sdk.fields(model)[vocabulary.field].values
            )
        for operation in vocabulary.operations:
            if not any(model.startswith(f"{operation}ResponseBody") for model in models):
                yield Difference("vanished field", operation, vocabulary.field)


def _operations(sdk: _SDK, lifecycle: Lifecycle) -> Iterator[Difference]:
    ours = [operation for operation in lifecycle.operations if operation not in PURCHASES]
    parameter = lifecycle.identity.parameter
    theirs = [action for action in sdk.actions if action in ours or sdk.is_about(parameter, action)]
    yield from _compared("operation", "client", ours, [action for action in theirs if action not in OUTSIDE])


def _parameters(sdk: _SDK, lifecycle: Lifecycle) -> Iterator[Difference]:
    for operation, parameters in PARAMETERS.items():
        if operation not in lifecycle.trigger_rules:
            continue
        documented = sdk.fields(f"{operation}Request")
        known = (*parameters.required, *parameters.any_of, *parameters.optional)
        if operation in sdk.actions:
            yield from _compared("parameter", operation, known, documented)
            for name in filter(documented.get, known):
                if documented[name].required != (name in parameters.required):
                    kind = "now required" if documented[name].required else "no more required"
                    yield Difference(kind, operation, name)


def _compared(kind: str, where: str, ours: Iterable[str], theirs: Iterable[str]) -> Iterator[Difference]:
    ours, theirs = list(ours), list(theirs)
    yield from (Difference(f"new {kind}", where, str(each)) for each in theirs if each not in ours)
    yield from (Difference(f"vanished {kind}", where, str(each)) for each in ours if each not in theirs)


# -- reading the SDK ---------------------------------------------------------------------------------------------------

_VALUE = re.compile(r"[-*] +\*\*(\w+)\*\*")
_REQUIRED = "This parameter is required."


@attrs.frozen
class _Field:
    """What the comment of a field says: the values that it lists, and whether the field is required."""

    values: tuple[str, ...] = ()
    required: bool = False


@attrs.frozen
class _SDK:
    """What is read of the SDK: the fields of each model by their names on the wire, and the actions that it calls."""

    version: str
    models: Mapping[str, Mapping[str, _Field]]
    actions: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> _SDK:
        client = folder / "client.py"
        sources = [*sorted((folder / "models").glob("*.py")), *folder.glob("models.py")]
        if not client.is_file() or not sources:
            raise InvalidValue("SDK", str(folder), [f"a folder with the package {PACKAGE}"])
        models = {name: fields for source in sources for name, fields in _models(source.read_text(encoding="utf-8"))}
        version = re.search(r"__version__ = '(.*)'", (folder / "__init__.py").read_text(encoding="utf-8"))
        actions = re.findall(r"\baction ?= ?'(\w+)'", client.read_text(encoding="utf-8"))
        return cls(version[1] if version else "unknown", models, tuple(dict.fromkeys(actions)))

    def read_in(self, lifecycle: Lifecycle) -> Iterator[tuple[Vocabulary, str]]:
        """The vocabularies of a table, each with the models that have its field: answers, and what is asked for."""
        for vocabulary in lifecycle.vocabularies:
            for model, fields in self.models.items():
                if vocabulary.field in fields and model.startswith(
                    tuple(f"{each}{part}" for each in vocabulary.operations for part in ("Request", "ResponseBody"))
                ):
                    yield vocabulary, model

    def fields(self, model: str) -> Mapping[str, _Field]:
        return self.models.get(model, {})

    def is_about(self, parameter: str, action: str) -> bool:
        """Whether an operation takes such a parameter, or answers one."""
        return any(parameter in self.fields(f"{action}{suffix}") for suffix in ("Request", "ResponseBody"))


def _installed() -> Path:
    with needs("client"):
        found = find_spec(PACKAGE)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(name=PACKAGE)
    return Path(found.origin).parent


def _models(source: str) -> Iterator[tuple[str, dict[str, _Field]]]:
    """The models in a file: a class assigns its fields in `__init__`, and reads them from the wire in `from_map`."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            assigned: dict[str, _Field] = {}
            names: dict[str, str] = {}
            for inner in ast.walk(node):
                match inner:
                    case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=attribute)]):
                        assigned.setdefault(attribute, _field(lines[: inner.lineno - 1]))
                    case ast.If(
                        test=ast.Compare(left=ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(str(name))])),
                    ):
                        names.update(dict.fromkeys(_own_attributes(inner), name))
            yield node.name, {names.get(attribute, attribute): field for attribute, field in assigned.items()}


def _own_attributes(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        match inner:
            case ast.Attribute(value=ast.Name(id="self"), attr=attribute):
                yield attribute


def _field(before: list[str]) -> _Field:
    """What the comment at the end of the lines `before` an assignment says."""
    comment = []
    while before and before[-1].lstrip().startswith("#"):
        comment.append(before.pop().strip().lstrip("#").removeprefix(" "))
    values = [match[1] for line in reversed(comment) if (match := _VALUE.match(line))]
    return _Field(tuple(values), _REQUIRED in comment)
