# needs: orderfsm
"""Three questions to the table: may I, why not, and what instead. The core alone answers them, without any network."""

from orderfsm import Operation, State, can, explain, plan

print(can(State.VERIFY_FAIL, Operation.DELETE))
print(explain(State.BEING_REVIEWED, Operation.DELETE).reason)
print(plan(State.BEING_REVIEWED, State.DELETED))
