"""`python -m orderfsm`: the command line."""

from .cli import program

program()
