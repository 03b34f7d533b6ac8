"""The pytest fixture `mock_cas` is told what the mock shall be: by a marker, by a fixture, for one test or for many."""

from __future__ import annotations

import inspect
import re

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from suites import run_pytest

from orderfsm import InvalidValue, Operation, State
from orderfsm.mock import Choices, Review, Service, mock_cas
from orderfsm.mock.http.mock_cas import MockCAS
from orderfsm.mock.settings import options_of, packages_of

FREE = "digicert-free-1-free"

TOLD = f"""
import pytest
from orderfsm import State

pytestmark = pytest.mark.mock_cas(packages={{"{FREE}": 7}})
seen = []


@pytest.fixture(scope="session")
def mock_cas_options():
    return {{"packages": "p=1", "seed": 5}}


@pytest.mark.mock_cas(review="at-once", keys="id:secret")
def test_the_nearest_marker_is_added_to_those_around_it(mock_cas):
    assert [package.total for package in mock_cas.packages()] == [7]
    assert mock_cas.service.review.mode == "at-once"
    assert mock_cas.service.verifies


@pytest.mark.mock_cas(packages={{"q": 3}})
def test_a_test_has_a_mock_of_its_own(mock_cas):
    assert {{package.product_code: package.total for package in mock_cas.packages()}} == {{"{FREE}": 20, "q": 3}}
    assert mock_cas.orders() == []
    mock_cas.order()


class TestOfAClass:
    pytestmark = pytest.mark.mock_cas(review="reads=1", packages="r=2")

    def test_a_marker_of_a_class_is_of_its_tests(self, mock_cas):
        assert mock_cas.service.review.mode == "reads"
        assert mock_cas.packages()[-1].product_code == "r"


def test_a_marked_test_runs_in_one_though_it_asks_for_none():
    from orderfsm.mock.sdk import redirect
    assert len(redirect._ACTIVE) == 1


def test_one_of_a_module_lasts(mock_cas_module):
    seen.append(mock_cas_module.order().id)
    assert mock_cas_module.packages()[0].total == 7


def test_and_is_the_same(mock_cas_module, mock_cas_session):
    assert [order.id for order in mock_cas_module.orders()] == seen
    assert mock_cas_session is not mock_cas_module
    assert {{package.product_code for package in mock_cas_session.packages()}} == {{"{FREE}", "p"}}
    mock_cas_module.reset()
    assert mock_cas_module.packages()[0].used == 0


@pytest.mark.mock_cas(table="instances", takes="purchase_settled=0", choices="in-seconds", limits=True)
def test_words_of_the_command_line_are_taken(mock_cas):
    assert mock_cas.service.limits


@pytest.mark.mock_cas(assert_all_fired=True)
def test_faults_that_fired_are_no_complaint(mock_cas):
    mock_cas.fail("delete", times=2)
    mock_cas.service.handle(of_a_delete(mock_cas.order("verify_fail").id))


def of_a_delete(order):
    from orderfsm.mock import Request
    return Request("POST", "/", f"Action=DeleteCertificateRequest&Version=2020-04-07&OrderId={{order}}", {{}}, b"")
"""

WRONG = """
import pytest


@pytest.mark.mock_cas(review="reads=0")
def test_a_review_that_is_none(mock_cas):
    pass


@pytest.mark.mock_cas(revue="reads=1")
def test_a_setting_that_is_none(mock_cas):
    pass


@pytest.mark.mock_cas("reads=1")
def test_a_setting_without_a_name(mock_cas):
    pass


@pytest.mark.mock_cas(packages="p")
def test_a_package_that_is_none():
    pass


@pytest.mark.mock_cas(keys="id=secret")
def test_keys_that_are_none(mock_cas):
    pass


@pytest.mark.mock_cas(assert_all_fired=True)
def test_faults_that_never_fired(mock_cas):
    mock_cas.fail("delete", code="DeleteFail", times=2)


class TestOptions:
    @pytest.fixture
    def mock_cas_options(self):
        return ["review"]

    def test_options_that_are_none(self, mock_cas):
        pass
"""

