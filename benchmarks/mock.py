"""What the mock server costs: `python -m benchmarks.mock`, beside moto's server and a bare Starlette handler.

Needs wrk (Debian: `apt-get install wrk`), which sends from a process of its own over 8 connections. Every call of ours
changes the state of an order of its own and is signed with V3; the signatures are made before the clock starts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.core import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY, SECRET = "benchmark", "secret"
CONNECTIONS = 8
SECONDS = 3
ROUNDS = 5
ORDERS_A_ROUND = {"memory": 60_000, "sqlite": 20_000}

OURS = """
import sys, uvicorn
from orderfsm.mock import Service, SQLStore, MemoryStore, Request
from orderfsm.mock.http.app import create_app
from orderfsm.mock.http.server import configured
kind, orders, path, table = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
store = MemoryStore() if kind == "memory" else SQLStore(f"sqlite:///{path}")
maker = Service(store=store, completions="manual")
maker.put_package("p", orders)
headers = {"x-acs-version": "2020-04-07", "x-acs-action": "CreateCertificateForPackageRequest"}
query = {"Domain": "example.com", "ProductCode": "p"}
if table == "orders":
    ids = [maker.handle(Request("POST", "/", query, headers)).json["OrderId"] for _ in range(orders)]
else:
    ids = [maker.begin_instance(None, {"Domain": "example.com"}).id for _ in range(orders)]
    apply = {"x-acs-version": "2020-04-07", "x-acs-action": "ApplyCertificate"}
    for each in ids:
        assert maker.handle(Request("POST", "/", {"InstanceId": each}, apply)).status == 200
        maker.instances.happen(each, "submission_accepted")
    ids = [each.rpartition("-")[2] for each in ids]
print(ids[0], ids[-1], flush=True)
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
configured(create_app(Service(store=store, keys={"benchmark": "secret"}))).run(sockets=[listener])
"""

BARE = """
import socket
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from orderfsm.mock.http.server import configured
async def answer(request):
    return JSONResponse({"RequestId": "082FAB35-6AB9-4FD5-8750-D36673548E76"})
listener = socket.create_server(("127.0.0.1", 0))
print("0 0", flush=True)
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
configured(Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])).run(sockets=[listener])
"""

MOTO = """
import time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print("0 0", flush=True)
print("http://%s:%d" % server.get_host_and_port(), flush=True)
time.sleep(3600)
"""

SIGNED = """
local calls = io.open(arg_file(), "r")
request = function()
  local line = calls:read("*l")
  if not line then return wrk.format("POST", "/?OrderId=1") end
  local query, nonce, signature = line:match("(%S+) (%S+) (%S+)")
  wrk.headers["x-acs-signature-nonce"] = nonce
  wrk.headers["Authorization"] = AUTHORIZATION .. signature
  return wrk.format("POST", "/?" .. query)
end
"""

MOTO_CALL = """
wrk.method = "POST"
wrk.body = "{}"
wrk.headers["Content-Type"] = "application/x-amz-json-1.1"
wrk.headers["X-Amz-Target"] = "CertificateManager.ListCertificates"
wrk.headers["Authorization"] =
  "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/acm/aws4_request, SignedHeaders=host, Signature=x"
"""


@contextmanager
def running(script: str, *arguments: str) -> Iterator[tuple[range, str]]:
    """A server in a process of its own: the ids of its orders, and its URL."""
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first, last = map(int, process.stdout.readline().split())
        yield range(first, last + 1), process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def requests_a_second(url: str, script: Path, seconds: int = SECONDS) -> tuple[float, int]:
    """What wrk counts: answers a second, and how many of them were no success."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", said)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    assert rate is not None, said
    return float(rate[1]), int(failed[1]) if failed else 0


CANCELS = {
    "orders": ("CancelOrderRequest", "OrderId={}"),
    "instances": ("CancelPendingCertificate", "InstanceId=cas-cn-{}"),
}
"""How a client withdraws what it applied for, by table: the action, and its query."""


def signed_calls(orders: range, host: str, folder: Path, table: str) -> Path:
    """A wrk script that cancels each of `orders` of a table once, with a signature made here and now."""
    empty = hashlib.sha256(b"").hexdigest()
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    action, query = CANCELS[table]
    fixed = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": empty,
        "x-acs-date": date,
        "x-acs-version": "2020-04-07",
    }
    names = ";".join(sorted([*fixed, "x-acs-signature-nonce"]))
    calls = folder / "calls.txt"
    with calls.open("w") as file:
        for order_id in orders:
            nonce = uuid.uuid4().hex
            headers = sorted({**fixed, "x-acs-signature-nonce": nonce}.items())
            lines = "".join(f"{name}:{value}\n" for name, value in headers)
            asked = query.format(order_id)
            canonical = f"POST\n/\n{asked}\n{lines}\n{names}\n{empty}"
            to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
            signature = hmac.new(SECRET.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
            file.write(f"{asked} {nonce} {signature}\n")
    authorization = f"ACS3-HMAC-SHA256 Credential={KEY},SignedHeaders={names},Signature="
    script = folder / "calls.lua"
    header_lines = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in fixed.items() if name != "host")
    script.write_text(
        f'AUTHORIZATION = "{authorization}"\n{header_lines}' + SIGNED.replace("arg_file()", json.dumps(str(calls)))
    )
    return script


