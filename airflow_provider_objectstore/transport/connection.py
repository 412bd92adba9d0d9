"""Where calls go: an Airflow connection, parsed and checked, and the requests that it makes of calls."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from airflow_provider_objectstore import __version__
from airflow_provider_objectstore.api.call import MAX_BODY_BYTES, Call, Token
from airflow_provider_objectstore.api.encoding import encode, query_string
from airflow_provider_objectstore.exceptions import AuthenticationError, ConfigurationError, ObjectStoreError
from airflow_provider_objectstore.transport.certificates import Certificates, find_certificates
from airflow_provider_objectstore.transport.proxies import environment_proxies, environment_proxy
from airflow_provider_objectstore.transport.redaction import redact, redact_error
from airflow_provider_objectstore.transport.retry import RetryPolicy

EDITED = "the connection was edited meanwhile and leads elsewhere: start again"
USER_AGENT = f"airflow-provider-objectstore/{__version__}"


@dataclass(frozen=True, slots=True)
class Request:
    """
    An HTTP request, ready to send. Its URL is final: no library may encode or normalize it again.

    :param method: HTTP method.
    :param url: the URL, percent-encoded, with the query.
    :param headers: all headers that the call needs.
    :param body: the encoded body; None for none.
    :param base_url: the name of the base URL that it is under.
    :param ends: when its response must be complete, by the monotonic clock.
    :param max_body_bytes: largest body of a success, decompressed.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    base_url: str
    ends: float = float("inf")
    max_body_bytes: int = MAX_BODY_BYTES


