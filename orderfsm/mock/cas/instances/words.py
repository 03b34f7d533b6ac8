"""The words by which an instance is read: those of its state, and where that may have several, by what is known of it.

=========================  ==========================================================================================
a submission               `inactive` until it is shown, `pending` from then on; `pending` at once after a withdrawal
a refund                   the `Status` that the instance had before
everything else            the `CertificateStatus` that the latest certificate has by its dates, if the state may have
                           it; else the last one of those that it may have
=========================  ==========================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.rows import ABSENT
from orderfsm.tables.instances import Event

from .details import Details, details_of

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.records import Record
    from orderfsm.rows import State

    from .details import Certificate

STATUS, CERTIFICATE_STATUS = "Status", "CertificateStatus"
PENDING = "pending"
ISSUED, WILL_EXPIRE, EXPIRED, REVOKED = "issued", "willExpire", "expired", "revoked"
_AGES = (ISSUED, WILL_EXPIRE, EXPIRED)


class Words:
    """The words of the instances that live by `lifecycle`; a new application is shown `shown_after` seconds later."""

    def __init__(self, lifecycle: Lifecycle, shown_after: float) -> None:
        at = [vocabulary.field for vocabulary in lifecycle.vocabularies]
        rules = lifecycle.state_rules.values()
        self._status = {rule.state: rule.readings(at.index(STATUS)) for rule in rules}
        self._certificate = {rule.state: rule.readings(at.index(CERTIFICATE_STATUS)) for rule in rules}
        self._shown_after = shown_after
        neared = lifecycle.trigger_rules.get(Event.CERTIFICATE_NEARED_END)
        self._nears = 0 if neared is None else neared.before_end or 0

    def is_applied_for(self, state: State | None) -> bool:
        """Whether an application is under way in `state`, or has just been submitted."""
        return PENDING in self._status[state]

    def is_revoked(self, state: State | None) -> bool:
        """Whether the latest certificate is revoked in `state`, for certain."""
        return self._certificate[state] == (REVOKED,)

    def age_in(self, state: State | None) -> str | None:
        """How old the latest certificate is in `state`, for certain: `issued`, `willExpire`, `expired`; else None."""
        words = self._certificate[state]
        return words[0] if len(words) == 1 and words[0] in _AGES else None

    def has_certificate(self, state: State) -> bool:
        """Whether there may be a certificate in `state`."""
        return self._certificate[state] != (ABSENT,)

    def states(self, status: str | None, certificate: str | None) -> tuple[list[State], list[State]]:
        """The states in which an instance has both words (None: any), and those in which it may have them."""
        surely: list[State] = []
        perhaps: list[State] = []
        for state, words in self._status.items():
            if state is None or not words:
                continue
            asked = [(status, words), (certificate, self._certificate[state])]
            if all(word is None or word in known for word, known in asked):
                decided = all(word is None or len(known) == 1 for word, known in asked)
                (surely if decided else perhaps).append(state)
        return surely, perhaps

    def is_shown(self, record: Record, now: float) -> bool:
        """Whether an application is under way and the reads show it by `now`, with what its owner has to publish."""
        if not self.is_applied_for(record.state):
            return False
        return self.is_applied_for(record.previous) or now >= record.entered + self._shown_after

    def status(self, record: Record, now: float) -> str:
        """The `Status` that an instance is read as at the time `now`."""
        words = self._status[record.state]
        if len(words) == 1:
            return words[0]
        before = self._status[record.previous]
        if before and before[0] in words and not self.is_shown(record, now):
            return before[0]
        return words[-1]

    def certificate(self, record: Record, now: float) -> str:
        """The `CertificateStatus` that an instance is read as at the time `now`; `ABSENT` where there is none."""
        words = self._certificate[record.state]
        if len(words) == 1:
            return words[0]
        details = details_of(record.details)
        word = self.of(details.certificates[-1], now) if details.certificates else ABSENT
        return word if word in words else words[-1]

    def of(self, certificate: Certificate, now: float) -> str:
        """The word of a certificate by itself: by its dates, unless an event was faster."""
        if certificate.revoked is not None:
            return REVOKED
        if now >= certificate.expires:
            return EXPIRED
        by_date = WILL_EXPIRE if now >= certificate.expires - self._nears else ISSUED
        return max(by_date, certificate.age, key=_AGES.index)

    def of_each(self, record: Record, now: float) -> list[tuple[Certificate, str]]:
        """The certificates of an instance with their words: the latest one's is that which the instance is read as."""
        details: Details = details_of(record.details)
        each = [(certificate, self.of(certificate, now)) for certificate in details.certificates]
        return [*each[:-1], (each[-1][0], self.certificate(record, now))] if each else []

    def before(self, record: Record, now: float) -> tuple[str, str] | None:
        """The two words that it would have at the time `now` in the state before this one; None if there was none."""
        if not self._status[record.previous]:
            return None
        earlier = record.but(state=record.previous, previous=None)
        return self.status(earlier, now), self.certificate(earlier, now)
