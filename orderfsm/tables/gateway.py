"""The codes of the gateway that stands before every Alibaba Cloud API, and of the flow control behind it."""

from orderfsm.errors import Meaning

GATEWAY = (
    ("Throttling", Meaning.THROTTLED),
    ("Rejected.Throttling", Meaning.THROTTLED),
    ("FlowControl", Meaning.THROTTLED),
    ("ServiceUnavailable", Meaning.PERHAPS),
    ("InternalError", Meaning.PERHAPS),
    ("MissingSignature", Meaning.KEPT_OUT),
    ("MissingAccessKey", Meaning.KEPT_OUT),
    ("MissingSecurityToken", Meaning.KEPT_OUT),
    ("IncompleteSignature", Meaning.KEPT_OUT),
    ("Signature", Meaning.KEPT_OUT),
    ("InvalidSignature", Meaning.KEPT_OUT),
    ("InvalidAccessKey", Meaning.KEPT_OUT),
    ("InvalidSecurityToken", Meaning.KEPT_OUT),
    ("InvalidTimeStamp", Meaning.KEPT_OUT),
    ("Forbidden", Meaning.KEPT_OUT),
    ("NoPermission", Meaning.KEPT_OUT),
    ("InvalidAction.NotFound", Meaning.NOT_OFFERED),
    ("UnsupportedHTTPMethod", Meaning.MALFORMED),
)
"""How a code begins, and what it means."""

PARAMETERS = (("Missing", "MissingParameter"), ("Invalid", "InvalidParameter"))
"""How codes begin that go on with a parameter's name, and the general code of each: the call is malformed."""
