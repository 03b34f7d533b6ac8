"""What the answers about an order say besides its state: which certificate it has, and how its domain is validated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from .failure import Contradiction, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orderfsm.rows import State

    from .roles import Roles


class Fields(NamedTuple):
    """What a read calls the certificate's id, the list of records for the validation, and the value of a record."""

    certificate: str
    records: str
    value: str


FIELDS: Mapping[str, Fields] = {
    "GetInstanceDetail": Fields("CertificateId", "DomainValidationList", "ValidationValue"),
}
"""The reads that tell them."""

LISTS: Mapping[str, str] = {"ListCertificates": "CertificateList"}
"""The reads of certificates, and what they call the list of them."""


@attrs.define
class Particulars:
    """What is known of one order's certificate and of its application.

    `certificates` are the ids of those that it had, the last one last; `is_new` are the answers to whether there may be
    another one since, and `was_issued` to whether the CA issued any. `values` are those of the records of its last
    application, `before` those of earlier ones. `is_filled_in`: it was said what it is to submit.
    """

    certificates: list[int] = attrs.field(factory=list)
    is_new: set[bool] = attrs.field(factory=lambda: {False, True})
    was_issued: bool = False
    is_filled_in: bool = False
    values: set[str] = attrs.field(factory=set)
    before: set[str] = attrs.field(factory=set)

    def applied(self) -> None:
        """Another application began."""
        self.before |= self.values
        self.values = set()

    def certified(self, *, surely: bool) -> None:
        """Another certificate was issued, or may have been."""
        self.is_new = {True} if surely else {*self.is_new, True}
        self.was_issued = True

    def read(
        self, fields: Fields, body: Mapping[str, Any], states: frozenset[State | None], roles: Roles, *, has_one: bool
    ) -> Iterator[Contradiction]:
        """Learn the answer to a read in one of some `states`; `has_one`: it says that there is a certificate."""
        given = body.get(fields.certificate)
        if has_one and not self.was_issued and given is None:
            pass  # nobody says which certificate there is then
        elif has_one and type(given) is not int:
            yield _wrong(f"{fields.certificate}, a number, with a certificate", given)
        elif has_one:
            yield from self._certificate(fields, given)
        elif given is not None:
            yield _wrong(f"no {fields.certificate} without a certificate", given)
        records = body.get(fields.records) or []
        values = {str(each.get(fields.value)) for each in records if isinstance(each, dict)}
        if values and states <= roles.at_rest:
            yield _wrong(f"no {fields.records} where no application is under way", f"{len(records)} of them")
        elif values & self.before:
            yield _wrong(f"a new {fields.value} for each application", "that of an earlier one")
        else:
            self.values |= values

    def _certificate(self, fields: Fields, given: Any) -> Iterator[Contradiction]:
        last = self.certificates[-1] if self.certificates else None
        if last is None or (given not in self.certificates and True in self.is_new):
            self.certificates.append(given)
        elif given != last:
            yield _wrong(f"{fields.certificate} {last} until there is a new certificate", given)
        elif self.is_new == {True}:
            yield _wrong(f"another {fields.certificate} than {last} for a new certificate", given)
        self.is_new = {False}

    def listed(self, name: str, body: Mapping[str, Any]) -> Iterator[Contradiction]:
        """Learn the list of its certificates, of which the last is one, if that is known."""
        listed = body.get(name)
        ids = [each.get("CertificateId") for each in listed if isinstance(each, dict)] if listed else []
        numbers = [each for each in ids if not isinstance(each, str)]
        if numbers:
            yield _wrong("CertificateId, a text, of every certificate", numbers[0])
        elif self.certificates and self.is_new == {False} and str(self.certificates[-1]) not in ids:
            yield _wrong(f"certificate {self.certificates[-1]} in {name}", ", ".join(map(str, ids)) or "none")


def _wrong(expected: str, got: object) -> Contradiction:
    return Contradiction(expected, f"{got!r:.60}" if not isinstance(got, str) else got, Kind.SHAPES, itself=True)
