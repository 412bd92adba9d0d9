"""Read the proxies of the environment variables, and find the passwords in the URLs of proxies."""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit

from airflow_provider_objectstore.api.addresses import web_address
from airflow_provider_objectstore.exceptions import ConfigurationError


def environment_proxies() -> tuple[str, ...]:
    """Return all proxies of the environment variables, and the hosts of ``NO_PROXY``."""
    from urllib.request import getproxies

    return tuple(proxy for _, proxy in sorted(getproxies().items()))


def environment_proxy(url: str) -> str | None:
    """
    Return the proxy that the environment variables name for a URL; None for none.

    :raises ConfigurationError: if it cannot be used. The error does not show it.
    """
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not is_proxy(proxy):
        raise ConfigurationError(
            f"the proxy that the environment names for {urlsplit(url).netloc} must be an http(s) URL of a host, "
            "without a path; special characters of a password are percent-encoded, and SOCKS is not supported. Correct "
            "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, name the host in NO_PROXY, or give the connection's extra proxy"
        )
    return proxy


def is_proxy(url: str) -> bool:
    """
    Tell whether a URL is that of a proxy: it has no path, which a ``/`` in a password would begin.

    :param url: the URL.
    """
    parts = web_address(url)
    return parts is not None and parts.path in ("", "/") and not parts.query and not parts.fragment


def passwords(*proxies: str | None) -> tuple[str, ...]:
    """Return the passwords in the URLs of proxies, in each form that is sent or shown. The URLs may be malformed."""
    found = []
    for proxy in filter(None, proxies):
        user, _, password = (proxy.partition("://")[2] or proxy).rpartition("@")[0].partition(":")
        if password:
            plain = unquote(password)
            sent = f"{unquote(user)}:{plain}".encode("latin-1", errors="replace")
            found += [password, plain, base64.b64encode(sent).decode()]
    return tuple(found)