@dataclass(frozen=True)
class ResolvedConnection:
    """
    Where calls go and how: an Airflow connection, parsed and checked. Immutable.

    :param base_urls: base URLs by the names that calls use.
    :param secrets: what must never appear in a log or an error.
    :param bearer: a token or API key that is ready to use.
    :param token_call: the call that fetches a token, where ``bearer`` is not given.
    :param parameters: what goes into the query of every call and into every body.
    :param requests_per_second: pace of one process (sync) or one event loop (async).
    :param timeout: seconds to wait for a connection, and for each part of a response.
    :param verify: True, False, or the path of the certificates to trust.
    :param proxy: URL of a proxy; None for what the environment's proxy variables say.
    :param retry: how often and how long a call is tried.
    :param timeout_owner: what ``timeout`` is set in, for errors.
    :param labels: what the connection is called and where it leads, for messages, events and lineage: ``conn_id``
        (its id), ``organization_id``, ``environment_id``, ``region``. They do not count for :attr:`digest`.
    """

    base_urls: Mapping[str, str]
    secrets: tuple[str, ...] = field(repr=False)
    bearer: str | None = field(default=None, repr=False)
    token_call: Call[Token] | None = field(default=None, repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    requests_per_second: float = 10
    timeout: float = 30
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_owner: str = "the connection"

    @cached_property
    def digest(self) -> str:
        """
        A hash of all that requests depend on. Clients with equal digests share session, token and pace.

        Certificates that were renewed make another one: a session has read the earlier ones.
        """
        token_call = self.token_call and (self.token_call.path, self.token_call.body)
        fields = (
            sorted(self.base_urls.items()),
            self.secrets,
            self.bearer,
            token_call,
            sorted(self.parameters.items()),
            self.requests_per_second,
            self.timeout,
            self.verify,
            self._certificates and (self._certificates.path, self._certificates.version),
            self.proxy or environment_proxies(),
            self.retry,
        )
        return hashlib.sha256(repr(fields).encode()).hexdigest()

    def require_rotated(self, latest: ResolvedConnection, error: AuthenticationError) -> None:
        """
        Check that the connection, looked up again after its credentials were rejected, has others for the same place.

        :param latest: what was found.
        :param error: the rejection.
        :raises AuthenticationError: the rejection, if nothing has changed, or if the connection was edited meanwhile
            and leads elsewhere: one task must not work in two places.
        """
        if latest.digest == self.digest:
            raise error
        if self.leads_elsewhere(latest):
            raise error.prefixed(f"{EDITED}. ") from error

    def require_same_place(self, latest: ResolvedConnection) -> None:
        """
        Check that the connection, looked up again, leads where it did: one task must not work in two places.

        :param latest: what was found.
        :raises AuthenticationError: if it was edited meanwhile and leads elsewhere.
        """
        if self.leads_elsewhere(latest):
            raise AuthenticationError(EDITED).placed(self.where)

    def leads_elsewhere(self, latest: ResolvedConnection) -> bool:
        """
        Tell whether the connection, looked up again, leads to another service, account or region.

        :param latest: what was found.
        """
        shared = self.base_urls.keys() & latest.base_urls.keys()
        return (
            any(self.base_urls[name] != latest.base_urls[name] for name in shared)
            or self.parameters != latest.parameters
            or self.labels.get("s3_endpoint") != latest.labels.get("s3_endpoint")
        )

    def place(self, base_url: str) -> str:
        """
        Return a digest of where calls under a base URL lead, to keep with what is known of it. It tells no secret.

        :param base_url: the name of the base URL.
        """
        place = (self.base_urls[base_url], sorted(self.parameters.items()), self.labels.get("s3_endpoint"))
        return hashlib.sha256(repr(place).encode()).hexdigest()[:16]

    @cached_property
    def where(self) -> str:
        """The connection's id, the environment where the service has any, and the region, for messages."""
        names = {"conn_id": "connection", "environment_id": "environment", "region": "region"}
        return ", ".join(f"{name} {self.labels[label]}" for label, name in names.items() if self.labels.get(label))

    @cached_property
    def ca_path(self) -> str | None:
        """
        The file or folder of the certificates to trust: the connection's, else the environment's, else certifi's.

        None means no check.

        :raises ConfigurationError: if they cannot be read.
        """
        if self.verify is False:
            return None
        if self._certificates is not None:
            self._certificates.require_readable()
            return self._certificates.path
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        return str(DEFAULT_CA_BUNDLE_PATH)

    @cached_property
    def _certificates(self) -> Certificates | None:
        """The certificates that the connection or the environment names."""
        return find_certificates(self.verify, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

    @cached_property
    def proxies(self) -> Mapping[str, str | None]:
        """
        The proxy for each base URL: the connection's, else the environment's; None for none.

        :raises ConfigurationError: if the environment names one that cannot be used.
        """
        return {name: self.proxy or environment_proxy(url) for name, url in self.base_urls.items()}

    def proxy_text(self, base_url: str) -> str:
        """
        Name the proxy for a base URL by its host and port, and say where it is configured; nothing if there is none.

        :param base_url: the name of the base URL.
        """
        proxy = self.proxies[base_url]
        if not proxy:
            return ""
        address = urlsplit(proxy).netloc.rpartition("@")[2]
        return f"the {'connection' if self.proxy else 'environment'}'s proxy {address}"

    def request(self, call: Call[object], method: str, token: str | None) -> Request:
        """
        Build the request for a call.

        :param method: the HTTP method, which may be the call's fallback method.
        :param token: the token to send; None for none.
        :raises ConfigurationError: if the connection has no address for it.
        """
        if call.base_url not in self.base_urls:
            raise ConfigurationError(
                f"{call}: the connection has no address for {call.base_url}, because the vendor documents none for its "
                f"control plane. Give it in the extra as {call.base_url}_url"
            )
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
        url = f"{self.base_urls[call.base_url]}{call.path}{'?' if query else ''}{query}"
        return Request(method, url, headers, body, call.base_url)

    def redact(self, text: str, *tokens: str | None) -> str:
        """Mask every secret and token in a text, however it is escaped or encoded."""
        return redact(text, (*self.secrets, *tokens))

    @contextmanager
    def redacting(self, *tokens: str | None) -> Iterator[None]:
        """Mask every secret and token in an error that is raised in this context, and in its causes."""
        try:
            yield
        except ObjectStoreError as error:
            redact_error(error, lambda text: self.redact(text, *tokens))
            raise
