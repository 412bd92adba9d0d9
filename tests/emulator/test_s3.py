"""What holds on every S3 backend, moto's and Ceph's gateway alike."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import s3fs
from botocore.exceptions import ClientError

from airflow_provider_objectstore.emulator import Emulator, S3Backend
from tests.emulator.conftest import Civo, Connect

WHEN_REQUIRED = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
CREDENTIALS = "objectstore/credentials"


def code(call: Any, **arguments: Any) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return f"{caught.value.response['ResponseMetadata']['HTTPStatusCode']} {caught.value.response['Error']['Code']}"


class TestObjects:
    @pytest.mark.parametrize("config", [{}, WHEN_REQUIRED, {"signature_version": "s3v4"}])
    @pytest.mark.parametrize("key", ["plain", "a/b", "/a//b/", "a b+c", "ü ñ", "100%", "a%2Fb", "~x'()*!@&=$,:;?#"])
    def test_written_read_and_removed(
        self, connect: Connect, two_users: SimpleNamespace, key: str, config: dict[str, Any]
    ) -> None:
        s3, place = connect(**config), {"Bucket": two_users.mine, "Key": key}
        s3.put_object(**place, Body=b"content", Metadata={"name": "value"})
        answer = s3.get_object(**place)
        assert (answer["Body"].read(), answer["Metadata"]) == (b"content", {"name": "value"})
        assert s3.head_object(**place)["ContentLength"] == 7
        assert [item["Key"] for item in s3.list_objects_v2(Bucket=two_users.mine)["Contents"]] == [key]
        s3.delete_object(**place)
        assert code(s3.get_object, **place) == "404 NoSuchKey"
        assert code(s3.head_object, **place) == "404 404"

    def test_in_parts(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3, content = connect(), bytes(range(256)) * 4096 * 9
        s3.upload_fileobj(io.BytesIO(content), two_users.mine, "large")
        assert s3.get_object(Bucket=two_users.mine, Key="large")["Body"].read() == content
        part = s3.get_object(Bucket=two_users.mine, Key="large", Range="bytes=100-103")["Body"].read()
        assert part == content[100:104]

    def test_copied_listed_by_prefix_and_removed_at_once(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3, bucket = connect(), two_users.mine
        for key in ("in/a", "in/b", "out"):
            s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        s3.copy_object(Bucket=bucket, Key="in/c", CopySource={"Bucket": bucket, "Key": "out"})
        listing = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
        assert [item["Prefix"] for item in listing["CommonPrefixes"]] == ["in/"]
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="in/")["Contents"]]
        assert keys == ["in/a", "in/b", "in/c"]
        removed = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        assert len(removed["Deleted"]) == 3
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
        root = two_users.mine
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
        connect("KEY-B", "secret-b").put_object(Bucket=two_users.theirs, Key="k", Body=b"theirs")
        s3, bucket = connect(), two_users.theirs
        assert code(s3.get_object, Bucket=bucket, Key="k") == "403 AccessDenied"
        assert code(s3.get_object, Bucket=bucket, Key="missing") == "403 AccessDenied"
        assert code(s3.head_object, Bucket=bucket, Key="missing") == "403 403"
        assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"") == "403 AccessDenied"
        assert code(s3.delete_object, Bucket=bucket, Key="k") == "403 AccessDenied"
        assert code(s3.list_objects_v2, Bucket=bucket) == "403 AccessDenied"
        source = {"Bucket": bucket, "Key": "k"}
        assert code(s3.copy_object, Bucket=two_users.mine, Key="k", CopySource=source) == "403 AccessDenied"

    def test_buckets_as_their_users_see_them(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3 = connect()
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [two_users.mine]
        assert s3.head_bucket(Bucket=two_users.mine)["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert code(s3.head_bucket, Bucket=two_users.theirs) == "403 403"
        assert code(s3.head_bucket, Bucket="missing-bucket") == "404 404"

    def test_wrong_and_unknown_keys(self, connect: Connect, two_users: SimpleNamespace) -> None:
        wrong = connect("KEY-A", "wrong")
        assert code(wrong.list_objects_v2, Bucket=two_users.mine) == "403 SignatureDoesNotMatch"
        assert code(wrong.head_bucket, Bucket=two_users.mine) == "403 403"
        unknown = connect("KEY-X", "secret-a")
        assert code(unknown.list_objects_v2, Bucket=two_users.mine) == "403 InvalidAccessKeyId"

    def test_a_suspended_user_is_refused_until_it_is_let_in(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        s3 = connect()
        s3_backend.suspend_user("a", True)
        assert code(s3.list_objects_v2, Bucket=two_users.mine) == "403 UserSuspended"
        assert code(s3.head_bucket, Bucket=two_users.mine) == "403 403"
        s3_backend.suspend_user("a", False)
        s3.list_objects_v2(Bucket=two_users.mine)

    def test_new_keys_replace_the_old_ones(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        s3_backend.put_user("a", "KEY-A", "new-secret")
        assert code(connect().list_objects_v2, Bucket=two_users.mine) == "403 SignatureDoesNotMatch"
        connect("KEY-A", "new-secret").list_objects_v2(Bucket=two_users.mine)
        s3_backend.put_user("a", "KEY-C", "new-secret")
        assert code(connect("KEY-A", "new-secret").list_objects_v2, Bucket=two_users.mine) == "403 InvalidAccessKeyId"
        connect("KEY-C", "new-secret").list_objects_v2(Bucket=two_users.mine)

    def test_an_owner_change_takes_existing_objects_along(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        place = {"Bucket": two_users.mine, "Key": "k"}
        connect().put_object(**place, Body=b"content")
        s3_backend.set_owner(two_users.mine, "b")
        assert connect("KEY-B", "secret-b").get_object(**place)["Body"].read() == b"content"
        assert code(connect().get_object, **place) == "403 AccessDenied"
        s3_backend.set_owner(two_users.mine, "a")
        assert connect().get_object(**place)["Body"].read() == b"content"

    def test_objects_may_stay_behind_at_an_owner_change(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        bucket, old, new = two_users.mine, connect(), connect("KEY-B", "secret-b")
        for key in ("k", "over", "gone"):
            old.put_object(Bucket=bucket, Key=key, Body=b"old")
        s3_backend.set_owner(bucket, "b", False)

        def read(s3: Any, key: str) -> Any:
            return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

        assert read(old, "k") == b"old"
        assert old.head_object(Bucket=bucket, Key="k")["ContentLength"] == 3
        assert code(old.list_objects_v2, Bucket=bucket) == "403 AccessDenied"
        assert code(old.head_object, Bucket=bucket, Key="missing") == "403 403"
        assert code(old.put_object, Bucket=bucket, Key="k", Body=b"") == "403 AccessDenied"
        assert code(old.delete_object, Bucket=bucket, Key="k") == "403 AccessDenied"

        assert code(new.get_object, Bucket=bucket, Key="k") == "403 AccessDenied"
        assert code(new.head_object, Bucket=bucket, Key="k") == "403 403"
        source = {"Bucket": bucket, "Key": "k"}
        assert code(new.copy_object, Bucket=bucket, Key="copy", CopySource=source) == "403 AccessDenied"
        assert code(new.head_object, Bucket=bucket, Key="missing") == "404 404"
        new.put_object(Bucket=bucket, Key="over", Body=b"new")
        new.delete_object(Bucket=bucket, Key="gone")
        assert [item["Key"] for item in new.list_objects_v2(Bucket=bucket)["Contents"]] == ["k", "over"]
        assert read(new, "over") == b"new"
        assert code(old.get_object, Bucket=bucket, Key="over") == "403 AccessDenied"

        s3_backend.set_owner(bucket, "a", False)
        assert read(old, "k") == b"old"
        assert code(old.get_object, Bucket=bucket, Key="over") == "403 AccessDenied"
        assert read(new, "over") == b"new"
        assert code(new.list_objects_v2, Bucket=bucket) == "403 AccessDenied"
        s3_backend.set_owner(bucket, "a")
        assert (read(old, "k"), read(old, "over")) == (b"old", b"new")
        assert code(new.get_object, Bucket=bucket, Key="over") == "403 AccessDenied"

    def test_presigned_urls(self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace) -> None:
        s3 = connect(signature_version="s3v4")
        place = {"Bucket": two_users.mine, "Key": "ü ñ"}
        put = s3.generate_presigned_url("put_object", Params=place, ExpiresIn=60)
        assert requests.put(put, data=b"content").status_code == 200
        get = s3.generate_presigned_url("get_object", Params=place, ExpiresIn=60)
        assert requests.get(get).content == b"content"
        forged = get.replace("X-Amz-Expires=60", "X-Amz-Expires=61")
        assert requests.get(forged).status_code == 403
        s3_backend.suspend_user("a", True)
        assert requests.get(get).status_code == 403

    def test_a_presigned_url_expires(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3 = connect(signature_version="s3v4")
        s3.put_object(Bucket=two_users.mine, Key="k", Body=b"")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": two_users.mine, "Key": "k"}, ExpiresIn=1)
        assert requests.get(url).status_code == 200
        time.sleep(2.1)
        assert requests.get(url).status_code == 403

    def test_nobody_gets_in_without_a_key(self, connect: Connect, two_users: SimpleNamespace) -> None:
        connect().put_object(Bucket=two_users.mine, Key="k", Body=b"")
        for path in (f"/{two_users.mine}", f"/{two_users.mine}/k"):
            assert requests.get(connect.url + path).status_code == 403
        assert requests.put(f"{connect.url}/{two_users.mine}/k", data=b"").status_code == 403
        buckets = requests.get(connect.url)
        assert (buckets.status_code, "<Name>" in buckets.text) == (200, False)

    def test_contents_must_match_their_digest(self, connect: Connect, two_users: SimpleNamespace) -> None:
        s3 = connect(**WHEN_REQUIRED)
        wrong = "1B2M2Y8AsgTpgAmY7PhCfg=="  # of nothing
        place = {"Bucket": two_users.mine, "Key": "k"}
        assert code(s3.put_object, **place, Body=b"content", ContentMD5=wrong) == "400 BadDigest"
        assert code(s3.head_object, **place) == "404 404"


class TestAdministration:
    def test_usage_and_removal_with_contents(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        assert s3_backend.usage(two_users.mine) == (0, 0)
        for key in ("a", "b"):
            connect().put_object(Bucket=two_users.mine, Key=key, Body=b"x" * 1000)
        assert s3_backend.usage(two_users.mine) == (2000, 2)
        s3_backend.delete_bucket(two_users.mine)
        assert code(connect().list_objects_v2, Bucket=two_users.mine) == "404 NoSuchBucket"
        s3_backend.create_bucket(two_users.mine, "a")
        assert s3_backend.usage(two_users.mine) == (0, 0)

    def test_a_deleted_user_is_unknown(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        s3_backend.delete_bucket(two_users.mine)
        s3_backend.delete_user("a")
        assert code(connect().list_buckets) == "403 InvalidAccessKeyId"

    def test_a_reset_forgets_everything(
        self, connect: Connect, s3_backend: S3Backend, two_users: SimpleNamespace
    ) -> None:
        s3_backend.reset()
        assert code(connect().list_buckets) == "403 InvalidAccessKeyId"
        s3_backend.put_user("a", "KEY-A", "secret-a")
        assert connect().list_buckets()["Buckets"] == []


class TestThroughCivo:
    """The control plane's changes as S3 clients feel them."""

    @pytest.fixture
    def civo(self, s3_emulator: Emulator) -> Civo:
        return Civo(s3_emulator.url)

    def ready(self, civo: Civo, path: str) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found: dict[str, Any] = civo("GET", path).json()
            if found["status"] == "ready":
                return found
            time.sleep(0.01)
        raise AssertionError(f"{path} is {found['status']}")

    def keys(self, civo: Civo, credential_id: str) -> tuple[str, str]:
        credential = self.ready(civo, f"{CREDENTIALS}/{credential_id}")
        return credential["access_key_id"], credential["secret_access_key_id"]

    def test_a_store_is_a_bucket_of_its_owner(self, civo: Civo, connect: Connect) -> None:
        store = self.ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
        s3 = connect(*self.keys(civo, store["owner_info"]["credential_id"]))
        s3.put_object(Bucket="bucket-c", Key="k", Body=b"x" * 1500)
        assert store["objectstore_endpoint"] == connect.url.removeprefix("http://")
        assert civo("GET", f"objectstores/{store['id']}/stats").json() == {
            "size_kb_utilised": 2,
            "max_size_kb": 500_000_000,
            "num_objects": 1,
        }
        assert civo("DELETE", f"objectstores/{store['id']}").status_code == 200
        assert code(s3.list_objects_v2, Bucket="bucket-c") == "404 NoSuchBucket"

    def test_owner_keys_and_suspension(self, civo: Civo, connect: Connect) -> None:
        store = self.ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
        old = connect(*self.keys(civo, store["owner_info"]["credential_id"]))
        old.put_object(Bucket="bucket-c", Key="k", Body=b"content")
        other = civo.create_credential("other")["id"]
        keys = self.keys(civo, other)
        new = connect(*keys)
        assert code(new.get_object, Bucket="bucket-c", Key="k") == "403 AccessDenied"

        civo("PATCH", f"objectstores/{store['id']}", json={"access_key_id": keys[0]})
        assert new.get_object(Bucket="bucket-c", Key="k")["Body"].read() == b"content"
        assert code(old.get_object, Bucket="bucket-c", Key="k") == "403 AccessDenied"

        civo("PATCH", f"{CREDENTIALS}/{other}", json={"secret_access_key_id": "another-secret"})
        assert code(new.get_object, Bucket="bucket-c", Key="k") == "403 SignatureDoesNotMatch"
        new = connect(keys[0], "another-secret")
        new.get_object(Bucket="bucket-c", Key="k")

        civo("PATCH", f"{CREDENTIALS}/{other}", json={"suspended": True})
        assert code(new.get_object, Bucket="bucket-c", Key="k") == "403 UserSuspended"
        civo("PATCH", f"{CREDENTIALS}/{other}", json={"suspended": False})
        new.get_object(Bucket="bucket-c", Key="k")

    def test_an_owner_change_of_the_bucket_alone(
        self, civo: Civo, connect: Connect, s3_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3_emulator.settings, "owner_change", "bucket")
        store = self.ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
        old = connect(*self.keys(civo, store["owner_info"]["credential_id"]))
        old.put_object(Bucket="bucket-c", Key="k", Body=b"content")
        keys = self.keys(civo, civo.create_credential("other")["id"])
        new = connect(*keys)

        answer = civo("PATCH", f"objectstores/{store['id']}", json={"access_key_id": keys[0]})
        assert answer.json()["owner_info"]["access_key_id"] == keys[0]
        new.list_objects_v2(Bucket="bucket-c")
        assert code(new.get_object, Bucket="bucket-c", Key="k") == "403 AccessDenied"
        assert old.get_object(Bucket="bucket-c", Key="k")["Body"].read() == b"content"

    def test_s3_may_lag_behind(
        self, civo: Civo, connect: Connect, s3_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = self.ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
        first = store["owner_info"]["credential_id"]
        old = connect(*self.keys(civo, first))
        old.put_object(Bucket="bucket-c", Key="k", Body=b"content")

        monkeypatch.setattr(s3_emulator.settings, "s3_lag_seconds", 3600)
        other = civo.create_credential("other")["id"]
        keys = self.keys(civo, other)
        assert code(connect(*keys).list_buckets) == "403 InvalidAccessKeyId"
        civo("PATCH", f"objectstores/{store['id']}", json={"access_key_id": keys[0]})
        civo("PATCH", f"{CREDENTIALS}/{other}", json={"secret_access_key_id": "another-secret"})
        civo("PATCH", f"{CREDENTIALS}/{first}", json={"suspended": True})
        assert civo("DELETE", f"{CREDENTIALS}/{first}").status_code == 200
        late = self.ready(civo, f"objectstores/{civo.create('bucket-d', access_key_id=keys[0])['id']}")
        assert civo("GET", f"objectstores/{store['id']}/stats").json()["num_objects"] == 1
        assert civo("GET", f"objectstores/{late['id']}/stats").json()["num_objects"] == 0
        assert old.get_object(Bucket="bucket-c", Key="k")["Body"].read() == b"content"

        monkeypatch.setattr(s3_emulator.settings, "s3_lag_seconds", 0)
        civo("PATCH", f"{CREDENTIALS}/{other}", json={"secret_access_key_id": "last-secret"})
        new = connect(keys[0], "last-secret")
        assert new.get_object(Bucket="bucket-c", Key="k")["Body"].read() == b"content"
        new.put_object(Bucket="bucket-d", Key="k", Body=b"")
        assert code(old.get_object, Bucket="bucket-c", Key="k") == "403 InvalidAccessKeyId"

    def test_s3_lags_for_so_long(
        self, civo: Civo, connect: Connect, s3_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        credential_id = civo.create_credential("mine")["id"]
        access_key, secret = self.keys(civo, credential_id)
        monkeypatch.setattr(s3_emulator.settings, "s3_lag_seconds", 0.5)
        asked = time.monotonic()
        civo("PATCH", f"{CREDENTIALS}/{credential_id}", json={"secret_access_key_id": "another-secret"})
        connect(access_key, secret).list_buckets()
        while True:
            try:
                connect(access_key, "another-secret").list_buckets()
                break
            except ClientError:
                assert time.monotonic() < asked + 20
        assert time.monotonic() > asked + 0.5

    def test_a_reset_drops_what_s3_does_not_know_yet(
        self, civo: Civo, connect: Connect, s3_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3_emulator.settings, "s3_lag_seconds", 3600)
        early = self.keys(civo, civo.create_credential("early")["id"])
        s3_emulator.reset()
        assert s3_emulator.settings.s3_lag_seconds == 3600
        monkeypatch.setattr(s3_emulator.settings, "s3_lag_seconds", 0)
        connect(*self.keys(civo, civo.create_credential("late")["id"])).list_buckets()
        time.sleep(0.1)
        assert code(connect(*early).list_buckets) == "403 InvalidAccessKeyId"

    def test_a_removed_credential_is_refused(self, civo: Civo, connect: Connect) -> None:
        credential_id = civo.create_credential("short-lived")["id"]
        s3 = connect(*self.keys(civo, credential_id))
        assert s3.list_buckets()["Buckets"] == []
        assert civo("DELETE", f"{CREDENTIALS}/{credential_id}").status_code == 200
        assert code(s3.list_buckets) == "403 InvalidAccessKeyId"

    def test_a_reset_empties_s3_too(self, civo: Civo, connect: Connect, s3_emulator: Emulator) -> None:
        store = self.ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
        keys = self.keys(civo, store["owner_info"]["credential_id"])
        s3_emulator.reset()
        assert code(connect(*keys).list_buckets) == "403 InvalidAccessKeyId"
        self.ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
