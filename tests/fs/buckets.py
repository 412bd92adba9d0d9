"""What the tests of ``civo://`` share."""

from __future__ import annotations

import time

from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook


def create(hook: CivoObjectStoreHook, name: str, access_key_id: str | None = None) -> str:
    created = hook.create_object_store(name, access_key_id=access_key_id)
    while not hook.get_object_store(created.id).ready:
        time.sleep(0.05)
    return created.id
