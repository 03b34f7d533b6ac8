"""The face of V2.0 instances: what their operations ask for, what the mock keeps of them, and what it answers."""
