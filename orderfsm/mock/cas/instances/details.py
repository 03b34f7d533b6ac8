"""What the face keeps of an instance: what was bought, what the next application says, and what came of the others.

It lies in the `details` of a record, as JSON, and is written when the instance moves, or is edited.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.mock.stores.store import FIRST_ID
from orderfsm.tables.instances import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.records import Record
    from orderfsm.rows import Transition

    from .words import Words

BUY, TEST = "BUY", "TEST"
PROCESSING, SUCCESS, FAILED = "processing", "success", "failed"
_AS_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_FIRST_CERTIFICATE = 7_000_001
_ANOTHER = 10**9
"""What the id of an order's or instance's second certificate is more than that of its first, and so on."""


def certificate_id(number: int, already: int = 0) -> int:
    """The id of a certificate: of the order or instance of that number, which had `already` so many others.

    It is never that of an order, since clients mix the two up.
    """
    return number - FIRST_ID + _FIRST_CERTIFICATE + already * _ANOTHER


def number_of(certificate_id: int) -> int:
    """The number of the order or instance to which a certificate of that id was issued, if it was."""
    return certificate_id % _ANOTHER + FIRST_ID - _FIRST_CERTIFICATE


def _texts(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


@attrs.frozen
class Certificate:
    """A certificate that was issued: its texts and its key once somebody has asked for them. Times as in a record.

    `age` is the word that its instance's state last had for how old it is, which may be ahead of its dates. `removed`
    says that its owner deleted it.
    """

    id: int
    issued: float
    expires: float
    domains: tuple[str, ...] = attrs.field(converter=_texts)
    name: str
    sort: str
    csr: str | None = None
    revoked: float | None = None
    age: str = "issued"
    pem: str | None = attrs.field(default=None, repr=False)
    key: str | None = attrs.field(default=None, repr=False)
    removed: bool = False


def _certificates(given: Any) -> tuple[Certificate, ...]:
    return tuple(each if isinstance(each, Certificate) else Certificate(**each) for each in given)


@attrs.frozen(kw_only=True)
class Details:
    """What the face keeps of an instance.

    `spec` and its parts were bought, for `full` exact and `wild` wildcard names. `data` is what UpdateInstance said, by
    the API's names. `applications` counts them, `task` is what became of the last one's submission, `validated` whether
    its owner has published what it has to, `result` what the CA said last.
    """

    spec: str = "ws.dv.f"
    brand: str = "ws"
    grade: str = "DV"
    sort: str = BUY
    full: int = 1
    wild: int = 0
    data: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    applications: int = 0
    task: str | None = None
    validated: bool = False
    result: str | None = None
    certificates: tuple[Certificate, ...] = attrs.field(default=(), converter=_certificates, repr=False)


@lru_cache(maxsize=256)
def text_of(details: Details) -> str:
    """The text of a record that keeps `details`."""
    return _AS_JSON(attrs.asdict(details))


@lru_cache(maxsize=4096)
def details_of(text: str) -> Details:
    """What the text of a record says; an empty one that a plain instance was bought."""
    return Details(**json.loads(text)) if text else Details()


def moved(record: Record, row: Transition, *, lifecycle: Lifecycle, words: Words) -> Record:
    """`record`, which has just come by `row` to where it is, with what that means for its details."""
    details = details_of(record.details)
    changes: dict[str, Any] = {}
    if words.is_applied_for(row.target) and not words.is_applied_for(row.source):
        taken_up = lifecycle.table[row.target].get(Event.SUBMISSION_ACCEPTED) is None
        changes = {
            "applications": details.applications + 1,
            "task": SUCCESS if taken_up else PROCESSING,
            "validated": False,
            "result": None,
        }
    elif row.trigger == Event.SUBMISSION_ACCEPTED:
        changes = {"task": SUCCESS}
    elif row.trigger == Event.SUBMISSION_FAILED:
        changes = {"task": FAILED}
    elif row.trigger == Event.REVIEW_FAILED:
        changes = {"result": "the review has failed"}
    has_one = row.target is not None and lifecycle.state_rules[row.target].certified
    if lifecycle.trigger_rules[row.trigger].certifies or (has_one and not details.certificates):
        changes = {"result": "issued", "certificates": (*details.certificates, _issued(record, details))}
    elif details.certificates:
        *others, latest = details.certificates
        known = attrs.evolve(latest, age=words.age_in(row.target) or latest.age)
        if words.is_revoked(row.target) and not words.is_revoked(row.source):
            known = attrs.evolve(known, revoked=record.entered)
        if known != latest:
            changes["certificates"] = (*others, known)
    return record.but(details=text_of(attrs.evolve(details, **changes))) if changes else record


def _issued(record: Record, details: Details) -> Certificate:
    assert record.issued is not None
    assert record.expires is not None
    identifier = certificate_id(record.number, len(details.certificates))
    return Certificate(
        id=identifier,
        issued=record.issued,
        expires=record.expires,
        domains=record.domains or (f"{record.id}.invalid",),
        name=details.data.get("CertificateName", f"cert-{identifier}"),
        sort=details.sort,
        csr=record.csr,
    )
