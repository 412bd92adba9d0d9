"""What the control plane says about credentials and owners holds on S3: on moto and on Ceph, on Ceph over TLS too."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
import pytest
import s3fs
from botocore.exceptions import ClientError

from airflow_provider_objectstore.api.civo_model import ObjectStore
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options, find_contents
from airflow_provider_objectstore.triggers.waits import ObjectStoreTrigger


@pytest.fixture
def hook(served: tuple[Emulator, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> CivoObjectStoreHook:
    emulator, connection = served
    emulator.reset()
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(connection))
    return CivoObjectStoreHook()


def create(hook: CivoObjectStoreHook, name: str, access_key_id: str | None = None) -> ObjectStore:
    """Create an object store and wait until S3 has it too."""
    wait = ObjectStoreTrigger(civo_conn_id="civo_default", object_store=name)
    hook.create_object_store(name, access_key_id=access_key_id)
    with hook.client() as client:
        while client.run(wait.check()) is None:
            time.sleep(0.05)
    store = hook.find_object_store(name)
    assert store
    return store


def refused(options: S3Options) -> str:
    """The code with which S3 refuses to list the bucket."""
    with pytest.raises(ClientError) as caught:
        boto3.client("s3", **options).list_objects_v2(Bucket=options.bucket)
    code: str = caught.value.response["Error"]["Code"]
    return code


def test_write_read_list(hook: CivoObjectStoreHook) -> None:
    store = create(hook, "photos")
    options = hook.s3_options("photos")
    client: Any = boto3.client("s3", **options)
    client.put_object(Bucket="photos", Key="a/ä b+%.txt", Body=b"1")
    files = s3fs.S3FileSystem(**options.s3fs(), skip_instance_cache=True)
    with files.open("photos/by-s3fs", "wb") as file:
        file.write(b"22")
    assert client.get_object(Bucket="photos", Key="by-s3fs")["Body"].read() == b"22"
    assert files.find("photos") == ["photos/a/ä b+%.txt", "photos/by-s3fs"]
    assert hook.get_object_store_stats(store.id).num_objects == 2
    hook.delete_object_store(store.id)
    with pytest.raises(ClientError, match=r"NoSuchBucket|AccessDenied|InvalidAccessKeyId"):
        client.list_objects_v2(Bucket="photos")


def test_suspended_is_refused_at_once(hook: CivoObjectStoreHook) -> None:
    mine = hook.create_credential("mine")
    create(hook, "photos", mine.access_key_id)
    options = hook.s3_options("photos")
    boto3.client("s3", **options).list_objects_v2(Bucket="photos")
    hook.update_credential(mine.id, suspended=True)
    assert refused(options) == "UserSuspended"
    hook.update_credential(mine.id, suspended=False)
    boto3.client("s3", **options).list_objects_v2(Bucket="photos")


def test_replaced_keys_are_refused_at_once(hook: CivoObjectStoreHook) -> None:
    mine = hook.create_credential("mine")
    create(hook, "photos", mine.access_key_id)
    before = hook.s3_options("photos")
    hook.update_credential(mine.id, secret_access_key="another-secret-of-mine")
    assert refused(before) == "SignatureDoesNotMatch"
    between = hook.s3_options("photos")
    hook.update_credential(mine.id, access_key_id="ANOTHERKEY", secret_access_key="a-third-secret-of-mine")
    assert refused(between) == "InvalidAccessKeyId"
    after = hook.s3_options("photos")
    assert after.access_key_id == "ANOTHERKEY"
    boto3.client("s3", **after).list_objects_v2(Bucket="photos")


def test_only_the_owner_gets_in_also_after_a_change(hook: CivoObjectStoreHook) -> None:
    one, other = hook.create_credential("one"), hook.create_credential("other")
    store = create(hook, "photos", one.access_key_id)
    before = hook.s3_options("photos")
    boto3.client("s3", **before).put_object(Bucket="photos", Key="k", Body=b"1")
    hook.update_object_store(store.id, access_key_id=other.access_key_id)
    after = hook.s3_options("photos")
    assert (before.access_key_id, after.access_key_id) == (one.access_key_id, other.access_key_id)
    assert boto3.client("s3", **after).get_object(Bucket="photos", Key="k")["Body"].read() == b"1"
    assert refused(before) == "AccessDenied"


def test_a_bucket_that_only_looks_empty(hook: CivoObjectStoreHook) -> None:
    create(hook, "photos")
    options = hook.s3_options("photos")
    client: Any = boto3.client("s3", **options)
    assert find_contents(options) is None
    upload = client.create_multipart_upload(Bucket="photos", Key="large")["UploadId"]
    assert find_contents(options) == "multipart uploads under way"
    client.upload_part(Bucket="photos", Key="large", UploadId=upload, PartNumber=1, Body=b"x" * 1000)
    assert find_contents(options) == "multipart uploads under way"
    client.abort_multipart_upload(Bucket="photos", Key="large", UploadId=upload)
    assert find_contents(options) is None
    client.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    version = client.put_object(Bucket="photos", Key="k", Body=b"1")["VersionId"]
    assert find_contents(options) == "objects"
    marker = client.delete_object(Bucket="photos", Key="k")["VersionId"]
    assert find_contents(options) == "older versions of objects"
    client.delete_object(Bucket="photos", Key="k", VersionId=version)
    assert find_contents(options) == "older versions of objects", "a deletion marker"
    client.delete_object(Bucket="photos", Key="k", VersionId=marker)
    assert find_contents(options) is None
