"""The programs that a mock shows to newcomers create an order at it, as they stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from node_packages import INSTALLED, install_node_packages

from orderfsm import State
from orderfsm.mock import mock_cas
from orderfsm.mock.http.snippets import snippets

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
ON = {"Python": lambda program: [sys.executable, "-c", program], "Node": lambda program: ["node", "-e", program]}
ON["curl"] = lambda program: ["sh", "-c", f"{program} --silent --fail"]


def output_of(language, program):
    """What a program says, when it is run where its packages are."""
    if language == "Node":
        install_node_packages()
    elif language == "curl" and not shutil.which("curl"):
        pytest.skip("curl is not on this machine")
    where = INSTALLED if language == "Node" else None
    done = subprocess.run(
        ON[language](program), capture_output=True, text=True, timeout=60, env=ENVIRONMENT, cwd=where, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("language", snippets("http://127.0.0.1:80"))
def test_a_snippet_creates_an_order_as_it_stands(server, language):
    said = output_of(language, snippets(server.api)[language])
    (order,) = server.orders()
    assert order.state is State.PENDING_REVIEW
    assert str(order.id) in said


@pytest.mark.parametrize("language", ["Python", "Node"])
def test_where_signatures_are_verified_the_reader_puts_in_a_key(language):
    with mock_cas(keys={"an-id": "a-secret"}) as server:
        shown = snippets(server.api, signed=True)
        assert list(shown) == ["Python", "Node"]
        output_of(language, shown[language].replace("ACCESS_KEY_ID", "an-id").replace("ACCESS_KEY_SECRET", "a-secret"))
        assert len(server.orders()) == 1
