"""One object, one dataset: of assets, paths and operators, with OpenLineage's own classes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset, ObjectStoragePath

from airflow_provider_objectstore.assets import anypoint_asset, civo_asset
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import StoreNotFoundError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.lineage import DataObject, in_store, of_path, to_openlineage
from airflow_provider_objectstore.operators.anypoint import (
    AnypointDeleteKeyOperator,
    AnypointDeleteStoreOperator,
    AnypointGetKeyOperator,
    AnypointPutKeyOperator,
)
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator, CivoDeleteObjectStoreOperator
from airflow_provider_objectstore.operators.copy_store import AnypointCopyStoreOperator
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator
from airflow_provider_objectstore.transfers.sync_folder import SyncFolderOperator
from tests.conftest import connect

openlineage = pytest.importorskip("airflow.providers.openlineage.extractors")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:(osv2|civo):UserWarning")]

OSV2 = "osv2://emulator-org.emulator-env.us-east-1"
PLACE = {"organization_id": "emulator-org", "environment_id": "emulator-env", "region": "us-east-1"}
KEY = {"store_id": "s", "partition": "p", "key": "k"}
DROP = "DROP"

Found = list[tuple[str, str] | tuple[str, str, str]]


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.put_key("s", "p", "k", "v")
    return hook


@pytest.fixture
def bucket(emulator: Emulator) -> str:
    hook = CivoObjectStoreHook()
    created = hook.create_object_store("photos")
    while not hook.get_object_store(created.id).ready:
        time.sleep(0.05)
    return "photos"


def shown(datasets: Iterable[Any]) -> Found:
    """Namespace, name, and what has become of it."""
    found: Found = []
    for dataset in datasets:
        change = (dataset.facets or {}).get("lifecycleStateChange")
        state = (getattr(change.lifecycleStateChange, "value", change.lifecycleStateChange),) if change else ()
        found.append((dataset.namespace, dataset.name, *state))
    return found


def lineage(task: Any) -> tuple[Found, Found]:
    """What a task tells OpenLineage; as the provider asks for it."""
    extractor = openlineage.base.DefaultExtractor(task)
    told = extractor.extract_on_complete(None)
    assert isinstance(told, openlineage.OperatorLineage)
    return shown(told.inputs), shown(told.outputs)


def run(kind: Any, **arguments: Any) -> tuple[Found, Found]:
    task = kind(task_id="t", **arguments)
    assert lineage(task) == ([], []), "a task that has not run has read and written nothing"
    task.execute({"outlet_events": {}})
    return lineage(task)


def reported(path: ObjectStoragePath) -> Any:
    """The dataset of a path as Airflow's lineage collector reports it."""
    return to_openlineage(Asset(uri=str(path)), path)


