"""Histories of one order whose calls overlap: whether the table explains them, and the smallest that it does not."""
