"""Keep an S3 client on an event loop, which is aiobotocore's, from what it does wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

from airflow_provider_objectstore.exceptions import ConfigurationError
from airflow_provider_objectstore.hooks.s3_client import stop_at_redirects


def prepare_client(client: Any) -> Any:
    """
    Let a client follow no redirects, and wait for no ``100 Continue``. Return it.

    It would send a file to the host that a redirect names, and take what is there for the object. And ``aiohttp`` waits
    for ``100 Continue`` without a time-out: a write to a service that hangs would never end.

    :param client: aiobotocore's client; may be prepared already.
    :raises ConfigurationError: if aiobotocore is too old for that.
    """
    from botocore.handlers import add_expect_header

    client.meta.events.unregister("before-call.s3", add_expect_header)
    http = client._endpoint.http_session
    get_session = getattr(http, "_get_session", None)
    if get_session is None:
        raise ConfigurationError(
            "aiobotocore is older than 2.19, and its S3 client would follow redirects to other hosts: "
            "pip install --upgrade 'aiobotocore>=2.19'"
        )
    if not isinstance(get_session, partial):
        http._get_session = partial(_session_without_redirects, get_session)
    return stop_at_redirects(client)


async def _session_without_redirects(get_session: Any, *arguments: Any) -> Any:
    session = await get_session(*arguments)
    if not isinstance(session._request, partial):
        session._request = partial(session._request, allow_redirects=False)
    return session
