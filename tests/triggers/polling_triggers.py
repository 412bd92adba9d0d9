"""Polling triggers for tests."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.triggers.conditions import AnypointKeyTrigger, CivoObjectStoreTrigger

HEAD = "anypoint.key_exists"


def key_trigger(**settings: Any) -> AnypointKeyTrigger:
    fixed = {
        "anypoint_conn_id": "anypoint_default",
        "store_id": "s",
        "partition": "p",
        "keys": ["a"],
        "poke_interval": 0.01,
    }
    return AnypointKeyTrigger(**{**fixed, **settings})


def object_store_trigger(**settings: Any) -> CivoObjectStoreTrigger:
    return CivoObjectStoreTrigger(
        **{"civo_conn_id": "civo_default", "object_store": "photos", "poke_interval": 0.01, **settings}
    )


@pytest.fixture
def key_hook(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    return hook
