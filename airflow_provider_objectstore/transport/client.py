"""The sync driver, on requests."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_objectstore.api.call import Call, Flow, Page, Pause, Response
from airflow_provider_objectstore.api.paging import Paging
from airflow_provider_objectstore.exceptions import AuthenticationError, ObjectStoreError, TransportError
from airflow_provider_objectstore.transport.body import BodyReader, TooLargeError
from airflow_provider_objectstore.transport.connection import Request, ResolvedConnection
from airflow_provider_objectstore.transport.execution import execute
from airflow_provider_objectstore.transport.failures import (
    causes,
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
    from requests import PreparedRequest, Session

T = TypeVar("T")
Item = TypeVar("Item")

MAX_STATES = 16
"""How many connections keep their session, token and pace."""
_states: dict[str, _SyncState] = {}
_states_lock = threading.Lock()


class _SyncState(SharedState):
    """Shared by all sync clients of one connection in a process."""

    def __init__(self, connection: ResolvedConnection) -> None:
        import requests

        from airflow_provider_objectstore.transport.deadline import DeadlineAdapter

        super().__init__(connection)
        self.pid = os.getpid()
        self.token_lock, self.parents_lock = threading.Lock(), threading.Lock()
        self.session: Session = requests.Session()
        self.session.trust_env = False  # netrc would replace the token; proxies and CA file are resolved by us
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = DeadlineAdapter(pool_connections=4, pool_maxsize=32)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)


def _state_of(connection: ResolvedConnection) -> _SyncState:
    with _states_lock:
        state = _states.pop(connection.digest, None) or _SyncState(connection)
        _states[connection.digest] = state
        while len(_states) > MAX_STATES:
            _states.pop(next(iter(_states)))  # clients that still use it keep it alive
    return state


def _reset_after_fork() -> None:
    """Start without states in a forked child: sockets belong to the parent, and its locks may be held for ever."""
    global _states, _states_lock
    _states, _states_lock = {}, threading.Lock()


os.register_at_fork(after_in_child=_reset_after_fork)


class Client:
    """
    Sends calls and blocks. All clients of one resolved connection in a process share session, token and pace.

    :param connection: the resolved connection.
    :param mask: called with every secret that becomes known, such as a token.
    :param refresh_connection: resolves the connection again after its credentials were rejected, as after a rotation.
    :param ends: when the last attempt of any call may start, by the monotonic clock, if the connection allows more.
    """

    def __init__(
        self,
        connection: ResolvedConnection,
        mask: Callable[[str], None] = lambda secret: None,
        refresh_connection: Callable[[], ResolvedConnection] | None = None,
        ends: float = float("inf"),
    ) -> None:
        self._connection = connection
        self._latest_state = _state_of(connection)
        self._mask = mask
        self._refresh_connection = refresh_connection
        self._ends = ends

    @property
    def _state(self) -> _SyncState:
        if self._latest_state.pid != os.getpid():
            self._latest_state = _state_of(self._connection)
        return self._latest_state

    def send(self, call: Call[T]) -> T:
        """
        Send a call and return its result.

        :param call: a call of :mod:`airflow_provider_objectstore.api`.
        :raises ObjectStoreError: one of its subclasses, as the service answered or did not. Its message ends with the
            connection and where it leads.
        """
        try:
            return self._send(call)
        except ObjectStoreError as error:
            raise error.placed(self._connection.where) from error.__cause__

    def _send(self, call: Call[T]) -> T:
        used, state = self._connection, self._state  # in this order: another thread may replace them below
        try:
            return self._run_flow(execute(call, state, self._ends), state)
        except AuthenticationError as error:
            if not self._refresh_connection:
                raise
            connection = self._refresh_connection()
            used.require_rotated(connection, error)  # not the state's: its labels are those of another client
            self._latest_state = refreshed = _state_of(connection)
            self._connection = connection
            return self._run_flow(execute(call, refreshed, self._ends), refreshed)

    def run(self, flow: Flow[T]) -> T:
        """
        Run a flow of calls and return its result.

        :param flow: a flow of :mod:`airflow_provider_objectstore.api`.
        :raises ObjectStoreError: one of its subclasses. Its message ends with the connection and where it leads.
        """
        try:
            return self._run_flow(flow, self._state)
        except ObjectStoreError as error:
            raise error.placed(self._connection.where) from error.__cause__

    def pages(self, call: Call[Page[Item]]) -> Iterator[Page[Item]]:
        """
        Yield the pages of a listing. Each is requested when it is needed. No item comes twice by a page that shifts.

        :param call: the call for the first page.
        """
        paging = Paging(call)
        while paging.call is not None:
            page = paging.take(self.send(paging.call))
            if page is not None:
                yield page

    def _run_flow(self, flow: Flow[T], state: _SyncState) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    result = self._perform(step, state)
                except ObjectStoreError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def _perform(self, step: Any, state: _SyncState) -> Any:
        match step:
            case Request():
                return self._send_request(step, state)
            case Pause():
                return time.sleep(step.seconds)
            case GetToken():
                if token := state.usable_token(step.rejected):
                    return token
                fetches = state.token_fetches
                with state.token_lock:
                    return self._run_flow(obtain_token(state, step, fetches), state)
            case CheckParent():
                if state.parents.exists(step.call.path):
                    return None
                with state.parents_lock:
                    return self._run_flow(find_parent(step, state), state)
            case MaskSecret():
                return self._mask(step.secret)
            case Call():
                return self.send(step)
        raise AssertionError(f"a flow yielded {step!r}")

    def _send_request(self, request: Request, state: _SyncState) -> Response:
        from airflow_provider_objectstore.transport.deadline import has_sent, prepare_connection

        handled = sys.exception()
        connection = state.connection
        proxy, verify = connection.proxies[request.base_url], connection.ca_path or False
        prepare_connection(request.ends, state.suspected)
        try:
            with state.session.send(
                _prepare(request),
                timeout=connection.timeout,
                verify=verify,
                proxies={"http": proxy, "https": proxy} if proxy else {},
                allow_redirects=False,
                stream=True,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                body = BodyReader(response.status_code, headers, request.max_body_bytes)
                for chunk in response.raw.stream(64 * 1024, decode_content=False):
                    body.feed(chunk)
                return Response(response.status_code, headers, body.whole())
        except Exception as error:  # requests and urllib3 raise many kinds of errors for what a server may send
            forget_handled(error, handled)
            failure, cause = _transport_error(error, request, connection, sent=has_sent()), shown_cause(error)
        raise failure from cause  # outside of the except clause: what quotes a response is no context of it either


def _prepare(request: Request) -> PreparedRequest:
    import requests

    prepared = requests.PreparedRequest()
    prepared.prepare_method(request.method)
    prepared.url = request.url  # not prepare_url, which would encode it again
    prepared.prepare_headers(request.headers)
    prepared.prepare_cookies({})
    prepared.prepare_body(request.body, None)
    prepared.hooks = {"response": []}
    return prepared


def _transport_error(
    error: Exception, request: Request, connection: ResolvedConnection, *, sent: bool
) -> TransportError:
    import requests
    from urllib3.exceptions import InvalidHeader, NewConnectionError, ProxyError, ReadTimeoutError

    chain = list(causes(error))
    hopeless = not sent and is_hopeless_tls(error)
    of_response = any(isinstance(cause, InvalidHeader) for cause in chain)  # requests raises its own for a request
    malformed = not of_response and isinstance(
        error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)
    )
    by_proxy = not sent and any(str(cause).startswith("Tunnel connection failed") for cause in chain)
    at_proxy = by_proxy or (not sent and any(isinstance(cause, ProxyError) for cause in chain))
    unreachable = not (sent or hopeless) and (
        at_proxy
        or isinstance(error, requests.exceptions.ConnectTimeout)
        or any(isinstance(cause, NewConnectionError) for cause in chain)
    )
    timeouts = (requests.exceptions.Timeout, ReadTimeoutError, TimeoutError)
    timed_out = any(isinstance(cause, timeouts) for cause in chain)
    return TransportError(
        request_failure_text(request, connection, chain[-1], timed_out=timed_out, connected=sent, at_proxy=at_proxy),
        request_sent=sent,
        permanent=hopeless
        or malformed
        or (by_proxy and is_refused_by_proxy(error))
        or isinstance(error, TooLargeError),
        unreachable=unreachable,
    )
