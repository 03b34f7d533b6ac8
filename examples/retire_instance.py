"""Retire V2.0 instances: withdraw, refund, delete, each as soon as the one before it has landed.

By hand this is, for each of the three calls, a loop with sleeps and a list of codes that are tolerated:
StatusNotSupport, NotSupport, DeleteProtection. But each of these means "too early" as well as "never", so that such a
loop waits twenty minutes for an instance whose certificate has been issued. Here the table tells them apart.

It runs against the mock; put your own SDK client in the place of `server.client()` to run it against the service.
"""

from orderfsm import OrderFSMError
from orderfsm.client import carry_out, guard
from orderfsm.mock import mock_cas

with mock_cas(takes={"withdrawal_completed": 1, "refund_completed": 1}) as server:
    client = guard(server.client())
    under_review, issued = server.instance("pending").id, server.instance("issued").id

    print("plan:", *carry_out(client, under_review, "deleted", dry_run=True).triggers)
    for instance_id in under_review, issued:
        try:
            done = carry_out(client, instance_id, "deleted")
            print("done:", *(step.trigger for step in done.steps))
        except OrderFSMError as error:  # issued meanwhile, or paid more than seven days ago: it says which
            print("kept:", str(error).partition("; ")[2])
    print("left:", *(instance.state for instance in server.instances()))
