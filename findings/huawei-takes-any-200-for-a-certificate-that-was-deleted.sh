#!/usr/bin/env bash
# huaweicloudsdkscm 3.1.219 (Huawei Cloud Certificate Manager), against a server on loopback.
# A body that is no JSON object (a page of HTML from a proxy or a login wall, a list, nothing) becomes an answer without
# fields if its status is 2xx. DeleteCertificate has no fields, so that such an answer is that of success.
# Seen: delete_certificate and show_certificate on a page of HTML with 200: status 200, {}; a 404 of the service raises.
# One would guess: an exception that says that this was no answer of the service, as other SDKs of this kind raise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  huaweicloudsdkscm==3.1.219
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


from huaweicloudsdkcore.auth.credentials import GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkscm.v3 import DeleteCertificateRequest, ScmClient, ShowCertificateRequest


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

client = (
    ScmClient.new_builder()
    .with_credentials(GlobalCredentials("nobody", "nothing", "nowhere"))
    .with_endpoint(f"http://127.0.0.1:{server.server_port}")
    .build()
)


def ask(status, kind, body):
    Answers.status, Answers.kind, Answers.body = status, kind, body
    answers = []
    for call, request in (
        (client.delete_certificate, DeleteCertificateRequest(certificate_id="scm1")),
        (client.show_certificate, ShowCertificateRequest(certificate_id="scm1")),
    ):
        try:
            answer = call(request)
            answers.append((answer.status_code, {key: value for key, value in answer.to_dict().items() if value}))
        except ClientRequestException as error:
            answers.append((error.status_code, error.error_code))
    return answers


seen = {
    "a certificate": ask(200, "application/json", b'{"id": "scm1", "status": "ISSUED"}'),
    "a page": ask(200, "text/html", b"<html>Please log in</html>"),
    "nothing": ask(200, "application/json", b""),
    "an error": ask(404, "application/json", b'{"error_code": "SCM.0101", "error_msg": "no such certificate"}'),
}
server.shutdown()
for what, value in seen.items():
    print(f"{what}: delete {value[0]}, show {value[1]}")
assert seen == {
    "a certificate": [(200, {}), (200, {"id": "scm1", "status": "ISSUED"})],
    "a page": [(200, {}), (200, {})],
    "nothing": [(200, {}), (200, {})],
    "an error": [(404, "SCM.0101"), (404, "SCM.0101")],
}, "this has changed"
EOF
