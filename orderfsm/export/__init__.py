"""The table in forms that other programs read."""

from .document import document

__all__ = ["document"]
