"""`orderfsm serve`: the mock as a program."""

from __future__ import annotations

from typing import Any

import click

from orderfsm.extras import needs

from .choice import in_table


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
@click.option(
    "--validate",
    type=click.Choice(["dns"]),
    help="dns: owners validate their domains by the records that they publish through AliDNS, on the API port too.",
)
@click.option(
    "--domain",
    "domains",
    metavar="NAME",
    multiple=True,
    help="A domain of the account of AliDNS; without it, every one that can be registered.",
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
        from orderfsm.mock.http.serve import Settings
        from orderfsm.mock.http.serve import serve as run
        from orderfsm.mock.review import Review
        from orderfsm.mock.settings import choices_of, packages_of, takes_of
    return run(
        Settings(
            packages=packages_of(packages),
            takes=takes_of(takes),
            choices=choices_of(chosen),
            review=Review.parse(review, reject_share),
            **options,
        )
    )