class TestAnObject:
    @pytest.mark.parametrize(
        ("key", "path", "name"),
        [
            ("k", "k", "s/p/k"),
            ("2026%2Fjan%2Fa", "2026/jan/a", "s/p/2026%252Fjan%252Fa"),
            ("é=1", "é=1", "s/p/%C3%A9=1"),
            ("a%20b", "a b", "s/p/a%2520b"),
        ],
    )
    def test_key_has_one_dataset(self, hook: AnypointObjectStoreHook, key: str, path: str, name: str) -> None:
        asset = anypoint_asset(**PLACE, store_id="s", partition="p", key=key)
        with_connection = ObjectStoragePath(f"osv2://anypoint_default@s/p/{path}")
        without = ObjectStoragePath(f"osv2://s/p/{path}")
        found = [
            to_openlineage(asset, None),
            to_openlineage(asset, hook),
            DataObject(hook, ("s", "p", key)).dataset(),
            *(reported(each) for each in (with_connection, without)),
            to_openlineage(Asset(uri=str(with_connection)), None),
        ]
        assert shown(found) == [(OSV2, name)] * len(found)

    def test_key_with_a_space_is_what_the_service_keeps(self, hook: AnypointObjectStoreHook) -> None:
        hook.put_key("s", "p", "a b", 1)
        (stored,) = hook.list_keys("s", "p", "a")
        spelled = [DataObject(hook, ("s", "p", key)).dataset() for key in ("a b", stored)]
        asset = to_openlineage(anypoint_asset(**PLACE, store_id="s", partition="p", key="a b"), None)
        assert shown([*spelled, asset]) == [(OSV2, "s/p/a+b")] * 3

    @pytest.mark.parametrize("path", ["photos/2026/a b.jpg", "photos/2026/", "photos"])
    def test_object_has_one_dataset(self, bucket: str, path: str) -> None:
        _, _, key = path.rstrip("/").partition("/")
        asset = to_openlineage(civo_asset(region="lon1", bucket="photos", path=key or None), None)
        paths = [ObjectStoragePath(f"civo://{conn}{path}") for conn in ("civo_default@", "")]
        expected = ("civo://LON1", path.rstrip("/").replace(" ", "%20"))
        assert shown([asset, *map(reported, paths)]) == [expected] * 3

    def test_region_is_the_connections_own(self, hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
        other = AnypointObjectStoreHook(organization_id="O", environment_id="e")
        assert shown([DataObject(other, ("s",)).dataset()]) == [("osv2://o.e.us-east-1", "s")]

    def test_of_another_scheme_is_its_providers(self, tmp_path: Path) -> None:
        paths = ["s3://aws_default@bucket/a/b", f"file://{tmp_path}/x", "memory://a/b"]
        found = [each for path in paths if (each := of_path(path))]
        assert shown(found) == [("s3://bucket", "a/b"), ("file", f"{tmp_path}/x")]

    def test_costs_no_look_up_in_a_forked_child(self, hook: AnypointObjectStoreHook, bucket: str) -> None:
        """OpenLineage builds its events in one, where the connection to the supervisor is the parent's."""
        paths = [ObjectStoragePath(path) for path in ("osv2://anypoint_default@s/p/k", "civo://civo_default@photos/a")]
        for path in paths:
            path.write_text("v")
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            try:
                for name in ("ANYPOINT", "CIVO"):
                    del os.environ[f"AIRFLOW_CONN_{name}_DEFAULT"]
                os.write(writing, json.dumps(shown(filter(None, map(reported, paths)))).encode())
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading) as pipe:
            assert json.loads(pipe.read()) == [[OSV2, "s/p/k"], ["civo://LON1", "photos/a"]]


class TestWhatCannotBeTold:
    @pytest.mark.parametrize(
        "uri",
        [
            "osv2://nobody@s/p/k",
            "civo://nobody@photos/a",
            "osv2://s/p/k",
            "osv2://a.b.c/p",
            "civo://b",
            "osv2://anypoint_default@s//k",
        ],
    )
    def test_is_left_out(self, emulator: Emulator, uri: str) -> None:
        assert to_openlineage(Asset(uri=uri), None) is None

    def test_is_left_out_with_a_path(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, emulator, region="not a region")
        for path in ("osv2://anypoint_default@s/p/k", "civo://civo_default@photos/a"):
            assert reported(ObjectStoragePath(path)) is None

    def test_does_not_keep_back_the_rest(self, hook: AnypointObjectStoreHook) -> None:
        task = AnypointPutKeyOperator(task_id="t", **KEY, value=1)
        task._record_lineage(inputs=[DataObject("civo://nobody@b/a")], outputs=[DataObject(hook, ("s", "p", "k"))])
        assert lineage(task) == ([], [(OSV2, "s/p/k")])


