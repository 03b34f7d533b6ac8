"""Real ACME clients that order a certificate, each with its own account, by http-01 on loopback.

The directory may be a server's, or that of a proxy before it. A second run in the same folder renews.
`python -m tests.acme_servers NAME python -m tests.acme_servers.clients CLIENT` lets one order at a server.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from . import venvs
from .authority import new_key, pem
from .orders import answering, new_name
from .process import ZONE, Unavailable, debian_version, program

if TYPE_CHECKING:
    from collections.abc import Sequence

EMAIL = f"nobody@{ZONE}"
HOOK = """\
#!/bin/sh
[ "$2" = http-01 ] || exit 1
case "$1" in
  begin) printf %s "$5" > "{answers}/$4" ;;
  *) rm -f "{answers}/$4" ;;
esac
"""
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@frozen
class Wish:
    """What a client is to do."""

    directory: str
    ca: Path | None
    names: Sequence[str]
    http_port: int
    folder: Path
    revoke: bool

    @property
    def answers(self) -> Path:
        """Where a client that does not listen itself puts its answers to challenges."""
        return self.folder / "answers"


def run(
    client: str,
    directory: str,
    ca: Path | None,
    names: Sequence[str],
    *,
    http_port: int,
    folder: Path,
    revoke: bool = False,
    seconds: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Let `client` order a certificate for `names`, or with `revoke` revoke the one that it has in `folder`.

    What it says is the `stdout` of the result; its status is that of its last command. Every command must end within
    `seconds`.

    Raises:
        ValueError: there is no client of that name, or it cannot revoke.
        Unavailable: this machine lacks it.
        subprocess.TimeoutExpired: it took too long, and was ended.

    """
    if client not in CLIENTS:
        raise ValueError(f"client {client!r}: expected {', '.join(CLIENTS)}")
    wish = Wish(directory, ca, names, http_port, folder, revoke)
    wish.answers.mkdir(parents=True, exist_ok=True)
    log = folder / "client.log"
    begin = log.stat().st_size if log.exists() else 0
    commands, env = CLIENTS[client](wish)
    with ExitStack() as stack:
        if client in SERVED:
            stack.enter_context(answering(http_port, wish.answers))
        for command in commands:
            with program(command, log=log, cwd=folder, env=env) as process:
                status = process.wait(seconds)
            if status:
                break
    said = log.read_bytes()[begin:].decode(errors="replace")
    return subprocess.CompletedProcess(command, status, said)


def version(client: str) -> str:
    """The version of a client, as its package tells it."""
    if client == "certbot":
        return venvs.find("certbot", "certbot")[1]
    return debian_version(client.removesuffix("-debian"))


def _certbot(wish: Wish, found: Path | None = None):
    certbot = found or venvs.find("certbot", "certbot")[0] / "certbot"
    places = [word for place in ("config", "work", "logs") for word in (f"--{place}-dir", str(wish.folder / place))]
    common = [*places, "--server", wish.directory, "--non-interactive"]
    env = {"REQUESTS_CA_BUNDLE": str(wish.ca)} if wish.ca else {}
    if wish.revoke:
        certificate = wish.folder / "config" / "live" / wish.names[0] / "cert.pem"
        return [[certbot, "revoke", *common, "--cert-path", certificate, "--no-delete-after-revoke"]], env
    listen = ["--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", str(wish.http_port)]
    account = ["--agree-tos", "--email", EMAIL, "--no-eff-email", "--force-renewal"]
    return [[certbot, "certonly", *common, *listen, *account, *_each("--domain", wish.names)]], env


def _certbot_of_debian(wish: Wish):
    return _certbot(wish, _program("certbot"))


