"""Proxies that the environment names, and the passwords in their URLs."""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit

from airflow_provider_objectstore.api.addresses import web_address
from airflow_provider_objectstore.exceptions import ConfigurationError


def environment_proxies() -> tuple[str, ...]:
    """Return every proxy that the environment names, for whatever host, and the hosts that it wants none for."""
    from urllib.request import getproxies

    return tuple(proxy for _, proxy in sorted(getproxies().items()))


def environment_proxy(url: str) -> str | None:
    """
    Return the proxy that the environment names for an address, None for none.

    :raises ConfigurationError: if that is none that can be used; its text is not shown.
    """
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if web_address(proxy) is None:
        raise ConfigurationError(
            f"the proxy that the environment names for {urlsplit(url).netloc} must be an http(s) URL with a host; "
            "special characters of a password are percent-encoded, and SOCKS is not supported. Correct HTTPS_PROXY, "
            "HTTP_PROXY or ALL_PROXY, name the host in NO_PROXY, or give the connection's extra proxy"
        )
    return proxy


def passwords(*proxies: str | None) -> tuple[str, ...]:
    """Return the passwords in URLs of proxies, which may be malformed, in each form that is sent or shown."""
    found = []
    for proxy in filter(None, proxies):
        user, _, password = (proxy.partition("://")[2] or proxy).rpartition("@")[0].partition(":")
        if password:
            plain = unquote(password)
            sent = f"{unquote(user)}:{plain}".encode("latin-1", errors="replace")
            found += [password, plain, base64.b64encode(sent).decode()]
    return tuple(found)
