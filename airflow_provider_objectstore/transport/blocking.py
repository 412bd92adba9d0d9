"""The sync driver, on requests."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, TypeVar

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
    from requests import PreparedRequest, Session

T = TypeVar("T")
Item = TypeVar("Item")

_KEPT = 16
_states: dict[str, _BlockingState] = {}
_states_lock = threading.Lock()


class _BlockingState(State):
    def __init__(self, target: Target) -> None:
        import requests

        from airflow_provider_objectstore.transport.deadline import DeadlineAdapter

        super().__init__(target)
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.parents_lock = threading.Lock()
        self.session: Session = requests.Session()
        self.session.trust_env = False  # netrc would replace the token; proxies and CA file are resolved by us
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = DeadlineAdapter(pool_connections=4, pool_maxsize=32)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)


def _state(target: Target) -> _BlockingState:
    with _states_lock:
        state = _states.pop(target.digest, None) or _BlockingState(target)
        _states[target.digest] = state
        while len(_states) > _KEPT:
            _states.pop(next(iter(_states)))  # a session in use elsewhere lives on until that use ends
    return state


def _start_anew() -> None:
    """Leave to the parent what is the parent's: a forked child has its own sockets, and locks that nobody holds."""
    global _states, _states_lock
    _states, _states_lock = {}, threading.Lock()


os.register_at_fork(after_in_child=_start_anew)


class Client:
    """
    Carries calls, blocking. All clients of one resolved connection in a process share session, token and pace.

    :param target: the resolved connection.
    :param mask: called with every secret that comes to be known, such as a token.
    :param renew: resolves the connection anew, for when its credentials are refused: it may have been rotated.
    """

    def __init__(
        self,
        target: Target,
        mask: Callable[[str], None] = lambda secret: None,
        renew: Callable[[], Target] | None = None,
    ) -> None:
        self._held = _state(target)
        self._mask = mask
        self._renew = renew

    @property
    def _state(self) -> _BlockingState:
        if self._held.pid != os.getpid():
            self._held = _state(self._held.target)
        return self._held

    def send(self, call: Call[T]) -> T:
        """
        Carry one call and return its result.

        :raises ObjectStoreError: one of its subclasses, as the service's answer or the lack of one demands.
        """
        state = self._state
        try:
            return self._drive(carry(call, state), state)
        except AuthenticationError:
            renewed = _state(self._renew()) if self._renew else state
            if renewed is state:
                raise
            self._held = renewed
            return self._drive(carry(call, renewed), renewed)

    def run(self, flow: Flow[T]) -> T:
        """Carry a flow of calls to its result."""
        return self._drive(flow, self._state)

    def _drive(self, flow: Flow[T], state: _BlockingState) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    done = self._do(step, state)
                except ObjectStoreError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def pages(self, call: Call[Page[Item]]) -> Iterator[Page[Item]]:
        """Yield page after page; each is asked for when it is wanted."""
        paging = Paging(call)
        while paging.call is not None:
            page = self.send(paging.call)
            if paging.counts(page):
                yield page

    def _do(self, step: Any, state: _BlockingState) -> Any:
        match step:
            case Request():
                return self._exchange(step, state)
            case Pause():
                return time.sleep(step.seconds)
            case NeedToken():
                if token := state.usable_token(step.refused):
                    return token
                seen = state.fetches
                with state.lock:
                    return self._drive(obtain_token(state, step.refused, seen), state)
            case NeedParent():
                if state.parents.is_present(step.call.path):
                    return None
                with state.parents_lock:
                    return self._drive(find_parent(state, step.call), state)
            case Mask():
                return self._mask(step.secret)
            case Call():
                return self.send(step)
        raise AssertionError(f"a flow yielded {step!r}")

    def _exchange(self, request: Request, state: _BlockingState) -> Reply:
        from airflow_provider_objectstore.transport.deadline import set_deadline

        target = state.target
        proxy = target.proxies[request.root]
        set_deadline(request.ends)
        try:
            with state.session.send(
                _prepared(request),
                timeout=target.timeout,
                verify=target.ca_file or False,
                proxies={"http": proxy, "https": proxy} if proxy else {},
                allow_redirects=False,
                stream=True,
            ) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                body = BodyReader(answer.status_code, headers, request.max_body_bytes)
                for chunk in answer.raw.stream(64 * 1024, decode_content=False):
                    body.feed(chunk)
                return Reply(answer.status_code, headers, body.whole())
        except Exception as error:  # the libraries below raise much that is not theirs, for what a server may send
            raise _transport_error(error, request, target) from error


def _prepared(request: Request) -> PreparedRequest:
    import requests

    prepared = requests.PreparedRequest()
    prepared.prepare_method(request.method)
    prepared.url = request.url  # not prepare_url, which would encode it again
    prepared.prepare_headers(request.headers)
    prepared.prepare_cookies({})
    prepared.prepare_body(request.body, None)
    prepared.hooks = {"response": []}
    return prepared


def _transport_error(error: Exception, request: Request, target: Target) -> TransportError:
    import ssl

    import requests
    from urllib3.exceptions import NewConnectionError, ReadTimeoutError

    chain = list(_causes(error))
    untrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in chain)
    malformed = isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader))
    unsent = (
        untrusted
        or malformed
        or isinstance(error, requests.exceptions.ConnectTimeout)
        or any(isinstance(cause, NewConnectionError) for cause in chain)
        or any(str(cause).startswith("Tunnel connection failed") for cause in chain)
    )
    late = any(isinstance(cause, (requests.exceptions.Timeout, ReadTimeoutError, TimeoutError)) for cause in chain)
    return TransportError(
        target.scrub(
            f"{request.method} to {request.url.split('/')[2]} {'timed out' if late else 'failed'}: "
            f"{str(chain[-1]) or type(error).__name__}"
        ),
        request_sent=not unsent,
        permanent=untrusted or malformed or isinstance(error, TooLargeError),
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Follow an error to its root; the libraries below keep causes in arguments as well as in ``__cause__``."""
    following: BaseException | None = error
    while following is not None:
        yield following
        inner = [arg for arg in (getattr(following, "reason", None), *following.args) if isinstance(arg, BaseException)]
        following = inner[0] if inner else following.__cause__ or following.__context__
