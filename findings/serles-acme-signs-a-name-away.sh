#!/usr/bin/env bash
# serles-acme 1.3.0, its OpenSSL backend, with OpenSSL 3.
# The backend signs with `openssl x509 -req`, which copies no extension of a request unless it is told to, and adds
# none. What the client asked for is asked for in an extension: the names.
# Seen: a request for orders.example.test without a subject, as ACME clients make it: a certificate with neither subject
# nor alternative name.
# One would guess: a backend of an ACME server issues for the identifiers of the order, which it is handed beside the
# request. TLS clients refuse such a certificate for every name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  serles-acme==1.3.0
cd "$folder"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem 2>/dev/null
openssl req -new -newkey rsa:2048 -nodes -keyout order.key -subj / -addext subjectAltName=DNS:orders.example.test \
  -out order.csr 2>/dev/null
PYTHONPATH=$folder timeout 60 "$python" -S - > order.pem 2>/dev/null <<'EOF'
from serles.backends.openssl import Backend

backend = Backend({"openssl": {"cacert": "ca.pem", "cakey": "ca.key"}})
with open("order.csr", "rb") as request:
    chain, error = backend.sign(request.read(), "CN=orders.example.test", ["orders.example.test"], "nobody@example.com")
print(chain.split("-----END")[0] + "-----END CERTIFICATE-----")
EOF
asked=$(openssl req -in order.csr -noout -text | grep -o 'DNS:.*')
subject=$(openssl x509 -in order.pem -noout -subject | sed 's/^subject= *//')
names=$(openssl x509 -in order.pem -noout -ext subjectAltName 2>/dev/null | grep -o 'DNS:.*' || true)
echo "asked for: $asked"
echo "issued: subject '$subject', alternative names '$names'"
[ "$asked|$subject|$names" = "DNS:orders.example.test||" ]