SAID = {
    "test_a_review_that_is_none": "review 'reads=0': expected manual, at-once, after=SECONDS, reads=N",
    "test_a_setting_that_is_none": "revue of a mock: it is told, each by its name, assert_all_fired, autojump, ",
    "test_a_setting_without_a_name": "the marker mock_cas takes each setting by its name, and not 'reads=1'",
    "test_a_package_that_is_none": "package 'p': expected CODE=N",
    "test_keys_that_are_none": "keys 'entry 1': expected id:secret,id:secret",
    "test_faults_that_never_fired": '1 of the faults never fired: {"Operation": "DeleteCertificateRequest", "Times": 2',
    "test_options_that_are_none": "mock_cas_options is ['review']: expected a dict of settings",
}


BESIDE = """
import pytest
from orderfsm.mock import mock_cas as mock
from orderfsm.mock.sdk import redirect


@pytest.fixture(scope="session")
def of_all():
    with mock() as server:
        yield server


@pytest.fixture(scope="class", autouse=True)
def of_the_class():
    return "class"


@pytest.fixture
def mock_cas_orders():
    return redirect._ACTIVE[-1]


@pytest.fixture(autouse=True)
def before():
    return redirect._ACTIVE[-1:]


@pytest.mark.mock_cas(keys="id:secret")
@pytest.mark.parametrize("number", [1, 2])
def test_the_mock_of_a_marked_test_is_inside_of_what_outlasts_it(number, before, of_all):
    assert [each.signed for each in redirect._ACTIVE] == [False, True]
    assert before == redirect._ACTIVE[1:]


@pytest.mark.mock_cas(keys="id:secret")
def test_a_fixture_that_is_called_alike_is_none(mock_cas_orders, mock_cas_options):
    assert mock_cas_orders.signed
"""


def test_a_mark_is_enough_whatever_else_the_test_asks_for(tmp_path):
    (tmp_path / "test_beside.py").write_text(BESIDE)
    run = run_pytest(tmp_path, "-rA")
    assert run.returncode == 0, run.stdout
    assert "3 passed" in run.stdout


def test_a_mock_is_told_by_markers_and_by_the_options_of_a_suite(tmp_path):
    (tmp_path / "test_told.py").write_text(TOLD)
    done = run_pytest(tmp_path, "--strict-markers")
    assert re.search(rf"^{TOLD.count('def test_')} passed in", done.stdout, re.MULTILINE), done.stdout


def test_what_is_wrong_is_one_line_each(tmp_path):
    (tmp_path / "test_wrong.py").write_text(WRONG)
    done = run_pytest(tmp_path, "-rE", "--tb=short")
    assert "Traceback" not in done.stdout
    assert "secret'" not in done.stdout
    for name, said in SAID.items():
        head = rf"^_+ ERROR at \w+ of (?:TestOptions\.)?{name} _+\n"
        assert re.search(rf"{head}{re.escape(said)}[^\n]*\n[_=]", done.stdout, re.MULTILINE), (said, done.stdout)


def test_a_mock_that_runs_already_takes_packages_and_is_not_told_the_rest(server, tmp_path):
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    (tmp_path / "test_elsewhere.py").write_text(
        "import pytest\n"
        "from orderfsm.mock.sdk import redirect\n"
        "@pytest.mark.mock_cas(packages='p=3')\n"
        "def test_packages(mock_cas):\n"
        "    assert redirect._ACTIVE[-1].url == mock_cas.api\n"
        "@pytest.mark.mock_cas(review='at-once')\n"
        "def test_review(mock_cas):\n"
        "    pass\n"
    )
    where = {"ORDERFSM_CAS_ENDPOINT": server.api, "ORDERFSM_CAS_CONTROL": server.control}
    done = run_pytest(tmp_path, "-rs", **where)
    assert "1 passed, 1 skipped" in done.stdout, done.stdout
    assert "ORDERFSM_CAS_ENDPOINT names a mock that runs already: it cannot be told review" in done.stdout
    assert {package.product_code: package.total for package in server.packages()} == {FREE: 20, "p": 3}


# -- the words in Python -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packages", [{"p": 3, "q": 4}, ["p=3", "q=4"], ("p=3", "q=4")], ids=str)
def test_packages_are_said_in_any_of_three_ways(packages):
    assert packages_of(packages) == {"p": 3, "q": 4}


