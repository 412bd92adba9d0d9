"""What the control plane says about credentials and owners holds on S3: on moto and on Ceph, on Ceph over TLS too."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
import s3fs
from botocore.exceptions import ClientError

from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from tests.hooks.buckets import create


def refused(options: S3Options) -> str:
    """The code with which S3 refuses to list the bucket."""
    with pytest.raises(ClientError) as caught:
        boto3.client("s3", **options).list_objects_v2(Bucket=options.bucket)
    code: str = caught.value.response["Error"]["Code"]
    return code


@pytest.mark.slow
def test_write_read_list(backend_hook: CivoObjectStoreHook) -> None:
    store = create(backend_hook, "photos")
    options = backend_hook.s3_options("photos")
    client: Any = boto3.client("s3", **options)
    client.put_object(Bucket="photos", Key="a/ä b+%.txt", Body=b"1")
    files = s3fs.S3FileSystem(**options.s3fs(), skip_instance_cache=True)
    with files.open("photos/by-s3fs", "wb") as file:
        file.write(b"22")
    assert client.get_object(Bucket="photos", Key="by-s3fs")["Body"].read() == b"22"
    assert files.find("photos") == ["photos/a/ä b+%.txt", "photos/by-s3fs"]
    assert backend_hook.get_object_store_stats(store.id).num_objects == 2
    backend_hook.delete_object_store(store.id)
    with pytest.raises(ClientError, match=r"NoSuchBucket|AccessDenied|InvalidAccessKeyId"):
        client.list_objects_v2(Bucket="photos")


def test_suspended_is_refused_at_once(backend_hook: CivoObjectStoreHook) -> None:
    mine = backend_hook.create_credential("mine")
    create(backend_hook, "photos", mine.access_key_id)
    options = backend_hook.s3_options("photos")
    boto3.client("s3", **options).list_objects_v2(Bucket="photos")
    backend_hook.update_credential(mine.id, suspended=True)
    assert refused(options) == "UserSuspended"
    backend_hook.update_credential(mine.id, suspended=False)
    boto3.client("s3", **options).list_objects_v2(Bucket="photos")


def test_replaced_keys_are_refused_at_once(backend_hook: CivoObjectStoreHook) -> None:
    mine = backend_hook.create_credential("mine")
    create(backend_hook, "photos", mine.access_key_id)
    before = backend_hook.s3_options("photos")
    backend_hook.update_credential(mine.id, secret_access_key="another-secret-of-mine")
    assert refused(before) == "SignatureDoesNotMatch"
    between = backend_hook.s3_options("photos")
    backend_hook.update_credential(mine.id, access_key_id="ANOTHERKEY", secret_access_key="a-third-secret-of-mine")
    assert refused(between) == "InvalidAccessKeyId"
    after = backend_hook.s3_options("photos")
    assert after.access_key_id == "ANOTHERKEY"
    boto3.client("s3", **after).list_objects_v2(Bucket="photos")


def test_only_the_owner_gets_in_also_after_a_change(backend_hook: CivoObjectStoreHook) -> None:
    one, other = backend_hook.create_credential("one"), backend_hook.create_credential("other")
    store = create(backend_hook, "photos", one.access_key_id)
    before = backend_hook.s3_options("photos")
    boto3.client("s3", **before).put_object(Bucket="photos", Key="k", Body=b"1")
    backend_hook.update_object_store(store.id, access_key_id=other.access_key_id)
    after = backend_hook.s3_options("photos")
    assert (before.access_key_id, after.access_key_id) == (one.access_key_id, other.access_key_id)
    assert boto3.client("s3", **after).get_object(Bucket="photos", Key="k")["Body"].read() == b"1"
    assert refused(before) == "AccessDenied"
