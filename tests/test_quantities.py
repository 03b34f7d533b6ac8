"""Durations and sizes: a number and its unit, and nothing else."""

from __future__ import annotations

import pytest

from orderfsm.errors import InvalidValue
from orderfsm.quantities import seconds, size


@pytest.mark.parametrize(
    ("text", "meant"), [("0s", 0), ("90s", 90), ("15m", 900), ("12h", 43_200), ("7D", 604_800), ("1w", 604_800)]
)
def test_a_duration_is_a_number_and_its_unit(text, meant):
    assert seconds(text) == seconds(text, bare=True) == meant


@pytest.mark.parametrize(("text", "meant"), [("60", 60), ("0.25", 0.25), ("1.5", 1.5)])
def test_a_number_alone_is_seconds_only_where_that_is_said(text, meant):
    assert seconds(text, bare=True) == meant
    with pytest.raises(InvalidValue, match=f"duration '{text}': expected a number and s, m, h, d or w, such as 7d"):
        seconds(text)


@pytest.mark.parametrize(
    "text", ["", "d", "-1d", "+1d", "1e3s", "nan", "inf", "1 d", "1y", "\u0667d", "1d1h", "1" * 10 + "s"]
)
def test_what_is_no_duration_is_named(text):
    for bare in (False, True):
        with pytest.raises(InvalidValue, match=r"budget .* expected a number"):
            seconds(text, "budget", bare=bare)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1B", 1),
        ("1kb", 1_000),
        ("500MB", 500 * 10**6),
        (" 4 GB ", 4 * 10**9),
        ("2TB", 2 * 10**12),
        ("1KiB", 1_024),
        ("1.5mib", 3 * 2**19),
        ("4GiB", 2**32),
        ("1TiB", 2**40),
    ],
)
def test_a_size_is_a_number_and_its_unit_of_thousands_or_of_1024(text, meant):
    assert size(text) == meant


@pytest.mark.parametrize("text", ["", "much", "4", "-4GB", "4G", "4GBs", "4 G B", "1e9B", "\u0664GB", "1" * 10 + "B"])
def test_what_is_no_size_is_named(text):
    with pytest.raises(InvalidValue, match=r"memory limit .* expected a size such as 500MB or 4GB"):
        size(text, "memory limit")
