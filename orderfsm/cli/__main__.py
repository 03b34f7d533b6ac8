"""`python -m orderfsm.cli`."""

from . import program

program()
