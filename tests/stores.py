"""A store of each kind, for tests that take every one."""

from __future__ import annotations

from orderfsm.mock import MemoryStore, SQLStore

KINDS = ["memory", "sqlite", "postgresql"]


def opened(kind, request, tmp_path):
    """An empty store of that kind, for the test of `request`."""
    if kind == "memory":
        return MemoryStore()
    return SQLStore(f"sqlite:///{tmp_path}/orders.db" if kind == "sqlite" else request.getfixturevalue("postgres_url"))
