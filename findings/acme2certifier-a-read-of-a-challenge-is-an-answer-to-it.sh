#!/usr/bin/env bash
# acme2certifier 0.46.3 (on gunicorn 27.0.1), asked by acme 5.9.0 (certbot's library).
# Reading a pending challenge (POST-as-GET, an empty body) starts its validation as the client's answer ({}) does; where
# nothing is in place yet, the challenge fails, though nobody said that it was ready. Here no resolver answers, so that
# the validation outlasts the read.
# Seen: the challenge in the authorization: pending; after one read: processing (invalid where names are resolved at
# once).
# One would guess: a read changes nothing (RFC 8555, 6.3). A client that looks at a challenge before it publishes the
# answer finds it failed.
set -euo pipefail
folder=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
  rm -rf "$folder"
}
trap stop EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  acme2certifier==0.46.3 gunicorn==27.0.1 acme==5.9.0 josepy==2.2.0 cryptography==50.0.2
cd "$folder"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem 2>/dev/null
mkdir certificates
cat > acme_srv.cfg <<EOF
[DEFAULT]
dns_server_list: ["127.0.0.1"]
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: $folder/ca.key
issuing_ca_cert: $folder/ca.pem
cert_save_path: $folder/certificates
[DBhandler]
handler: wsgi
dbfile: $folder/acme.db
EOF
port=$("$python" -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
export PYTHONPATH=$folder ACME_SRV_CONFIGFILE=$folder/acme_srv.cfg ACME2CERTIFIER_BASE_DIR=$folder
export SERVER=http://127.0.0.1:$port
"$python" -S -m gunicorn --no-control-socket --bind "127.0.0.1:$port" --workers 1 --threads 2 --graceful-timeout 1 \
  acme2certifier.share.acme2certifier_wsgi:application > server.log 2>&1 &
server=$!
timeout 90 "$python" -S - <<'EOF'
import os
import time

import josepy
import requests
from acme import client, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

key = josepy.JWKRSA(key=rsa.generate_private_key(65537, 2048))
network = client.ClientNetwork(key, timeout=40)
network.session.trust_env = False


def directory():
    for _ in range(150):
        try:
            return client.ClientV2.get_directory(os.environ["SERVER"] + "/directory", network)
        except requests.ConnectionError:
            time.sleep(0.2)
    raise SystemExit("acme2certifier did not start")


acme = client.ClientV2(directory(), network)
acme.new_account(messages.NewRegistration.from_data(email="nobody@example.com", terms_of_service_agreed=True))
name = x509.SubjectAlternativeName([x509.DNSName("orders.example.test")])
request = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(name, critical=False)
request = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
order = acme.new_order(request.public_bytes(serialization.Encoding.PEM))
(authorization,) = order.authorizations


def status(url):
    return acme._post_as_get(url).json()["status"]


challenge = authorization.body.challenges[0]
before = challenge.status.name
status(challenge.uri)
after = next(each.status.name for each in acme.poll(authorization)[0].body.challenges if each.uri == challenge.uri)
print(f"challenge {challenge.chall.typ}: {before}, after it was read: {after}")
assert before == "pending" and after in ("processing", "invalid"), "this has changed"
EOF
