"""What orderfsm costs, measured beside what it is compared to."""
