#!/usr/bin/env bash
# boto3 1.44.8 (AWS Certificate Manager), against a server on loopback that answers DescribeCertificate as documented.
# The waiter certificate_validated does not ask the certificate's Status but each domain's ValidationStatus; of Status
# it knows FAILED alone, and asks the domains first.
# Seen: of five polls: VALIDATION_TIMED_OUT: all five, then "max attempts exceeded"; an imported certificate, which is
# ISSUED and has no domains to validate: the same; REVOKED or EXPIRED, its domain once validated: returns at once.
# One would guess: it returns for ISSUED and fails for every status from which ISSUED can no longer come. By default it
# polls for five minutes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  boto3==1.44.8
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


import boto3
from botocore.config import Config
from botocore.exceptions import WaiterError


class Answers(BaseHTTPRequestHandler):
    """Answers each request as it was told to."""

    status, kind, body, asked = 200, "application/json", b"{}", 0

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        Answers.asked += 1
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_DELETE = do_POST

    def log_message(self, *words):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
threading.Thread(target=server.serve_forever, daemon=True).start()

client = boto3.client(
    "acm",
    region_name="us-east-1",
    endpoint_url=f"http://127.0.0.1:{server.server_port}",
    aws_access_key_id="nobody",
    aws_secret_access_key="nothing",
    config=Config(proxies={}, retries={"max_attempts": 0}),
)
waiter = client.get_waiter("certificate_validated")


def wait(status, *domains):
    options = [{"DomainName": "orders.example.test", "ValidationStatus": domain} for domain in domains]
    certificate = {"Status": status} | ({"DomainValidationOptions": options} if options else {"Type": "IMPORTED"})
    Answers.body, Answers.asked = json.dumps({"Certificate": certificate}).encode(), 0
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
    try:
        waiter.wait(CertificateArn=arn, WaiterConfig={"Delay": 0, "MaxAttempts": 5})
    except WaiterError:
        return "gives up", Answers.asked
    return "returns", Answers.asked


seen = {
    "issued": wait("ISSUED", "SUCCESS"),
    "validation timed out": wait("VALIDATION_TIMED_OUT", "FAILED"),
    "issued, imported": wait("ISSUED"),
    "revoked": wait("REVOKED", "SUCCESS"),
    "expired": wait("EXPIRED", "SUCCESS"),
}
server.shutdown()
for what, value in seen.items():
    print(f"{what}: {value[0]} after {value[1]} reads")
assert seen == {
    "issued": ("returns", 1),
    "validation timed out": ("gives up", 5),
    "issued, imported": ("gives up", 5),
    "revoked": ("returns", 1),
    "expired": ("returns", 1),
}, "this has changed"
EOF
