"""What may be an address, or a part of one: URLs and names of hosts."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import SplitResult, urlsplit

_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LONGEST_HOST = 253


def web_address(text: str) -> SplitResult | None:
    """
    Return the parts of an http(s) URL; None for what is none, or what one HTTP library reads otherwise than another.

    :param text: the URL. What is not ASCII has to be percent-encoded, or in its ``xn--`` form.
    """
    if not (text.isascii() and text.isprintable()) or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    found = _HOST_AND_PORT.fullmatch(parts.netloc.rpartition("@")[2])
    if parts.scheme not in ("http", "https") or not found:
        return None
    ipv6, name, port = found.groups()
    fits = _is_ipv6(ipv6) if ipv6 else _is_host(name)
    return parts if fits and (port is None or 0 < int(port) < 65536) else None


def is_label(text: str) -> bool:
    """Whether a text can be one of the parts of a host name between its dots."""
    return bool(_LABEL.fullmatch(text))


def _is_host(name: str) -> bool:
    return len(name) <= _LONGEST_HOST and all(0 < len(label) <= 63 for label in name.removesuffix(".").split("."))


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True
