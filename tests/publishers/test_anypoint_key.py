from __future__ import annotations

import copy
import json
import pickle
from collections import Counter

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.settings import READER_ID
from airflow_provider_objectstore.exceptions import (
    AuthenticationError,
    NotFoundError,
    ObjectStoreError,
    PermissionDeniedError,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import AnypointKeyPublisher
from airflow_provider_objectstore.transport import client as sync_client

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


class TestPrepare:
    def test_publishing_is_one_request(self, emulator: Emulator, lookups: Counter[str]) -> None:
        AnypointObjectStoreHook().create_store("mule")
        sync_client._states.clear()  # a new process has no token
        lookups.clear()
        seen = requests(emulator)
        prepared = PUBLISHER.prepare()
        assert requests(emulator) - seen == Counter(["token", "key_exists", "get_store"])
        for credential in (CREDENTIAL, CREDENTIAL, ALONE):
            seen = requests(emulator)
            prepared.publish(credential)
            assert requests(emulator) - seen == Counter(["put_key"])
            prepared.verify(credential)
            assert requests(emulator) - seen == Counter(["put_key", "get_key"])
            PUBLISHER.verify(credential)
        seen = requests(emulator)
        PUBLISHER.prepare()
        assert requests(emulator) - seen == Counter(["key_exists"])
        with pytest.raises(ObjectStoreError, match="does not hold what was published"):
            prepared.verify(CREDENTIAL)
        assert lookups["anypoint_default"] == 1 + 3 + 1

    def test_it_changes_nothing(self, emulator: Emulator) -> None:
        hook = AnypointObjectStoreHook()
        hook.create_store("mule")
        hook.put_key("mule", "credentials", "s3", "as it was")
        PUBLISHER.prepare()
        assert hook.get_key("mule", "credentials", "s3").value == "as it was"

    @pytest.mark.parametrize("problem", [None, RuntimeError("a broken plugin")])
    def test_airflows_plugins_are_loaded(
        self, problem: Exception | None, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first operation that reports lineage loads them all, which takes a while."""
        from airflow_provider_objectstore import assets

        loaded = []

        def load() -> None:
            loaded.append(True)
            if problem:
                raise problem

        monkeypatch.setattr(assets, "lineage_collector", load)
        AnypointObjectStoreHook().create_store("mule")
        PUBLISHER.prepare()
        assert loaded == [True]

    def test_a_store_that_does_not_exist(self, emulator: Emulator) -> None:
        with pytest.raises(NotFoundError, match="mule"):
            PUBLISHER.prepare()

    def test_keys_may_be_written_by_one_who_may_not_view_stores(self, emulator: Emulator) -> None:
        AnypointObjectStoreHook().create_store("mule")
        emulator.faults([{"operation": "anypoint.get_store", "kind": "status", "status": 403}])
        PUBLISHER.prepare().publish(CREDENTIAL)

    def test_one_who_may_not_read(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        AnypointObjectStoreHook().create_store("mule")
        connection = {**emulator.connections()["anypoint_default"], "login": READER_ID}
        monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(connection))
        with pytest.raises(PermissionDeniedError):
            PUBLISHER.prepare()
        monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps({**connection, "password": "wrong"}))
        with pytest.raises(AuthenticationError):
            PUBLISHER.prepare()
        monkeypatch.delenv("AIRFLOW_CONN_ANYPOINT_DEFAULT")
        with pytest.raises(AirflowNotFoundException, match="Airflow finds no connection 'anypoint_default'"):
            PUBLISHER.prepare()

    def test_nothing_of_it_stays_in_the_publisher(self, emulator: Emulator) -> None:
        AnypointObjectStoreHook().create_store("mule")
        publisher = AnypointKeyPublisher("mule", "credentials", "s3")
        fields = dict(vars(publisher))
        assert publisher.prepare() is not publisher
        assert vars(publisher) == fields
        assert publisher == PUBLISHER == copy.deepcopy(publisher) == pickle.loads(pickle.dumps(publisher))


def requests(emulator: Emulator) -> Counter[str]:
    """The requests so far, by operation."""
    counts = emulator.requests()["by_operation"]
    return Counter({name.partition(".")[2]: sum(by_status.values()) for name, by_status in counts.items()})
