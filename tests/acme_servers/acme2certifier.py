"""acme2certifier, from its package, with SQLite and its own CA of OpenSSL's kind, behind gunicorn; plain HTTP.

It asks for http-01 at port 80 only, of an address that it has from DNS at port 53 only (`dns_server_list` holds
addresses without ports, and is asked before `proxy_server_list` is looked at): `names` sends both elsewhere.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import venvs
from .authority import make_authority
from .gunicorn import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .process import AcmeServer

CONFIG = """\
[DEFAULT]
debug: False
dns_server_list: ["127.0.0.1"]

[Nonce]
nonce_check_disable: False

[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: {folder}/ca.key
issuing_ca_cert: {folder}/ca.pem
{crl}cert_validity_days: 30
cert_save_path: {folder}/certificates

[DBhandler]
handler: wsgi
dbfile: {folder}/acme_srv.db

[Challenge]
challenge_validation_disable: False

[Order]
tnauthlist_support: False
"""


@contextmanager
def running(folder: Path, http_port: int, *, issues: bool = True) -> Iterator[AcmeServer]:
    """acme2certifier on a free port; unless it `issues`, each order that is finalized becomes invalid.

    It then lacks the file of its CA's revocations, without which it cannot enrol.

    Raises:
        Unavailable: its venv or challtestsrv is missing.
        DidNotStart: it does not answer.

    """
    programs, version = venvs.find("acme2certifier", "acme2certifier")
    make_authority(folder, crl=issues)
    folder.joinpath("certificates").mkdir()
    crl = f"issuing_ca_crl: {folder}/ca.crl\n" if issues else ""
    folder.joinpath("acme_srv.cfg").write_text(CONFIG.format(folder=folder, crl=crl))
    application = "acme2certifier.share.acme2certifier_wsgi:application"
    env = {"ACME_SRV_CONFIGFILE": f"{folder}/acme_srv.cfg", "ACME2CERTIFIER_BASE_DIR": str(folder)}
    with served(programs, application, folder, http_port, env=env) as at:
        yield at("acme2certifier", version, "directory")
