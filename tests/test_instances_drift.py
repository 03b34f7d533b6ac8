"""The drift alarm for V2.0: the newest SDK says what the instances' table says, and what is planted in it is found."""

from __future__ import annotations

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("click", reason="the extra `cli` is not installed")

from orderfsm.cli import main
from orderfsm.drift import OUTSIDE, PACKAGE, drift
from orderfsm.tables.api import PARAMETERS, PURCHASES
from orderfsm.tables.instances import LIFECYCLE, Operation
from orderfsm.wire import vocabulary

FOUND = find_spec(PACKAGE)
if FOUND is None:
    pytest.skip("the extra `client` is not installed", allow_module_level=True)
SDK = Path(FOUND.origin).parent
if not (SDK / "models" / "_get_instance_detail_request.py").is_file():
    pytest.skip("this SDK is older than 3.1: it knows no instances", allow_module_level=True)

MODELS = {
    "_get_instance_detail_response_body.py": "GetInstanceDetailResponseBody",
    "_list_instances_request.py": "ListInstancesRequest",
    "_list_instances_response_body.py": "ListInstancesResponseBodyInstanceList",
}
FIELDS = {each.field: [*filter(None, vocabulary(each.field, LIFECYCLE))] for each in LIFECYCLE.vocabularies}
CALLS = [operation for operation in Operation if operation not in PURCHASES]
REQUIRED = [operation for operation in CALLS if operation in PARAMETERS and PARAMETERS[operation].required]


def snake_case(action):
    """How the SDK names the file of an action's request."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action) + "_request.py"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A copy of what of the SDK is compared with the instances."""
    folder = tmp_path_factory.mktemp("sdk") / PACKAGE
    (folder / "models").mkdir(parents=True)
    kept = {*MODELS, *(snake_case(each) for each in (*CALLS, *OUTSIDE))}
    kept |= {name.replace("_request", "_response_body") for name in kept}
    for name in ("__init__.py", "client.py", *(f"models/{name}" for name in kept if (SDK / "models" / name).is_file())):
        shutil.copy(SDK / name, folder / name)
    return folder


@pytest.fixture
def edited(original, tmp_path):
    """Replace a pattern, which is there, in a file of a copy; what the alarm says of it then."""
    folder = tmp_path / PACKAGE
    shutil.copytree(original, folder)

    def edit(file, pattern, new, *, times=1):
        path = folder / file
        text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=times)
        assert count
        path.write_text(text, encoding="utf-8")
        return [(each.kind, each.where, each.what) for each in drift(folder, LIFECYCLE).differences]

    return edit


def test_the_newest_sdk_says_what_both_tables_say():
    said = drift()
    assert (said.differences, said.tables) == ((), ("orders", "instances"))
    assert drift(lifecycle=LIFECYCLE).tables == ("instances",)


def test_of_an_sdk_that_knows_nothing_of_a_table_that_table_is_not_asked(original):
    assert drift(original).tables == ("instances",)


@pytest.mark.parametrize("file", MODELS)
@pytest.mark.parametrize("field", FIELDS)
def test_a_word_that_is_new_or_vanished_is_found_in_every_answer(edited, file, field):
    """Renamed is a word that only one of the two fields has."""
    both = set.intersection(*map(set, FIELDS.values()))
    only = next(word for word in FIELDS[field] if word not in both)
    assert edited(f"models/{file}", rf"- \*\*{only}\*\*: ", "- **of_the_future**: ") == [
        ("new value", f"{MODELS[file]}.{field}", "of_the_future"),
        ("vanished value", f"{MODELS[file]}.{field}", only),
    ]


def test_a_field_that_vanished_is_found(edited):
    found = edited("models/_list_instances_response_body.py", "'CertificateStatus'", "'Renamed'", times=0)
    assert found == [("vanished field", "ListInstances", "CertificateStatus")]


@pytest.mark.parametrize("operation", CALLS)
def test_an_operation_that_vanished_is_found(edited, operation):
    found = edited("client.py", f"action = '{operation}'", "action = 'Nothing'", times=0)
    assert found == [("vanished operation", "client", operation)]


def test_the_purchase_is_of_another_sdk():
    assert [*PURCHASES] == [Operation.PURCHASE]


def test_a_new_operation_on_instances_is_found(edited):
    read = "        if m.get('InstanceId') is not None:\n            self.x = m\n"
    new = f"class SuspendInstanceRequest:\n    def from_map(self, m):\n{read}\n\nclass GetTaskAttributeRequest("
    assert edited("models/_get_task_attribute_request.py", r"class GetTaskAttributeRequest\(", new) == []
    found = edited("client.py", "action = 'ListCertWarehouse'", "action = 'SuspendInstance'", times=0)
    assert found == [("new operation", "client", "SuspendInstance")]


@pytest.mark.parametrize("operation", CALLS)
def test_a_parameter_that_is_new_or_vanished_is_found(edited, operation):
    parameters = PARAMETERS[operation]
    for name in (*parameters.required, *parameters.any_of, *parameters.optional):
        file = f"models/{snake_case(operation)}"
        found = edited(file, rf"m\.get\('{name}'\) is", "m.get('Planted') is")
        assert {("new parameter", operation, "Planted"), ("vanished parameter", operation, name)} <= {*found}
        assert edited(file, r"m\.get\('Planted'\) is", f"m.get('{name}') is") == []


@pytest.mark.parametrize("operation", REQUIRED)
def test_a_parameter_that_is_no_more_required_is_found(edited, operation):
    (required,) = PARAMETERS[operation].required
    found = edited(f"models/{snake_case(operation)}", "# This parameter is required.", "# It is not.")
    assert found == [("no more required", operation, required)]


def test_the_command_compares_both_tables_or_the_one_that_is_named(original, tmp_path, capsys):
    assert main(["drift", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"] == ["orders", "instances"]
    assert main(["drift", "--table", "instances", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"] == ["instances"]
    folder = tmp_path / PACKAGE
    shutil.copytree(original, folder)
    body = folder / "models" / "_get_instance_detail_response_body.py"
    body.write_text(body.read_text().replace("- **inactive**", "- **fresh**"))
    assert main(["drift", "--sdk", str(folder)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "new value: fresh (GetInstanceDetailResponseBody.Status)"
