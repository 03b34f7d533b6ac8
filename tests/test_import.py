"""`import orderfsm` costs attrs and nothing else, and every room can be entered without the ones above it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import orderfsm

ROOT = Path(orderfsm.__file__).parent
NOT_LOADED = [
    "transitions",
    "hypothesis",
    "click",
    "typer",
    "starlette",
    "uvicorn",
    "alibabacloud",
    "Tea",
    "cryptography",
]
FLOORS = [
    ["spec"],
    ["errors"],
    ["extras", "ways"],
    ["lifecycle"],
    ["order"],
    ["wire"],
    ["drawing", "machine", "trace"],
    ["client", "mock", "testing", "audit", "export"],
    ["cli"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def test_a_fresh_interpreter_loads_attrs_and_nothing_else():
    script = "import sys, attrs; before = set(sys.modules); import orderfsm; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    foreign = [name for name in loaded if name.split(".")[0] != "orderfsm"]
    assert all(name.split(".")[0] in sys.stdlib_module_names for name in foreign)
    assert not [name for name in loaded if name.startswith(tuple(NOT_LOADED))]
    assert sorted(loaded) == sorted(
        [*foreign, "orderfsm", *(f"orderfsm.{n}" for n in ["errors", "lifecycle", "order", "spec"])]
    )


def imports(path):
    """The rooms that a module imports when it runs, not those for type checking alone."""
    tree = ast.parse(path.read_text())
    package = ("orderfsm", *path.relative_to(ROOT).parent.parts)
    checking = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    skipped = {id(inner) for node in checking for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
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


MODULES = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_down(path):
    """DESIGN.md §3: a lower room never imports an upper one; the users of the spec do not import one another."""
    here = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for room in imports(path):
        asked_late = (here, room) == ("lifecycle", "ways")
        assert FLOOR[room] < FLOOR[here] or room == here or asked_late, f"{here} imports {room}"


def test_the_names_of_the_design_are_there():
    names = """State Operation Event Basis Transition Lifecycle ORDER_LIFECYCLE Order OrderStateError NotFoundOrder
        Unreachable Verdict can check allowed explain judge narrow plan reachable"""
    assert set(names.split()) <= set(orderfsm.__all__)
    assert all(hasattr(orderfsm, name) for name in orderfsm.__all__)
    assert (ROOT / "py.typed").exists()


def test_only_the_table_compares_state_names():
    """DESIGN.md §1: no other file compares state names to decide what is legal."""
    for path in MODULES:
        if path.name == "spec.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                assert "State." not in ast.unparse(node), f"{path.name}:{node.lineno}"
