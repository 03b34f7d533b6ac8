#!/usr/bin/env bash
# alibabacloud-bssopenapi20171214 5.1.2 (Alibaba Cloud billing), against a server on loopback that answers as
# documented.
# CreateInstance, by which certificates are bought, answers HTTP 200 with Success: false where it refuses; the client of
# Alibaba's newer SDKs raises by the HTTP status alone, so that the refusal is returned like an order.
# Seen: Success false with 200: returned, status 200, no instance; the same body with 400: an exception.
# One would guess: the client raises for a refusal, as it does for one with another status.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  alibabacloud-bssopenapi20171214==5.1.2
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


from alibabacloud_bssopenapi20171214.client import Client
from alibabacloud_bssopenapi20171214.models import CreateInstanceRequest
from alibabacloud_tea_openapi.models import Config


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

endpoint = {"endpoint": f"127.0.0.1:{server.server_port}", "protocol": "http", "no_proxy": "127.0.0.1"}
client = Client(Config(access_key_id="nobody", access_key_secret="nothing", **endpoint))
REFUSAL = {"Success": False, "Code": "InsufficientBalance", "Message": "not enough", "RequestId": "0"}


def buy(status):
    Answers.status, Answers.body = status, json.dumps(REFUSAL).encode()
    try:
        answer = client.create_instance(CreateInstanceRequest(product_code="cas", subscription_type="Subscription"))
    except Exception as error:
        return type(error).__name__, getattr(error, "code", None)
    return "returned", answer.body.success, answer.body.data


seen = {status: buy(status) for status in (200, 400)}
server.shutdown()
for what, value in seen.items():
    print(f"HTTP {what}: {value}")
assert seen[200] == ("returned", False, None), "this has changed"
assert seen[400] == ("ClientException", "InsufficientBalance"), "this has changed"
EOF
