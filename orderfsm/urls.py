"""URLs as they may be shown."""

from __future__ import annotations


def without_credentials(url: str) -> str:
    """`url`, as an error may show it: without what stands before its last `@`, a user and a password."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    return f"{scheme}{separator}{'...@' * ('@' in rest)}{rest.rpartition('@')[2]}"
