"""Check URLs and host names."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import SplitResult, urlsplit

_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_MAX_HOST_LENGTH = 253


def web_address(text: str) -> SplitResult | None:
    """
    Return the parts of an http(s) URL; None if it is not one, or if HTTP libraries would read it differently.

    :param text: the URL. Characters that are not ASCII must be percent-encoded, or in their ``xn--`` form.
    """
    if not (text.isascii() and text.isprintable()) or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    match = _HOST_AND_PORT.fullmatch(parts.netloc.rpartition("@")[2])
    if parts.scheme not in ("http", "https") or not match:
        return None
    ipv6, name, port = match.groups()
    is_host = _is_ipv6(ipv6) if ipv6 else _is_host(name)
    return parts if is_host and (port is None or 0 < int(port) < 65536) else None


def is_label(text: str) -> bool:
    """Tell whether a text can be a part of a host name, between its dots."""
    return bool(_LABEL.fullmatch(text))


def _is_host(name: str) -> bool:
    return len(name) <= _MAX_HOST_LENGTH and all(0 < len(label) <= 63 for label in name.removesuffix(".").split("."))


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True
