"""The table in forms that other programs read."""

from .divergences import divergences
from .document import document

__all__ = ["divergences", "document"]
