"""What the clients of one connection share: token, pace, retry policy, and which stores are known to exist."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError, TransportError
from airflow_provider_objectstore.transport.connection import ResolvedConnection
from airflow_provider_objectstore.transport.rate_limit import RateLimiter

EXISTS_SECONDS = 60
"""How long a store that was found is assumed to exist."""
MISSING_SECONDS = 1
"""How long a store that was not found is assumed to be missing: for the calls that ask at the same time."""
MAX_PARENTS = 10_000
"""How many stores are remembered."""
OUTAGE_GAP = 5
"""Seconds without an attempt after which a service that could not be reached is tried anew for the whole time."""
FORBIDDEN_SECONDS = 60
"""How long a 403 is final, after a new token did not help: until then no further token is fetched because of one."""


@dataclass(frozen=True, slots=True)
class _Outage:
    """
    Calls to a host that got no connection, one after the other; times by the monotonic clock.

    :param began: when the first of them started.
    :param latest: when the latest attempt failed.
    """

    began: float
    latest: float


class SharedState:
    """
    What all clients of one resolved connection share, in one process (sync) or on one event loop (async).

    :param connection: the resolved connection.
    """

    def __init__(self, connection: ResolvedConnection) -> None:
        self.connection = connection
        self.retry_seconds = connection.retry.seconds(connection.timeout)
        """For how long a call is tried."""
        self.rate_limiter = RateLimiter(connection.requests_per_second)
        self.fallback_operations: set[str] = set()
        """Operations for which the service supports the fallback method only."""
        self.token: str | None = connection.bearer
        self.token_valid_until = float("inf")
        """When the token has to be replaced, by the monotonic clock."""
        self.token_fetches = 0
        self.token_error: ObjectStoreError | None = None
        """The error of the last attempt to fetch a token."""
        self.token_requested = 0.0
        """When the last request for a token was sent, by the monotonic clock."""
        self.secrets: set[str] = set()
        """Secrets that calls have sent. No error may show them."""
        self.retries = 0
        self.parents = ParentCache()
        self.suspected = 0.0
        """When a response made no sense, by the monotonic clock. Connections that were used before are not used again:
        what follows on them may be the response to an earlier request."""
        self._hosts = {name: urlsplit(url).netloc for name, url in connection.base_urls.items()}
        self._outages: dict[str, _Outage] = {}
        """By host: one may be out of reach while another answers, as that of the tokens."""
        self._forbidden_until = 0.0

    def retry_ends(self, call: Call[Any], started: float, at_most: float = float("inf")) -> float:
        """
        Return when the last attempt of a call may start, by the monotonic clock.

        An outage costs the calls to a host that follow each other in it the promised time once, not each of them; that
        of the host that issues tokens costs it all calls that need a token.

        :param call: the call.
        :param started: when the call started, likewise.
        :param at_most: the latest that the caller allows, likewise.
        """
        needed = [call]
        if call.authorized and self.connection.token_call and not self.usable_token(None):
            needed.append(self.connection.token_call)
        outages = (self._outage_of(each, started) for each in needed)
        began = min((outage.began for outage in outages if outage), default=started)
        return min(began + self.retry_seconds, at_most)

    def note_failure(self, call: Call[Any], error: ObjectStoreError, started: float) -> None:
        """
        Remember that a call got no connection, if that is what its error says.

        :param call: the call.
        :param error: the error of its own request.
        :param started: when the call started, or the one that needs its token, by the monotonic clock.
        """
        if not (isinstance(error, TransportError) and error.unreachable):
            return
        outage = self._outage_of(call, started)
        self._outages[self._host_of(call)] = _Outage(outage.began if outage else started, time.monotonic())

    def note_response(self, call: Call[Any]) -> None:
        """Remember that the host of a call answers."""
        self._outages.pop(self._host_of(call), None)

    def _outage_of(self, call: Call[Any], started: float) -> _Outage | None:
        """Return the outage in which a call started, if any. How long its attempts take says nothing."""
        outage = self._outages.get(self._host_of(call))
        return outage if outage and started - outage.latest <= OUTAGE_GAP else None

    def _host_of(self, call: Call[Any]) -> str:
        return self._hosts.get(call.base_url, "")

    def usable_token(self, rejected: str | None) -> str | None:
        """Return the token if there is one, it is not about to expire, and it is not the rejected one."""
        usable = self.token != rejected and time.monotonic() < self.token_valid_until
        return self.token if usable else None

    def should_refresh_token(self, status: int, *, refreshed: bool) -> bool:
        """
        Tell whether a new token may help after a 401 or 403: the token may have ended, or lack a new permission.

        :param status: the HTTP status of the response.
        :param refreshed: whether the token was already fetched because of such a response.
        """
        if status == 403 and refreshed:
            self._forbidden_until = time.monotonic() + FORBIDDEN_SECONDS
        if refreshed or self.connection.token_call is None:
            return False
        return status == 401 or (status == 403 and time.monotonic() >= self._forbidden_until)


class CallTime:
    """
    When a call began and when its last attempt may start, by the monotonic clock.

    It began when the first request that failed was sent, its own or the one for its token: the wait for a turn costs
    nothing of the time for which it is tried.

    :param call: the call.
    :param state: the state of the connection.
    :param at_most: the latest end that the caller allows.
    """

    def __init__(self, call: Call[Any], state: SharedState, at_most: float) -> None:
        self._call = call
        self._state = state
        self._at_most = at_most
        self._began: float | None = None
        self.requested = time.monotonic()
        """When the latest request was sent."""

    @property
    def began(self) -> float:
        """When the call began."""
        return self.requested if self._began is None else self._began

    @property
    def ends(self) -> float:
        """When the last attempt may start. It is asked for anew each time: an answer ends an outage."""
        return self._state.retry_ends(self._call, self.began, self._at_most)

    def note_failure(self) -> None:
        """Note that the latest request failed."""
        self._began = self.began


class ParentCache:
    """Remembers for a short time which stores exist and which are missing, by the path that reads them."""

    def __init__(self) -> None:
        self._existing: dict[str, float] = {}
        self._missing: dict[str, tuple[float, NotFoundError]] = {}

    def exists(self, path: str) -> bool:
        """Tell whether the store is known to exist."""
        return self._existing.get(path, 0.0) > time.monotonic()

    def missing_error(self, path: str) -> NotFoundError | None:
        """Return the error of the recent request that did not find the store, if any."""
        until, error = self._missing.get(path, (0.0, None))
        return error if until > time.monotonic() else None

    def remember(self, path: str, error: NotFoundError | None) -> None:
        """
        Remember whether the store exists.

        :param error: the error that says that it does not; None if it exists.
        """
        self.forget(path)
        if len(self._existing) + len(self._missing) > MAX_PARENTS:
            self._existing, self._missing = {}, {}
        if error is None:
            self._existing[path] = time.monotonic() + EXISTS_SECONDS
        else:
            self._missing[path] = time.monotonic() + MISSING_SECONDS, error

    def forget(self, path: str) -> None:
        """Forget a store, which may have been created or deleted: the next check asks the service."""
        self._existing.pop(path, None)
        self._missing.pop(path, None)
