"""The reference server of ACME orders on loopback, as HTTP with JWS [6], for clients that sign properly.

No signature is verified. A challenge is tried by HTTP, at a port of this machine [8.3].
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from acme_server import AcmeServer, Refused
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

URN = "urn:ietf:params:acme:error:"


def _decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encoded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _thumbprint(key):
    named = {name: key[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in key}
    return _encoded(hashlib.sha256(json.dumps(named, sort_keys=True, separators=(",", ":")).encode()).digest())


def _names_in(csr):
    """The names that a CSR is for; a refusal if it cannot be read."""
    try:
        extensions = x509.load_der_x509_csr(csr).extensions
        return extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except (ValueError, x509.ExtensionNotFound):
        raise Refused("badCSR", 400) from None


class Wire(BaseHTTPRequestHandler):
    """One connection of a client. A challenge is tried by HTTP, at the port of this machine that was told."""

    protocol_version = "HTTP/1.1"
    server_version = "reference"
    wbufsize = -1  # an answer in one packet

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self.answer(200, None)

    def do_GET(self):
        home, port = self.server.home, self.path.partition("?")[0]
        named = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order", "revokeCert": "revoke"}
        if port == "/directory":
            return self.answer(200, {name: f"{home}/{path}" for name, path in named.items()} | {"meta": {}})
        return self.answer(204, None) if port == "/nonce" else self.problem("malformed", 405)

    def do_POST(self):
        jws = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        header, payload = json.loads(_decoded(jws["protected"])), _decoded(jws["payload"])
        if header.get("nonce") not in self.server.nonces:
            return self.problem("badNonce", 400)
        self.server.nonces.discard(header["nonce"])
        kind, *number = self.path.strip("/").split("/")
        number = [int(each) if each.isdigit() else 0 for each in number]
        given = json.loads(payload) if payload else None
        try:
            with self.server.acme.lock:
                return getattr(self, f"post_{kind}")(given, header, *number)
        except Refused as refused:
            return self.problem(*refused.args)
        except (AttributeError, KeyError, TypeError):
            return self.problem("malformed", 404)

    def answer(self, status, body, **headers):
        """Send an answer, with a new nonce [6.5]; a body is an object, or text."""
        text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        nonce = _encoded(hashlib.sha256(str(next(self.server.numbers)).encode()).digest())
        self.server.nonces.add(nonce)
        self.send_response(status)
        kind = {"Content-Type": "application/json", "Content-Length": str(len(text)), "Replay-Nonce": nonce}
        for name, value in (kind | {name.replace("_", "-"): value for name, value in headers.items()}).items():
            if not (status == 204 and name == "Content-Length"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def problem(self, code, status):
        """Send a refusal [6.7]."""
        body = {"type": URN + code if code else "about:blank", "status": status, "detail": "refused"}
        self.answer(status, body, Content_Type="application/problem+json")

    def post_account(self, _given, header, _number=None):
        key = header.get("jwk") or self.server.accounts[header["kid"]]
        url = f"{self.server.home}/account/{_thumbprint(key)}"
        known = url in self.server.accounts
        self.server.accounts[url] = key
        body = {"status": "valid", "contact": [], "orders": f"{url}/orders"}
        self.answer(200 if known else 201, body, Location=url)

    def show(self, order, status=200):
        """Send an order [7.1.3]."""
        home, number = self.server.home, order.number
        body = {
            "status": self.server.acme.shown(order),
            "expires": "2099-01-01T00:00:00Z",
            "identifiers": [{"type": "dns", "value": name} for name in order.names],
            "authorizations": [f"{home}/authorization/{each.number}" for each in order.authorizations],
            "finalize": f"{home}/finalize/{number}",
        }
        if order.issued or order.status in self.server.acme.HAS_CERTIFICATE:
            body["certificate"] = f"{home}/certificate/{number}"
        self.answer(status, body, Location=f"{home}/order/{number}")

    def post_order(self, given, _header, number=None):
        acme = self.server.acme
        if number is not None:
            return self.show(acme.read(number))
        return self.show(acme.new_order([each["value"] for each in given["identifiers"]]), 201)

    def post_finalize(self, given, _header, number):
        csr = _decoded(given["csr"])
        self.show(self.server.acme.finalize(number, _names_in(csr), csr))

    def post_authorization(self, given, _header, number):
        authorization = self.server.acme.authorizations[number]
        if given and given.get("status") == "deactivated":
            self.server.acme.deactivate(authorization)
        identifier = {"type": "dns", "value": authorization.name}
        self.answer(
            200, {"status": authorization.status, "identifier": identifier, "challenges": [self.challenge(number)]}
        )

    def challenge(self, number):
        """A challenge as it is shown [8]."""
        status = self.server.acme.authorizations[number].status
        url, status = f"{self.server.home}/challenge/{number}", "valid" if status == "deactivated" else status
        validated = {"validated": "2026-01-01T00:00:00Z"} if status == "valid" else {}
        return {"type": "http-01", "url": url, "token": f"{number:040}", "status": status, **validated}

    def post_challenge(self, given, header, number):
        authorization = self.server.acme.authorizations[number]
        if given is not None and authorization.status == "pending":
            expected = f"{number:040}.{_thumbprint(self.server.accounts[header['kid']])}"
            self.server.acme.prove(authorization, rightly=self.served(authorization.name, number) == expected)
        self.answer(200, self.challenge(number), Link=f'<{self.server.home}/authorization/{number}>;rel="up"')

    def served(self, name, number):
        """What a name serves for a challenge [8.3]."""
        url = f"http://127.0.0.1:{self.server.http_port}/.well-known/acme-challenge/{number:040}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": name}), timeout=5) as answer:
                return answer.read().decode().strip()
        except OSError:
            return None

    def post_certificate(self, _given, _header, number):
        order = self.server.acme.download(number)
        self.answer(200, self.server.issuer.certificate(order), Content_Type="application/pem-certificate-chain")

    def post_revoke(self, given, _header):
        self.server.acme.revoke(x509.load_der_x509_certificate(_decoded(given["certificate"])).serial_number)
        self.answer(200, None)


class Issuer:
    """A CA for tests; the number of an order is the serial number of its certificate."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificates = {}

    def certificate(self, order):
        """The certificate of an order, as PEM."""
        if order.number not in self.certificates:
            name, key = x509.Name([]), self.key.public_key()
            key = x509.load_der_x509_csr(order.csr).public_key() if order.csr else key
            made = x509.CertificateBuilder().subject_name(name).issuer_name(name)
            made, now = made.public_key(key).serial_number(order.number), datetime.now(UTC)
            made = made.not_valid_before(now).not_valid_after(now + timedelta(days=90)).sign(self.key, hashes.SHA256())
            self.certificates[order.number] = made.public_bytes(serialization.Encoding.PEM)
        return self.certificates[order.number]


@contextmanager
def serving(acme=None, http_port=5002):
    """The URL of the directory of a server on loopback, which tries challenges at `http_port` of this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Wire) as server:
        server.acme, server.http_port = AcmeServer() if acme is None else acme, http_port
        server.daemon_threads = True
        server.home = f"http://127.0.0.1:{server.server_address[1]}"
        server.nonces, server.numbers, server.accounts, server.issuer = set(), count(1), {}, Issuer()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"{server.home}/directory"
        finally:
            server.shutdown()
            thread.join()
