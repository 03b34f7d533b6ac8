"""Quota is conserved over any history of many orders and packages."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orderfsm import Event, Operation, ServiceError, State, mock

CONTACT = {"Email": "a@example.com", "Phone": "1", "Username": "u", "ValidateType": "DNS", "Domain": "example.com"}
SIZES = {"digicert-free-1-free": 3, "globalsign-dv-1": 1, "empty-package": 0}
EXISTING_ONLY = [Operation.CANCEL, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE, Operation.RENEW, Operation.DESCRIBE]


class Quota(RuleBasedStateMachine):
    """Many orders of several packages: what is free and what is held is always all there is.

    The model counts by these sentences alone: a create takes a unit or is refused; the rows with -1 give it
    back, for a certificate only within 30 days; a renewal takes none.
    """

    orders = Bundle("orders")

    @initialize()
    def begin(self):
        self.clock = mock.Clock(lambda: 1e9)
        self.service = mock.Service(clock=self.clock)
        self.service.reset()
        for code, total in SIZES.items():
            self.service.put_package(code, total)
        self.holding = {}
        self.issued_at = {}

    def call(self, operation, **parameters):
        headers = {"x-acs-version": "2020-04-07", "x-acs-action": operation}
        return self.service.handle(mock.Request("POST", "/", parameters, headers))

    @rule(target=orders, code=st.sampled_from([*SIZES, "never-bought"]))
    def create(self, code):
        response = self.call(Operation.CREATE, ProductCode=code, **CONTACT)
        held = Counter(self.holding.values())[code]
        if code not in SIZES:
            assert (response.status, response.json["Code"]) == (404, "NotFoundPackage")
            return 404
        if held >= SIZES[code]:
            assert (response.status, response.json["Code"]) == (404, "NotRemainCount")
            return 404
        assert response.status == 200
        self.holding[response.json["OrderId"]] = code
        return response.json["OrderId"]

    @rule(target=orders, order=orders, operation=st.sampled_from(EXISTING_ONLY))
    def call_on(self, order, operation):
        before = self.service.store.get(order)
        response = self.call(operation, OrderId=order)
        if response.status != 200:
            after = self.service.store.get(order)
            assert (after and after.order) == (before and before.order)
            return order
        if operation is Operation.DELETE:
            self.holding.pop(order, None)
        if operation is Operation.CANCEL_FOR_PACKAGE:
            age = self.clock.now() - self.issued_at.get(order, self.clock.now())
            if age <= 30 * 86_400:
                self.holding.pop(order, None)
        return response.json.get("OrderId", order)

    @rule(order=orders, event=st.sampled_from(Event))
    def happen(self, order, event):
        try:
            self.service.happen(order, event)
        except ServiceError:
            return
        if event is Event.REVIEW_PASSED:
            self.issued_at[order] = self.clock.now()

    @rule(days=st.sampled_from([1, 29, 30, 31]))
    @precondition(lambda self: self.clock.now() < 1e9 + 86_400 * 400)
    def wait(self, days):
        self.service.advance(days * 86_400)

    @invariant()
    def units_are_conserved(self):
        held = Counter(self.holding.values())
        for code, total in SIZES.items():
            package = self.call(Operation.DESCRIBE_PACKAGE, ProductCode=code).json
            assert (package["TotalCount"], package["UsedCount"]) == (total, held[code])
            records = [r for r in self.service.store.select(list(State), "", 0, 10_000)[0] if r.product_code == code]
            assert package["UsedCount"] == sum(r.holds_unit for r in records)
            assert package["IssuedCount"] == sum(r.issued is not None for r in records)


TestQuota = Quota.TestCase
