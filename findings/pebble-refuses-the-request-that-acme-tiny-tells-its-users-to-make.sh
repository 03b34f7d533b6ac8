#!/usr/bin/env bash
# Pebble 2.4.0 (Debian 2.4.0+ds1-2) and acme-tiny 5.0.1.
# A request for one name that stands in the subject's common name only, as acme-tiny's own instructions make it for a
# single domain, is refused by pebble at finalize (403 unauthorized); the order stays ready. The same name as
# alternative name passes. RFC 8555 (7.4) allows either place.
# Seen: openssl req -subj /CN=...: refused with `unauthorized`; the same with -addext subjectAltName: a certificate.
# One would guess: the client's first example works with the test server that every client is tried on.
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
  acme-tiny==5.0.1
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
openssl genrsa -out account.key 2048 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out domain.key
openssl req -new -key domain.key -subj /CN=orders.example.com -out common.csr
openssl req -new -key domain.key -subj / -addext subjectAltName=DNS:orders.example.com -out alternative.csr
for _ in $(seq 100); do
  "$python" -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2>/dev/null && break
  sleep 0.1
done
mkdir challenges
order() {
  if SSL_CERT_FILE=server.pem timeout 30 "$python" -S -m acme_tiny --account-key account.key --csr "$1.csr" \
    --acme-dir challenges --directory-url "$SERVER/dir" --disable-check > "$1.pem" 2> "$1.log"; then
    grep -q 'BEGIN CERTIFICATE' "$1.pem" && echo "a certificate"
  else
    grep -o '403\|acme:error:[a-zA-Z]*' "$1.log" | sort -u | paste -sd' '
  fi
}
common=$(order common)
alternative=$(order alternative)
echo "common name only: $common"
echo "alternative name: $alternative"
[ "$common" = "403 acme:error:unauthorized" ] && [ "$alternative" = "a certificate" ]
