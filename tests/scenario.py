"""One scenario of a certificate service, for any client on any store.

`play` is given a `Caller`, which is a client of the API port, and a `Control`, which does what owner, CA and calendar
do behind the service's back. It knows nothing of either's inside, and nothing of `orderfsm` but the judge of histories:
actions, words, fields and codes are written here as the documents have them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, Protocol

import attrs
import pytest

pytest.importorskip("cryptography", reason="the extra `mock` is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from orderfsm import trace

CREATE = "CreateCertificateRequest"
CREATE_FOR_PACKAGE = "CreateCertificateForPackageRequest"
CREATE_WITH_CSR = "CreateCertificateWithCsrRequest"
DESCRIBE = "DescribeCertificateState"
LIST = "ListUserCertificateOrder"
CANCEL = "CancelOrderRequest"
DELETE = "DeleteCertificateRequest"
CANCEL_FOR_PACKAGE = "CancelCertificateForPackageRequest"
RENEW = "RenewCertificateOrderForPackageRequest"
DESCRIBE_PACKAGE = "DescribePackageState"
STEPS = (CANCEL, DELETE, CANCEL_FOR_PACKAGE, RENEW)
ON_AN_ORDER = (DESCRIBE, *STEPS)

FREE = "digicert-free-1-free"
DV = "geotrust-dv-1-starter"
OV = "symantec-ov-1-personal"

DOCUMENTED = {
    "NotFoundPackage": 404,
    "NotRemainCount": 404,
    "CreateCertificateRequestFailed": 403,
    "NotFoundOrder": 404,
    "OrderStateError": 403,
    "DeleteFail": 403,
    "Error": 500,
}
"""The seven codes of the orders API, and their HTTP status."""

FIELDS = {
    "DNS": {"ValidateType", "RecordDomain", "RecordType", "RecordValue"},
    "FILE": {"ValidateType", "Domain", "Uri", "Content"},
    "certificate": {"Certificate", "PrivateKey", "CertId"},
}
"""What DescribeCertificateState answers besides `Type` and `RequestId`, by validation method or by `Type`."""

CONTACT = {"Email": "wang+cas@example.com", "Phone": "+86 138-0000-0000", "Username": "王 小明"}
TAGS = [
    {"Key": "环境 & stage", "Value": "a+b=c/~*'\"%41 ü"},
    {"Key": "empty", "Value": ""},
    *({"Key": f"key {n}", "Value": f"value {n}"} for n in range(3, 13)),
]
"""A dozen tags: `Tags.10` comes before `Tags.2` where parameters are sorted, and some must be encoded with care."""

ISSUE = ("domain_validated", "review_passed")
DAY = 86_400
REQUEST_ID = re.compile("[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")


@attrs.frozen
class Answer:
    """What came of a call: HTTP `status` and the `body`'s members by name.

    Of a failure, `code` is the error code, `body` has `Message` and `RequestId`, and `raised` is the name of the
    exception by which the client said so.
    """

    status: int
    body: dict[str, Any]
    code: str | None = None
    raised: str | None = None

    @classmethod
    def refusal(cls, status: int, code: str, message: str, request_id: str, raised: str | None = None) -> Answer:
        """The answer of a call that failed."""
        return cls(status, {"Message": message, "RequestId": request_id}, code, raised)


class Caller(Protocol):
    """A client of the API port; `drops` are the fields of answers that it does not know."""

    drops: frozenset[str]

    def call(self, action: str, parameters: dict[str, Any]) -> Answer:
        """Call `action` with parameters by their documented names; lists are lists of objects."""
        ...


class Control(Protocol):
    """A client of the control port."""

    def __call__(self, method: str, path: str, document: object = None) -> tuple[int, str]:
        """The status and the text that a request with `document` as JSON is answered by."""
        ...


def play(caller: Caller, control: Control) -> None:
    """Play the scenario on an account that is emptied first."""
    account = Account(caller, control)
    for chapter in CHAPTERS:
        chapter(account)


class Account:
    """A customer's account: what its owner calls, and what happens to it."""

    def __init__(self, caller: Caller, control: Control) -> None:
        self._caller = caller
        self._control = control
        self.drops = caller.drops
        self.request_ids: list[str] = []
        self.codes: dict[str, int] = {}

    # -- calls -------------------------------------------------------------------------------------------------------

    def ask(self, action: str, **parameters: Any) -> Answer:
        """Any call; its RequestId is looked at."""
        answer = self._caller.call(action, parameters)
        assert REQUEST_ID.fullmatch(answer.body["RequestId"])
        self.request_ids.append(answer.body["RequestId"])
        if answer.code is not None:
            self.codes[answer.code] = answer.status
        return answer

    def do(self, action: str, **parameters: Any) -> dict[str, Any]:
        """The body of a call that succeeds, without its RequestId."""
        answer = self.ask(action, **parameters)
        assert (answer.status, answer.code) == (200, None), (action, parameters, answer)
        return {name: value for name, value in answer.body.items() if name != "RequestId"}

    def refused(self, code: str, action: str, **parameters: Any) -> None:
        """A call that is refused with `code`."""
        answer = self.ask(action, **parameters)
        assert answer.code == code, (action, parameters, answer)
        assert answer.status == DOCUMENTED.get(code, 400)
        assert answer.body["Message"]

    def illegal(self, order_id: int, *actions: str) -> None:
        """Operations that the state of an order does not allow."""
        for action in actions:
            self.refused("OrderStateError", action, OrderId=order_id)

    def create(self, domain: str, **parameters: Any) -> int:
        """The id of a new order for `domain`, by the first of the three ways."""
        return self.do(CREATE, **{"Domain": domain, "ValidateType": "DNS", **CONTACT, **parameters})["OrderId"]

    def describe(self, order_id: int) -> dict[str, Any]:
        """What DescribeCertificateState answers."""
        return self.do(DESCRIBE, OrderId=order_id)

    def reads(self, order_id: int, word: str, status: str) -> None:
        """An order whose `Type` is `word` and whose `Status` is `status`."""
        assert self.describe(order_id)["Type"] == word
        domain = self.stored(order_id)["Domain"]
        entries = self.page(Keyword=domain)["CertificateOrderList"]
        assert {entry["OrderId"]: entry["Status"] for entry in entries}[order_id] == status

    def has_fields(self, body: dict[str, Any], names: set[str]) -> None:
        """A body whose members are `Type` and `names`, as far as the caller knows them."""
        assert set(body) - self.drops == {"Type", *names} - self.drops

    def page(self, **parameters: Any) -> dict[str, Any]:
        """A page of the list of orders."""
        return self.do(LIST, **parameters)

    def listed(self, **parameters: Any) -> list[int]:
        """The ids of the orders on a page."""
        return [entry["OrderId"] for entry in self.page(**parameters)["CertificateOrderList"]]

    def counts(self, product_code: str) -> tuple[int, int, int]:
        """Units bought, units used and orders issued, as DescribePackageState has them."""
        body = self.do(DESCRIBE_PACKAGE, ProductCode=product_code)
        assert body["ProductCode"] == product_code
        return body["TotalCount"], body["UsedCount"], body["IssuedCount"]

    def used(self, product_code: str = DV) -> int:
        """Units used."""
        return self.counts(product_code)[1]

    # -- behind the service's back -----------------------------------------------------------------------------------

    def control(self, method: str, path: str, document: object = None, *, status: int = 200) -> Any:
        """What a request of the control port is answered by, which must be with `status`."""
        got, text = self._control(method, path, document)
        assert got == status, (method, path, document, text)
        return json.loads(text) if text else None

    def history(self) -> list[str]:
        """The lines of what happened."""
        status, text = self._control("GET", "/history")
        assert status == 200
        return text.splitlines()

    def buy(self, product_code: str, total: int) -> None:
        """Set the size of a package."""
        assert self.control("PUT", f"/packages/{product_code}", {"TotalCount": total})["TotalCount"] == total

    def happen(self, order_id: int, *events: str) -> None:
        """Events, one after another."""
        for event in events:
            self.control("POST", f"/orders/{order_id}/events", {"Event": event})

    def stored(self, order_id: int) -> dict[str, Any]:
        """An order as the control port shows it."""
        return self.control("GET", f"/orders/{order_id}")

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self.control("POST", "/clock", {"advance": seconds})

    def fault(self, **rule: Any) -> None:
        """Let one call go wrong."""
        self.control("POST", "/faults", {"Times": 1, **rule}, status=201)


