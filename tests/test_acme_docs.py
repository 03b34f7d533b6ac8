"""docs/acme.md says what was recorded of real ACME servers, and judges it by the table."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("acme", reason="the extra `acme` is not installed")
pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")

from acme_servers import SERVERS
from acme_servers.recording import FLAWED, TWICE, departs, key, rows
from acme_servers.table import GENERATED, PAGE, RECORDED, main, page

from orderfsm import testing
from orderfsm.extras import MissingExtra
from orderfsm.tables.acme import Event, Operation, State

FINALIZE = Operation.FINALIZE


def test_the_page_says_what_was_recorded():
    [(_, generated, _)] = GENERATED.findall(PAGE.read_text())
    assert generated == page(json.loads(RECORDED.read_text()))


def test_every_row_was_recorded_of_every_server():
    recordings = json.loads(RECORDED.read_text())
    assert {each["server"] for each in recordings} == set(SERVERS)
    for each in recordings:
        assert list(each["answers"]) == [key(*row) for row in rows()]
        assert each["verdict"] == "violates"


@pytest.mark.parametrize(
    ("row", "came", "outcomes", "after", "expected"),
    [
        ((State.PENDING, FINALIZE, ""), ["403 orderNotReady"], ["refused"], "pending", False),
        ((State.PENDING, FINALIZE, ""), ["400 malformed"], ["refused"], "pending", True),
        ((State.PENDING, FINALIZE, ""), ["200 processing"], ["accepted"], "processing", True),
        ((State.READY, FINALIZE, ""), ["200 processing"], ["accepted"], "valid", False),
        ((State.READY, FINALIZE, ""), ["200 ready"], ["accepted"], "ready", True),
        ((State.READY, FINALIZE, ""), ["403 orderNotReady"], ["refused"], "ready", True),
        ((State.READY, FINALIZE, FLAWED), ["403 unauthorized"], ["refused"], "ready", False),
        ((State.READY, FINALIZE, FLAWED), ["400 badCSR"], ["refused"], "processing", True),
        ((State.READY, FINALIZE, TWICE), ["200 valid", "403 orderNotReady"], ["accepted", "refused"], "valid", False),
        ((State.READY, FINALIZE, TWICE), ["200 valid", "200 valid"], ["accepted", "accepted"], "valid", True),
        ((State.PENDING, Operation.DEACTIVATE_AUTHORIZATION, ""), ["403 x"], ["refused"], "pending", False),
        ((State.PENDING, Operation.DEACTIVATE_AUTHORIZATION, ""), ["200"], ["accepted"], "invalid", False),
        ((State.PENDING, Operation.DEACTIVATE_AUTHORIZATION, ""), ["200"], ["accepted"], "pending", True),
        ((State.VALID, Operation.DEACTIVATE_AUTHORIZATION, ""), ["200"], ["accepted"], "invalid", False),
        ((State.VALID, Operation.DEACTIVATE_AUTHORIZATION, ""), ["200"], ["accepted"], "deactivated", True),
        ((State.PROCESSING, Operation.DOWNLOAD_CERTIFICATE, ""), ["200"], ["accepted"], "valid", False),
        ((State.PROCESSING, Operation.DOWNLOAD_CERTIFICATE, ""), ["200"], ["accepted"], "processing", True),
        ((State.PROCESSING, Operation.DEACTIVATE_AUTHORIZATION, ""), ["200"], ["accepted"], "processing", True),
        ((State.PENDING, Event.AUTHORIZATION_FAILED, ""), ["done"], ["accepted"], "pending", True),
        ((State.PENDING, Event.AUTHORIZATION_FAILED, ""), ["never settled"], [""], "pending", False),
        ((State.INVALID, FINALIZE, ""), [], [], None, False),
    ],
)
def test_an_answer_is_judged_by_the_table(row, came, outcomes, after, expected):
    assert departs(*row, {"came": came, "outcomes": outcomes, "after": after}) is expected


def test_the_table_is_printed_of_files_and_of_folders(tmp_path, capsys):
    recordings = json.loads(RECORDED.read_text())
    for each in recordings:
        (tmp_path / f"{each['server']}.json").write_text(json.dumps([each]))
    (tmp_path / "pebble.txt").write_text("no recording")
    assert main([str(tmp_path)]) == 0
    of_folder = capsys.readouterr().out
    assert main([]) == 0
    assert len(of_folder.splitlines()) == len(capsys.readouterr().out.splitlines())
    assert main([str(tmp_path / "pebble.json")]) == 0
    assert "acmeeh" not in capsys.readouterr().out


def test_without_the_extra_the_driver_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "acme", None)
    for name in [name for name in sys.modules if name.startswith("orderfsm.testing.drivers.acme")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtra, match=r"acme is not installed: pip install 'orderfsm\[acme\]'"):
        _ = testing.AcmeDriver
