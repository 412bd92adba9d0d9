"""What bulk work is compared with: the same requests, sent by plain loops with the usual libraries."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import requests

from airflow_provider_objectstore.transport.connection import USER_AGENT

if TYPE_CHECKING:
    import aiohttp

HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": USER_AGENT}
"""The same as this package sends."""


class Request(NamedTuple):
    """A request with an encoded URL."""

    method: str
    url: str
    body: bytes | None = None


def _check(status: int, request: Request) -> None:
    if status >= 300:
        sys.exit(f"A baseline's {request.method} {request.url} got status {status}: the comparison is invalid")


def aiohttp_workers(
    all_requests: Iterable[Request],
    token: str,
    workers: int,
    *,
    retry_after: float | None = None,
    source: str = "127.0.0.1",
) -> None:
    """
    Send all requests over as many connections as workers, without retries, pacing or error handling.

    :param retry_after: seconds after which a request that got a 429 is sent again; ``None`` to stop at a 429.
    :param source: the client address, for which a service may have its own rate limit.
    """

    async def run() -> None:
        pending = iter(all_requests)
        async with _session(token, workers, source) as session:

            async def work() -> None:
                for request in pending:
                    while (status := (await _send(session, request))[0]) == 429 and retry_after is not None:
                        await asyncio.sleep(retry_after)
                    _check(status, request)

            await asyncio.gather(*(work() for _ in range(workers)))

    asyncio.run(run())


def aiohttp_listing(keys_url: str, token: str, workers: int) -> None:
    """
    Delete all keys of a listing while listing them.

    :param keys_url: URL of the listing.
    """

    async def run() -> None:
        queue: asyncio.Queue[str | None] = asyncio.Queue(workers)
        async with _session(token, workers + 1) as session:

            async def list_all() -> None:
                page: str | None = ""
                while page is not None:
                    listing = Request("GET", keys_url + (f"?nextPageToken={quote(page, safe='')}" if page else ""))
                    status, body = await _send(session, listing)
                    _check(status, listing)
                    listed = json.loads(body)
                    page = listed["nextPageToken"]
                    for value in listed["values"]:
                        await queue.put(value["keyId"])
                for _ in range(workers):
                    await queue.put(None)

            async def work() -> None:
                while (key := await queue.get()) is not None:
                    request = Request("DELETE", f"{keys_url}/{quote(key, safe='')}?confirmable=false")
                    _check((await _send(session, request))[0], request)

            await asyncio.gather(list_all(), *(work() for _ in range(workers)))

    asyncio.run(run())


def _session(token: str, connections: int, source: str = "127.0.0.1") -> aiohttp.ClientSession:
    import aiohttp

    headers = {**HEADERS, "Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=connections, local_addr=(source, 0))
    return aiohttp.ClientSession(connector=connector, headers=headers)


async def _send(session: aiohttp.ClientSession, request: Request) -> tuple[int, bytes]:
    from yarl import URL

    async with session.request(request.method, URL(request.url, encoded=True), data=request.body) as response:
        return response.status, await response.read()


def requests_threads(all_requests: list[Request], token: str, threads: int) -> None:
    """Send all requests from several threads, each with its own session."""
    local = threading.local()

    def send(request: Request) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        response = local.session.request(request.method, request.url, headers=headers, data=request.body)
        _check(response.status_code, request)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(send, all_requests))


def requests_session(url: str, token: str, count: int) -> None:
    """Send the same GET several times over one connection."""
    with requests.Session() as session:
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        for _ in range(count):
            _check(session.get(url, headers=headers).status_code, Request("GET", url))


def http_hook(all_requests: list[Request], base_url: str) -> None:
    """Send all requests through the http provider's hook, one after the other. Its connection holds the token."""
    from airflow.providers.http.hooks.http import HttpHook

    hook = HttpHook(method=all_requests[0].method)
    for request in all_requests:
        hook.run(request.url.removeprefix(base_url))  # raises for an error status