@cache
def signing_request(domain: str, algorithm: str) -> str:
    """A certificate signing request in PEM, whose common name is `domain`."""
    key = rsa.generate_private_key(65537, 2048) if algorithm == "RSA" else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def certificate_of(body: dict[str, Any], *domains: str) -> x509.Certificate:
    """The certificate that an order was issued, after a look at its issuer, its names and its 90 days."""
    leaf, root = x509.load_pem_x509_certificates(body["Certificate"].encode())
    leaf.verify_directly_issued_by(root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(domains)
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 90
    return leaf


def is_for_request(body: dict[str, Any], request: str, domain: str) -> bool:
    """Whether the certificate is for the key that signed the request; that key the service cannot have."""
    assert "PrivateKey" not in body
    return certificate_of(body, domain).public_key() == x509.load_pem_x509_csr(request.encode()).public_key()


# -- the chapters ------------------------------------------------------------------------------------------------------


def nothing_is_there_at_first(cas: Account) -> None:
    """No order, and no package to make one of."""
    cas.control("POST", "/reset", status=204)
    assert cas.page() == {"CertificateOrderList": [], "CurrentPage": 1, "ShowSize": 50, "TotalCount": 0}
    cas.refused("NotFoundPackage", DESCRIBE_PACKAGE)
    cas.refused("NotFoundPackage", DESCRIBE_PACKAGE, ProductCode=DV)
    cas.refused("NotFoundPackage", CREATE, Domain="a.example", ValidateType="DNS", **CONTACT)
    cas.refused("NotFoundPackage", CREATE_FOR_PACKAGE, Domain="a.example", ProductCode=OV)


def orders_are_listed_by_pages(cas: Account) -> None:
    """120 orders use up a package of 120 units; fifty are on a page, the oldest first."""
    cas.buy(FREE, 120)
    ids = [cas.create(f"host{n}.list.example") for n in range(1, 121)]
    cas.refused("NotRemainCount", CREATE, Domain="host121.list.example", ValidateType="DNS", **CONTACT)
    assert cas.counts(FREE) == (120, 120, 0)
    pages = [cas.page(CurrentPage=number) for number in (1, 2, 3, 4)]
    assert [[entry["OrderId"] for entry in page["CertificateOrderList"]] for page in pages] == [
        ids[:50],
        ids[50:100],
        ids[100:],
        [],
    ]
    assert {(page["ShowSize"], page["TotalCount"]) for page in pages} == {(50, 120)}
    assert cas.listed() == ids[:50]
    last = cas.page(CurrentPage=18, ShowSize=7)
    assert (last["CurrentPage"], last["ShowSize"], last["TotalCount"]) == (18, 7, 120)
    assert [entry["OrderId"] for entry in last["CertificateOrderList"]] == ids[119:]
    assert cas.listed(ShowSize=200) == ids
    orders_are_found_by_keyword(cas, ids)
    orders_are_listed_by_status(cas, ids)


def orders_are_found_by_keyword(cas: Account, ids: list[int]) -> None:
    """A keyword is a part of the domain; what matches has pages too."""
    assert cas.listed(Keyword="host12") == [ids[11], ids[119]]
    assert cas.listed(Keyword="nowhere") == []
    found = cas.page(Keyword="host1", ShowSize=10, CurrentPage=2)
    assert found["TotalCount"] == 32  # 1, 10 to 19, 100 to 120
    assert [entry["OrderId"] for entry in found["CertificateOrderList"]] == [ids[18], *ids[99:108]]


def orders_are_listed_by_status(cas: Account, ids: list[int]) -> None:
    """Each status finds the orders that have it now; certificates are listed while they are valid."""
    having = {
        "PAYED": ids[0:2],
        "CHECKED_FAIL": ids[2:4],
        "ISSUED": ids[4:7],
        "WILLEXPIRED": ids[7:9],
        "EXPIRED": ids[9:11],
        "REVOKED": ids[11:13],
        "CHECKING": ids[13:],
    }
    for order_id in having["PAYED"]:
        cas.do(CANCEL, OrderId=order_id)
    happened = {
        "CHECKED_FAIL": ["review_failed"],
        "ISSUED": ISSUE,
        "WILLEXPIRED": [*ISSUE, "expiry_neared"],
        "EXPIRED": [*ISSUE, "expiry_neared", "expiry_reached"],
        "REVOKED": [*ISSUE, "certificate_revoked"],
    }
    for status, events in happened.items():
        for order_id in having[status]:
            cas.happen(order_id, *events)
    cas.happen(ids[13], "domain_validated")
    for status, expected in having.items():
        assert cas.listed(Status=status, ShowSize=200) == expected
    assert cas.page(Status="CHECKING")["TotalCount"] == 107
    assert cas.listed(Status="ISSUED", Keyword="host7.") == [ids[6]]
    assert cas.listed(Status="NOTACTIVATED") == []
    assert cas.listed(OrderType="CPACK", ShowSize=200) == ids
    assert cas.listed(OrderType="BUY") == cas.listed(OrderType="UPLOAD") == []
    certificates_are_listed_while_they_are_valid(cas, having)
    issued = cas.page(Status="ISSUED")["CertificateOrderList"][0]
    assert issued["CertEndTime"] - issued["CertStartTime"] == 90 * DAY * 1000
    assert cas.counts(FREE) == (120, 120, 9)


def certificates_are_listed_while_they_are_valid(cas: Account, having: dict[str, list[int]]) -> None:
    """OrderType CERT without a Status is what can be used; with one, what has it."""

    def names(**parameters: Any) -> list[str]:
        return [entry["CommonName"] for entry in cas.page(OrderType="CERT", **parameters)["CertificateOrderList"]]

    def domains(ids: list[int]) -> list[str]:
        return [cas.stored(order_id)["Domain"] for order_id in ids]

    assert names() == domains(having["ISSUED"] + having["WILLEXPIRED"])
    assert names(Status="ISSUED") == domains(having["ISSUED"])
    assert names(Status="WILLEXPIRED", ShowSize=1, CurrentPage=2) == domains(having["WILLEXPIRED"])[1:]
    assert names(Status="EXPIRED") == domains(having["EXPIRED"])
    entry = cas.page(OrderType="CERT", Status="EXPIRED")["CertificateOrderList"][0]
    assert (entry["Sans"], entry["Expired"]) == (entry["CommonName"], True)
    assert re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", entry["StartDate"])
    assert entry["StartDate"] < entry["EndDate"]
    assert entry["Issuer"]
    assert entry["CertificateId"] != having["EXPIRED"][0]
    if "CertId" not in cas.drops:
        assert str(entry["CertificateId"]) == cas.describe(having["EXPIRED"][0])["CertId"]


def orders_are_created_in_three_ways(cas: Account) -> None:
    """With all that a create takes, and with the least; each takes one unit of its own package."""
    cas.buy(DV, 40)
    cas.buy(OV, 2)
    before = cas.counts(FREE)
    dns = cas.create("tags.new.example", ProductCode=DV, Tags=TAGS)
    file = cas.create("*.file.new.example", ProductCode=DV, ValidateType="FILE")
    least = cas.do(CREATE_FOR_PACKAGE, Domain="least.new.example", ProductCode=DV)["OrderId"]
    five = "a.new.example,b.new.example,c.new.example,d.new.example,e.new.example"
    company = {"CompanyName": "示例 & Co.", "ProductCode": OV, "Tags": TAGS[:1], "ValidateType": "FILE", **CONTACT}
    several = cas.do(CREATE_FOR_PACKAGE, Domain=five, **company)["OrderId"]
    elliptic = cas.do(CREATE_FOR_PACKAGE, Csr=signing_request("ec.new.example", "EC"), ProductCode=DV)["OrderId"]
    csr = {"Csr": signing_request("rsa.new.example", "RSA"), "ValidateType": "DNS"}
    rivest = cas.do(CREATE_WITH_CSR, **csr, **CONTACT, ProductCode=DV, Tags=TAGS[:2])["OrderId"]
    stored = {
        dns: ("tags.new.example", "DNS", DV, TAGS),
        file: ("*.file.new.example", "FILE", DV, []),
        least: ("least.new.example", "DNS", DV, []),
        several: (five, "FILE", OV, TAGS[:1]),
        elliptic: ("ec.new.example", "DNS", DV, []),
        rivest: ("rsa.new.example", "DNS", DV, TAGS[:2]),
    }
    for order_id, expected in stored.items():
        order = cas.stored(order_id)
        assert (order["Domain"], order["ValidateType"], order["ProductCode"], order["Tags"]) == expected
        assert (order["State"], order["HoldsUnit"]) == ("pending_review", True)
    assert list(stored) == sorted(stored) == cas.listed(Keyword=".new.example")
    assert (cas.counts(DV), cas.counts(OV), cas.counts(FREE)) == ((40, 5, 0), (2, 1, 0), before)
    the_list_says_what_an_order_is(cas)


def the_list_says_what_an_order_is(cas: Account) -> None:
    """The fields of an order that was made from a package."""
    entries = {entry["Domain"]: entry for entry in cas.page(Keyword=".new.example")["CertificateOrderList"]}
    domains = {
        "tags.new.example": ("ONE", 1, 0, DV),
        "*.file.new.example": ("WILDCARD", 0, 1, DV),
        "a.new.example,b.new.example,c.new.example,d.new.example,e.new.example": ("MULTIPLE", 5, 0, OV),
        "rsa.new.example": ("ONE", 1, 0, DV),
    }
    members = ("DomainType", "DomainCount", "WildDomainCount", "ProductCode")
    for domain, expected in domains.items():
        entry = entries[domain]
        assert tuple(entry[name] for name in members) == expected
        assert (entry["Status"], entry["SourceType"], entry["TrusteeStatus"]) == ("CHECKING", "cpack", "unTrustee")
        assert entry["BuyDate"] > 1_600_000_000_000  # milliseconds
        assert "CertEndTime" not in entry


def a_description_has_the_fields_of_its_type(cas: Account) -> None:
    """From validation, by DNS or by file, to a certificate, a failed review and a withdrawal."""
    dns = cas.create("*.dns.read.example", ProductCode=DV)
    body = cas.describe(dns)
    cas.has_fields(body, FIELDS["DNS"])
    assert (body["Type"], body["ValidateType"], body["RecordType"]) == ("domain_verify", "DNS", "TXT")
    assert body["RecordDomain"].endswith(".dns.read.example")
    assert body["RecordValue"]
    assert cas.describe(dns) == body
    file = cas.create("file.read.example", ProductCode=DV, ValidateType="FILE")
    body = cas.describe(file)
    cas.has_fields(body, FIELDS["FILE"])
    assert (body["Type"], body["ValidateType"], body["Domain"]) == ("domain_verify", "FILE", "file.read.example")
    assert body["Uri"].startswith("/.well-known/")
    assert body["Content"]
    cas.reads(file, "domain_verify", "CHECKING")
    for order_id in (dns, file):
        cas.happen(order_id, "domain_validated")
        assert cas.describe(order_id) == {"Type": "process"}
    cas.reads(dns, "process", "CHECKING")
    cas.happen(dns, "review_failed")
    assert cas.describe(dns) == {"Type": "verify_fail"}
    cas.reads(dns, "verify_fail", "CHECKED_FAIL")
    cas.do(CANCEL, OrderId=file)
    assert cas.describe(file) == {"Type": "payed"}
    cas.reads(file, "payed", "PAYED")
    cas.happen(file, "submitted", *ISSUE)
    cas.has_fields(cas.describe(file), FIELDS["certificate"])
    cas.reads(file, "certificate", "ISSUED")


def an_issued_order_has_a_certificate(cas: Account) -> None:
    """Its private key is there only if the service made it; both stay what they are."""
    domains = ("*.pem.example", "*.two.pem.example")
    order_id = cas.do(CREATE_FOR_PACKAGE, Domain=",".join(domains), ProductCode=DV)["OrderId"]
    issued = cas.counts(DV)[2]
    cas.happen(order_id, *ISSUE)
    assert cas.counts(DV)[2] == issued + 1
    body = cas.describe(order_id)
    key = serialization.load_pem_private_key(body["PrivateKey"].encode(), None)
    assert key.public_key() == certificate_of(body, *domains).public_key()
    assert cas.describe(order_id) == body
    for algorithm in ("RSA", "EC"):
        domain = f"{algorithm.lower()}.pem.example"
        request = signing_request(domain, algorithm)
        least = {"Csr": request, "ValidateType": "FILE", "ProductCode": DV}
        order_id = cas.do(CREATE_WITH_CSR, **least, **CONTACT)["OrderId"]
        cas.happen(order_id, *ISSUE)
        body = cas.describe(order_id)
        cas.has_fields(body, FIELDS["certificate"] - {"PrivateKey"})
        assert is_for_request(body, request, domain)


def an_order_is_withdrawn_and_deleted(cas: Account) -> None:
    """The withdrawal keeps the unit, the deletion gives it back; what is deleted is found no more."""
    before = cas.used()
    for events in ([], ["domain_validated"]):
        order_id = cas.create("withdrawn.example", ProductCode=DV)
        cas.happen(order_id, *events)
        cas.illegal(order_id, DELETE, CANCEL_FOR_PACKAGE, RENEW)
        cas.do(CANCEL, OrderId=order_id)
        cas.reads(order_id, "payed", "PAYED")
        cas.illegal(order_id, CANCEL, RENEW)
        assert cas.used() == before + 1
        cas.do(DELETE, OrderId=order_id)
        assert cas.used() == before
        is_gone(cas, order_id)
    failed = cas.create("failed.example", ProductCode=DV)
    cas.happen(failed, "domain_validated", "review_failed", "submitted")
    cas.reads(failed, "domain_verify", "CHECKING")
    cas.happen(failed, "review_failed")
    cas.illegal(failed, CANCEL, CANCEL_FOR_PACKAGE, RENEW)
    assert cas.used() == before + 1
    cas.do(DELETE, OrderId=failed)
    assert cas.used() == before
    is_gone(cas, failed)
    for action in ON_AN_ORDER:
        cas.refused("NotFoundOrder", action, OrderId=1)


def is_gone(cas: Account, order_id: int) -> None:
    """An order that no operation and no list finds."""
    for action in ON_AN_ORDER:
        cas.refused("NotFoundOrder", action, OrderId=order_id)
    assert order_id not in cas.listed(ShowSize=200)
    cas.control("GET", f"/orders/{order_id}", status=404)


def an_order_is_cancelled_for_its_package(cas: Account) -> None:
    """What is not applied for is gone, what is issued is revoked; both give the unit back."""
    before = cas.used()
    order_id = cas.create("cancelled.example", ProductCode=DV)
    cas.do(CANCEL, OrderId=order_id)
    cas.do(CANCEL_FOR_PACKAGE, OrderId=order_id)
    is_gone(cas, order_id)
    assert cas.used() == before
    issued = cas.create("revoked.example", ProductCode=DV)
    cas.happen(issued, *ISSUE)
    cas.illegal(issued, CANCEL, DELETE, RENEW)
    assert cas.used() == before + 1
    cas.do(CANCEL_FOR_PACKAGE, OrderId=issued)
    cas.reads(issued, "certificate", "REVOKED")
    assert cas.used() == before
    cas.illegal(issued, *STEPS)
    cas.control("POST", f"/orders/{issued}/events", {"Event": "review_passed"}, status=409)


def a_fault_spoils_one_call(cas: Account) -> None:
    """The codes that only the service's inside can bring about, and answers that are lost or wrong."""
    before = cas.counts(DV)
    cas.fault(Operation=CREATE, Code="CreateCertificateRequestFailed")
    asked = {"Domain": "fault.example", "ValidateType": "DNS", "ProductCode": DV, **CONTACT}
    cas.refused("CreateCertificateRequestFailed", CREATE, **asked)
    assert cas.counts(DV) == before
    order_id = cas.do(CREATE, **asked)["OrderId"]
    cas.fault(Operation=CANCEL, OrderId=order_id, When="after")
    cas.refused("Error", CANCEL, OrderId=order_id)
    cas.reads(order_id, "payed", "PAYED")
    cas.fault(Operation=DELETE, OrderId=order_id, Code="DeleteFail")
    cas.refused("NotFoundOrder", DELETE, OrderId=1)
    cas.refused("DeleteFail", DELETE, OrderId=order_id)
    cas.reads(order_id, "payed", "PAYED")
    cas.fault(Read="unknow")
    assert cas.describe(order_id) == {"Type": "unknow"}
    cas.fault(RetryAfter=20)
    throttled = cas.ask(LIST)
    assert (throttled.status, throttled.code) == (429, "Throttling.User")
    cas.do(DELETE, OrderId=order_id)
    cas.fault(Code="Error")
    cas.refused("Error", LIST)
    assert cas.control("GET", "/faults") == {"Faults": []}
    assert cas.counts(DV) == before


BAD = [
    *((action, {}, "MissingOrderId") for action in ON_AN_ORDER),
    *((DELETE, {"OrderId": bad}, "InvalidOrderId") for bad in (0, -1, 2**63, "x", "1.5", "٣", "9" * 40)),
    (DELETE, {"OrderId": ""}, "MissingOrderId"),
    (DELETE, {"OrderId": "9223372036854775807"}, "NotFoundOrder"),
    *(
        (CREATE, {"Domain": "a.example", "ValidateType": "DNS", **CONTACT, name: None}, f"Missing{name}")
        for name in ("Domain", "Email", "Phone", "Username", "ValidateType")
    ),
    *(
        (CREATE_WITH_CSR, {"Csr": "none", "ValidateType": "DNS", **CONTACT, name: ""}, f"Missing{name}")
        for name in ("Csr", "Email", "Phone", "Username", "ValidateType")
    ),
    (CREATE, {"Domain": "a.example", "ValidateType": "EMAIL", **CONTACT}, "InvalidValidateType"),
    (CREATE, {"Domain": "no domain", "ValidateType": "DNS", **CONTACT}, "InvalidDomain"),
    (CREATE, {"Domain": "例え.example", "ValidateType": "DNS", **CONTACT}, "InvalidDomain"),
    (CREATE, {"Domain": "a" * 2000, "ValidateType": "DNS", **CONTACT}, "InvalidDomain"),
    (CREATE, {"Domain": "a.example", "ValidateType": "DNS", **CONTACT, "Username": "u" * 200}, "InvalidUsername"),
    (CREATE_FOR_PACKAGE, {}, "MissingDomain"),
    (CREATE_FOR_PACKAGE, {"Domain": ",".join(f"{n}.example" for n in range(6))}, "InvalidDomain"),
    (CREATE_FOR_PACKAGE, {"Domain": "a.example", "Tags": [{"Key": "", "Value": "v"}]}, "InvalidTags"),
    (CREATE_FOR_PACKAGE, {"Domain": "a.example", "Tags": TAGS * 2}, "InvalidTags"),
    (CREATE_FOR_PACKAGE, {"Csr": "broken"}, "InvalidCsr"),
    (CREATE_WITH_CSR, {"Csr": "broken", "ValidateType": "DNS", **CONTACT}, "InvalidCsr"),
    (RENEW, {"OrderId": 1, "Csr": "broken"}, "InvalidCsr"),
    (LIST, {"ShowSize": 0}, "InvalidShowSize"),
    (LIST, {"CurrentPage": 0}, "InvalidCurrentPage"),
    (LIST, {"CurrentPage": "one"}, "InvalidCurrentPage"),
    (LIST, {"Status": "payed"}, "InvalidStatus"),
    (LIST, {"OrderType": "FREE"}, "InvalidOrderType"),
]
"""Bad calls, and the codes that name what is bad; None is a parameter that is not there."""


def a_bad_parameter_is_named(cas: Account) -> None:
    """And nothing is done."""
    before = cas.counts(FREE), cas.counts(DV), cas.page()
    for action, parameters, code in BAD:
        given = {name: value for name, value in parameters.items() if value is not None}
        cas.refused(code, action, **given)
    assert (cas.counts(FREE), cas.counts(DV), cas.page()) == before


def the_calendar_goes_by(cas: Account) -> None:
    """Thirty days to give a unit back, sixty to the time for renewal, ninety to the end."""
    names = ("first", "second", "third", "fourth", "fifth")
    first, second, third, fourth, fifth = ids = [
        cas.create(f"{name}.calendar.example", ProductCode=DV) for name in names
    ]
    for order_id in ids:
        cas.happen(order_id, *ISSUE)
    certificate = cas.describe(third)
    used = cas.used()
    cas.advance(30 * DAY - 3600)
    cas.do(CANCEL_FOR_PACKAGE, OrderId=first)
    assert cas.used() == used - 1
    cas.advance(7200)
    cas.do(CANCEL_FOR_PACKAGE, OrderId=second)
    assert cas.used() == used - 1
    cas.reads(second, "certificate", "REVOKED")
    cas.reads(third, "certificate", "ISSUED")
    cas.illegal(third, RENEW)
    cas.advance(30 * DAY)
    cas.reads(third, "certificate", "WILLEXPIRED")
    assert cas.describe(third) == certificate
    cas.do(CANCEL_FOR_PACKAGE, OrderId=fourth)
    cas.happen(fifth, "certificate_revoked")
    for order_id in (fourth, fifth):
        cas.reads(order_id, "certificate", "REVOKED")
    renewals = an_order_is_renewed(cas, third)
    cas.advance(30 * DAY)
    cas.reads(third, "certificate", "EXPIRED")
    cas.illegal(third, *STEPS)
    for order_id in renewals:
        cas.reads(order_id, "certificate", "ISSUED")
    assert cas.used() == used - 1


def an_order_is_renewed(cas: Account, order_id: int) -> list[int]:
    """Each renewal begins another order, which is to be submitted and holds no unit."""
    counts = cas.counts(DV)
    domain = cas.stored(order_id)["Domain"]
    first = cas.do(RENEW, OrderId=order_id, Tags=TAGS)["OrderId"]
    assert (cas.stored(first)["Domain"], cas.stored(first)["Tags"]) == (domain, TAGS)
    cas.reads(first, "payed", "PAYED")
    cas.reads(order_id, "certificate", "WILLEXPIRED")
    cas.illegal(first, CANCEL, RENEW)
    cas.illegal(order_id, CANCEL, DELETE)
    request = signing_request(domain, "EC")
    second = cas.do(RENEW, OrderId=order_id, Csr=request)["OrderId"]
    third = cas.do(RENEW, OrderId=order_id)["OrderId"]
    assert order_id < first < second < third
    cas.do(DELETE, OrderId=third)
    is_gone(cas, third)
    assert cas.counts(DV) == counts
    for renewal in (first, second):
        cas.happen(renewal, "submitted")
        cas.reads(renewal, "domain_verify", "CHECKING")
        cas.happen(renewal, *ISSUE)
    assert "PrivateKey" in cas.describe(first)
    assert is_for_request(cas.describe(second), request, domain)
    assert cas.counts(DV) == (counts[0], counts[1], counts[2] + 2)
    return [first, second]


def the_books_balance(cas: Account) -> None:
    """Units used are held by orders; the list and the control port know the same orders; all seven codes were met."""
    stored = cas.control("GET", "/orders")["Orders"]
    for product_code in (FREE, DV, OV):
        held = sum(order["HoldsUnit"] for order in stored if order["ProductCode"] == product_code)
        total, used, _ = cas.counts(product_code)
        assert used == held <= total
    assert cas.listed(ShowSize=1000) == [order["OrderId"] for order in stored]
    assert cas.control("GET", "/health") == {"status": "ok", "orders": len(stored)}
    assert {code: cas.codes.get(code) for code in DOCUMENTED} == DOCUMENTED
    assert len(set(cas.request_ids)) == len(cas.request_ids)


def the_history_conforms(cas: Account) -> None:
    """What the service says that happened is what the table allows."""
    header, *lines = cas.history()
    assert json.loads(header) == {"trace": 1, "events": "complete"}
    report = trace.replay(map(trace.loads, lines), events="complete")
    assert (report.verdict, report.violations, report.bad_lines) == ("conforms", (), ())
    assert report.orders >= 120


CHAPTERS = (
    nothing_is_there_at_first,
    orders_are_listed_by_pages,
    orders_are_created_in_three_ways,
    a_description_has_the_fields_of_its_type,
    an_issued_order_has_a_certificate,
    an_order_is_withdrawn_and_deleted,
    an_order_is_cancelled_for_its_package,
    a_fault_spoils_one_call,
    a_bad_parameter_is_named,
    the_calendar_goes_by,
    the_books_balance,
    the_history_conforms,
)
