#!/usr/bin/env bash
# acmeeh 2.1.0 (PostgreSQL of pgserver 0.1.4, gunicorn 27.0.1) and acme 5.9.0 (certbot's library).
# The answer to a client's response to a challenge lacks `Link: <...>;rel="up"`, by which a client finds the
# authorization. The library asks for it and takes no other way, although it had the challenge out of that
# authorization; the server has begun to validate all the same.
# Seen: POST {} to the challenge: accepted, without that link; answer_challenge: ClientError about the "up" link.
# One would guess: a client that has the authorization needs no link to it. RFC 8555 says that a challenge carries one
# (7.1); only a client that insists shows that it is missing.
# Needs Python 3.11 or 3.12 (pgserver has no others).
set -euo pipefail
folder=$(mktemp -d)
server=
database=
stop() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
  [ -z "$database" ] || { kill -INT "$database" 2>/dev/null || true; wait "$database" 2>/dev/null || true; }
  rm -rf "$folder"
}
trap stop EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --ignore-requires-python --target "$folder" \
  acmeeh==2.1.0 gunicorn==27.0.1 psycopg-pool==3.2.6 pgserver==0.1.4 acme==5.9.0 josepy==2.2.0
cd "$folder"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem 2>/dev/null
read -r port sql < <("$python" -c '
import socket
ends = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(end.getsockname()[1] for end in ends))')
chmod 755 "$folder"
mkdir data home
as=()
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  chown 65534:65534 data
fi
"${as[@]}" pgserver/pginstall/bin/initdb -D data -U orders --auth=trust > /dev/null
"${as[@]}" pgserver/pginstall/bin/postgres -D data -p "$sql" -c listen_addresses=127.0.0.1 \
  -c unix_socket_directories= > database.log 2>&1 &
database=$!
for _ in $(seq 100); do
  pgserver/pginstall/bin/pg_isready -q -h 127.0.0.1 -p "$sql" -U orders && break
  sleep 0.2
done
cat > config.yaml <<EOF
server: {external_url: "http://127.0.0.1:$port", bind: 127.0.0.1, port: $port, workers: 1, graceful_timeout: 1}
security: {rate_limits: {enabled: false}}
acme: {caa_enforce: false}
challenges: {enabled: [http-01], http01: {port: 5002, blocked_networks: [], timeout_seconds: 2}}
ca: {internal: {root_cert_path: $folder/ca.pem, root_key_path: $folder/ca.key}}
database: {host: 127.0.0.1, port: $sql, database: postgres, user: orders, password: none,
  sslmode: disable, auto_setup: true}
notifications: {enabled: false}
EOF
export PYTHONPATH=$folder HOME=$folder/home SERVER=http://127.0.0.1:$port
unset XDG_RUNTIME_DIR
"$python" -S -m acmeeh -c config.yaml > server.log 2>&1 &
server=$!
timeout 90 "$python" -S - <<'EOF'
import os
import time

import josepy
import requests
from acme import client, errors, messages
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
        except (requests.ConnectionError, errors.Error):
            time.sleep(0.2)
    raise SystemExit(open("server.log").read()[-2000:])


acme = client.ClientV2(directory(), network)
acme.new_account(messages.NewRegistration.from_data(email="nobody@example.com", terms_of_service_agreed=True))
name = x509.SubjectAlternativeName([x509.DNSName("orders.example.test")])
request = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(name, critical=False)
request = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
order = acme.new_order(request.public_bytes(serialization.Encoding.PEM))
challenge = order.authorizations[0].body.challenges[0]
answers = []
post = network.post
network.post = lambda *words, **options: answers.append(post(*words, **options)) or answers[-1]
try:
    acme.answer_challenge(challenge, challenge.response(key))
    seen = "no error"
except errors.ClientError as error:
    seen = str(error)
print(f"the server: {answers[-1].status_code}, links: {sorted(answers[-1].links)}")
print(f"answer_challenge: {seen}")
assert answers[-1].status_code == 200 and "up" not in answers[-1].links, "this has changed"
assert "up" in seen and "missing" in seen, "this has changed"
EOF
