#!/usr/bin/env bash
# uvicorn 0.54.0 with httptools 0.9.0, or with h11 0.16.0.
# A client that was told of an HTTP proxy writes the whole URL into the request line. If such a request reaches uvicorn
# itself, what the application sees as its path depends on which parser is installed: httptools is preferred, h11 is
# used where it is missing.
# Seen: POST http://orders.example.test/acme?Action=List: httptools: path /acme; h11: the URL up to the question mark.
# One would guess: servers must take that form (RFC 9112, 3.2.2), and ASGI has one meaning of `path`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import asyncio
import socket

import uvicorn

REQUEST = b"POST http://orders.example.test/acme?Action=List HTTP/1.1\r\nHost: orders.example.test\r\n"
REQUEST += b"Content-Length: 0\r\nConnection: close\r\n\r\n"
seen = {}


async def application(scope, receive, send):
    seen[parser] = scope["path"], scope["query_string"]
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


async def ask():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(application, http=parser, lifespan="off", log_level="warning"))
        serving = asyncio.create_task(server.serve([listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(REQUEST)
        await reader.read()
        writer.close()
        server.should_exit = True
        await serving


for parser in ("httptools", "h11"):
    asyncio.run(ask())
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "httptools": ("/acme", b"Action=List"),
    "h11": ("http://orders.example.test/acme", b"Action=List"),
}, "this has changed"
EOF
