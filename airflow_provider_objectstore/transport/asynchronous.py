"""The async driver, on aiohttp."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_objectstore.api.call import Call, Flow, Page, Paging, Pause, Reply
from airflow_provider_objectstore.exceptions import AuthenticationError, ObjectStoreError, TransportError
from airflow_provider_objectstore.transport.body import BodyReader, TooLargeError
from airflow_provider_objectstore.transport.steps import (
    Mask,
    NeedParent,
    NeedToken,
    State,
    carry,
    find_parent,
    obtain_token,
)
from airflow_provider_objectstore.transport.target import Request, Target

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from aiohttp import ClientSession

T = TypeVar("T")
Item = TypeVar("Item")

CONNECTIONS = 100
_states: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _AsyncState]] = WeakKeyDictionary()


class _AsyncState(State):
    """Shared on one event loop; the session lives while any client is open, token and pace stay."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.lock, self.parents_lock = asyncio.Lock(), asyncio.Lock()
        self.clients = 0
        self.session: ClientSession | None = None
        self.opening = asyncio.Lock()

    async def open(self) -> None:
        self.clients += 1
        async with self.opening:
            if self.session is None:
                self.session = await self._new_session()

    async def close(self) -> None:
        self.clients -= 1
        if self.clients == 0:
            # A lock that was waited for holds the loop, which would then hold itself in the dictionary of loops.
            self.lock, self.parents_lock, self.opening = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
            if self.session is not None:
                session, self.session = self.session, None
                await session.close()

    async def _new_session(self) -> ClientSession:
        import ssl

        import aiohttp

        ca_file = self.target.ca_file
        # Reading certificates blocks for tens of milliseconds: not on the loop.
        context = await asyncio.to_thread(ssl.create_default_context, cafile=ca_file)
        if ca_file is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        await asyncio.to_thread(lambda: self.target.proxies)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        # aiohttp would resend a DELETE whose answer was lost by itself, and a 404 would then be misread.
        session._retry_connection = False
        return session


async def _open(target: Target) -> _AsyncState:
    of_loop = _states.setdefault(asyncio.get_running_loop(), {})
    state = of_loop.get(target.digest)
    if state is None:
        for digest in [digest for digest, other in of_loop.items() if not other.clients][:-15]:
            del of_loop[digest]
        state = of_loop[target.digest] = _AsyncState(target)
    try:
        await state.open()
    except BaseException:
        await state.close()
        raise
    return state


class AsyncClient:
    """
    Carries calls on an event loop; an async context manager.

    All clients of one resolved connection on one loop share session, token and pace.

    :param target: the resolved connection.
    :param mask: awaited with every secret that comes to be known, such as a token.
    :param renew: resolves the connection anew, for when its credentials are refused: it may have been rotated.
    """

    def __init__(
        self,
        target: Target,
        mask: Callable[[str], Awaitable[None]] | None = None,
        renew: Callable[[], Awaitable[Target]] | None = None,
    ) -> None:
        self._target = target
        self._mask = mask
        self._renew = renew

    async def __aenter__(self) -> Self:
        self._state = await _open(self._target)
        self._opened = [self._state]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for state in self._opened:
            await state.close()

    @property
    def figures(self) -> tuple[int, int]:
        """How often a call of this connection was tried again on this loop, and how often it was told to slow down."""
        return sum(state.retries for state in self._opened), sum(state.pacer.refusals for state in self._opened)

    async def send(self, call: Call[T]) -> T:
        """
        Carry one call and return its result.

        :raises ObjectStoreError: one of its subclasses, as the service's answer or the lack of one demands.
        """
        state = self._state
        try:
            return await self._drive(carry(call, state), state)
        except AuthenticationError:
            if not self._renew or (renewed := await self._renew()).digest == state.target.digest:
                raise
            fresh = await _open(renewed)
            if self._state is state:
                self._state = fresh
                self._opened.append(fresh)  # the one before stays open for what is under way
            else:  # another call has done so meanwhile
                await fresh.close()
            state = self._state
            return await self._drive(carry(call, state), state)

    async def run(self, flow: Flow[T]) -> T:
        """Carry a flow of calls to its result."""
        return await self._drive(flow, self._state)

    async def _drive(self, flow: Flow[T], state: _AsyncState) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    done = await self._do(step, state)
                except ObjectStoreError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    async def pages(self, call: Call[Page[Item]]) -> AsyncIterator[Page[Item]]:
        """Yield page after page; each is asked for when it is wanted."""
        paging = Paging(call)
        while paging.call is not None:
            page = await self.send(paging.call)
            if paging.counts(page):
                yield page

    async def _do(self, step: Any, state: _AsyncState) -> Any:
        match step:
            case Request():
                return await self._exchange(step, state)
            case Pause():
                return await asyncio.sleep(step.seconds)
            case NeedToken():
                if token := state.usable_token(step.refused):
                    return token
                seen = state.fetches
                async with state.lock:
                    return await self._drive(obtain_token(state, step.refused, seen), state)
            case NeedParent():
                if state.parents.is_present(step.call.path):
                    return None
                async with state.parents_lock:
                    return await self._drive(find_parent(state, step.call), state)
            case Mask():
                return await self._mask(step.secret) if self._mask else None
            case Call():
                return await self.send(step)
        raise AssertionError(f"a flow yielded {step!r}")

    async def _exchange(self, request: Request, state: _AsyncState) -> Reply:
        import aiohttp
        from yarl import URL

        target, session = state.target, state.session
        assert session is not None, "a client is used inside its context"
        proxy = target.proxies[request.root]
        timeout = aiohttp.ClientTimeout(
            total=max(request.ends - time.monotonic(), 0.001), sock_connect=target.timeout, sock_read=target.timeout
        )
        try:
            async with session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                proxy=proxy,
                allow_redirects=False,
                timeout=timeout,
            ) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                body = BodyReader(answer.status, headers, request.max_body_bytes)
                async for chunk in answer.content.iter_chunked(64 * 1024):
                    body.feed(chunk)
                return Reply(answer.status, headers, body.whole())
        except Exception as error:  # the libraries below raise much that is not theirs, for what a server may send
            raise _transport_error(error, request, target) from error


def _transport_error(error: Exception, request: Request, target: Target) -> TransportError:
    import aiohttp

    untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
    malformed = isinstance(error, (aiohttp.InvalidURL, UnicodeError))
    unsent = isinstance(
        error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
    )
    what = "timed out" if isinstance(error, TimeoutError) else "failed"
    return TransportError(
        target.scrub(f"{request.method} to {request.url.split('/')[2]} {what}: {str(error) or type(error).__name__}"),
        request_sent=not (unsent or untrusted or malformed),
        permanent=untrusted or malformed or isinstance(error, TooLargeError),
    )
