#!/usr/bin/env bash
# acme2certifier 0.46.3 (on gunicorn 27.0.1) and acme 5.9.0 (certbot's library).
# POST {"status": "deactivated"} to an authorization is answered 200 with the authorization as it was, and nothing has
# changed. The library's deactivate_authorization hands that back and does not look at the status that it asked for.
# Seen: deactivate_authorization returns, status pending; read again: authorization pending, order pending.
# One would guess: a server that cannot do it refuses (RFC 8555, 7.5.2: it must verify and change it), or the client
# tells.
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


answer = acme.deactivate_authorization(authorization)
seen = {
    "deactivate_authorization": answer.body.status.name,
    "authorization": status(authorization.uri),
    "order": status(order.uri),
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert set(seen.values()) == {"pending"}, "this has changed"
EOF