class TestAnOperator:
    def test_put_get_delete_key(self, hook: AnypointObjectStoreHook) -> None:
        key = (OSV2, "s/p/k")
        assert run(AnypointPutKeyOperator, **KEY, value=1) == ([], [key])
        assert run(AnypointGetKeyOperator, **KEY) == ([key], [])
        assert run(AnypointDeleteKeyOperator, **KEY) == ([], [(*key, DROP)])
        assert run(AnypointDeleteKeyOperator, **KEY) == ([], []), "it was not there"
        assert run(AnypointGetKeyOperator, **KEY, default=None) == ([], []), "nothing was read"

    def test_export_and_import(self, hook: AnypointObjectStoreHook, bucket: str) -> None:
        hook.create_store("t")
        path = "civo://civo_default@photos/exports/s"
        folder = ("civo://LON1", "photos/exports/s")
        assert run(AnypointExportOperator, store_id="s", path=path) == ([(OSV2, "s")], [folder])
        part = run(AnypointExportOperator, store_id="s", path=f"{path}-p", partitions="p")
        assert part == ([(OSV2, "s/p")], [("civo://LON1", "photos/exports/s-p")])
        assert run(AnypointImportOperator, store_id="t", path=path) == ([folder], [(OSV2, "t")])
        assert run(AnypointImportOperator, store_id="t", path=path, partitions=[]) == ([folder], [])

    def test_copy_of_a_store(self, hook: AnypointObjectStoreHook) -> None:
        assert run(AnypointCopyStoreOperator, source="s", target="t") == ([(OSV2, "s")], [(OSV2, "t")])
        named = run(AnypointCopyStoreOperator, source="s", target="t", partitions=["p"])
        assert named == ([(OSV2, "s/p")], [(OSV2, "t/p")])

    def test_copy_of_a_folder(self, hook: AnypointObjectStoreHook, bucket: str) -> None:
        (ObjectStoragePath("osv2://anypoint_default@s/p/folder") / "a").write_text("1")
        found = run(
            SyncFolderOperator,
            source="osv2://s/p/folder",
            source_conn_id="anypoint_default",
            target="civo://civo_default@photos/there",
        )
        assert found == ([(OSV2, "s/p/folder")], [("civo://LON1", "photos/there")])

    def test_purge(self, hook: AnypointObjectStoreHook) -> None:
        purge = AnypointPurgePartitionsOperator
        hook.put_key("s", "p", "tmp-1", 1)
        assert run(purge, store_id="s", partitions="p", dry_run=True) == ([], [])
        assert run(purge, store_id="s", partitions="p", key_prefix="tmp-") == ([], [(OSV2, "s/p")])
        assert run(purge, store_id="s", partitions="p") == ([], [(OSV2, "s/p", DROP)])
        assert run(purge, store_id="s", partitions="p") == ([], []), "there was nothing to delete"
        hook.put_key("s", "p", "k", 1)
        assert run(purge, store_id="s", include="p*") == ([], [(OSV2, "s")])

    def test_many_partitions_are_their_store(self, hook: AnypointObjectStoreHook) -> None:
        assert len(in_store(hook, "s", [f"p{number}" for number in range(100)])) == 100
        assert in_store(hook, "s", [f"p{number}" for number in range(101)]) == [DataObject(hook, ("s",))]

    def test_delete_store(self, hook: AnypointObjectStoreHook) -> None:
        assert run(AnypointDeleteStoreOperator, store_id="s") == ([], [(OSV2, "s", DROP)])
        assert run(AnypointDeleteStoreOperator, store_id="s") == ([], [])

    def test_object_stores(self, emulator: Emulator) -> None:
        photos = ("civo://LON1", "photos")
        assert run(CivoCreateObjectStoreOperator, name="photos", poke_interval=0.05) == ([], [photos])
        delete = {"object_store": "photos", "delete_contents": True}
        assert run(CivoDeleteObjectStoreOperator, **delete) == ([], [(*photos, DROP)])
        assert run(CivoDeleteObjectStoreOperator, **delete) == ([], [])

    def test_has_its_inlets_and_outlets_too(self, hook: AnypointObjectStoreHook) -> None:
        """The provider reads them only of tasks that tell it nothing."""
        own = anypoint_asset(**PLACE, store_id="s", partition="p", key="k")
        task = AnypointPutKeyOperator(
            task_id="t",
            **KEY,
            value=1,
            inlets=[Asset(uri="s3://bucket/key")],
            outlets=[own, civo_asset(region="LON1", bucket="photos"), Asset("other")],
        )
        hook.put_key("s", "p", "k", 1)
        task._record_lineage(outputs=[DataObject(hook, ("s", "p", "k"))])
        assert lineage(task) == ([("s3://bucket", "key")], [(OSV2, "s/p/k"), ("civo://LON1", "photos")])

    def test_that_failed_says_nothing(self, hook: AnypointObjectStoreHook) -> None:
        task = AnypointPutKeyOperator(task_id="t", store_id="absent", partition="p", key="k", value=1)
        with pytest.raises(StoreNotFoundError):
            task.execute({})  # type: ignore[typeddict-item]
        assert lineage(task) == ([], [])
