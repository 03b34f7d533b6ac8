# needs: orderfsm[audit]
"""A first audit: a log of 2,000 simulated orders, of which some broke the rules."""

from pathlib import Path
from tempfile import TemporaryDirectory

from orderfsm.audit import audit, simulate

with TemporaryDirectory() as folder:
    log = Path(folder) / "log"  # put the folder or file of your own log here
    simulate(log, orders=2_000, bad=0.002, seed=1)
    report = audit(log)

print(f"{report.verdict}: {report.conforms} of {report.orders} orders conform")
for violation in report.violations:
    print(f"order {violation.order_id}: {violation.said} in {violation.possible[0]}")
print(f"{report.holding_quota} orders hold a unit of quota")
