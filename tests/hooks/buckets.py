"""What the tests of S3 share."""

from __future__ import annotations

import time

from airflow_provider_objectstore.api.civo.models import ObjectStore
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.triggers.conditions import CivoObjectStoreTrigger


def create(hook: CivoObjectStoreHook, name: str, access_key_id: str | None = None) -> ObjectStore:
    """Create an object store and wait until S3 has it too."""
    wait = CivoObjectStoreTrigger(civo_conn_id="civo_default", object_store=name)
    hook.create_object_store(name, access_key_id=access_key_id)
    with hook.client() as client:
        while client.run(wait.poll_once()) is None:
            time.sleep(0.05)
    store = hook.find_object_store(name)
    assert store
    return store
