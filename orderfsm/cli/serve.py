"""`orderfsm serve`: the mock as a program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue

from .choice import in_table

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command(
    epilog="ORDERFSM_ACCESS_KEYS=id:secret,id:secret in the environment names the access keys whose signatures are "
    "verified; without it every signature is accepted."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the API port.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="API port; 0 is any free one.")
@click.option("--control-host", default="127.0.0.1", show_default=True, help="Address of the control port.")
@click.option("--control-port", type=click.IntRange(0, 65535), default=0, help="Control port; 0 is any free one.")
@click.option(
    "--expose-control",
    is_flag=True,
    help="Let --control-host be an address that other machines can reach. Whoever reaches the control port can change "
    "and delete everything, without any key.",
)
@click.option("--database", "--db", metavar="URL", help="sqlite:///FILE or postgresql://...; without it, memory.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Processes that serve one database.")
@click.option("--package", "packages", metavar="CODE=N", multiple=True, help="Buy N units of a product.")
@click.option("--review", default="manual", show_default=True, help="manual, at-once, after=SECONDS or reads=N.")
@click.option("--reject-share", type=click.FloatRange(0, 1), default=0.0, help="Share of reviews that fail.")
@click.option(
    "--completions",
    type=click.Choice(["clock", "manual"]),
    default="clock",
    show_default=True,
    help="Whether what is under way with an instance completes by the clock, or when it is told to.",
)
@click.option(
    "--takes", metavar="EVENT=SECONDS", multiple=True, help="How long a completion takes by the clock; 0: at once."
)
@click.option(
    "--choose",
    "chosen",
    type=click.Choice(["auto-submits", "needs-contacts", "in-seconds"]),
    multiple=True,
    help="What instances do where nobody says: updates submit, applications need contacts, times are in seconds.",
)
@click.option("--seed", type=int, help="Seed of every choice, so that a run repeats.")
@click.option("--limits", is_flag=True, help="Keep the documented rate limits.")
@in_table
def serve(
    *,
    packages: tuple[str, ...],
    takes: tuple[str, ...],
    chosen: tuple[str, ...],
    review: str,
    reject_share: float,
    **options: Any,
) -> int:
    """Serve the mock until SIGTERM; the first line is its URLs.

    The first line of standard output is a JSON document with the URLs of the API port and of the control port.
    """
    with needs("mock"):
        from orderfsm.mock.cas.choices import Choices
        from orderfsm.mock.http.serve import Settings
        from orderfsm.mock.http.serve import serve as run
        from orderfsm.mock.review import Review
    times = {
        event: float(seconds)
        for event, seconds in _pairs("takes", takes, "EVENT=SECONDS", r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
    }
    return run(
        Settings(
            packages=_packages(packages),
            takes=times,
            choices=Choices(**{choice.replace("-", "_"): True for choice in chosen}),
            review=Review.parse(review, reject_share),
            **options,
        )
    )


def _packages(given: tuple[str, ...]) -> dict[str, int]:
    return {code: int(units) for code, units in _pairs("package", given, "CODE=N", "[0-9]{1,9}")}


def _pairs(kind: str, given: tuple[str, ...], form: str, number: str) -> Iterator[tuple[str, str]]:
    """The two parts of each text, of which the second is a `number`; `InvalidValue` if one has not that form."""
    for text in given:
        name, _, value = text.rpartition("=")
        if not name or not re.fullmatch(number, value):
            raise InvalidValue(kind, text, [form])
        yield name, value