def ours(kind: str, folder: Path, table: str = "orders") -> tuple[float, int]:
    """State changes a second of our server on a store."""
    path = folder / f"{uuid.uuid4().hex}.db"
    with running(OURS, kind, str(ORDERS_A_ROUND[kind]), str(path), table) as (orders, url):
        return requests_a_second(url, signed_calls(orders, url.removeprefix("http://"), folder, table))


def bare(folder: Path) -> tuple[float, int]:
    """Requests a second of a Starlette handler that does nothing, on the same server."""
    script = folder / "bare.lua"
    script.write_text('wrk.method = "POST"\n')
    with running(BARE) as (_, url):
        return requests_a_second(url, script)


def moto(folder: Path) -> tuple[float, int]:
    """Requests a second of moto's server: one ACM call."""
    script = folder / "moto.lua"
    script.write_text(MOTO_CALL)
    with running(MOTO) as (_, url):
        return requests_a_second(url, script)


def cold_start() -> float:
    """Seconds from starting `orderfsm serve` to its first answer."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "orderfsm.cli", "serve"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["control"]
        subprocess.run(["wrk", "-t1", "-c1", "-d0s", url], capture_output=True, check=False)
        taken = time.perf_counter() - began
        process.kill()
    return taken


GROWTH = """
import json, resource, sys, time
from orderfsm.mock import Request, Service
orders = int(sys.argv[1])
service = Service()
service.put_package("p", 10**6)
def call(action, **query):
    headers = {"x-acs-version": "2020-04-07", "x-acs-action": action}
    return service.handle(Request("POST", "/", query, headers)).json
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
new = {"Domain": "example.com", "ProductCode": "p"}
ids = [call("CreateCertificateForPackageRequest", **new)["OrderId"] for _ in range(orders)]
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
step = orders // 1000
chosen = ids[::step]
def cost(calls):
    began = time.perf_counter()
    for action, query in calls:
        call(action, **query)
    return (time.perf_counter() - began) / len(calls) * 1e6
some = [1 + n * (orders // 50) // 300 for n in range(300)]
costs = {
    "describe": cost([("DescribeCertificateState", {"OrderId": i}) for i in chosen]),
    "list, first page": cost([("ListUserCertificateOrder", {})] * 300),
    "list, any page": cost([("ListUserCertificateOrder", {"CurrentPage": page}) for page in some]),
    "list by status": cost([("ListUserCertificateOrder", {"CurrentPage": p, "Status": "CHECKING"}) for p in some]),
    "cancel": cost([("CancelOrderRequest", {"OrderId": i}) for i in chosen]),
    "delete": cost([("DeleteCertificateRequest", {"OrderId": i}) for i in chosen]),
    "create": cost([("CreateCertificateForPackageRequest", new)] * 1000),
}
print(json.dumps({"memory": memory, "costs": costs}))
"""


def growth() -> tuple[float, dict[str, tuple[float, float]]]:
    """Kilobytes for 100,000 orders, and microseconds of each call with 1,000 and with 100,000 orders."""

    def run(orders: int) -> Any:
        said = subprocess.run([sys.executable, "-c", GROWTH, str(orders)], capture_output=True, text=True, check=True)
        return json.loads(said.stdout)

    small, large = [run(1_000) for _ in range(5)], [run(100_000) for _ in range(3)]
    names = small[0]["costs"]
    costs = {
        name: (median(each["costs"][name] for each in small), median(each["costs"][name] for each in large))
        for name in names
    }
    return large[0]["memory"], costs


def main() -> None:
    """Measure, and print the tables."""
    if shutil.which("wrk") is None:
        print("benchmarks.mock needs wrk (Debian: apt-get install wrk); nothing was measured")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rounds = [(bare(folder), ours("memory", folder), ours("sqlite", folder), moto(folder)) for _ in range(ROUNDS)]
        starts = median(cold_start() for _ in range(7))
    failed = sum(count for each in rounds for _, count in each)
    starlette, memory, sqlite, amazon = (median(each[at][0] for each in rounds) for at in range(4))
    kilobytes, costs = growth()
    print(f"{machine()}; {failed} answers were no success\n")
    print("| requests a second, 8 connections | | compared | target |\n| --- | --- | --- | --- |")
    print(f"| a bare Starlette handler | {starlette:,.0f} | | |")
    print(f"| orderfsm, memory: a signed cancel | {memory:,.0f} | {memory / starlette:.2f} of bare | at least 0.35 |")
    print(f"| | | {memory / amazon:.1f} × moto | at least 10 |")
    print(f"| orderfsm, SQLite: a signed cancel | {sqlite:,.0f} | | at least 1,500 |")
    print(f"| moto server: ACM ListCertificates | {amazon:,.0f} | | |\n")
    print(f"Cold start of `orderfsm serve` to the first answer: {starts:.2f} s.")
    print(f"Memory for 100,000 orders: {kilobytes / 1024:.0f} MB.\n")
    print("| one call in process, µs | 1,000 orders | 100,000 orders | ratio, at most 1.3 |\n| --- | --- | --- | --- |")
    for call, (small, large) in costs.items():
        print(f"| {call} | {small:.0f} | {large:.0f} | {large / small:.2f} |")


if __name__ == "__main__":
    main()
