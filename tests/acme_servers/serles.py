"""serles-acme, from its package, with SQLite and its OpenSSL backend, behind gunicorn; plain HTTP.

It asks for http-01 at port 80 only, by the system's resolver, and looks at no proxy: `names` sends both elsewhere.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import venvs
from .authority import make_authority
from .gunicorn import served
from .process import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .process import AcmeServer

CONFIG = """\
[serles]
database = sqlite:///{folder}/serles.db
backend = serles.backends.openssl:Backend
subjectNameTemplate = CN={{SAN[0]}}
forceTemplateDN = false
allowWildcards = true

[openssl]
cacert = {folder}/ca.pem
cakey = {folder}/ca.key
"""


@contextmanager
def running(folder: Path, http_port: int) -> Iterator[AcmeServer]:
    """serles-acme on a free port.

    Raises:
        Unavailable: its venv, openssl or challtestsrv is missing.
        DidNotStart: it does not answer.

    """
    programs, version = venvs.find("serles", "serles-acme")
    if shutil.which("openssl") is None:
        raise Unavailable("serles-acme signs with openssl, which is not installed: apt-get install openssl")
    make_authority(folder)
    folder.joinpath("config.ini").write_text(CONFIG.format(folder=folder))
    env = {"CONFIG": f"{folder}/config.ini"}
    with served(programs, "serles:create_app()", folder, http_port, env=env) as at:
        yield at("serles", version, "directory")
