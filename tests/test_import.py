"""`import orderfsm` loads attrs and nothing else, and no module depends on one above it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import orderfsm
from orderfsm import State
from orderfsm.wire import statuses, types

ROOT = Path(orderfsm.__file__).parent
MODULES = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]
# From the lowest to the highest; also those that are planned.
FLOORS = [
    ["invalid", "rows", "scratch", "urls", "verdict"],
    ["extras", "identity", "quantities", "streams", "table"],
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
    ["client", "mock", "audit", "export", "drift"],
    ["testing"],
    ["cli", "hypothesis_plugin", "pytest_plugin"],
]
LOADED_ON_IMPORT = """errors identity invalid lifecycle order questions rows tables tables.gateway tables.orders
    verdict""".split()


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


# -- only the table knows states ---------------------------------------------------------------------------------------

TYPES, STATUSES = set(types()), set(statuses())
WORDS = {state.value for state in State} | TYPES | STATUSES
# The service writes the fields that the documents name for each `Type`.
BY_TYPE = ("mock/answers.py", "match word")


def comparisons(tree):
    """What is compared in a module: line, text, and the words among it that name a state."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts, text = [node], ast.unparse(node)
        elif isinstance(node, ast.Match):
            parts, text = [case.pattern for case in node.cases], f"match {ast.unparse(node.subject)}"
        else:
            continue
        inside = [inner for part in parts for inner in ast.walk(part)]
        words = {n.value for n in inside if isinstance(n, ast.Constant) and isinstance(n.value, str)} & WORDS
        members = {ast.unparse(n) for n in inside if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "State"}
        if words or members:
            yield node.lineno, text, words | members


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_table_compares_states(path):
    """No other file compares states, or the API's words for them, to decide what is legal."""
    name = str(path.relative_to(ROOT))
    found = [] if name in {"spec.py", "wire.py"} else list(comparisons(ast.parse(path.read_text())))
    assert [f"{name}:{line}: {text}" for line, text, words in found if (name, text) != BY_TYPE or words - TYPES] == []


@pytest.mark.parametrize(
    "code",
    [
        "state is State.ISSUED",
        "state in {State.ISSUED, State.EXPIRED}",
        "state == 'issued'",
        "answer['Type'] != 'certificate'",
        "status in ('PAYED', other)",
        "match state:\n    case State.ISSUED: pass",
        "match word:\n    case 'verify_fail' | 'payed': pass",
    ],
)
def test_a_comparison_of_states_would_be_found(code):
    assert list(comparisons(ast.parse(code)))
