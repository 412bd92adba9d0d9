"""What every S3 backend does, moto and Ceph's gateway."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import s3fs

from airflow_provider_objectstore.emulator import S3Backend
from tests.emulator.conftest import WHEN_REQUIRED, Connect, s3_error


class TestObjects:
    @pytest.mark.parametrize("config", [{}, WHEN_REQUIRED, {"signature_version": "s3v4"}])
    @pytest.mark.parametrize("key", ["plain", "a/b", "/a//b/", "a b+c", "ü ñ", "100%", "a%2Fb", "~x'()*!@&=$,:;?#"])
    def test_write_read_delete(
        self, connect: Connect, two_users: SimpleNamespace, key: str, config: dict[str, Any]
    ) -> None:
        s3, address = connect(**config), {"Bucket": two_users.own_bucket, "Key": key}
        s3.put_object(**address, Body=b"content", Metadata={"name": "value"})
        response = s3.get_object(**address)
        assert (response["Body"].read(), response["Metadata"]) == (b"content", {"name": "value"})
        assert s3.head_object(**address)["ContentLength"] == 7
        assert [item["Key"] for item in s3.list_objects_v2(Bucket=two_users.own_bucket)["Contents"]] == [key]
        s3.delete_object(**address)
        assert s3_error(s3.get_object, **address) == "404 NoSuchKey"
        assert s3_error(s3.head_object, **address) == "404 404"

    def test_multipart_upload_and_range(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3, content = connect(), bytes(range(256)) * 4096 * 9
        s3.upload_fileobj(io.BytesIO(content), two_users.own_bucket, "large")
        assert s3.get_object(Bucket=two_users.own_bucket, Key="large")["Body"].read() == content
        part = s3.get_object(Bucket=two_users.own_bucket, Key="large", Range="bytes=100-103")["Body"].read()
        assert part == content[100:104]

    def test_an_unversioned_bucket_names_no_version(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3, address = connect(), {"Bucket": two_users.own_bucket, "Key": "large"}
        upload = {**address, "UploadId": s3.create_multipart_upload(**address)["UploadId"]}
        part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=b"1")["ETag"]}
        done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})
        assert (done["Key"], done.get("VersionId")) == ("large", None)
        assert "VersionId" not in s3.head_object(**address)
        s3.put_bucket_versioning(Bucket=two_users.own_bucket, VersioningConfiguration={"Status": "Enabled"})
        assert s3.put_object(**address, Body=b"2")["VersionId"]

    def test_copy_list_by_prefix_and_delete_many(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3, bucket = connect(), two_users.own_bucket
        for key in ("in/a", "in/b", "out"):
            s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        s3.copy_object(Bucket=bucket, Key="in/c", CopySource={"Bucket": bucket, "Key": "out"})
        listing = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
        assert [item["Prefix"] for item in listing["CommonPrefixes"]] == ["in/"]
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="in/")["Contents"]]
        assert keys == ["in/a", "in/b", "in/c"]
        deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        assert len(deleted["Deleted"]) == 3
        assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["out"]

    def test_s3fs(self, connect: Connect, two_users: SimpleNamespace) -> None:
        fs = s3fs.S3FileSystem(
            key="KEY-A",
            secret="secret-a",
            endpoint_url=connect.url,
            client_kwargs={"region_name": "lon1"},
            config_kwargs={"s3": {"addressing_style": "path"}},
            skip_instance_cache=True,
            use_listings_cache=False,
        )
        root = two_users.own_bucket
        fs.pipe(f"{root}/d/one", b"1")
        with fs.open(f"{root}/d/large", "wb", block_size=5 * 2**20) as file:
            for _ in range(7):
                file.write(b"x" * 2**20)
        assert fs.cat(f"{root}/d/one") == b"1"
        assert fs.info(f"{root}/d/large")["size"] == 7 * 2**20
        assert sorted(fs.ls(f"{root}/d", detail=False)) == [f"{root}/d/large", f"{root}/d/one"]
        fs.copy(f"{root}/d/one", f"{root}/two")
        assert fs.exists(f"{root}/two")
        fs.rm(f"{root}/d", recursive=True)
        assert fs.find(root) == [f"{root}/two"]


class TestAccess:
    def test_another_users_bucket(self, connect: Connect, two_users: SimpleNamespace) -> None:
        connect("KEY-B", "secret-b").put_object(Bucket=two_users.other_bucket, Key="k", Body=b"theirs")
        s3, bucket = connect(), two_users.other_bucket
        assert s3_error(s3.get_object, Bucket=bucket, Key="k") == "403 AccessDenied"
        assert s3_error(s3.get_object, Bucket=bucket, Key="missing") == "403 AccessDenied"
        assert s3_error(s3.head_object, Bucket=bucket, Key="missing") == "403 403"
        assert s3_error(s3.put_object, Bucket=bucket, Key="k", Body=b"") == "403 AccessDenied"
        assert s3_error(s3.delete_object, Bucket=bucket, Key="k") == "403 AccessDenied"
        assert s3_error(s3.list_objects_v2, Bucket=bucket) == "403 AccessDenied"
        source = {"Bucket": bucket, "Key": "k"}
        assert s3_error(s3.copy_object, Bucket=two_users.own_bucket, Key="k", CopySource=source) == "403 AccessDenied"

    def test_buckets_as_their_users_see_them(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3 = connect()
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [two_users.own_bucket]
        assert s3.head_bucket(Bucket=two_users.own_bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert s3_error(s3.head_bucket, Bucket=two_users.other_bucket) == "403 403"
        assert s3_error(s3.head_bucket, Bucket="missing-bucket") == "404 404"

    def test_wrong_and_unknown_keys(self, connect: Connect, two_users: SimpleNamespace) -> None:
        wrong = connect("KEY-A", "wrong")
        assert s3_error(wrong.list_objects_v2, Bucket=two_users.own_bucket) == "403 SignatureDoesNotMatch"
        assert s3_error(wrong.head_bucket, Bucket=two_users.own_bucket) == "403 403"
        unknown = connect("KEY-X", "secret-a")
        assert s3_error(unknown.list_objects_v2, Bucket=two_users.own_bucket) == "403 InvalidAccessKeyId"

    def test_a_suspended_user_is_denied_until_it_is_resumed(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        s3 = connect()
        s3_backend.suspend_user("a", True)
        assert s3_error(s3.list_objects_v2, Bucket=two_users.own_bucket) == "403 UserSuspended"
        assert s3_error(s3.head_bucket, Bucket=two_users.own_bucket) == "403 403"
        s3_backend.suspend_user("a", False)
        s3.list_objects_v2(Bucket=two_users.own_bucket)

    def test_new_keys_replace_the_old_ones(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        s3_backend.put_user("a", "KEY-A", "new-secret")
        assert s3_error(connect().list_objects_v2, Bucket=two_users.own_bucket) == "403 SignatureDoesNotMatch"
        connect("KEY-A", "new-secret").list_objects_v2(Bucket=two_users.own_bucket)
        s3_backend.put_user("a", "KEY-C", "new-secret")
        assert (
            s3_error(connect("KEY-A", "new-secret").list_objects_v2, Bucket=two_users.own_bucket)
            == "403 InvalidAccessKeyId"
        )
        connect("KEY-C", "new-secret").list_objects_v2(Bucket=two_users.own_bucket)

    def test_an_owner_change_transfers_existing_objects(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        address = {"Bucket": two_users.own_bucket, "Key": "k"}
        connect().put_object(**address, Body=b"content")
        s3_backend.set_owner(two_users.own_bucket, "b")
        assert connect("KEY-B", "secret-b").get_object(**address)["Body"].read() == b"content"
        assert s3_error(connect().get_object, **address) == "403 AccessDenied"
        s3_backend.set_owner(two_users.own_bucket, "a")
        assert connect().get_object(**address)["Body"].read() == b"content"

    def test_an_owner_change_may_leave_existing_objects(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        bucket, old, new = two_users.own_bucket, connect(), connect("KEY-B", "secret-b")
        for key in ("k", "over", "gone"):
            old.put_object(Bucket=bucket, Key=key, Body=b"old")
        s3_backend.set_owner(bucket, "b", False)

        def read(s3: Any, key: str) -> Any:
            return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

        assert read(old, "k") == b"old"
        assert old.head_object(Bucket=bucket, Key="k")["ContentLength"] == 3
        assert s3_error(old.list_objects_v2, Bucket=bucket) == "403 AccessDenied"
        assert s3_error(old.head_object, Bucket=bucket, Key="missing") == "403 403"
        assert s3_error(old.put_object, Bucket=bucket, Key="k", Body=b"") == "403 AccessDenied"
        assert s3_error(old.delete_object, Bucket=bucket, Key="k") == "403 AccessDenied"

        assert s3_error(new.get_object, Bucket=bucket, Key="k") == "403 AccessDenied"
        assert s3_error(new.head_object, Bucket=bucket, Key="k") == "403 403"
        source = {"Bucket": bucket, "Key": "k"}
        assert s3_error(new.copy_object, Bucket=bucket, Key="copy", CopySource=source) == "403 AccessDenied"
        assert s3_error(new.head_object, Bucket=bucket, Key="missing") == "404 404"
        new.put_object(Bucket=bucket, Key="over", Body=b"new")
        new.delete_object(Bucket=bucket, Key="gone")
        assert [item["Key"] for item in new.list_objects_v2(Bucket=bucket)["Contents"]] == ["k", "over"]
        assert read(new, "over") == b"new"
        assert s3_error(old.get_object, Bucket=bucket, Key="over") == "403 AccessDenied"

        s3_backend.set_owner(bucket, "a", False)
        assert read(old, "k") == b"old"
        assert s3_error(old.get_object, Bucket=bucket, Key="over") == "403 AccessDenied"
        assert read(new, "over") == b"new"
        assert s3_error(new.list_objects_v2, Bucket=bucket) == "403 AccessDenied"
        s3_backend.set_owner(bucket, "a")
        assert (read(old, "k"), read(old, "over")) == (b"old", b"new")
        assert s3_error(new.get_object, Bucket=bucket, Key="over") == "403 AccessDenied"

    def test_presigned_urls(self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace) -> None:
        s3 = connect(signature_version="s3v4")
        address = {"Bucket": two_users.own_bucket, "Key": "ü ñ"}
        put = s3.generate_presigned_url("put_object", Params=address, ExpiresIn=60)
        assert requests.put(put, data=b"content").status_code == 200
        get = s3.generate_presigned_url("get_object", Params=address, ExpiresIn=60)
        assert requests.get(get).content == b"content"
        forged = get.replace("X-Amz-Expires=60", "X-Amz-Expires=61")
        assert requests.get(forged).status_code == 403
        s3_backend.suspend_user("a", True)
        assert requests.get(get).status_code == 403

    def test_a_presigned_url_expires(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3 = connect(signature_version="s3v4")
        s3.put_object(Bucket=two_users.own_bucket, Key="k", Body=b"")
        address = {"Bucket": two_users.own_bucket, "Key": "k"}
        soon, late = (s3.generate_presigned_url("get_object", Params=address, ExpiresIn=time) for time in (1, 600))
        time.sleep(2.1)
        assert requests.get(soon).status_code == 403
        assert requests.get(late).status_code == 200

    def test_anonymous_requests_are_denied(self, connect: Connect, two_users: SimpleNamespace) -> None:
        connect().put_object(Bucket=two_users.own_bucket, Key="k", Body=b"")
        for path in (f"/{two_users.own_bucket}", f"/{two_users.own_bucket}/k"):
            assert requests.get(connect.url + path).status_code == 403
        assert requests.put(f"{connect.url}/{two_users.own_bucket}/k", data=b"").status_code == 403
        buckets = requests.get(connect.url)
        assert (buckets.status_code, "<Name>" in buckets.text) == (200, False)

    def test_contents_must_match_their_digest(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3 = connect(**WHEN_REQUIRED)
        wrong = "1B2M2Y8AsgTpgAmY7PhCfg=="  # of nothing
        address = {"Bucket": two_users.own_bucket, "Key": "k"}
        assert s3_error(s3.put_object, **address, Body=b"content", ContentMD5=wrong) == "400 BadDigest"
        assert s3_error(s3.head_object, **address) == "404 404"


class TestAdministration:
    def test_usage_and_deletion_with_contents(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        assert s3_backend.usage(two_users.own_bucket) == (0, 0)
        for key in ("a", "b"):
            connect().put_object(Bucket=two_users.own_bucket, Key=key, Body=b"x" * 1000)
        assert s3_backend.usage(two_users.own_bucket) == (2000, 2)
        s3_backend.delete_bucket(two_users.own_bucket)
        assert s3_error(connect().list_objects_v2, Bucket=two_users.own_bucket) == "404 NoSuchBucket"
        s3_backend.create_bucket(two_users.own_bucket, "a")
        assert s3_backend.usage(two_users.own_bucket) == (0, 0)

    def test_a_deleted_user_is_unknown(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        s3_backend.delete_bucket(two_users.own_bucket)
        s3_backend.delete_user("a")
        assert s3_error(connect().list_buckets) == "403 InvalidAccessKeyId"

    def test_a_reset_deletes_everything(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        s3_backend.reset()
        assert s3_error(connect().list_buckets) == "403 InvalidAccessKeyId"
        s3_backend.put_user("a", "KEY-A", "secret-a")
        assert connect().list_buckets()["Buckets"] == []
