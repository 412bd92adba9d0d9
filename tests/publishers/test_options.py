from __future__ import annotations

from dataclasses import replace

from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.publishers.options import published_options


def test_the_bucket_of_one_store_alone(emulator: Emulator) -> None:
    hook = CivoObjectStoreHook()
    credential = Credential("1", "team", "AKIA", "the-bucket-secret")
    stores = [ObjectStore(name, name, 500, "ready") for name in ("photos", "reports")]
    one = published_options(hook, credential, stores[:1])
    assert one == hook.s3_options_of(credential, stores[0])
    assert one.bucket == "photos"
    assert published_options(hook, credential, stores) == replace(one, bucket=None)
    assert published_options(hook, credential, ()) == hook.s3_options_of(credential)
