"""Hold your application's log against the table: it names the calls that cannot have been answered as the log says.

A log becomes a trace: a `Line` for each call. Here the application logs CSV; `orderfsm replay FILE` takes JSON Lines.
"""

import csv

from orderfsm.testing import check_history
from orderfsm.trace import Line, Outcome, replay
from orderfsm.wire import parse_trigger

LOG = """
started,ended,worker,order,call,answer
2026-08-05T06:10:01.000Z,2026-08-05T06:10:01.210Z,a,7,CreateCertificateRequest,
2026-08-05T06:10:05.020Z,2026-08-05T06:10:05.100Z,a,7,CancelOrderRequest,
2026-08-05T06:10:07.300Z,2026-08-05T06:10:07.480Z,a,7,DeleteCertificateRequest,
2026-08-05T06:10:07.350Z,2026-08-05T06:10:07.520Z,b,7,DeleteCertificateRequest,
2026-08-05T06:10:02.000Z,2026-08-05T06:10:02.190Z,b,8,CreateCertificateRequest,
2026-08-05T06:10:09.000Z,2026-08-05T06:10:09.080Z,b,8,DeleteCertificateRequest,OrderStateError
"""

lines = [
    Line(
        time=row["started"],
        order_id=row["order"],
        trigger=parse_trigger(row["call"]),
        outcome=Outcome.REFUSED if row["answer"] else Outcome.ACCEPTED,
        code=row["answer"] or None,
        client=row["worker"],
        started=row["started"],
        ended=row["ended"],
        number=number,
    )
    for number, row in enumerate(csv.DictReader(LOG.strip().splitlines()), 2)
]

# What the CA did is not in the log: it may have happened between any two calls.
report = replay(lines)
print(f"{report.verdict}: {report.conforms} of {report.orders} orders conform")
for violation in report.violations:
    print(f"line {violation.line}, order {violation.order_id}: {violation.said}")
    print(f"  it could only be in: {', '.join(map(str, violation.possible))}")

    # The calls of several workers overlap, so the order of the log is not the only possible one.
    history = [line for line in lines if line.order_id == violation.order_id]
    print(check_history(history).picture())
