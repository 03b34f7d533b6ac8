"""Audit a log that is a data frame with names of its own: which orders broke the rules, and which hold quota."""

from datetime import UTC, datetime, timedelta

import polars as pl

from orderfsm.audit import audit

BEGIN = datetime(2026, 8, 5, 6, 10, tzinfo=UTC)
CALLS = [
    (7, "CreateCertificateRequest", "accepted", None),
    (7, "CancelOrderRequest", "accepted", None),
    (8, "CreateCertificateRequest", "accepted", None),
    (8, "CancelOrderRequest", "accepted", None),
    (8, "DeleteCertificateRequest", "accepted", None),
    (8, "DeleteCertificateRequest", "refused", "NotFoundOrder"),
    (8, "CancelOrderRequest", "accepted", None),
]
frame = pl.DataFrame(
    {
        "when": [BEGIN + timedelta(hours=hour) for hour in range(len(CALLS))],
        "order": [order for order, *_ in CALLS],
        "call": [call for _, call, *_ in CALLS],
        "outcome": [outcome for *_, outcome, _ in CALLS],
        "code": [code for *_, code in CALLS],
    }
)

report = audit(frame, columns={"time": "when", "order_id": "order", "operation": "call"})
print(f"{report.verdict}: {report.conforms} of {report.orders} orders conform")
for violation in report.violations:
    print(f"order {violation.order_id}, its line {violation.index}: {violation.said} in {violation.possible[0]}")
for held in report.held:
    print(f"order {held.order_id} holds a unit of quota, idle for {held.days * 24:.0f} hours")
for operation, refused in report.refusals.items():
    print(f"{operation}: {refused.foreseeable} of {refused.refusals} refusals could have been foreseen")
