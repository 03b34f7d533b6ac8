"""Whether the holder of an access key signed a request, by either of Alibaba Cloud's two signatures; without I/O.

The *header signature* (V3, `ACS3-HMAC-SHA256`) stands in the header `Authorization`. It covers the method, the path,
the query, the headers that it lists, and the body: "V3 request structure and signature",
https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
`SignedHeaders` must list `host`, every `x-acs-` header that is there, and the `content-type` of a body, in order.

The *query signature* (`HMAC-SHA1`, version 1.0, which the SDK calls `v2`) stands in the parameter `Signature`. It
covers the method and the parameters of query and form: "Request syntax and signature method V2 for RPC APIs",
https://www.alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism
It covers no header, so an `x-acs-action` or `x-acs-version` beside it must say what the parameters say; the case of the
first letter may differ, which some SDKs mend in the parameter alone.

A request with an `Authorization` is judged by that one. What is wrong is answered in this order, with status 400 but
for the second, which has 404:

* `MissingSignature`: there is no signature, or a required part of one is absent, empty, or not of the documented form;
* `InvalidAccessKeyId.NotFound`: nobody has that access key;
* `InvalidTimeStamp.Expired`: the time is no `yyyy-MM-ddTHH:mm:ssZ`, or more than 15 minutes from the clock, either way;
* `SignatureDoesNotMatch`: another secret, something altered, or something left out of the signature that must be in it;
* `SignatureNonceUsed`: this access key has signed with that nonce before.

No message says anything of a secret, of the signature expected, or of what was signed.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from base64 import b64encode
from datetime import datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from orderfsm.mock.clock import machine_time

from .gateway import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orderfsm.mock.message import Request

WINDOW = 900.0
"""How many seconds the time of a signature may be from the clock, the end included."""

REQUIRED_HEADERS = (
    "host",
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-content-sha256",
)
"""The headers that a request with a header signature must have."""

REQUIRED_PARAMETERS = (
    "AccessKeyId",
    "Timestamp",
    "SignatureNonce",
    "SignatureMethod",
    "SignatureVersion",
    "Signature",
)
"""The parameters that a request with a query signature must have."""

_SYSTEM = (("Action", "x-acs-action"), ("Version", "x-acs-version"))
_AUTHORIZATION = re.compile("ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]{1,1000}),Signature=([^,]+)")
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_PLAIN_PAIR = re.compile("[A-Za-z0-9._~-]*=[A-Za-z0-9._~-]*")
_NO_BODY = hashlib.sha256().hexdigest()


class _Secret:
    """The secret of an access key, as both signatures use it: in a code that awaits its message."""

    def __init__(self, secret: str) -> None:
        self.sha256 = hmac.new(_utf8(secret), digestmod="sha256")
        self.sha1 = hmac.new(_utf8(f"{secret}&"), digestmod="sha1")


class _Claim(NamedTuple):
    """What a request says of its signature, and how to make the one that it should have.

    `string_to_sign` makes the text that is signed, and says whether that covers all that it must; `sign` signs it.
    """

    key_id: str
    date: str
    nonce: str
    signature: str
    string_to_sign: Callable[[], tuple[str, bool]]
    sign: Callable[[_Secret, str], bytes]


class Verifier:
    """Verifies requests against `keys`, which maps access key ids to their secrets.

    `fresh(nonce, until)` remembers a nonce up to the epoch time `until`, and says whether it was new. It is asked only
    about requests whose signature matched, so nobody else can use up a nonce; what it is given is 32 hexadecimal
    digits that stand for the access key and its nonce, however long that was. `now` is the clock, in epoch seconds.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        *,
        fresh: Callable[[str, float], bool],
        now: Callable[[], float] = machine_time,
    ) -> None:
        self._secrets = {key_id: _Secret(secret) for key_id, secret in keys.items()}
        self._fresh = fresh
        self._now = now

    def verify(self, request: Request) -> str:
        """The id of the access key that signed `request`; a `GatewayError` where the signature is not good."""
        claim = _header_claim(request) if "authorization" in request.headers else _query_claim(request)
        secret = self._secrets.get(claim.key_id)
        if secret is None:
            raise GatewayError("InvalidAccessKeyId.NotFound", 404, "Specified access key is not found.")
        signed_at = _epoch(claim.date[:21])
        if abs(self._now() - signed_at) > WINDOW:
            raise GatewayError("InvalidTimeStamp.Expired", 400, "Specified time stamp or date value is expired.")
        text, covers_all = claim.string_to_sign()
        if not hmac.compare_digest(claim.sign(secret, text), _utf8(claim.signature)) or not covers_all:
            message = "Specified signature is not matched with our calculation. server string to sign is:"
            error = GatewayError("SignatureDoesNotMatch", 400, message)
            error.repeated = text  # the legacy SDK compares it with its own, and says if only the secret can be wrong
            raise error
        # One second longer than the request could be sent again: a store may forget the nonce at that very moment.
        if not self._fresh(_nonce_of(claim), signed_at + WINDOW + 1):
            raise GatewayError("SignatureNonceUsed", 400, "Specified signature nonce was used already.")
        return claim.key_id


# -- the header signature ----------------------------------------------------------------------------------------------


