from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from tests.conftest import connect
from tests.rgw.backend import RgwS3
from tests.rotation.harness import create_stores, short_sleeps

RGW = [pytest.mark.rgw, pytest.mark.skipif(os.environ.get("RGW") == "skip", reason="RGW=skip")]
on_both = pytest.mark.parametrize("backend", ["moto", pytest.param("rgw", marks=RGW)])


@pytest.fixture(autouse=True)
def no_long_sleeps() -> Iterator[None]:
    with short_sleeps():
        yield


@pytest.fixture
def backend() -> str:
    return "moto"


@pytest.fixture(scope="session")
def moto_backend() -> MotoS3:
    return MotoS3()


@pytest.fixture(scope="session")
def servers(moto_backend: MotoS3) -> Iterator[Callable[[str], Emulator]]:
    """Emulators by what serves S3, each started when it is first used."""
    running: dict[str, Emulator] = {}
    with ExitStack() as stack:

        def serve(backend: str) -> Emulator:
            if backend not in running:
                s3 = moto_backend if backend == "moto" else RgwS3()
                running[backend] = stack.enter_context(Emulator(Settings(creating_seconds=0), s3=s3))
            return running[backend]

        yield serve


@pytest.fixture
def emulator(servers: Callable[[str], Emulator], backend: str, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Both services, with an Anypoint store for what is published."""
    emulator = servers(backend)
    emulator.reset()
    connect(monkeypatch, emulator)
    AnypointObjectStoreHook().create_store("keys")
    return emulator


ConfigureEmulator = Callable[..., None]


@pytest.fixture
def configure_emulator(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> ConfigureEmulator:
    """Changes the emulator's settings for the rest of the test."""

    def change(**settings: Any) -> None:
        for name, value in settings.items():
            monkeypatch.setattr(emulator.settings, name, value)

    return change


@pytest.fixture
def no_policies(emulator: Emulator, moto_backend: MotoS3) -> Iterator[None]:
    """S3 refuses bucket policies; only on moto."""
    moto_backend.support_policies(False)
    yield
    moto_backend.support_policies(True)


@pytest.fixture
def hook(emulator: Emulator) -> CivoObjectStoreHook:
    return CivoObjectStoreHook()


@pytest.fixture
def before(hook: CivoObjectStoreHook) -> list[S3Options]:
    """The S3 options, with the first keys, of two stores with objects that share a credential."""
    return create_stores(hook)
