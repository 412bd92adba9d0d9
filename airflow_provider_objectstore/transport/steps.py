"""
What a flow asks of its driver.

A flow is a generator. It yields steps and is sent their results: a :class:`~.connection.Request` to send, a
:class:`~..api.call.Pause` to wait, a :class:`~..api.call.Call` to execute, or one of the steps below. The drivers in
:mod:`.client` (sync) and :mod:`.async_client` (async) perform steps and decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.transport.state import CallTime


@dataclass(frozen=True, slots=True)
class GetToken:
    """
    Return a usable token.

    :param time: that of the call that needs it.
    :param rejected: a token that the service rejected; another one is needed.
    """

    time: CallTime
    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class CheckParent:
    """
    Check that the store that contains an object exists. The result is a ``NotFoundError`` if it does not, else None.

    :param call: the call that reads the store.
    :param ends: when the last attempt to read it may start, by the monotonic clock.
    """

    call: Call[Any]
    ends: float = float("inf")


@dataclass(frozen=True, slots=True)
class MaskSecret:
    """
    Mask a secret in the logs.

    :param secret: a token, or a secret that a call sends.
    """

    secret: str
