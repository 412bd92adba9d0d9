from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_objectstore.operators.anypoint import AnypointDeleteStoreOperator
from airflow_provider_objectstore.operators.anypoint_keys import AnypointPutKeyOperator
from airflow_provider_objectstore.operators.civo_credentials import CivoDeleteCredentialOperator
from airflow_provider_objectstore.operators.copy_store import AnypointCopyStoreOperator
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.plugins.object_stores import page_address
from airflow_provider_objectstore.plugins.operator_links import ObjectStoreLink, address
from airflow_provider_objectstore.plugins.operator_uses import Place, Unknown
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.sensors.civo import CivoObjectStoreSensor
from airflow_provider_objectstore.transfers.sync_folder import SyncFolderOperator
from tests import features
from tests.plugins.page import airflow_records as records
from tests.plugins.page.conftest import metadata_database  # noqa: F401

OPERATORS = (
    AnypointDeleteStoreOperator,
    AnypointPutKeyOperator,
    AnypointCopyStoreOperator,
    AnypointPurgePartitionsOperator,
    AnypointKeySensor,
    CivoObjectStoreSensor,
)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((("s",), ("p",), ("k",)), "/keys/mule?store=s&partition=p&prefix=k"),
        ((("s",), ("p",), ("k", "l")), "/keys/mule?store=s&partition=p"),
        ((("s",), Unknown.VALUE, ("k",)), "/partitions/mule?store=s"),
        ((("s",), None), "/partitions/mule?store=s"),
        ((Unknown.VALUE,), "/connection/mule"),
        ((("a b/ä&c",),), "/partitions/mule?store=a%20b%2F%C3%A4%26c"),
    ],
)
def test_a_link_leads_as_far_as_is_known(names: Any, expected: str) -> None:
    assert address(Place("writes", "anypoint", "mule", None, names)) == expected


def test_a_bucket_has_an_address_and_another_region_none() -> None:
    assert address(Place("grows", "civo", "a/b", None, (("logs",),))) == "/tasks/a%2Fb?bucket=logs"
    assert address(Place("grows", "civo", "c", "NYC1", (("logs",),))) == ""


def test_a_name_that_no_address_can_hold_has_no_link() -> None:
    assert address(Place("writes", "anypoint", "mule", None, (("s",), ("\udcff",)))) == ""


@pytest.mark.parametrize("id", ["..%2f..%2fapi", "../x", "a//b", "a\\b", "a?store=b", "a#b", "", "a\nb", "\udcff"])
def test_an_odd_id_gives_no_link(id: str) -> None:
    assert address(Place("writes", "anypoint", id, None, (("s",),))) == ""


def test_in_the_frame_where_airflow_shows_addresses_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://a.example/team/")
    framed = "/team/plugin/object-stores" if features.STATE_STORES else ""
    assert page_address() == f"{framed}/team/object-stores"


def test_workers_store_no_link() -> None:
    """An operator's own links become an XCom of each task."""
    assert all(not kind.operator_extra_links for kind in OPERATORS)


@pytest.fixture(scope="module")
def stored(metadata_database: None) -> Iterator[Any]:  # noqa: F811
    with DAG("links", schedule=None) as dag:
        AnypointPutKeyOperator(task_id="constant", store_id="s", partition="p", key="k", value=1)
        AnypointPutKeyOperator(task_id="template", store_id="s", partition="{{ ds }}", key="k", value=1)
        AnypointPutKeyOperator(task_id="rendered", store_id="s", partition="{{ ds }}", key="k", value=1)
        AnypointKeySensor(task_id="waits", store_id="s", partition="p", keys=["a", "b"], anypoint_conn_id="other")
        AnypointPutKeyOperator.partial(task_id="mapped", store_id="s", partition="p", value=1).expand(key=["a", "b"])
        AnypointPutKeyOperator(task_id="region", store_id="s", partition="p", key="k", value=1, region="eu-west-1")
        CivoObjectStoreSensor(task_id="bucket", object_store="logs")
        AnypointCopyStoreOperator(task_id="copy", source="a", target="b", target_conn_id="there")
        NotOurs(task_id="theirs")
        SyncFolderOperator(task_id="sync", source="file:///a", target="osv2://mule@s/p/x")
        SyncFolderOperator(task_id="sync_elsewhere", source="civo://b", target="s3://b")
        CivoDeleteCredentialOperator(task_id="credential", credential="app")
    with records.emptied():
        records.save(dag)
        records.run("links", "running", {})
        yield dag


class NotOurs(CivoObjectStoreSensor):
    """A class of a user's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(object_store="logs", **kwargs)


def link(task_id: str, map_index: int = -1) -> str | None:
    """Return a task's link as Airflow's API server does."""
    from airflow.models.dagrun import DagRun  # noqa: TID251
    from airflow.models.serialized_dag import SerializedDagModel  # noqa: TID251
    from airflow.utils.session import create_session  # noqa: TID251
    from sqlalchemy import select

    with create_session() as session:
        task = session.scalar(SerializedDagModel.latest_item_select_object("links")).dag.get_task(task_id)
        run = session.scalar(select(DagRun).where(DagRun.dag_id == "links"))
        instance = run.get_task_instance(task_id, session=session, map_index=map_index)
        return {name: task.get_extra_links(instance, name) for name in task.extra_links}.get("Object store")


@pytest.mark.parametrize(
    ("task_id", "expected"),
    [
        ("constant", "/keys/anypoint_default?store=s&partition=p&prefix=k"),
        ("template", "/partitions/anypoint_default?store=s"),
        ("waits", "/keys/other?store=s&partition=p"),
        ("bucket", "/tasks/civo_default?bucket=logs"),
        ("copy", "/partitions/there?store=b"),
        ("sync", "/keys/mule?store=s&partition=p"),
        ("sync_elsewhere", "/tasks/civo_default?bucket=b"),
        ("credential", "/connection/civo_default"),
    ],
)
def test_airflow_shows_the_link_of_a_task_that_has_not_run(task_id: str, expected: str, stored: Any) -> None:
    assert link(task_id) == page_address() + expected


@pytest.mark.parametrize("task_id", ["region", "theirs"])
def test_no_link_is_better_than_a_wrong_one(task_id: str, stored: Any) -> None:
    assert not link(task_id)


def test_what_has_run_is_linked_by_its_rendered_fields(stored: Any) -> None:
    fields = {"anypoint_conn_id": "mule", "region": None, "store_id": "s", "partition": "2026-03-01", "key": "***"}
    assert link("rendered") == f"{page_address()}/partitions/anypoint_default?store=s"
    records.render("links", "rendered", fields)
    assert link("rendered") == f"{page_address()}/keys/mule?store=s&partition=2026-03-01"
    assert not link("mapped", 1)
    records.render("links", "mapped", {**fields, "key": "b"}, map_index=1)
    assert link("mapped", 1) == f"{page_address()}/keys/mule?store=s&partition=2026-03-01&prefix=b"


def test_it_is_declared() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert f"{ObjectStoreLink.__module__}.{ObjectStoreLink.__name__}" in manager.extra_links_class_names
