"""`import orderfsm` loads attrs and nothing else, and no module depends on one above it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import orderfsm
from orderfsm import ORDER_LIFECYCLE, Event, Operation, State
from orderfsm.errors import BY_CODE
from orderfsm.words import meanings

ROOT = Path(orderfsm.__file__).parent
MODULES = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]
# From the lowest to the highest; also those that are planned.
FLOORS = [
    ["invalid", "rows", "scratch", "showing", "urls", "verdict"],
    ["clocks", "extras", "identity", "outputs", "quantities", "streams", "table"],
    ["paths", "words"],
    ["explanation", "verification"],
    ["errors"],
    ["codes"],
    ["lifecycle"],
    ["tables"],
    ["questions", "spec"],
    ["order"],
    ["wire"],
    ["drawing", "machine", "trace"],
    ["coverage"],
    ["client", "mock", "audit", "export", "drift", "recorder"],
    ["convert", "testing"],
    ["mock_fixture"],
    ["cli", "hypothesis_plugin", "pytest_plugin"],
    ["__main__"],
]
LOADED_ON_IMPORT = [
    "errors",
    "identity",
    "invalid",
    "lifecycle",
    "order",
    "questions",
    "rows",
    "tables",
    "tables.gateway",
    "tables.orders",
    "verdict",
]


def room_of(path):
    """The name of the module, or of the package, in which a file is."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


ROOMS = {room_of(path) for path in MODULES}
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms if room in ROOMS}


def test_a_fresh_interpreter_loads_attrs_and_nothing_else():
    script = "import sys, attrs; before = set(sys.modules); import orderfsm; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    ours = [name for name in loaded if name.split(".")[0] == "orderfsm"]
    assert sorted(ours) == ["orderfsm", *(f"orderfsm.{module}" for module in LOADED_ON_IMPORT)]
    assert all(name.split(".")[0] in sys.stdlib_module_names for name in loaded if name not in ours)


def imports(path):
    """The rooms that a module imports, also for type checking alone."""
    tree = ast.parse(path.read_text())
    package = ("orderfsm", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "orderfsm" and len(parts) > 1 and parts[1] in FLOOR:
                yield parts[1]


def test_every_room_has_its_floor():
    assert set(FLOOR) == ROOMS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_is_below_it(path):
    """A lower room never imports an upper one, and rooms of one floor do not import one another."""
    here = room_of(path)
    for room in imports(path):
        assert FLOOR[room] < FLOOR[here] or room == here, f"{here} imports {room}"


def test_the_public_names_are_there():
    names = """State Operation Event Basis Transition Lifecycle ORDER_LIFECYCLE Order OrderStateError NotFoundOrder
        Unreachable Verdict can check allowed explain judge narrow plan reachable"""
    assert set(names.split()) <= set(orderfsm.__all__)
    assert all(hasattr(orderfsm, name) for name in orderfsm.__all__)
    assert (ROOT / "py.typed").exists()


# -- only the tables decide --------------------------------------------------------------------------------------------

WORDS = {word for vocabulary in ORDER_LIFECYCLE.vocabularies for word in meanings(ORDER_LIFECYCLE, vocabulary)}
WORDS |= {str(member) for member in (*State, *Operation, *Event)}
CODES = set(BY_CODE) | {beginning for beginning, _ in ORDER_LIFECYCLE.gateway}
ENUMS = {"State", "Operation", "Event"}
# Where the members and words of CAS may decide something: its tables, and the faces by which others meet it.
ALLOWED = ("tables/", "mock/cas/", "audit/reading/actiontrail.py")
EXCEPTIONS = {}
"""What else may compare, and why."""


def decisions(tree):
    """What is compared with a state, a trigger or an error code, or looked for among some: line, and text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            parts = [case.pattern for case in node.cases]
        elif isinstance(node, ast.Set):
            parts = node.elts
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"isinstance", "issubclass"}:
            parts = node.args[1:]
        else:
            continue
        inside = [inner for part in parts for inner in ast.walk(part)]
        constants = {n.value for n in inside if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        names = {n.id for n in inside if isinstance(n, ast.Name)}
        if names & ENUMS or (constants & (WORDS | CODES) and not isinstance(node, ast.Dict)):
            yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_tables_compare_states_triggers_and_codes(path):
    """Nobody else looks at a member, or at a word of the API, to decide what is legal or what was answered."""
    name = str(path.relative_to(ROOT))
    found = [] if name.startswith(ALLOWED) else list(decisions(ast.parse(path.read_text())))
    assert [f"{name}:{line}: {text}" for line, text in found if (name, text) not in EXCEPTIONS] == []


def test_every_exception_is_needed():
    for name, text in EXCEPTIONS:
        assert text in {found for _, found in decisions(ast.parse((ROOT / name).read_text()))}


@pytest.mark.parametrize(
    "code",
    [
        "state is State.ISSUED",
        "state in {State.ISSUED, State.EXPIRED}",
        "state == 'issued'",
        "answer['Type'] != 'certificate'",
        "status in ('PAYED', other)",
        "operation is not Operation.LIST",
        "trigger in tuple(Event)",
        "isinstance(trigger, Operation)",
        "isinstance(trigger, Operation | Event)",
        "SEEN = {Event.SUBMITTED}",
        "WEIGHTS = {Operation.DELETE: 3}",
        "error.code == 'DeleteFail'",
        "code in ('Throttling', 'FlowControl')",
        "match state:\n    case State.ISSUED: pass",
        "match word:\n    case 'verify_fail' | 'payed': pass",
        "match error.code:\n    case 'NotFoundOrder': pass",
    ],
)
def test_a_decision_would_be_found(code):
    assert list(decisions(ast.parse(code)))
