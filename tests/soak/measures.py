"""Counts what a process holds."""

from __future__ import annotations

import asyncio
import gc
import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import fsspec
import psutil  # type: ignore[import-untyped]

import airflow_provider_objectstore as package
from tests.features import RETRY_POLICIES
from tests.soak.memory import memory

CLASSES = {
    "requests.sessions.Session",
    "aiohttp.client.ClientSession",
    "botocore.client.BaseClient",
    "airflow_provider_objectstore.transport.client.Client",
    "airflow_provider_objectstore.transport.client._SyncState",
    "airflow_provider_objectstore.transport.async_client.AsyncClient",
    "airflow_provider_objectstore.transport.async_client._AsyncState",
    "airflow_provider_objectstore.hooks.object_store.ObjectStoreHook",
    "airflow_provider_objectstore.triggers.polling.PollingTrigger",
    "asyncio.events.AbstractEventLoop",
    "asyncio.tasks.Task",
    "fsspec.spec.AbstractFileSystem",
}
"""Objects of these classes, and of their subclasses, are counted."""


def caches() -> Iterator[tuple[str, int]]:
    """Every module-level container of the package that is no constant, with its size: a new one counts by itself."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".emulator" in module.name or module.name.endswith("__main__"):
            continue
        if module.name == f"{package.__name__}.retries" and not RETRY_POLICIES:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            of_module = getattr(value, "__module__", module.name) == module.name
            if name.startswith("__") or name.strip("_").isupper():
                continue
            if hasattr(value, "cache_info") and of_module:
                info = value.cache_info()
                # What has a limit may fill up to it.
                yield f"{module.name}.{name}", info.currsize if info.maxsize is None else 0
            elif isinstance(value, (dict, list, set, Mapping)):
                yield f"{module.name}.{name}", _size(value)
    for scheme in ("osv2", "civo"):
        yield f"instances of {scheme}://", len(fsspec.get_filesystem_class(scheme)._cache)


def _size(container: Any) -> int:
    inner = container.values() if isinstance(container, Mapping) else container
    return len(container) + sum(len(each) for each in list(inner) if isinstance(each, (dict, list, set)))


def measure() -> dict[str, float]:
    """All figures, after a garbage collection."""
    list(caches())  # imports what was not used yet
    # For each new token, Airflow's secrets masker compiles a pattern of all secrets. Python keeps the last 512 of them.
    re.purge()
    process = psutil.Process()
    figures: dict[str, float] = memory() | {
        "sockets": len(process.net_connections()),
        "file descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "tasks": sum(not each.done() for each in gc.get_objects() if issubclass(type(each), asyncio.Task)),
    }
    alive: Counter[str] = Counter()
    for each in gc.get_objects():
        alive.update(f"{kind.__module__}.{kind.__qualname__}" for kind in type(each).__mro__)
    figures |= {name.removeprefix(f"{package.__name__}."): alive[name] for name in sorted(CLASSES)}
    figures |= {name.removeprefix(f"{package.__name__}."): size for name, size in caches()}
    return figures
