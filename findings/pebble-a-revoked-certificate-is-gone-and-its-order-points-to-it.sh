#!/usr/bin/env bash
# Pebble 2.4.0 (Debian 2.4.0+ds1-2).
# After revokeCert the order stays valid and still names the certificate's URL, at which there is nothing any more.
# Seen: order valid, certificate 200; revoked: order valid with the same URL, certificate 404.
# One would guess: a revoked certificate can be downloaded as before (at acme2certifier 0.46.3 it can), or the order
# changes. A client that reads valid orders again after a restart fails on a URL that the server has just given it.
set -euo pipefail
folder=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  acme==5.9.0 josepy==2.2.0 cryptography==50.0.2
cd "$folder"
apt-get download -qq -o APT::Sandbox::User=root 'pebble=2.4.0+ds1-2*'
dpkg -x pebble_*.deb .
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.pem 2>/dev/null
read -r port management < <("$python" -c '
import socket
ends = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(end.getsockname()[1] for end in ends))')
cat > pebble.json <<EOF
{"pebble": {"listenAddress": "127.0.0.1:$port", "managementListenAddress": "127.0.0.1:$management",
"certificate": "server.pem", "privateKey": "server.key", "httpPort": 5002, "tlsPort": 5001}}
EOF
PEBBLE_VA_ALWAYS_VALID=1 PEBBLE_WFE_NONCEREJECT=0 timeout 60 usr/bin/pebble -config pebble.json > pebble.log 2>&1 &
server=$!
export PYTHONPATH=$folder SERVER=https://127.0.0.1:$port
timeout 60 "$python" -S - <<'EOF'
import os
import time
import warnings
from datetime import datetime, timedelta

import josepy
import requests
from acme import client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

warnings.simplefilter("ignore")
key = josepy.JWKRSA(key=rsa.generate_private_key(65537, 2048))
network = client.ClientNetwork(key, verify_ssl="server.pem", timeout=10)
network.session.trust_env = False


def directory():
    for _ in range(100):
        try:
            return client.ClientV2.get_directory(os.environ["SERVER"] + "/dir", network)
        except requests.ConnectionError:
            time.sleep(0.1)
    raise SystemExit("pebble did not start")


acme = client.ClientV2(directory(), network)
acme.new_account(messages.NewRegistration.from_data(email="nobody@example.com", terms_of_service_agreed=True))
name = x509.SubjectAlternativeName([x509.DNSName("orders.example.com")])
request = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(name, critical=False)
request = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
order = acme.new_order(request.public_bytes(serialization.Encoding.PEM))
(authorization,) = order.authorizations
challenge = next(each for each in authorization.body.challenges if each.chall.typ == "http-01")
acme.answer_challenge(challenge, challenge.response(key))
deadline = datetime.now() + timedelta(seconds=20)
order = acme.finalize_order(acme.poll_authorizations(order, deadline), deadline)


def look():
    answer = acme._post_as_get(order.uri).json()
    try:
        return answer["status"], acme._post_as_get(answer["certificate"]).status_code
    except errors.ClientError as error:
        return answer["status"], error.args[0].status_code


seen = [look()]
certificate = x509.load_pem_x509_certificate(order.fullchain_pem.encode())
acme.revoke(certificate, rsn=0)
seen.append(look())
print(f"order and certificate: first {seen[0]}, after revocation {seen[1]}")
assert seen == [("valid", 200), ("valid", 404)], "this has changed"
EOF
