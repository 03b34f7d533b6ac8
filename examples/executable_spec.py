"""The three questions that the spec answers: is it allowed, why not, and what to do instead."""

from orderfsm import Operation, State, can, explain, plan

for state in State:
    print(f"{state:<20} delete allowed: {can(state, Operation.DELETE)}")

why = explain(State.BEING_REVIEWED, Operation.DELETE)
print(f"\nwhy not:     {why.reason}")
print(f"source:      {why.basis}, {why.reference}")
print(f"instead:     {why.instead}")

print(f"\nto get it issued: {plan(State.PENDING_REVIEW, State.ISSUED, events=True)}")
