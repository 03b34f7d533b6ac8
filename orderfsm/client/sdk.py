"""Names in the official SDK, from the API's names."""

from __future__ import annotations

import re


def method_name(operation: str) -> str:
    """The SDK client's method for an operation: its action name in snake case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
