from __future__ import annotations

import json

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import AnypointKeyPublisher

PUBLISHER = AnypointKeyPublisher("mule", "credentials", "s3")
CREDENTIAL = S3Options("photos", "http://127.0.0.1:9", "AKIA", "the-bucket-secret", "lon1")
ALONE = S3Options(None, "http://127.0.0.1:9", "AKIB", "the-next-secret", "lon1")


def test_publish(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    hook = AnypointObjectStoreHook()
    hook.create_store("mule")
    for credential in (CREDENTIAL, CREDENTIAL, ALONE):
        PUBLISHER.publish(credential)
        PUBLISHER.verify(credential)
    entry = hook.get_key("mule", "credentials", "s3")
    assert entry.value_type == "STRING"
    assert json.loads(str(entry.value)) == {
        "access_key_id": "AKIB",
        "secret_access_key": "the-next-secret",
        "endpoint_url": "http://127.0.0.1:9",
        "region_name": "lon1",
        "bucket": None,
    }
    assert list(hook.list_keys("mule", "credentials")) == ["s3"]
    with pytest.raises(
        ObjectStoreError, match="key 's3' of mule/credentials does not hold what was published"
    ) as caught:
        PUBLISHER.verify(CREDENTIAL)
    shown = f"{caught.value} {caplog.text} {PUBLISHER!r}"
    assert "Wrote" in shown
    assert "secret" not in shown.replace("emulator-secret", "")


def test_missing(emulator: Emulator) -> None:
    with pytest.raises(NotFoundError, match="mule"):
        PUBLISHER.publish(CREDENTIAL)
    AnypointObjectStoreHook().create_store("mule")
    with pytest.raises(NotFoundError, match="s3"):
        PUBLISHER.verify(CREDENTIAL)
