"""What the command line prints of texts that others wrote: a terminal shows them, and obeys none of them."""

from __future__ import annotations

import json
import re
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("click", reason="the extra `cli` is not installed")

from orders import order_in

from orderfsm import Operation, State, trace
from orderfsm.cli import main
from orderfsm.cli.terminal import safe
from orderfsm.tables import api

EVIL = "a\x1b[2J\x1b]0;t\x07\x9b31m\x7f\r\nforged\t\u202edcba\u2066\u200f\u2028\ufeff\U000e0041b"
CONTROLS = {"Cc", "Zl", "Zp", "Cs"}
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
MARKS = "\u200e\u200f\u061c"


def obeyed(text, allowing="\n"):
    """The characters of a text that a terminal would obey: controls, line ends, what turns the direction of text."""

    def is_obeyed(each):
        return unicodedata.category(each) in CONTROLS or unicodedata.bidirectional(each) in TURNS or each in MARKS

    return [each for each in text if is_obeyed(each) and each not in allowing]


@given(st.text(st.characters(exclude_categories=[])))
def test_a_safe_text_has_nothing_that_a_terminal_obeys_and_letters_stay(text):
    shown = safe(text)
    assert obeyed(shown, "") == []
    assert [each for each in shown if each.isalpha() and not each.isascii()] == [
        each for each in text if each.isalpha() and not each.isascii()
    ]


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
)
def test_a_safe_document_is_the_same_document(document):
    shown = safe(json.dumps(document, indent=2, ensure_ascii=False), allowing="\n")
    assert json.loads(shown) == document
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)


class Screen(StringIO):
    """A terminal: to anything else, escape sequences are not even written."""

    def isatty(self):
        return True


def shown(*arguments):
    """What `orderfsm` shows on a terminal, on both streams."""
    screen = Screen()
    with redirect_stdout(screen), redirect_stderr(StringIO()) as errors:
        main(arguments)
    return screen.getvalue() + errors.getvalue()


@pytest.fixture
def orders(server):
    """What `orderfsm orders` shows."""
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    return lambda *arguments: shown("orders", "--endpoint", server.api, *map(str, arguments))


@pytest.mark.parametrize("command", ["list", "sweep", "sweep --yes"])
def test_listed_orders_are_shown_each_on_one_line(service, between, orders, command):
    from between import acceptance

    order_id = order_in(service, State.VERIFY_FAIL)
    row = {"OrderId": order_id, "Status": "CHECKED_FAIL", "Domain": EVIL, "ProductCode": EVIL}
    between.answers[Operation.LIST] = acceptance(CertificateOrderList=[row], TotalCount=1)
    text = orders(*command.split())
    assert not obeyed(text)
    assert "forged" not in {line.strip()[:6] for line in text.splitlines()}
    document = orders(*command.split(), "--json")
    assert not obeyed(document)
    (listed,) = json.loads(document)["orders" if command == "list" else "selected"]
    assert (listed["domain"], listed["product"]) == (EVIL, EVIL)


def test_a_type_of_the_service_is_shown(service, between, orders):
    from between import acceptance

    order_id = order_in(service, State.VERIFY_FAIL)
    between.answers[Operation.DESCRIBE] = between.answers[Operation.LIST] = acceptance(Type=EVIL)
    text = orders("show", order_id)
    assert not obeyed(text)
    assert r"read as:  a\u001b[2J" in text
    assert json.loads(orders("show", order_id, "--json"))["read"] == EVIL


@pytest.mark.parametrize("code", ["DeleteFail", "Forbidden.RAM", f"New{EVIL}"], ids=["known", "gateway", "evil"])
@pytest.mark.parametrize("operation", [Operation.DELETE, Operation.LIST, Operation.DESCRIBE])
def test_messages_and_codes_of_the_service_are_shown(service, between, orders, code, operation):
    from orderfsm.mock import Response

    order_id = order_in(service, State.VERIFY_FAIL)
    between.answers[operation] = Response.of(403, api.error_body(code, EVIL, "R", "H"))
    for line in (
        [f"delete {order_id}", "sweep --yes"] if operation is Operation.DELETE else ["list", f"show {order_id}"]
    ):
        assert not obeyed(orders(*line.split()))
        assert not obeyed(orders(*line.split(), "--json"))


def test_so_are_texts_of_a_file_by_a_command_that_knows_nothing_of_it(tmp_path):
    """The edge is one for all commands."""
    file = tmp_path / "a\x1b[2J\u202e.jsonl"
    line = {"time": "2026-08-05T06:10:01Z", "order_id": 7, "operation": EVIL, "outcome": "accepted"}
    read = line | {"operation": "CancelOrderRequest"}
    file.write_text(f"{trace.header()}\n{json.dumps(line)}\n{json.dumps(read)}\n")
    text = shown("replay", str(file))
    assert r"a\u001b[2J\u202e.jsonl" in text
    assert not obeyed(text)
    for arguments in (
        ["replay", str(file), "--json"],
        ["replay", str(tmp_path / EVIL)],
        ["check", EVIL, "--state", "x"],
    ):
        assert not obeyed(shown(*arguments))
