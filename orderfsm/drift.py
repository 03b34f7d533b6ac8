"""Whether the official SDK still says what the spec says: an alarm for changes of the API.

The SDK's models are generated from the API's documents, and their comments are those documents' words. So a new value
of `Type` or `Status`, a new operation on orders or a new parameter shows in a new release of the SDK. The source is
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
from .questions import ORDER_LIFECYCLE
from .tables.api import PARAMETERS
from .verdict import Uncertain
from .words import meanings

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

    from .lifecycle import Lifecycle

PACKAGE = "alibabacloud_cas20200407"

OUTSIDE = {
    "ListTrusteeOrder": "hosting, not the life of an order",
    "GetUserCertificateDetail": "about a certificate; it names the order that the certificate came from",
}
"""Operations that take or answer an OrderId and are not in the spec, and why."""

WORDS = (
    ("DescribeCertificateStateResponseBody", "Type"),
    ("ListUserCertificateOrderRequest", "Status"),
    ("ListUserCertificateOrderResponseBodyCertificateOrderList", "Status"),
)
"""The fields, with the models in which they are, whose documented values are the spec's vocabularies."""


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
    """What the SDK of `version` says otherwise than the spec."""

    _instead: ClassVar[str] = "ask its `.differences`"
    version: str
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, Any]:
        """The same, as `orderfsm drift --json` prints it."""
        return {"sdk": self.version, "drift": [attrs.asdict(each) for each in self.differences]}


def drift(folder: str | os.PathLike[str] | None = None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Drift:
    """Compare the SDK whose package is in `folder` (None: the installed one) with the spec.

    Compared are the values of `Type` and `Status`, the operations that take or answer an OrderId, and the parameters of
    the spec's operations, with whether they are required. Raises `MissingExtra` if no SDK is installed, and
    `InvalidValue` if there is none in `folder`, or one whose comments do not list the values (before 3.x), and for a
    `lifecycle` that is not about orders of the CAS API.
    """
    if foreign := [operation for operation in lifecycle.operations if operation not in set(PARAMETERS)]:
        accepted = f"a table of the CAS API, whose SDK is compared; that has no {foreign[0]}"
        raise InvalidValue("lifecycle", lifecycle.name, [accepted])
    sdk = _SDK.read(_installed() if folder is None else Path(folder))
    differences = [*_values(sdk, lifecycle), *_operations(sdk, lifecycle), *_parameters(sdk, lifecycle)]
    return Drift(sdk.version, tuple(differences))


# -- comparing ---------------------------------------------------------------------------------------------------------


def _values(sdk: _SDK, lifecycle: Lifecycle) -> Iterator[Difference]:
    for model, field in WORDS:
        documented = sdk.fields(model).get(field, _Field()).values
        for vocabulary in lifecycle.vocabularies:
            if vocabulary.field == field and model.startswith(vocabulary.operation):
                yield from _compared("value", f"{model}.{field}", meanings(lifecycle, vocabulary), documented)


def _operations(sdk: _SDK, lifecycle: Lifecycle) -> Iterator[Difference]:
    ours, parameter = lifecycle.operations, lifecycle.identity.parameter
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
        sdk = cls(version[1] if version else "unknown", models, tuple(dict.fromkeys(actions)))
        if not any(sdk.fields(model).get(field, _Field()).values for model, field in WORDS):
            raise InvalidValue("SDK", str(folder), ["version 3.x, whose comments list the values of Type and Status"])
        return sdk

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
