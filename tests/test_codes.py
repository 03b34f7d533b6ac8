"""One table says what each error code means; judge, guard, kit, faults and audit ask it."""

import pytest

polars = pytest.importorskip("polars", reason="the extra `audit` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orderfsm import ORDER_LIFECYCLE, Operation
from orderfsm.audit import audit
from orderfsm.client.sdk import Answer as SDKAnswer
from orderfsm.client.sdk import TeaException
from orderfsm.errors import BY_CODE, Meaning
from orderfsm.mock import Fault
from orderfsm.testing.drivers.driver import Answer, says_nothing
from orderfsm.trace import Finding, Line, Outcome, judge

meaning_of, general_code = ORDER_LIFECYCLE.codes.meaning_of, ORDER_LIFECYCLE.codes.general

# A second statement: the seven of the error table on DeleteCertificateRequest's page; the gateway's from "Common error
# codes" of the API overview, and those that users of the SDK report.
MEANINGS = {
    "NotFoundPackage": "no_package",
    "NotRemainCount": "no_unit",
    "CreateCertificateRequestFailed": "not_created",
    "NotFoundOrder": "not_found",
    "OrderStateError": "state_forbids",
    "DeleteFail": "not_carried_out",
    "Error": "perhaps",
    "ServiceUnavailable": "perhaps",
    "ServiceUnavailable.Timeout": "perhaps",
    "InternalError": "perhaps",
    "InternalError.Proxy": "perhaps",
    "Throttling": "throttled",
    "Throttling.User": "throttled",
    "Throttling.Api": "throttled",
    "ThrottlingException": "throttled",
    "FlowControlError": "throttled",
    "Forbidden": "kept_out",
    "Forbidden.RAM": "kept_out",
    "Forbidden.SubUser": "kept_out",
    "NoPermission": "kept_out",
    "IncompleteSignature": "kept_out",
    "MissingSignature": "kept_out",
    "MissingAccessKeyId": "kept_out",
    "SignatureDoesNotMatch": "kept_out",
    "SignatureNonceUsed": "kept_out",
    "InvalidAccessKeyId.NotFound": "kept_out",
    "InvalidAccessKeyId.Inactive": "kept_out",
    "InvalidSecurityToken.Expired": "kept_out",
    "InvalidTimeStamp.Expired": "kept_out",
    "InvalidAction.NotFound": "not_offered",
    "UnsupportedHTTPMethod": "malformed",
    "MissingOrderId": "malformed",
    "InvalidOrderId": "malformed",
    "InvalidVersion": "malformed",
}
GENERAL = {
    "Throttling.Api": "Throttling",
    "ThrottlingException": "Throttling",
    "InvalidAccessKeyId.NotFound": "InvalidAccessKey",
    "InvalidAction.NotFound": "InvalidAction.NotFound",
    "MissingOrderId": "MissingParameter",
    "InvalidVersion": "InvalidParameter",
}
UNKNOWN = ["SomethingNew", "InvalidStatus.UpdateProtection", "Throttled", "Invalid", "Missing", "Errors", "", "no code"]
DELETE = Operation.DELETE


@pytest.mark.parametrize(("code", "meaning"), MEANINGS.items())
def test_each_known_code_means_one_thing(code, meaning):
    assert meaning_of(code) == meaning


@pytest.mark.parametrize("code", [*MEANINGS, *BY_CODE, *UNKNOWN, None])
def test_the_general_code_means_the_same_and_there_are_few(code):
    general = general_code(code)
    assert (meaning_of(general), general_code(general)) == (meaning_of(code), general)
    assert general == GENERAL.get(code, general)
    assert (general is None) == (meaning_of(code) is None)


@pytest.mark.parametrize("code", [*UNKNOWN, None])
def test_nobody_knows_what_another_code_means(code):
    assert meaning_of(code) is None


def test_every_documented_error_says_what_its_code_means():
    assert {code: error.means for code, error in BY_CODE.items()} == {code: MEANINGS[code] for code in BY_CODE}


def said_by_the_guard(code, status):
    error = TeaException({"code": code, "message": "m", "data": {"statusCode": status}})
    error.statusCode = status
    answer = SDKAnswer.of_error(error)
    if answer.outcome is Outcome.UNKNOWN:
        return "perhaps"
    if answer.throttled:
        return "throttled"
    return "not found" if answer.not_found else "state" if answer.of_the_state else "refused"


def history(code, *, then):
    """An order with a failed review, a deletion that is refused with `code`, and what a list says of it then."""
    steps = [
        {"operation": Operation.CREATE},
        {"event": "review_failed"},
        {"operation": DELETE, "outcome": "refused", "code": code},
        {"operation": Operation.LIST, "state": then} if then else {"event": "submitted"},
    ]
    return [
        {"time": f"2026-08-05T06:10:{at:02}Z", "order_id": 7, "outcome": "accepted"} | step
        for at, step in enumerate(steps)
    ]


def findings(steps):
    """What the judge and the audit say of a history."""
    lines = [
        Line(
            time=each["time"],
            order_id=each["order_id"],
            trigger=each.get("operation") or each["event"],
            outcome=each["outcome"],
            code=each.get("code"),
            state=each.get("state"),
        )
        for each in steps
    ]
    keys = ("time", "order_id", "operation", "event", "outcome", "code", "state")
    frame = polars.DataFrame(
        [{key: None if each.get(key) is None else str(each[key]) for key in keys} for each in steps],
        schema=dict.fromkeys(keys, polars.String),
    )
    report = audit(frame, events="complete")
    audited = "violates" if report.violations else "undecided" if report.undecided else "conforms"
    judged = judge(lines, events="complete").verdict
    assert audited == judged
    return judged


@pytest.mark.parametrize("code", [*MEANINGS, *(code for code in UNKNOWN if code)])
def test_judge_guard_kit_faults_and_audit_say_the_same_of_a_code(code):
    meaning = meaning_of(code)
    refused_here, deleted_meanwhile = findings(history(code, then="CHECKED_FAIL")), findings(history(code, then=None))
    guard = said_by_the_guard(code, BY_CODE[code].http_status if code in BY_CODE else 400)
    kit = says_nothing(Answer.refused(code))
    backend = Fault(code=code).is_backend
    assert (Fault(code=code).answers == (code, 429)) is (meaning is Meaning.THROTTLED)
    match meaning:
        case Meaning.STATE_FORBIDS:  # the table allows that deletion
            expected = Finding.VIOLATES, "state", False, False
        case Meaning.NOT_FOUND:
            expected = Finding.VIOLATES, "not found", False, False
        case Meaning.PERHAPS:
            expected = Finding.CONFORMS, "perhaps", True, False
        case Meaning.THROTTLED:
            expected = Finding.CONFORMS, "throttled", True, False
        case Meaning.KEPT_OUT:
            expected = Finding.CONFORMS, "refused", True, False
        case Meaning.NOT_CARRIED_OUT | Meaning.NOT_CREATED:
            expected = Finding.CONFORMS, "refused", True, True
        case None:
            expected = Finding.UNDECIDED, "refused", False, False
        case _:
            expected = Finding.CONFORMS, "refused", False, False
    assert (refused_here, guard, kit, backend) == expected
    assert deleted_meanwhile == refused_here
