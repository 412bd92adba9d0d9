"""What bulk work is compared with: the same requests, sent by loops of the usual libraries."""

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

from airflow_provider_objectstore.transport.target import USER_AGENT

if TYPE_CHECKING:
    import aiohttp

HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": USER_AGENT}
"""As ours."""


class Request(NamedTuple):
    """One request; its URL is encoded."""

    method: str
    url: str
    body: bytes | None = None


def _check(status: int, request: Request) -> None:
    if status >= 300:
        sys.exit(f"A peer's {request.method} to {request.url} was answered with {status}: the comparison is void")


def aiohttp_workers(
    wanted: Iterable[Request],
    token: str,
    workers: int,
    *,
    again_after: float | None = None,
    source: str = "127.0.0.1",
) -> None:
    """
    Send everything over so many connections with nothing around it.

    :param again_after: seconds after which a request that was answered 429 is sent again.
    :param source: the address to send from, for which a service may keep a budget of its own.
    """

    async def run() -> None:
        left = iter(wanted)
        async with _session(token, workers, source) as session:

            async def work() -> None:
                for request in left:
                    while (status := (await _send(session, request))[0]) == 429 and again_after is not None:
                        await asyncio.sleep(again_after)
                    _check(status, request)

            await asyncio.gather(*(work() for _ in range(workers)))

    asyncio.run(run())


def aiohttp_listing(keys: str, token: str, workers: int) -> None:
    """
    Delete all keys that a listing finds while it goes on.

    :param keys: URL of the listing.
    """

    async def run() -> None:
        queue: asyncio.Queue[str | None] = asyncio.Queue(workers)
        async with _session(token, workers + 1) as session:

            async def list_all() -> None:
                page: str | None = ""
                while page is not None:
                    listing = Request("GET", keys + (f"?nextPageToken={quote(page, safe='')}" if page else ""))
                    status, body = await _send(session, listing)
                    _check(status, listing)
                    found = json.loads(body)
                    page = found["nextPageToken"]
                    for value in found["values"]:
                        await queue.put(value["keyId"])
                for _ in range(workers):
                    await queue.put(None)

            async def work() -> None:
                while (key := await queue.get()) is not None:
                    request = Request("DELETE", f"{keys}/{quote(key, safe='')}?confirmable=false")
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

    async with session.request(request.method, URL(request.url, encoded=True), data=request.body) as answer:
        return answer.status, await answer.read()


def requests_threads(wanted: list[Request], token: str, threads: int) -> None:
    """Send everything from so many threads, each with a session of its own."""
    own = threading.local()

    def send(request: Request) -> None:
        if not hasattr(own, "session"):
            own.session = requests.Session()
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        answer = own.session.request(request.method, request.url, headers=headers, data=request.body)
        _check(answer.status_code, request)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(send, wanted))


def requests_session(url: str, token: str, count: int) -> None:
    """Ask the same again and again over one connection."""
    with requests.Session() as session:
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        for _ in range(count):
            _check(session.get(url, headers=headers).status_code, Request("GET", url))


def http_hook(wanted: list[Request], root: str) -> None:
    """Send everything through the http provider's hook, one after the other; its connection brings the token."""
    from airflow.providers.http.hooks.http import HttpHook

    hook = HttpHook(method=wanted[0].method)
    for request in wanted:
        hook.run(request.url.removeprefix(root))  # raises on an error's status
