"""fsspec's own tests of what a filesystem does, on both."""

from __future__ import annotations

import time
from typing import Any

import fsspec
import fsspec.tests.abstract as abstract
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

pytestmark = pytest.mark.slow


class Fixtures(abstract.AbstractFixtures):  # type: ignore[misc]
    @pytest.fixture
    def fs_join(self) -> Any:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class Osv2(Fixtures):
    @pytest.fixture
    def fs(self, emulator: Emulator) -> Any:
        AnypointObjectStoreHook().create_store("store")
        return fsspec.filesystem("osv2", skip_instance_cache=True)

    @pytest.fixture
    def fs_path(self) -> str:
        return "store/partition/folder"


class Civo(Fixtures):
    @pytest.fixture
    def fs(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
        hook = CivoObjectStoreHook()
        created = hook.create_object_store("bucket")
        while not hook.get_object_store(created.id).ready:
            time.sleep(0.05)
        return fsspec.filesystem("civo", skip_instance_cache=True)

    @pytest.fixture
    def fs_path(self) -> str:
        return "bucket/folder"


class TestOsv2Copy(abstract.AbstractCopyTests, Osv2):  # type: ignore[misc]
    pass


class TestOsv2Get(abstract.AbstractGetTests, Osv2):  # type: ignore[misc]
    pass


class TestOsv2Open(abstract.AbstractOpenTests, Osv2):  # type: ignore[misc]
    pass


class TestOsv2Pipe(abstract.AbstractPipeTests, Osv2):  # type: ignore[misc]
    pass


class TestOsv2Put(abstract.AbstractPutTests, Osv2):  # type: ignore[misc]
    pass


class TestCivoCopy(abstract.AbstractCopyTests, Civo):  # type: ignore[misc]
    pass


class TestCivoGet(abstract.AbstractGetTests, Civo):  # type: ignore[misc]
    pass


class TestCivoOpen(abstract.AbstractOpenTests, Civo):  # type: ignore[misc]
    pass


class TestCivoPipe(abstract.AbstractPipeTests, Civo):  # type: ignore[misc]
    pass


class TestCivoPut(abstract.AbstractPutTests, Civo):  # type: ignore[misc]
    pass
