"""Temporary folders and files: what a killed process left goes with the next one; what is in use stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from orderfsm import scratch

pytest.importorskip("fcntl", reason="what a killed process leaves is found by locks")

IN_A_FOLDER = """
import os, signal
from orderfsm import scratch
with scratch.folder() as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("left")
    os.kill(os.getpid(), signal.SIGKILL)
"""
WRITING = """
import os, pathlib, signal, sys
from orderfsm import scratch
with scratch.beside(pathlib.Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """An own directory for temporary files, here and in processes that are started."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def killed(script, *arguments):
    done = subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL


def test_a_folder_that_a_killed_process_left_goes_with_the_next_one(temporary):
    killed(IN_A_FOLDER)
    (left,) = temporary.iterdir()
    with scratch.folder() as folder:
        assert not left.exists()
        assert [*temporary.iterdir()] == [folder]
    assert not [*temporary.iterdir()]


def test_a_folder_in_use_stays_and_so_does_what_only_looks_like_one(temporary):
    target = temporary / "somebody's"
    target.mkdir()
    (target / "in-use").touch()
    others = [temporary / f"{scratch.PREFIX}{name}" for name in ("link", "empty", "file")]
    others[0].symlink_to(target)
    others[1].mkdir()
    others[2].touch()
    with scratch.folder() as one:
        (one / "file").touch()
        with scratch.folder() as other:
            assert one != other
            assert (one / "file").exists()
    assert all(path.exists() for path in [*others, target / "in-use"])


def test_a_file_that_a_killed_process_was_writing_goes_with_the_next_one(temporary):
    killed(WRITING, temporary / "state")
    (left,) = temporary.iterdir()
    assert left.name.endswith(scratch.SUFFIX)
    others = [temporary / name for name in (f"other.01234567{scratch.SUFFIX}", "state.01234567", "state")]
    for other in others:
        other.touch()
    with scratch.beside(temporary / "state") as one, scratch.beside(temporary / "state") as other:
        assert not left.exists()
        assert sorted(temporary.iterdir()) == sorted([*others, one, other])
    assert sorted(temporary.iterdir()) == sorted(others)


AUDIT = """
import os, signal, sys
from orderfsm.audit import audit
killed = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
audit(sys.argv[1], engine=sys.argv[2], state=sys.argv[3], **{sys.argv[4]: killed})
"""


@pytest.mark.parametrize("when", ["progress", "deliver"])
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_an_audit_that_is_killed_leaves_nothing_that_the_next_one_does_not_remove(engine, when, temporary):
    pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
    from orderfsm.audit import audit, simulate

    simulate(temporary / "log", orders=50)
    killed(AUDIT, temporary / "log", engine, temporary / "state", when)
    assert [*temporary.glob("orderfsm-*")] != []
    audit(temporary / "log", engine=engine, state=temporary / "state")
    assert sorted(path.name for path in temporary.iterdir()) == ["log", "state"]


CHECK = """
from orderfsm.machine import OrderMachine
from orderfsm.testing import MachineDriver, check_conformance
print(check_conformance(MachineDriver(OrderMachine), random=3, budget=600).verdict)
"""


def test_a_check_of_a_server_leaves_nothing_in_the_working_directory(temporary):
    pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")
    work = temporary / "work"
    work.mkdir()
    unset = {key: text for key, text in os.environ.items() if key != "HYPOTHESIS_STORAGE_DIRECTORY"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK], cwd=work, env=unset, capture_output=True, check=True, timeout=600, text=True
    )
    assert done.stdout == "conforms\n"
    assert [*temporary.iterdir()] == [work]
    assert [*work.iterdir()] == []
