"""The blocking carrier, on requests."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_objectstore.api.call import Call, Flow, Page, Pause, Reply, next_page
from airflow_provider_objectstore.exceptions import AuthenticationError, ObjectStoreError, TransportError
from airflow_provider_objectstore.transport.steps import Mask, NeedToken, State, carry, obtain_token
from airflow_provider_objectstore.transport.target import Request, Target

if TYPE_CHECKING:
    from requests import Session

T = TypeVar("T")
Item = TypeVar("Item")

_KEPT = 16
_states: dict[tuple[int, str], _BlockingState] = {}
_states_lock = threading.Lock()


class _BlockingState(State):
    def __init__(self, target: Target) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        super().__init__(target)
        self.lock = threading.Lock()
        self.session: Session = requests.Session()
        self.session.trust_env = False  # netrc would replace the token; proxies and CA file are resolved by us
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=32)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)


def _state(target: Target) -> _BlockingState:
    key = (os.getpid(), target.digest)  # a forked child must not use its parent's sockets
    with _states_lock:
        state = _states.pop(key, None) or _BlockingState(target)
        _states[key] = state
        while len(_states) > _KEPT:
            _states.pop(next(iter(_states)))  # a session in use elsewhere lives on until that use ends
    return state


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
        self._state = _state(target)
        self._mask = mask
        self._renew = renew

    def send(self, call: Call[T]) -> T:
        """
        Carry one call and return its result.

        :raises ObjectStoreError: one of its subclasses, as the service's answer or the lack of one demands.
        """
        try:
            return self.run(carry(call, self._state))
        except AuthenticationError:
            renewed = _state(self._renew()) if self._renew else self._state
            if renewed is self._state:
                raise
            self._state = renewed
            return self.run(carry(call, self._state))

    def run(self, flow: Flow[T]) -> T:
        """Carry a flow of calls to its result."""
        try:
            step = next(flow)
            while True:
                try:
                    done = self._do(step)
                except ObjectStoreError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def pages(self, call: Call[Page[Item]]) -> Iterator[Page[Item]]:
        """Yield page after page; each is asked for when it is wanted."""
        seen: set[str] = set()
        following: Call[Page[Item]] | None = call
        while following is not None:
            page = self.send(following)
            yield page
            following = next_page(following, page, seen)

    def _do(self, step: Any) -> Any:
        match step:
            case Request():
                return self._exchange(step)
            case Pause():
                return time.sleep(step.seconds)
            case NeedToken():
                if token := self._state.usable_token(step.refused):
                    return token
                seen = self._state.fetches
                with self._state.lock:
                    return self.run(obtain_token(self._state, step.refused, seen))
            case Mask():
                return self._mask(step.secret)
            case Call():
                return self.send(step)
        raise AssertionError(f"a flow yielded {step!r}")

    def _exchange(self, request: Request) -> Reply:
        import requests

        target = self._state.target
        prepared = requests.PreparedRequest()
        prepared.prepare_method(request.method)
        prepared.url = request.url  # not prepare_url, which would encode it again
        prepared.prepare_headers(request.headers)
        prepared.prepare_cookies({})
        prepared.prepare_body(request.body, None)
        prepared.hooks = {"response": []}
        proxy = target.proxies[request.root]
        try:
            answer = self._state.session.send(
                prepared,
                timeout=target.timeout,
                verify=target.ca_file or False,
                proxies={"http": proxy, "https": proxy} if proxy else {},
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise _transport_error(error, request, target) from error
        return Reply(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)


def _transport_error(error: Exception, request: Request, target: Target) -> TransportError:
    import ssl

    import requests
    from urllib3.exceptions import NewConnectionError

    chain = list(_causes(error))
    untrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in chain)
    malformed = isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader))
    unsent = (
        untrusted
        or malformed
        or isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError))
        or any(isinstance(cause, NewConnectionError) for cause in chain)
    )
    what = "timed out" if isinstance(error, requests.exceptions.Timeout) else "failed"
    return TransportError(
        target.scrub(
            f"{request.method} to {request.url.split('/')[2]} {what}: {str(chain[-1]) or type(error).__name__}"
        ),
        request_sent=not unsent,
        permanent=untrusted or malformed,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Follow an error to its root; the libraries below keep causes in arguments as well as in ``__cause__``."""
    following: BaseException | None = error
    while following is not None:
        yield following
        inner = [arg for arg in (getattr(following, "reason", None), *following.args) if isinstance(arg, BaseException)]
        following = inner[0] if inner else following.__cause__ or following.__context__
