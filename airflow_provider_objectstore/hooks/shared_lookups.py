"""One look-up of a connection for all that start at the same time on one event loop, such as a thousand triggers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

SHARED_SECONDS = 1.0
"""How old a look-up may be when it is asked for. What starts later looks the connection up anew."""

_lookups: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Lookup]] = WeakKeyDictionary()


class _Lookup:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0
        self.began = float("-inf")
        self.result: Any = None

    @property
    def is_recent(self) -> bool:
        return time.monotonic() - self.began < SHARED_SECONDS


async def share_lookup(key: Hashable, look_up: Callable[[], Awaitable[T]]) -> T:
    """
    Return what a look-up returns that began at most a second before this call, or look up.

    However long a look-up takes, those who waited for it share it: a busy triggerer takes seconds.

    :param key: what is looked up. Only look-ups with the same key are shared.
    :param look_up: looks it up. An error is raised to its caller only; others then look up themselves.
    """
    asked = time.monotonic()
    lookups = _lookups.setdefault(asyncio.get_running_loop(), {})
    lookup = lookups.setdefault(key, _Lookup())
    lookup.users += 1
    try:
        async with lookup.lock:
            if lookup.began < asked - SHARED_SECONDS:
                began = time.monotonic()
                lookup.result = await look_up()
                lookup.began = began
            result: T = lookup.result
            return result
    finally:
        lookup.users -= 1
        if not lookup.users:
            # A lock that was waited for references the loop, which would keep itself alive in the weak dictionary.
            lookup.lock = asyncio.Lock()
            for old in [key for key, other in lookups.items() if not other.users and not other.is_recent]:
                del lookups[old]