def _lego(wish: Wish):
    common = ["--server", wish.directory, "--path", str(wish.folder), "--email", EMAIL, "--accept-tos"]
    listen = ["--http", "--http.port", f"127.0.0.1:{wish.http_port}"]
    what = ["--domains", wish.names[0], "revoke"] if wish.revoke else [*_each("--domains", wish.names), "run"]
    return [[_program("lego"), *common, *listen, *what]], {"LEGO_CA_CERTIFICATES": str(wish.ca)} if wish.ca else {}


def _uacme(wish: Wish):
    """It trusts the system's certificates only: another file is put before them for its own process alone."""
    hook, home = wish.folder / "hook", wish.folder / "uacme"
    hook.write_text(HOOK.format(answers=wish.answers))
    hook.chmod(0o755)
    common = [_program("uacme"), "-v", "-y", "-a", wish.directory, "-c", home, "-h", hook]
    new = [] if (home / "private" / "key.pem").exists() else [[*common, "new", EMAIL]]
    if wish.revoke:
        wanted = [[*common, "revoke", home / wish.names[0] / "cert.pem"]]
    else:
        wanted = [*new, [*common, "-f", "issue", *wish.names]]
    return [_trusting(wish.ca, command) for command in wanted], {}


def _trusting(ca: Path | None, command: list[str | Path]) -> list[str | Path]:
    if ca is None:
        return command
    alone = [_program("unshare", "util-linux"), "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        raise Unavailable("uacme trusts the system's certificates only, and namespaces are not allowed here: use HTTP")
    return [*alone, "sh", "-c", f'mount --bind "$0" {BUNDLE} && exec "$@"', ca, *command]


def _acme_tiny(wish: Wish):
    """It checks an answer itself at port 80 of the name, unless told not to."""
    if wish.revoke:
        raise ValueError("client 'acme-tiny': it cannot revoke")
    key, csr = wish.folder / "account.key", wish.folder / "order.csr"
    if not key.exists():
        key.write_bytes(pem(new_key(rsa=True)))
    csr.write_bytes(_request(wish.names))
    files = ["--account-key", key, "--csr", csr, "--acme-dir", wish.answers]
    command = [_program("acme-tiny"), *files, "--directory-url", wish.directory, "--disable-check"]
    return [[*command, "--contact", f"mailto:{EMAIL}"]], {"SSL_CERT_FILE": str(wish.ca)} if wish.ca else {}


CLIENTS = {
    "certbot": _certbot,
    "certbot-debian": _certbot_of_debian,
    "lego": _lego,
    "uacme": _uacme,
    "acme-tiny": _acme_tiny,
}
SERVED = {"uacme", "acme-tiny"}
"""Those that do not listen themselves."""


def _each(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _program(name: str, package: str | None = None) -> Path:
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"{name} is not installed: apt-get install {package or name}")
    return Path(found)


def _request(names: Sequence[str]) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    request = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(alternative, critical=False)
    return request.sign(new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def main(words: list[str]) -> int:
    """Let a client order at the server, or the proxy, that the environment or `--directory` names; its status."""
    parser = argparse.ArgumentParser(prog="python -m tests.acme_servers.clients", description=__doc__)
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("names", nargs="*", help="a new one, if none is given")
    for name in ("directory", "ca", "http_port"):
        variable = f"ORDERFSM_ACME_{name.upper()}"
        given = os.environ.get(variable)
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, default=given, required=given is None, help=f"else what is in {variable}")
    parser.add_argument("--revoke", action="store_true", help="revoke the certificate afterwards")
    asked = parser.parse_args(words)
    ca = Path(asked.ca) if asked.ca else None
    names, port = asked.names or [new_name()], int(asked.http_port)
    with tempfile.TemporaryDirectory(prefix=f"orderfsm-{asked.client}-") as folder:
        for revoke in (False, True)[: 1 + asked.revoke]:
            at = {"http_port": port, "folder": Path(folder), "revoke": revoke}
            try:
                done = run(asked.client, asked.directory, ca, names, **at)
            except Unavailable as error:
                sys.exit(str(error))
            print(done.stdout, end="")
            if done.returncode:
                break
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
