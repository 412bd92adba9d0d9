"""The async driver, on aiohttp."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_objectstore.api.call import Call, Flow, Page, Pause, Response
from airflow_provider_objectstore.api.paging import Paging
from airflow_provider_objectstore.exceptions import AuthenticationError, ObjectStoreError, TransportError
from airflow_provider_objectstore.transport.body import BodyReader, TooLargeError
from airflow_provider_objectstore.transport.connection import Request, ResolvedConnection
from airflow_provider_objectstore.transport.execution import execute
from airflow_provider_objectstore.transport.failures import (
    forget_handled,
    is_hopeless_tls,
    is_refused_by_proxy,
    request_failure_text,
    shown_cause,
)
from airflow_provider_objectstore.transport.parents import find_parent
from airflow_provider_objectstore.transport.state import SharedState
from airflow_provider_objectstore.transport.steps import CheckParent, GetToken, MaskSecret
from airflow_provider_objectstore.transport.tokens import obtain_token

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from aiohttp import ClientSession

T = TypeVar("T")
Item = TypeVar("Item")

MAX_CONNECTIONS = 100
"""Most open connections of one session."""
MAX_UNUSED_STATES = 15
"""How many connections without a client keep their token and pace, for each event loop."""
_states: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _AsyncState]] = WeakKeyDictionary()


class _AsyncState(SharedState):
    """Shared by all async clients of one connection on an event loop; the session is open while any client is."""

    def __init__(self, connection: ResolvedConnection) -> None:
        super().__init__(connection)
        self.clients = 0
        self.session: ClientSession | None = None
        self._create_locks()

    def _create_locks(self) -> None:
        self.token_lock, self.parents_lock, self.session_lock = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

    async def open(self) -> None:
        self.clients += 1
        async with self.session_lock:
            if self.session is None:
                self.session = await self._new_session()

    async def close(self) -> None:
        self.clients -= 1
        if self.clients == 0:
            # A lock that was waited for references the loop, which would keep itself alive in the weak dictionary.
            self._create_locks()
            if self.session is not None:
                session, self.session = self.session, None
                await session.close()

    async def _new_session(self) -> ClientSession:
        import aiohttp

        from airflow_provider_objectstore.transport.certificates import create_context
        from airflow_provider_objectstore.transport.connector import CleanConnector
        from airflow_provider_objectstore.transport.kept_connections import KeepingResponse

        # Reading certificates blocks for tens of milliseconds: not on the loop.
        context = await asyncio.to_thread(lambda: create_context(self.connection.ca_path))
        await asyncio.to_thread(lambda: self.connection.proxies)
        session = aiohttp.ClientSession(
            connector=CleanConnector(lambda: self.suspected, limit=MAX_CONNECTIONS, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            response_class=KeepingResponse,
        )
        # aiohttp would repeat a DELETE whose response was lost, and its 404 would be misread.
        session._retry_connection = False
        return session


async def _open_state(connection: ResolvedConnection) -> _AsyncState:
    states = _states.setdefault(asyncio.get_running_loop(), {})
    state = states.get(connection.digest)
    if state is None:
        for digest in [digest for digest, other in states.items() if not other.clients][:-MAX_UNUSED_STATES]:
            del states[digest]
        state = states[connection.digest] = _AsyncState(connection)
    try:
        await state.open()
    except BaseException:
        await state.close()
        raise
    return state


class AsyncClient:
    """
    Sends calls on an event loop; an async context manager.

    All clients of one resolved connection on one loop share session, token and pace.

    :param connection: the resolved connection.
    :param mask: awaited with every secret that becomes known, such as a token.
    :param refresh_connection: resolves the connection again after its credentials were rejected, as after a rotation.
    """

    def __init__(
        self,
        connection: ResolvedConnection,
        mask: Callable[[str], Awaitable[None]] | None = None,
        refresh_connection: Callable[[], Awaitable[ResolvedConnection]] | None = None,
    ) -> None:
        self._connection = connection
        self._mask = mask
        self._refresh_connection = refresh_connection

    async def __aenter__(self) -> Self:
        try:
            self._state = await _open_state(self._connection)
        except ObjectStoreError as error:
            raise error.placed(self._connection.where) from error.__cause__
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
    def retries(self) -> int:
        """How often calls of this connection were tried again on this loop."""
        return sum(state.retries for state in self._opened)

    @property
    def queue_seconds(self) -> float:
        """How long a request would now wait for its turn by ``requests_per_second``."""
        return max((state.rate_limiter.queue_seconds for state in self._opened), default=0.0)

    @property
    def throttled(self) -> int:
        """How many requests of this connection on this loop the service answered with 429."""
        return sum(state.rate_limiter.throttled for state in self._opened)

    async def send(self, call: Call[T]) -> T:
        """
        Send a call and return its result.

        :param call: a call of :mod:`airflow_provider_objectstore.api`.
        :raises ObjectStoreError: one of its subclasses, as the service answered or did not. Its message ends with the
            connection and where it leads.
        """
        try:
            return await self._send(call)
        except ObjectStoreError as error:
            raise error.placed(self._connection.where) from error.__cause__

    async def _send(self, call: Call[T]) -> T:
        used, state = self._connection, self._state
        try:
            return await self._run_flow(execute(call, state), state)
        except AuthenticationError as error:
            if not self._refresh_connection:
                raise
            connection = await self._refresh_connection()
            used.require_rotated(connection, error)  # not the state's: its labels are those of another client
            state = await self._use(connection, instead_of=state)
            return await self._run_flow(execute(call, state), state)

    async def _use(self, connection: ResolvedConnection, *, instead_of: _AsyncState) -> _AsyncState:
        """Switch to a refreshed connection, unless another call has done so meanwhile."""
        fresh = await _open_state(connection)
        if self._state is instead_of:
            self._connection, self._state = connection, fresh
            self._opened.append(fresh)  # the one before stays open for requests under way
        else:
            await fresh.close()
        return self._state

    async def run(self, flow: Flow[T]) -> T:
        """
        Run a flow of calls and return its result.

        :param flow: a flow of :mod:`airflow_provider_objectstore.api`.
        :raises ObjectStoreError: one of its subclasses. Its message ends with the connection and where it leads.
        """
        try:
            return await self._run_flow(flow, self._state)
        except ObjectStoreError as error:
            raise error.placed(self._connection.where) from error.__cause__

    async def pages(self, call: Call[Page[Item]]) -> AsyncIterator[Page[Item]]:
        """
        Yield the pages of a listing. Each is requested when it is needed. No item comes twice by a page that shifts.

        :param call: the call for the first page.
        """
        paging = Paging(call)
        while paging.call is not None:
            page = paging.take(await self.send(paging.call))
            if page is not None:
                yield page

    async def _run_flow(self, flow: Flow[T], state: _AsyncState) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    result = await self._perform(step, state)
                except ObjectStoreError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    async def _perform(self, step: Any, state: _AsyncState) -> Any:
        match step:
            case Request():
                return await self._send_request(step, state)
            case Pause():
                return await asyncio.sleep(step.seconds)
            case GetToken():
                if token := state.usable_token(step.rejected):
                    return token
                fetches = state.token_fetches
                async with state.token_lock:
                    return await self._run_flow(obtain_token(state, step, fetches), state)
            case CheckParent():
                if state.parents.exists(step.call.path):
                    return None
                async with state.parents_lock:
                    return await self._run_flow(find_parent(step, state), state)
            case MaskSecret():
                return await self._mask(step.secret) if self._mask else None
            case Call():
                return await self.send(step)
        raise AssertionError(f"a flow yielded {step!r}")

    async def _send_request(self, request: Request, state: _AsyncState) -> Response:
        import aiohttp
        from yarl import URL

        handled = sys.exception()
        connection, session = state.connection, state.session
        assert session is not None, "a client is used inside its context"
        left = max(request.ends - time.monotonic(), 0.001)
        timeout = aiohttp.ClientTimeout(
            total=left,
            sock_connect=min(connection.timeout, 0.95 * left),  # before the whole: nothing was sent then
            sock_read=connection.timeout,
        )
        proxy = connection.proxies[request.base_url]
        try:
            async with session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                proxy=proxy,
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                body = BodyReader(response.status, headers, request.max_body_bytes)
                async for chunk in response.content.iter_chunked(64 * 1024):
                    body.feed(chunk)
                return Response(response.status, headers, body.whole())
        except Exception as error:  # aiohttp raises many kinds of errors for what a server may send
            forget_handled(error, handled)
            failure, cause = _transport_error(error, request, connection), shown_cause(error)
        raise failure from cause  # outside of the except clause: what quotes a response is no context of it either


def _is_at_proxy(error: Exception, proxy: str | None) -> bool:
    """Return whether it was the proxy to which there was no connection."""
    import aiohttp
    from yarl import URL

    if proxy is None or not isinstance(error, aiohttp.ClientConnectorError):
        return False
    return (error.host, error.port) == (URL(proxy).host, URL(proxy).port)


def _transport_error(error: Exception, request: Request, connection: ResolvedConnection) -> TransportError:
    import aiohttp

    malformed = isinstance(error, (aiohttp.InvalidURL, UnicodeError))
    by_proxy = isinstance(error, aiohttp.ClientHttpProxyError)
    not_connected = by_proxy or isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
    hopeless = not_connected and is_hopeless_tls(error)
    unreachable = not_connected and not hopeless
    return TransportError(
        request_failure_text(
            request,
            connection,
            getattr(error, "os_error", error),
            timed_out=isinstance(error, TimeoutError),
            connected=not not_connected,
            at_proxy=by_proxy or _is_at_proxy(error, connection.proxies[request.base_url]),
        ),
        request_sent=not (not_connected or malformed),
        permanent=hopeless
        or malformed
        or (by_proxy and is_refused_by_proxy(error))
        or isinstance(error, TooLargeError),
        unreachable=unreachable,
    )
