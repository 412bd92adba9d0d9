"""Civo's changes as S3 clients see them, and S3 backends that fail."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_objectstore.emulator import Emulator, Settings
from tests.emulator.conftest import CREDENTIALS, Civo, Connect, civo_error, s3_error


class TestOnS3:
    @pytest.fixture
    def civo(self, s3_emulator: Emulator) -> Civo:
        return Civo(s3_emulator.url)

    def wait_until_ready(self, civo: Civo, path: str) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            resource: dict[str, Any] = civo("GET", path).json()
            if resource["status"] == "ready":
                return resource
            time.sleep(0.01)
        raise AssertionError(f"{path} is {resource['status']}")

    def keys(self, civo: Civo, credential_id: str) -> tuple[str, str]:
        credential = self.wait_until_ready(civo, f"{CREDENTIALS}/{credential_id}")
        return credential["access_key_id"], credential["secret_access_key_id"]

    def test_a_bucket_that_was_deleted_through_s3(self, civo: Civo, connect: Connect) -> None:
        store = self.wait_until_ready(civo, f"objectstores/{civo.create('gone')['id']}")
        connect(*self.keys(civo, store["owner_info"]["credential_id"])).delete_bucket(Bucket="gone")
        response = civo("GET", f"objectstores/{store['id']}/stats")
        assert civo_error(response) == (500, "objectstore_backend_failed")
        assert civo("GET", f"objectstores/{store['id']}").json()["status"] == "ready"
        assert civo("DELETE", f"objectstores/{store['id']}").status_code == 200
        assert civo.create("gone")["name"] == "gone"

    def test_a_store_is_a_bucket_of_its_owner(self, civo: Civo, connect: Connect) -> None:
        store = self.wait_until_ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
        s3 = connect(*self.keys(civo, store["owner_info"]["credential_id"]))
        s3.put_object(Bucket="bucket-c", Key="k", Body=b"x" * 1500)
        assert store["objectstore_endpoint"] == connect.url.removeprefix("http://")
        assert civo("GET", f"objectstores/{store['id']}/stats").json() == {
            "size_kb_utilised": 2,
            "max_size_kb": 500_000_000,
            "num_objects": 1,
        }
        assert civo("DELETE", f"objectstores/{store['id']}").status_code == 200
        assert s3_error(s3.list_objects_v2, Bucket="bucket-c") == "404 NoSuchBucket"

    def test_changes_of_owner_keys_and_suspension(self, civo: Civo, connect: Connect) -> None:
        store = self.wait_until_ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
        old = connect(*self.keys(civo, store["owner_info"]["credential_id"]))
        old.put_object(Bucket="bucket-c", Key="k", Body=b"content")
        other = civo.create_credential("other")["id"]
        keys = self.keys(civo, other)
        new = connect(*keys)
        assert s3_error(new.get_object, Bucket="bucket-c", Key="k") == "403 AccessDenied"

        civo("PATCH", f"objectstores/{store['id']}", json={"access_key_id": keys[0]})
        assert new.get_object(Bucket="bucket-c", Key="k")["Body"].read() == b"content"
        assert s3_error(old.get_object, Bucket="bucket-c", Key="k") == "403 AccessDenied"

        civo("PATCH", f"{CREDENTIALS}/{other}", json={"secret_access_key_id": "another-secret"})
        assert s3_error(new.get_object, Bucket="bucket-c", Key="k") == "403 SignatureDoesNotMatch"
        new = connect(keys[0], "another-secret")
        new.get_object(Bucket="bucket-c", Key="k")

        civo("PATCH", f"{CREDENTIALS}/{other}", json={"suspended": True})
        assert s3_error(new.get_object, Bucket="bucket-c", Key="k") == "403 UserSuspended"
        civo("PATCH", f"{CREDENTIALS}/{other}", json={"suspended": False})
        new.get_object(Bucket="bucket-c", Key="k")

    def test_an_owner_change_without_the_objects(
        self, civo: Civo, connect: Connect, s3_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3_emulator.settings, "owner_change", "bucket")
        store = self.wait_until_ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
        old = connect(*self.keys(civo, store["owner_info"]["credential_id"]))
        old.put_object(Bucket="bucket-c", Key="k", Body=b"content")
        keys = self.keys(civo, civo.create_credential("other")["id"])
        new = connect(*keys)

        response = civo("PATCH", f"objectstores/{store['id']}", json={"access_key_id": keys[0]})
        assert response.json()["owner_info"]["access_key_id"] == keys[0]
        new.list_objects_v2(Bucket="bucket-c")
        assert s3_error(new.get_object, Bucket="bucket-c", Key="k") == "403 AccessDenied"
        assert old.get_object(Bucket="bucket-c", Key="k")["Body"].read() == b"content"

    def test_s3_may_lag_behind(
        self, civo: Civo, connect: Connect, s3_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = self.wait_until_ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
        first = store["owner_info"]["credential_id"]
        old = connect(*self.keys(civo, first))
        old.put_object(Bucket="bucket-c", Key="k", Body=b"content")

        monkeypatch.setattr(s3_emulator.settings, "s3_lag_seconds", 3600)
        other = civo.create_credential("other")["id"]
        keys = self.keys(civo, other)
        assert s3_error(connect(*keys).list_buckets) == "403 InvalidAccessKeyId"
        civo("PATCH", f"objectstores/{store['id']}", json={"access_key_id": keys[0]})
        civo("PATCH", f"{CREDENTIALS}/{other}", json={"secret_access_key_id": "another-secret"})
        civo("PATCH", f"{CREDENTIALS}/{first}", json={"suspended": True})
        assert civo("DELETE", f"{CREDENTIALS}/{first}").status_code == 200
        late = self.wait_until_ready(civo, f"objectstores/{civo.create('bucket-d', access_key_id=keys[0])['id']}")
        assert civo("GET", f"objectstores/{store['id']}/stats").json()["num_objects"] == 1
        assert civo("GET", f"objectstores/{late['id']}/stats").json()["num_objects"] == 0
        assert old.get_object(Bucket="bucket-c", Key="k")["Body"].read() == b"content"

        monkeypatch.setattr(s3_emulator.settings, "s3_lag_seconds", 0)
        civo("PATCH", f"{CREDENTIALS}/{other}", json={"secret_access_key_id": "last-secret"})
        new = connect(keys[0], "last-secret")
        assert new.get_object(Bucket="bucket-c", Key="k")["Body"].read() == b"content"
        new.put_object(Bucket="bucket-d", Key="k", Body=b"")
        assert s3_error(old.get_object, Bucket="bucket-c", Key="k") == "403 InvalidAccessKeyId"

    def test_s3_lags_for_the_time_that_is_set(
        self, civo: Civo, connect: Connect, s3_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        credential_id = civo.create_credential("mine")["id"]
        access_key, secret = self.keys(civo, credential_id)
        monkeypatch.setattr(s3_emulator.settings, "s3_lag_seconds", 0.5)
        requested = time.monotonic()
        civo("PATCH", f"{CREDENTIALS}/{credential_id}", json={"secret_access_key_id": "another-secret"})
        connect(access_key, secret).list_buckets()
        while True:
            try:
                connect(access_key, "another-secret").list_buckets()
                break
            except ClientError:
                assert time.monotonic() < requested + 120
        assert time.monotonic() > requested + 0.5

    def test_a_reset_drops_changes_that_still_wait(
        self, civo: Civo, connect: Connect, s3_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3_emulator.settings, "s3_lag_seconds", 3600)
        early = self.keys(civo, civo.create_credential("early")["id"])
        s3_emulator.reset()
        assert s3_emulator.settings.s3_lag_seconds == 3600
        monkeypatch.setattr(s3_emulator.settings, "s3_lag_seconds", 0)
        connect(*self.keys(civo, civo.create_credential("late")["id"])).list_buckets()
        time.sleep(0.1)
        assert s3_error(connect(*early).list_buckets) == "403 InvalidAccessKeyId"

    def test_a_deleted_credential_is_denied(self, civo: Civo, connect: Connect) -> None:
        credential_id = civo.create_credential("short-lived")["id"]
        s3 = connect(*self.keys(civo, credential_id))
        assert s3.list_buckets()["Buckets"] == []
        assert civo("DELETE", f"{CREDENTIALS}/{credential_id}").status_code == 200
        assert s3_error(s3.list_buckets) == "403 InvalidAccessKeyId"

    def test_a_reset_empties_s3_too(self, civo: Civo, connect: Connect, s3_emulator: Emulator) -> None:
        store = self.wait_until_ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")
        keys = self.keys(civo, store["owner_info"]["credential_id"])
        s3_emulator.reset()
        assert s3_error(connect(*keys).list_buckets) == "403 InvalidAccessKeyId"
        self.wait_until_ready(civo, f"objectstores/{civo.create('bucket-c')['id']}")


class BrokenS3:
    """An S3 backend whose methods do nothing. Those that are named fail."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            if name in self.broken:
                raise RuntimeError(f"{name} is broken")
            return "http://127.0.0.1:1" if name == "start" else None

        return call


def test_a_store_whose_bucket_cannot_be_created_fails() -> None:
    with Emulator(Settings(creating_seconds=0), s3=BrokenS3("create_bucket", "delete_bucket")) as emulator:
        civo = Civo(emulator.url)
        store_id = civo.create("store")["id"]
        for _ in range(100):
            if (status := civo("GET", f"objectstores/{store_id}").json()["status"]) != "creating":
                break
        assert status == "failed"
        assert civo("DELETE", f"objectstores/{store_id}").status_code == 200


def test_a_change_that_fails_on_s3_is_an_error() -> None:
    with Emulator(Settings(creating_seconds=0), s3=BrokenS3("suspend_user")) as emulator:
        civo = Civo(emulator.url)
        credential_id = civo.create_credential("mine")["id"]
        response = civo("PATCH", f"{CREDENTIALS}/{credential_id}", json={"suspended": True})
    assert civo_error(response) == (500, "objectstore_backend_failed")
