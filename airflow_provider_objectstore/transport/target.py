"""Where calls go: a connection, resolved."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from airflow_provider_objectstore import __version__
from airflow_provider_objectstore.api.anypoint_access import Token
from airflow_provider_objectstore.api.call import MAX_BODY_BYTES, Call, encode, query_string
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.transport.policy import RetryPolicy
from airflow_provider_objectstore.transport.proxies import environment_proxies, environment_proxy
from airflow_provider_objectstore.transport.redaction import redact, redact_error

USER_AGENT = f"airflow-provider-objectstore/{__version__}"


@dataclass(frozen=True, slots=True)
class Request:
    """
    An HTTP request, ready to send. Its URL is final: no library may encode or fold it again.

    :param ends: when its answer must be complete, by the monotonic clock.
    :param max_body_bytes: largest body of a success, decompressed.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    root: str
    ends: float = float("inf")
    max_body_bytes: int = MAX_BODY_BYTES


@dataclass(frozen=True)
class Target:
    """
    A connection, resolved.

    :param roots: base addresses by name.
    :param secrets: what must never appear in a log or an error.
    :param bearer: a token or API key that is ready to use.
    :param token_call: the call that fetches a token, where ``bearer`` is not given.
    :param parameters: what goes into the query of every call and into every body.
    :param requests_per_second: pace of one process (blocking) or one event loop.
    :param timeout: seconds to wait for a connection, and for each part of an answer.
    :param verify: True, False, or the path of a file with the certificates to trust.
    :param proxy: URL of a proxy; where None, the environment's proxy variables hold.
    """

    roots: Mapping[str, str]
    secrets: tuple[str, ...] = field(repr=False)
    bearer: str | None = field(default=None, repr=False)
    token_call: Call[Token] | None = field(default=None, repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)
    requests_per_second: float = 10
    timeout: float = 30
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @cached_property
    def digest(self) -> str:
        """A hash of everything in it: two resolved connections are the same if all of it is."""
        token = self.token_call and (self.token_call.path, self.token_call.body)
        facts = (
            sorted(self.roots.items()),
            self.secrets,
            self.bearer,
            token,
            sorted(self.parameters.items()),
            self.requests_per_second,
            self.timeout,
            self.verify,
            self.proxy or environment_proxies(),
            self.retry,
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    @cached_property
    def ca_file(self) -> str | None:
        """The certificates to trust: the connection's, else the environment's, else certifi's; None for none."""
        if isinstance(self.verify, str):
            return self.verify
        if not self.verify:
            return None
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        ours = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        return ours or str(DEFAULT_CA_BUNDLE_PATH)

    @cached_property
    def proxies(self) -> Mapping[str, str | None]:
        """
        The proxy to use for each root: the connection's, else the environment's.

        :raises ConfigurationError: if the environment names one that cannot be used.
        """
        return {root: self.proxy or environment_proxy(url) for root, url in self.roots.items()}

    def request(self, call: Call[object], method: str, token: str | None) -> Request:
        """Build the request for a call."""
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": USER_AGENT,
        }
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = None
        if call.body is not None:
            body = encode({**self.parameters, **call.body})
            headers["Content-Type"] = call.content_type
        query = query_string((*self.parameters.items(), *call.query))
        url = f"{self.roots[call.root]}{call.path}{'?' if query else ''}{query}"
        return Request(method, url, headers, body, call.root)

    def scrub(self, text: str, *tokens: str | None) -> str:
        """Take every secret out of a text, in whatever spelling it is there."""
        return redact(text, (*self.secrets, *tokens))

    @contextmanager
    def scrubbing(self, *tokens: str | None) -> Iterator[None]:
        """Take every secret out of an error that is raised within, and out of its causes."""
        try:
            yield
        except ObjectStoreError as error:
            redact_error(error, lambda text: self.scrub(text, *tokens))
            raise