def _header_claim(request: Request) -> _Claim:
    headers = request.headers
    parts = _AUTHORIZATION.fullmatch(headers["authorization"])
    if parts is None:
        raise _missing("an Authorization: ACS3-HMAC-SHA256 Credential=...,SignedHeaders=...,Signature=...")
    if not all(map(headers.get, REQUIRED_HEADERS)):
        raise _missing(f"the header {next(name for name in REQUIRED_HEADERS if not headers.get(name))}")
    key_id, listed, signature = parts.groups()
    text = partial(_header_string, request, listed)
    return _Claim(key_id, headers["x-acs-date"], headers["x-acs-signature-nonce"], signature, text, _header_signature)


def _header_string(request: Request, listed: str) -> tuple[str, bool]:
    """What a header signature of `request` over the headers `listed`, separated by semicolons, signs."""
    headers, body, path = request.headers, request.body, request.path
    payload = hashlib.sha256(body).hexdigest() if body else _NO_BODY
    names = _names(listed)
    uri = path if path == "/" else quote(path, errors="surrogatepass")
    entries = "".join([f"{name}:{headers.get(name, '').strip()}\n" for name in names])
    canonical = f"{request.method}\n{uri}\n{_canonical_query(request.query)}\n{entries}\n{listed}\n{payload}"
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(_utf8(canonical)).hexdigest()}"
    return text, payload == headers["x-acs-content-sha256"] and _covered(request, names)


def _header_signature(secret: _Secret, text: str) -> bytes:
    return _digest(secret.sha256, text).hex().encode()


@lru_cache(maxsize=64)
def _names(listed: str) -> Mapping[str, None]:
    """The names in `listed`, in order; no names if they are out of order, or one stands there twice."""
    names = listed.split(";")
    return dict.fromkeys(names) if names == sorted(set(names)) else {}


def _covered(request: Request, names: Mapping[str, None]) -> bool:
    """Whether the headers of `request` are all that `names` lists, and all that must be signed are among them.

    Those are `host`, all `x-acs-` headers, and `content-type` if there is a body: without one, aiohttp, and so the
    asynchronous SDK, adds a `content-type` after signing.
    """
    headers, body = request.headers, request.body
    for name in headers:
        if name not in names and (name.startswith("x-acs-") or (body and name == "content-type")):
            return False
    return "host" in names and names.keys() <= headers.keys()


# -- the query signature -----------------------------------------------------------------------------------------------


def _query_claim(request: Request) -> _Claim:
    parameters = request.parameters
    if "Signature" not in parameters:
        raise _missing("the header Authorization, or the parameter Signature")
    for name in REQUIRED_PARAMETERS:
        if not parameters.get(name):
            raise _missing(f"the parameter {name}")
    return _Claim(
        parameters["AccessKeyId"],
        parameters["Timestamp"],
        parameters["SignatureNonce"],
        parameters["Signature"],
        partial(_query_string, request, parameters),
        _query_signature,
    )


def _query_string(request: Request, parameters: Mapping[str, str]) -> tuple[str, bool]:
    """What a query signature of `request`, whose `parameters` are given, `Signature` among them, signs."""
    query = _canonical_query({name: value for name, value in parameters.items() if name != "Signature"})
    # The query is encoded once more; only these three of its characters are left to encode.
    encoded = query.replace("%", "%25").replace("=", "%3D").replace("&", "%26")
    signed_as = (request.path, parameters["SignatureMethod"], parameters["SignatureVersion"])
    return f"{request.method}&%2F&{encoded}", signed_as == ("/", "HMAC-SHA1", "1.0") and not contradicted(request)


def _query_signature(secret: _Secret, text: str) -> bytes:
    return b64encode(_digest(secret.sha1, text))


def contradicted(request: Request) -> list[str]:
    """The parameters beside which a header names another action or version, be it that they are absent."""
    headers, said = request.headers, request.parameters
    return [name for name, header in _SYSTEM if not _same(headers.get(header), said.get(name, ""))]


def _same(header: str | None, parameter: str) -> bool:
    return not header or (header[1:] == parameter[1:] and header[:1].lower() == parameter[:1].lower())


# -- what both need ----------------------------------------------------------------------------------------------------


def _canonical_query(parameters: Mapping[str, str]) -> str:
    return "&".join([_pair(name, value) for name, value in sorted(parameters.items())])


def _pair(name: str, value: str) -> str:
    """`name=value`, both as RFC 3986 encodes them: all but letters, digits and `-._~`."""
    pair = f"{name}={value}"
    if _PLAIN_PAIR.fullmatch(pair):
        return pair
    return "=".join([quote(text, safe="", errors="surrogatepass") for text in (name, value)])


def _utf8(text: str) -> bytes:
    """`text` in UTF-8; unlike `str.encode`, of any string."""
    return text.encode("utf-8", "surrogatepass")


def _digest(keyed: hmac.HMAC, text: str) -> bytes:
    code = keyed.copy()
    code.update(_utf8(text))
    return code.digest()


@lru_cache(maxsize=64)
def _epoch(date: str) -> float:
    """The epoch time of a `yyyy-MM-ddTHH:mm:ssZ`; of anything else, a time that is never near."""
    if _DATE.fullmatch(date):
        try:
            return datetime.fromisoformat(date).timestamp()
        except ValueError:
            pass
    return -math.inf


def _nonce_of(claim: _Claim) -> str:
    return hashlib.blake2b(_utf8(f"{claim.key_id}\n{claim.nonce}"), digest_size=16).hexdigest()


def _missing(part: str) -> GatewayError:
    return GatewayError("MissingSignature", 400, f"The request is not signed: it lacks {part}.")