def test_options_are_those_of_a_service():
    options = options_of(
        {"review": "reads=2", "reject_share": 0.5, "takes": "x=2", "choices": ["in-seconds"], "keys": "a:b,c:d"}
    )
    assert options["review"] == Review("reads", 2, 0.5)
    assert options["choices"] == Choices(in_seconds=True)
    assert (options["takes"], options["keys"]) == ({"x": 2.0}, {"a": "b", "c": "d"})
    assert options_of({"reject_share": 1})["review"] == Review("manual", 0, 1)
    assert options_of({"limits": True})["limits"][Operation.DELETE] > 0
    assert not options_of({"limits": False})["limits"]
    assert options_of({"table": "instances"})["lifecycle"].name == "instances"


def test_a_seed_repeats_what_is_drawn():
    def rejected():
        with mock_cas(review="at-once", reject_share=0.5, seed=7, packages=f"{FREE}=12", patched=False) as server:
            call = "Action=CreateCertificateForPackageRequest&Version=2020-04-07&Domain=a.example"
            from orderfsm.mock import Request

            for _ in range(12):
                server.service.handle(Request("POST", "/", call, {}, b""))
            return [order.state for order in server.orders()]

    assert rejected() == rejected()
    assert set(rejected()) == {State.ISSUED, State.VERIFY_FAIL}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"packages": "p"}, r"^package 'p': expected CODE=N"),
        ({"packages": [5]}, r"^package 5: expected CODE=N"),
        ({"packages": 5}, r"^package 5: expected CODE=N"),
        ({"takes": "x=y"}, r"^takes 'x=y': expected EVENT=SECONDS"),
        ({"choices": "at-random"}, r"^choice 'at-random': expected auto-submits"),
        ({"keys": "a:b,a:c"}, r"^keys 'entry 2': expected an id that no entry before it has"),
        ({"keys": 5}, r"^keys 'int': expected"),
        ({"table": "parcels"}, r"^table 'parcels'"),
        ({"review": Review(), "reject_share": 1}, r"^reject_share 1: expected none beside a Review"),
    ],
    ids=str,
)
def test_words_that_mean_nothing_are_refused_before_anything_runs(settings, said):
    with pytest.raises(InvalidValue, match=said):
        mock_cas(**settings)


SETTINGS = sorted({*inspect.signature(Service).parameters, *inspect.signature(MockCAS).parameters} - {"options"})
IN_WORDS = ["reject_share", "seed", "table"]
FITTING = {"keys": {"x": "y"}, "passthrough": {"x": "y"}, "seed": "a b"}


@pytest.mark.parametrize("name", [*SETTINGS, *IN_WORDS])
def test_a_setting_of_another_kind_is_refused_in_one_line_that_names_it(name):
    for value in (object(), [5], {5: 5}, {"x": "y"}, "a b"):
        if FITTING.get(name) != value:
            with pytest.raises(InvalidValue) as refused, mock_cas(**{"patched": False, name: value}):
                pass
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize("host", ["oss.aliyuncs.com:443", "oss aliyuncs.com", "https://oss.aliyuncs.com", ""])
def test_what_can_be_no_host_is_not_let_through(host):
    with pytest.raises(InvalidValue, match=r"^passthrough "):
        mock_cas(passthrough=[host])


def test_a_setting_that_there_is_not_is_named():
    with pytest.raises(TypeError, match=r"^quota of a mock: it is told, each by its name, assert_all_fired, "):
        mock_cas(quota=1)


def test_faults_that_no_call_met_are_named():
    mock = mock_cas(assert_all_fired=True, patched=False)
    server = mock.start()
    server.fail()
    server.fail("list", times=1, when="after")
    said = '2 of the faults never fired: {"Operation": "*"}; '
    said += '{"Operation": "ListUserCertificateOrder", "Times": 1, "When": "after"}'
    for ends in (server.assert_all_fired, mock.stop):
        with pytest.raises(AssertionError) as caught:
            ends()
        assert str(caught.value) == said


def test_an_error_of_the_test_itself_comes_first():
    mock = mock_cas(assert_all_fired=True, patched=False)

    def test():
        mock.server.fail()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        mock(test)()
    with pytest.raises(ZeroDivisionError), mock:
        test()


def test_faults_that_were_taken_back_need_not_fire():
    with mock_cas(assert_all_fired=True, patched=False) as server:
        server.fail()
        server.clear_faults()
