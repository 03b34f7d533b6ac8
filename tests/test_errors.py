"""The errors: the documented codes, and fields that survive."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from orderfsm import (
    ORDER_LIFECYCLE,
    Basis,
    InvalidValue,
    NotFoundOrder,
    Operation,
    OrderFSMError,
    OrderStateError,
    State,
)
from orderfsm import check as ask
from orderfsm import errors as e
from orderfsm.extras import MissingExtra, needs

DOCUMENTED = """
404 NotFoundPackage
404 NotRemainCount
403 CreateCertificateRequestFailed
404 NotFoundOrder
403 OrderStateError
403 DeleteFail
500 Error
"""


def refused(state=State.BEING_REVIEWED, trigger=Operation.DELETE, lifecycle=ORDER_LIFECYCLE):
    with pytest.raises(e.Refusal) as caught:
        ask(state, trigger, lifecycle)
    return caught.value


def test_the_seven_codes_and_their_status_are_those_of_the_error_table():
    """The page of DeleteCertificateRequest, "Error codes"."""
    lines = [f"{error.http_status} {code}" for code, error in e.BY_CODE.items()]
    assert lines == DOCUMENTED.split("\n")[1:-1]
    assert list(e.BY_CODE.values()) == [
        e.NotFoundPackage,
        e.NotRemainCount,
        e.CreateCertificateRequestFailed,
        e.NotFoundOrder,
        e.OrderStateError,
        e.DeleteFail,
        e.InternalError,
    ]


@pytest.mark.parametrize("error", e.BY_CODE.values(), ids=lambda error: error.code)
def test_every_code_is_one_of_ours_with_a_text_and_may_be_given_another(error):
    assert issubclass(error, e.ServiceError)
    assert issubclass(error, OrderFSMError)
    assert str(error()) == error().message == error.text
    assert str(error("as the server put it")) == error("as the server put it").message == "as the server put it"
    assert pickle.loads(pickle.dumps(error("x"))).message == "x"


def test_a_refusal_made_of_a_message_alone_claims_nothing_more():
    error = OrderStateError("said the server")
    assert (error.state, error.operation, error.basis, error.reference, error.instead, error.index) == (None,) * 6
    assert (error.possible, error.allowed) == (frozenset(), ())


def test_a_refusal_says_what_was_asked_where_what_is_allowed_what_first_and_from_which_source():
    assert str(refused()) == (
        "DeleteCertificateRequest is not allowed in being_reviewed, only in pending_application and verify_fail. "
        "Allowed here: CancelOrderRequest. First: CancelOrderRequest, then DeleteCertificateRequest. "
        "(documented: https://www.alibabacloud.com/help/en/ssl-certificate/developer-reference/"
        "api-cas-2020-04-07-deletecertificaterequest)"
    )


def fields(error):
    return (
        type(error),
        error.state,
        error.possible,
        error.operation,
        error.allowed,
        error.basis,
        error.reference,
        error.instead,
        error.index,
        error.code,
        error.http_status,
        error.message,
        str(error),
        error.args,
    )


OTHER = ORDER_LIFECYCLE.without(ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE))


@pytest.mark.parametrize("error", [refused(), refused(None), refused(State.VERIFY_FAIL, lifecycle=OTHER)], ids=repr)
@pytest.mark.parametrize(
    "carry",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda error, p=p: pickle.loads(pickle.dumps(error, p)) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)),
    ],
)
def test_copies_and_pickles_keep_every_field(error, carry):
    assert fields(carry(error)) == fields(error)


def test_raise_from_keeps_every_field_and_the_cause():
    cause = TimeoutError("no answer")
    expected = fields(refused())
    with pytest.raises(OrderStateError) as caught:
        raise refused() from cause
    assert fields(caught.value) == expected
    assert caught.value.__cause__ is cause
    assert "First: CancelOrderRequest" in "".join(traceback.format_exception(caught.value))


def test_a_raised_refusal_costs_no_explanation():
    """The fields are worked out when asked: the error holds the three things that it was made of, and nothing else."""
    error = refused()
    assert error.args == (ORDER_LIFECYCLE, State.BEING_REVIEWED, Operation.DELETE)
    assert vars(error) == {}
    assert "__init__" not in vars(OrderStateError)


def test_an_order_that_is_not_there_is_not_found():
    error = refused(None)
    assert type(error) is NotFoundOrder
    assert (error.code, error.http_status, error.basis) == ("NotFoundOrder", 404, Basis.DOCUMENTED)


def test_a_value_that_cannot_be_shown_is_named_by_its_type():
    class Unshowable:
        def __repr__(self):
            raise RuntimeError

    assert str(InvalidValue("order id", 10**5000, ["a small one"])) == "order id of type int: expected a small one"
    assert "of type Unshowable" in str(InvalidValue("state", Unshowable(), ["issued"]))


def test_an_invalid_value_survives_pickle():
    error = pickle.loads(pickle.dumps(InvalidValue("state", "lost", [None, "issued"])))
    assert str(error) == "state 'lost': expected None, issued"
    assert (error.value, error.accepted) == ("lost", (None, "issued"))


def test_a_missing_extra_is_one_line_that_says_how_to_install_it():
    with pytest.raises(MissingExtra) as caught, needs("mock"):
        import no_such_package  # noqa: F401
    assert str(caught.value) == "no_such_package is not installed: pip install 'orderfsm[mock]'"
    assert isinstance(caught.value, ImportError)


def test_a_missing_module_of_our_own_is_not_blamed_on_an_extra():
    with pytest.raises(ModuleNotFoundError, match=r"orderfsm\.no_such_module"), needs("mock"):
        import orderfsm.no_such_module  # noqa: F401


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (e.Unreachable(State.ISSUED, State.DELETED), "order 7: deleted cannot be reached from issued"),
        (refused(), "order 7: DeleteCertificateRequest is not allowed in being_reviewed"),
        (e.NotFoundOrder(), "no order 7: the specified certificate order was not found"),
        (e.DeleteFail("said the service"), "order 7: said the service"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_an_error_about_an_order_names_it_and_still_does_after_pickle_and_copy(error, says):
    assert error.order_id is None
    unnamed = str(error)
    error.order_id = 7
    for again in (error, pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert (type(again), again.order_id) == (type(error), 7)
        assert str(again).startswith(says)
        assert str(again).endswith(unnamed)


@pytest.mark.parametrize(
    ("of", "meanings"),
    [
        ("of_the_state", {"state_forbids", "not_found"}),
        ("of_the_backend", {"not_carried_out", "not_created"}),
        ("passing", {"not_carried_out", "not_created", "perhaps", "throttled", "kept_out"}),
    ],
)
def test_a_meaning_says_what_it_is_about(of, meanings):
    assert {meaning for meaning in e.Meaning if getattr(meaning, of)} == meanings
