"""The drift alarm: the newest SDK says what the spec says, and whatever is planted in a copy of it is found."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("click", reason="the extra `cli` is not installed")

from orderfsm import InvalidValue, Operation
from orderfsm.cli import main
from orderfsm.drift import OUTSIDE, PACKAGE, drift
from orderfsm.extras import MissingExtra
from orderfsm.tables.api import PARAMETERS
from orderfsm.wire import statuses, types

FOUND = find_spec(PACKAGE)
if FOUND is None:
    pytest.skip("the extra `client` is not installed", allow_module_level=True)
SDK = Path(FOUND.origin).parent
if not (SDK / "models").is_dir():
    pytest.skip("this SDK is older than 3.x: its comments list no values", allow_module_level=True)

TYPE = "_describe_certificate_state_response_body.py", "DescribeCertificateStateResponseBody.Type"
FILTER = "_list_user_certificate_order_request.py", "ListUserCertificateOrderRequest.Status"
LISTED = (
    "_list_user_certificate_order_response_body.py",
    "ListUserCertificateOrderResponseBodyCertificateOrderList.Status",
)
VALUES = [(TYPE, word) for word in types()] + [(field, word) for field in (FILTER, LISTED) for word in statuses()]


def snake_case(action):
    """How the SDK names the file of an action's request."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action) + "_request.py"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A copy of what of the SDK is compared."""
    folder = tmp_path_factory.mktemp("sdk") / PACKAGE
    (folder / "models").mkdir(parents=True)
    kept = [snake_case(each) for each in (*Operation, *OUTSIDE)] + [name for name, _ in (TYPE, LISTED)]
    for name in ("__init__.py", "client.py", *(f"models/{name}" for name in kept)):
        shutil.copy(SDK / name, folder / name)
    return folder


@pytest.fixture
def edited(original, tmp_path):
    """Replace a text, which is there, in a file of a copy; what the alarm says of it then."""
    folder = tmp_path / PACKAGE
    shutil.copytree(original, folder)

    def edit(file, old, new, *, times=1):
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, times), encoding="utf-8")
        return [(each.kind, each.where, each.what) for each in drift(folder).differences]

    return edit


def test_the_newest_sdk_says_what_the_spec_says():
    said = drift()
    assert said.version.startswith("3.")
    assert said.differences == ()


def test_the_copy_does_too(original):
    assert drift(original).differences == ()


@pytest.mark.parametrize(("field", "word"), VALUES, ids=lambda value: value if isinstance(value, str) else value[1])
def test_a_value_that_vanished_or_was_renamed_is_found(edited, field, word):
    file, where = field
    assert edited(f"models/{file}", f"**{word}**: ", "**of_the_future**: ") == [
        ("new value", where, "of_the_future"),
        ("vanished value", where, word),
    ]
    assert edited(f"models/{file}", "- **of_the_future**: ", "of_the_future: ") == [("vanished value", where, word)]


@pytest.mark.parametrize("field", [TYPE, FILTER, LISTED], ids=lambda field: field[1])
def test_a_new_value_is_found(edited, field):
    file, where = field
    first = next(iter(types() if field is TYPE else statuses()))
    line = f"        # - **{first}**: "
    found = edited(f"models/{file}", line, f"        # - **suspended**: Suspended.\n{line}")
    assert found == [("new value", where, "suspended")]


@pytest.mark.parametrize("operation", Operation)
def test_an_operation_that_vanished_is_found(edited, operation):
    found = edited("client.py", f"action = '{operation}'", "action = 'Nothing'", times=-1)
    assert found == [("vanished operation", "client", operation)]


@pytest.mark.parametrize(
    ("model", "field"), [("SuspendOrderRequest", "OrderId"), ("SuspendOrderResponseBody", "OrderId")]
)
def test_a_new_operation_that_takes_or_answers_an_order_id_is_found(edited, model, field):
    read = f"        if m.get('{field}') is not None:\n            self.x = m\n"
    new = f"class {model}:\n    def from_map(self, m):\n{read}"
    first = "from __future__ import annotations\n"
    assert edited(f"models/{TYPE[0]}", first, f"{first}\n{new}\n") == []
    found = edited("client.py", "action = 'ListTrusteeOrder'", "action = 'SuspendOrder'")
    assert found == [("new operation", "client", "SuspendOrder")]


@pytest.mark.parametrize("operation", Operation)
def test_a_parameter_that_is_new_or_vanished_is_found(edited, operation):
    parameters = PARAMETERS[operation]
    file = f"models/{snake_case(operation)}"
    for name in (*parameters.required, *parameters.any_of, *parameters.optional):
        found = edited(file, f"m.get('{name}') is", "m.get('Planted') is")
        assert [each for each in found if each[0].endswith("parameter")] == [
            ("new parameter", operation, "Planted"),
            ("vanished parameter", operation, name),
        ]
        assert edited(file, "m.get('Planted') is", f"m.get('{name}') is") == []


@pytest.mark.parametrize("operation", [each for each in Operation if PARAMETERS[each].required])
def test_a_parameter_that_is_no_more_required_is_found(edited, operation):
    required = PARAMETERS[operation].required
    file = f"models/{snake_case(operation)}"
    for count in range(1, len(required) + 1):
        found = edited(file, "# This parameter is required.", "# It is not.")
        assert len(found) == count
        assert {each[:2] for each in found} == {("no more required", operation)}
    assert {name for *_, name in found} == set(required)


def test_a_parameter_that_is_required_now_is_found(edited):
    operation = Operation.CREATE_FOR_PACKAGE
    line = "        self.csr = csr\n"
    found = edited(f"models/{snake_case(operation)}", line, f"        # This parameter is required.\n{line}")
    assert found == [("now required", operation, "Csr")]


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_exits_0_without_drift_and_1_with_it(original, tmp_path, capsys):
    assert main(["drift", "--sdk", str(original)]) == 0
    assert capsys.readouterr().out.endswith(": no differences\n")
    assert main(["drift", "--json", "--sdk", str(original)]) == 0
    assert json.loads(capsys.readouterr().out)["drift"] == []
    folder = tmp_path / PACKAGE
    shutil.copytree(original, folder)
    body = folder / "models" / TYPE[0]
    body.write_text(body.read_text().replace("**payed**", "**paid**"))
    assert main(["drift", "--sdk", str(folder)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == f"new value: paid ({TYPE[1]})"
    assert main(["drift", "--json", "--sdk", str(folder)]) == 1
    first = json.loads(capsys.readouterr().out)["drift"][0]
    assert first == {"kind": "new value", "where": TYPE[1], "what": "paid"}


def test_where_there_is_no_sdk_or_an_old_one_it_says_so(original, tmp_path, monkeypatch, capsys):
    assert main(["drift", "--sdk", str(tmp_path)]) == 2
    assert "expected a folder with the package" in capsys.readouterr().err
    folder = tmp_path / PACKAGE
    shutil.copytree(original, folder)
    for source in (folder / "models").iterdir():
        source.write_text(source.read_text().replace("- **", "- "))
    with pytest.raises(InvalidValue, match=r"expected version 3\.x"):
        drift(folder)
    monkeypatch.setattr("orderfsm.drift.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'orderfsm\[client\]'"):
        drift()
