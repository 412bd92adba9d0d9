"""Keep the S3 client of s3fs, which is aiobotocore's, from what it does wrong."""

from __future__ import annotations

from functools import partial
from typing import Any


def prepare_client(client: Any) -> Any:
    """
    Let a client follow no redirects, and wait for no ``100 Continue``. Return it.

    It would send a file to the host that a redirect names, and take what is there for the object. And ``aiohttp`` waits
    for ``100 Continue`` without a time-out: a write to a service that hangs would never end.

    :param client: aiobotocore's client; may be prepared already.
    """
    from botocore.handlers import add_expect_header

    client.meta.events.unregister("before-call.s3", add_expect_header)
    http = client._endpoint.http_session
    get_session = getattr(http, "_get_session", None)
    if get_session is not None and not isinstance(get_session, partial):
        http._get_session = partial(_session_without_redirects, get_session)
    return client


async def _session_without_redirects(get_session: Any, *arguments: Any) -> Any:
    session = await get_session(*arguments)
    if not isinstance(session._request, partial):
        session._request = partial(session._request, allow_redirects=False)
    return session
