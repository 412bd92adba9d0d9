"""
How fast the emulator responds to ``HEAD`` on a key, compared with a bare uvicorn that responds 204 to everything.

``python benchmarks/emulator.py [--requests 20000] [--rounds 3]`` prints a Markdown table (Linux only). Both servers
run in their own processes. One asyncio client sends requests over 32 connections to one server after the other; the
median round counts. The client is slower than either server: compare the servers' CPU time per request, not the rate.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import yarl

CONNECTIONS = 32
STORES = "/api/v1/organizations/emulator-org/environments/emulator-env/stores"
KEY = f"{STORES}/bench/partitions/p/keys/key"
BARE_SERVER = """
import socket, uvicorn
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
config = uvicorn.Config(
    app, lifespan="off", ws="none", proxy_headers=False, server_header=False, access_log=False, log_level="critical"
)
uvicorn.Server(config).run([listener])
"""


@contextlib.contextmanager
def serving(*command: str) -> Iterator[tuple[str, int]]:
    """Run a server. Yield the first URL that it prints, and its process id."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = re.search(r"http://\S+", process.stdout.readline())
            assert url is not None
            yield url[0], process.pid
        finally:
            process.terminate()


def send(method: str, url: str, body: object, token: str = "") -> bytes:
    """Send a request. Return the response's body."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request) as response:
        content: bytes = response.read()
    return content


def prepare(url: str) -> str:
    """Store one key. Return an access token."""
    client = {"client_id": "emulator-client", "client_secret": "emulator-secret"}
    response = send("POST", f"{url}/accounts/api/v2/oauth2/token", client | {"grant_type": "client_credentials"})
    token: str = json.loads(response)["access_token"]
    send("PUT", f"{url}{STORES}/bench", {}, token)
    send("PUT", f"{url}{KEY}?confirmable=false", {"stringValue": "x"}, token)
    return token


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(url: str, token: str, requests: int) -> float:
    """Return requests per second."""
    target = yarl.URL(f"{url}{KEY}?confirmable=false", encoded=True)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    remaining = iter(range(requests))
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def work() -> None:
            for _ in remaining:
                async with session.head(target) as response:
                    assert response.status == 204, response.status

        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
        return requests / (time.perf_counter() - start)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    module = ("-m", "airflow_provider_objectstore.emulator", "--port", "0", "--s3", "none")
    rates: dict[str, list[float]] = {"bare uvicorn": [], "emulator": []}
    costs: dict[str, list[float]] = {"bare uvicorn": [], "emulator": []}
    with serving("-c", BARE_SERVER) as bare, serving(*module) as emulator:
        token = prepare(emulator[0])
        for _ in range(options.rounds):
            for name, (url, pid) in (("bare uvicorn", bare), ("emulator", emulator)):
                before = cpu_seconds(pid)
                rates[name].append(asyncio.run(measure(url, token, options.requests)))
                costs[name].append((cpu_seconds(pid) - before) / options.requests * 1e6)
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("aiohttp", "uvicorn", "httptools", "uvloop")
    )
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}; {CONNECTIONS} connections\n")
    print("| server | HEAD requests/s | ratio | CPU per request | ratio |\n|---|---|---|---|---|")
    bare_rate, bare_cost = statistics.median(rates["bare uvicorn"]), statistics.median(costs["bare uvicorn"])
    for name in rates:
        rate, cost = statistics.median(rates[name]), statistics.median(costs[name])
        print(f"| {name} | {rate:,.0f} | {rate / bare_rate:.2f} | {cost:.0f} µs | {cost / bare_cost:.2f} |")


if __name__ == "__main__":
    main()
