from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fsspec
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook


@pytest.fixture
def osv2(emulator: Emulator) -> Any:
    """The filesystem, with an empty store named ``store``."""
    AnypointObjectStoreHook().create_store("store")
    return fsspec.filesystem("osv2", skip_instance_cache=True)


@pytest.fixture
def requests(emulator: Emulator) -> Callable[[], dict[str, int]]:
    """Tells the requests by operation since it was asked last, without those for tokens."""
    seen: dict[str, int] = {}

    def count() -> dict[str, int]:
        now = {name: sum(by.values()) for name, by in emulator.requests()["by_operation"].items()}
        new = {name: number - seen.get(name, 0) for name, number in now.items() if "token" not in name}
        seen.update(now)
        return {name.partition(".")[2]: number for name, number in new.items() if number}

    return count
