"""Check the AWS Signature Version 4 of a request, in its headers or in its query."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
MAX_SKEW_SECONDS = 15 * 60

Header = Callable[[str], str]


@dataclass(frozen=True)
class SignatureV4:
    """
    A request's signature.

    :param time: when the request was signed, as in ``20261121T053006Z``.
    :param payload: the request's ``x-amz-content-sha256``.
    :param expires: on a presigned URL: for how many seconds after ``time`` it is valid.
    """

    access_key: str
    scope: str
    time: str
    signed_headers: str
    signature: str
    payload: str
    expires: int | None = None

    def is_valid_at(self, now: datetime) -> bool:
        """Return whether the request is neither too old nor from the future."""
        signed = datetime.strptime(self.time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        age = (now - signed).total_seconds()
        return -MAX_SKEW_SECONDS <= age <= (MAX_SKEW_SECONDS if self.expires is None else self.expires)

    def is_signed_with(self, secret: str, method: str, path: str, query: str, header: Header) -> bool:
        """Return whether the signature was made with this secret. ``path`` and ``query`` are as they were sent."""
        headers = "".join(f"{name}:{' '.join(header(name).split())}\n" for name in self.signed_headers.split(";"))
        canonical = "\n".join(
            [method, _encode(path, "/"), _canonical_query(query), headers, self.signed_headers, self.payload]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"AWS4{secret}".encode()
        for part in self.scope.split("/"):
            key = _hmac(key, part)
        expected = _hmac(key, "\n".join([ALGORITHM, self.time, self.scope, digest])).hex()
        return hmac.compare_digest(expected, self.signature)


def parse_signature(query: str, header: Header) -> SignatureV4 | None:
    """
    Return the signature in a request's headers or query, ``None`` if the request is anonymous.

    :param header: returns a header's value by name, ``""`` if it is missing.
    :raises ValueError: if the signature cannot be parsed.
    """
    fields = dict(parse_qsl(query, keep_blank_values=True))
    if authorization := header("authorization"):
        algorithm, _, rest = authorization.partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        time, expires = header("x-amz-date"), None
        credential, signed, signature = (parts.get(name, "") for name in ("Credential", "SignedHeaders", "Signature"))
    elif "X-Amz-Signature" in fields:
        algorithm, time = fields.get("X-Amz-Algorithm", ""), fields.get("X-Amz-Date", "")
        expires = int(fields.get("X-Amz-Expires", ""))
        credential, signed = fields.get("X-Amz-Credential", ""), fields.get("X-Amz-SignedHeaders", "")
        signature = fields["X-Amz-Signature"]
    elif "Signature" in fields:
        raise ValueError("signature version 2 is not supported")
    else:
        return None
    access_key, _, scope = credential.partition("/")
    if algorithm != ALGORITHM or scope.count("/") != 3:
        raise ValueError("the signature's algorithm or credential is not supported")
    datetime.strptime(time, "%Y%m%dT%H%M%SZ")
    payload = header("x-amz-content-sha256") or UNSIGNED
    return SignatureV4(access_key, scope, time, signed, signature, payload, expires)


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.new(key, message.encode(), hashlib.sha256).digest()


def _encode(text: str, safe: str) -> str:
    """Percent-encode as the signature requires, whichever way the client did."""
    return quote(unquote_to_bytes(text), safe=safe)


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    encoded = sorted((_encode(name, ""), _encode(value, "")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded if name != "X-Amz-Signature")
