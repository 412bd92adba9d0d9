"""
What an error of an HTTP library says about a request.

Such errors quote what a server has sent, of any length, which may hold a secret that nobody knows yet. No error of this
package repeats it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine, UnknownProtocol
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_objectstore.transport.connection import Request, ResolvedConnection

_FIRST_LINES = BadStatusLine, UnknownProtocol
"""Errors whose message is the first line of a response."""
MAX_TEXT = 500
"""Most characters of a library's message."""
_BEFORE_QUOTES = "Bad status line ", "with base 10: ", "string to float: ", "timestamp "
_QUOTE = re.compile(
    r"""\b(?:bytearray\()?b\\*['"]|(?:""" + "|".join(f"(?<={before})" for before in _BEFORE_QUOTES) + r""")['"]"""
)
"""Where a message begins to quote a response: libraries quote it as bytes, and numbers and times as text."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """
    Yield an error and its causes.

    :param error: any error; requests, urllib3 and botocore keep some causes in arguments instead of ``__cause__``.
    """
    current: BaseException | None = error
    while current is not None:
        yield current
        kwargs = getattr(current, "kwargs", None)
        kept = getattr(current, "reason", None), isinstance(kwargs, dict) and kwargs.get("error"), *current.args
        inner = [arg for arg in kept if isinstance(arg, BaseException)]
        current = inner[0] if inner else current.__cause__ or current.__context__


def forget_handled(error: BaseException, handled: BaseException | None) -> None:
    """
    Cut off an error's chain what its caller was handling: Python takes that for a context, and it says nothing here.

    :param error: the error of a library.
    :param handled: ``sys.exception()`` from before the library was called.
    """
    if handled is not None:
        for each in causes(error):
            if each.__context__ is handled:
                each.__context__ = None


_HOPELESS_TLS = frozenset(
    {
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "NO_PROTOCOLS_AVAILABLE",
        "NO_SHARED_CIPHER",
        "RECORD_LAYER_FAILURE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "UNKNOWN_PROTOCOL",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)
"""OpenSSL's reasons for which no handshake with a server can succeed, such as one that speaks plain HTTP."""


def is_hopeless_tls(error: BaseException) -> bool:
    """
    Return whether another attempt cannot help: the certificate or the host's name is wrong, or it speaks no such TLS.

    :param error: the error of a library.
    """
    return any(
        isinstance(cause, ssl.SSLCertVerificationError)
        or (
            isinstance(cause, ssl.SSLError)
            and (getattr(cause, "reason", None) or "").upper().replace(" ", "_") in _HOPELESS_TLS
        )
        for cause in causes(error)
    )


_REFUSED_BY_PROXY = re.compile(r"^(?:Tunnel connection failed: )?(?:403|407)\b")
"""How an error begins with which a proxy refuses this user or this address; any other of its statuses may pass."""


def is_refused_by_proxy(error: BaseException) -> bool:
    """
    Return whether a proxy does not let this user, or does not let anybody, through to an address.

    :param error: the error of a library for a proxy that gave no connection.
    """
    return any(_REFUSED_BY_PROXY.match(str(cause)) for cause in causes(error))


def failure_text(error: BaseException) -> str:
    """
    Return what an error says, without what it quotes, and what to do if TLS cannot succeed.

    :param error: the error of a library.
    """
    if type(error) in _FIRST_LINES:
        return "the response does not begin as HTTP"
    text = str(error)
    quote = _QUOTE.search(text)
    said = text[: quote.start() if quote else MAX_TEXT][:MAX_TEXT].rstrip(" :,\n") or type(error).__name__
    return f"{said}. {_tls_advice(error)}" if is_hopeless_tls(error) else said


def request_failure_text(
    request: Request,
    connection: ResolvedConnection,
    error: BaseException,
    *,
    timed_out: bool,
    connected: bool,
    at_proxy: bool,
) -> str:
    """
    Return what to say of a request that got no response.

    :param request: the request.
    :param connection: the connection that it was sent through.
    :param error: the error of a library, the innermost one.
    :param timed_out: whether the time was over.
    :param connected: whether there was a connection, so that it may have been sent.
    :param at_proxy: whether it is known that the proxy gave no connection.
    """
    proxy = connection.proxy_text(request.base_url)
    if timed_out:
        way = f" through {proxy}" if proxy else ""
        lacking = "no complete response" if connected else f"no connection{way}"
        said = f"timed out: {lacking} in time (timeout={connection.timeout:g} of {connection.timeout_owner})"
    else:
        said = f"failed: {f'{proxy} gives no connection: ' if at_proxy else ''}{failure_text(error)}"
    return connection.redact(f"{request.method} to {request.url.split('/')[2]} {said}")


def _tls_advice(error: BaseException) -> str:
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error)):
        return "Check the host, and which certificates are trusted: verify of the connection, or REQUESTS_CA_BUNDLE"
    return "Check scheme and port of the host, and of the proxy: what answers there does not speak TLS as https needs"


def shown_cause(error: BaseException) -> BaseException | None:
    """
    Return what an error of a library began with, as the one cause that a log shows; None if it quotes a response.

    :param error: the error of a library.
    """
    chain = [each for each in causes(error) if isinstance(each, Exception)]
    if any(map(_quotes, chain)):
        return None
    chain[-1].__cause__ = chain[-1].__context__ = None  # such as the cancellation that a time-out began with
    return chain[-1]


def _quotes(error: BaseException) -> bool:
    return type(error) in _FIRST_LINES or len(text := str(error)) > MAX_TEXT or _QUOTE.search(text) is not None
