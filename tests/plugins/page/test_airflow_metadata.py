from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetWatcher, ObjectStoragePath
from sqlalchemy import event as sqlalchemy_event

from airflow_provider_objectstore.assets import anypoint_asset, civo_asset
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.operators.anypoint_keys import AnypointPutKeyOperator
from airflow_provider_objectstore.operators.base import AnypointOperator
from airflow_provider_objectstore.operators.civo_credentials import CivoDeleteCredentialOperator
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.plugins.page import airflow_metadata
from airflow_provider_objectstore.plugins.page.airflow_metadata import read_known, rights_of
from airflow_provider_objectstore.plugins.page.services import PageAnypointHook
from airflow_provider_objectstore.plugins.page.task_places import StoredTasks
from airflow_provider_objectstore.plugins.page.tasks import place_of
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.sensors.civo import CivoObjectStoreSensor
from airflow_provider_objectstore.transfers.sync_folder import SyncFolderOperator
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from tests.plugins.page import airflow_records as records
from tests.plugins.page.conftest import Browser

MULE: dict[str, Any] = {"anypoint_conn_id": "mule", "store_id": "orders", "partition": "inbox"}

DAGS = 12


def partition_asset(services: Emulator, **fields: Any) -> Asset:
    where = services.connections()["anypoint_default"]["extra"]
    names = {"store_id": "orders", "partition": "inbox", **fields}
    return anypoint_asset(
        organization_id=where["organization_id"], environment_id=where["environment_id"], region="us-east-1", **names
    )


@pytest.fixture
def known(stored: Emulator) -> Iterator[None]:
    """DAGs that have to do with ``orders/inbox`` and the bucket ``logs``, and others."""
    inbox = partition_asset(stored)
    trigger = AnypointKeyEventTrigger("orders", "inbox", keys="a/b", anypoint_conn_id="mule")
    key = partition_asset(stored, key="a/b", name="watched", watchers=[AssetWatcher(name="watcher", trigger=trigger)])
    with DAG("produces", schedule=None) as produces:
        AnypointPutKeyOperator(task_id="put", key="a/b", value=1, outlets=[inbox], **MULE)
        AnypointPutKeyOperator(task_id="elsewhere", key="x", value=1, **{**MULE, "store_id": "other"})
        AnypointPutKeyOperator(task_id="daily", key="{{ ds }}", value=1, **MULE)
    with DAG("consumes", schedule=[key], is_paused_upon_creation=False) as consumes:
        AnypointKeySensor(task_id="wait", keys=["a/b", "c"], **MULE)
        AnypointPurgePartitionsOperator(task_id="purge", store_id="orders", anypoint_conn_id="mule", include="*")
        AnypointKeySensor.partial(task_id="mapped", **MULE).expand(keys=[["a/b"], ["d"]])
        CivoObjectStoreSensor(task_id="bucket", object_store="logs", civo_conn_id="buckets")
        AnypointKeySensor(task_id="region", keys="a/b", region="eu-west-1", **MULE)
        AnypointKeySensor(task_id="their_connection", keys="a/b", **{**MULE, "anypoint_conn_id": "other"})
    with records.emptied():
        records.save(produces, consumes)
        records.run("produces", "success", {"put": "success"}, "first")
        records.run("consumes", "running", {"wait": "deferred"})
        records.event(inbox.uri, "produces", "put", "first")
        records.take_triggers("host-1")
        yield


def text(browser: Browser, address: str, user: str = "ann") -> str:
    answer = browser.fragment(f"/tasks/{address}", user)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", "", answer.text)))


def tasks_in(content: str) -> set[str]:
    return set(re.findall(r"(?:produces|consumes)\.(\w+)", content.partition("Assets")[0]))


def test_tasks_are_found_by_their_stored_dags(browser: Browser, known: None) -> None:
    key = text(browser, "mule?store=orders&partition=inbox&key=a/b")
    assert tasks_in(key) == {"put", "daily", "wait", "purge", "mapped"}
    assert "consumes.wait waits for orders / inbox / a/b, c deferred 2025-03-01 12:30 UTC" in key
    assert "consumes.purge purges orders / all not started" in key
    assert "produces.daily writes perhaps orders / inbox / by template not started" in key
    assert "consumes.mapped waits for perhaps orders / inbox / by template 2 not started" in key
    assert tasks_in(text(browser, "mule?store=orders&partition=inbox&key=d")) == {"daily", "purge", "mapped"}
    assert tasks_in(text(browser, "mule?store=orders")) == {"put", "daily", "wait", "purge", "mapped"}
    assert tasks_in(text(browser, "mule?store=other")) == {"elsewhere"}
    assert tasks_in(text(browser, "mule")) == {"put", "daily", "wait", "purge", "mapped", "elsewhere"}
    assert tasks_in(text(browser, "buckets?bucket=logs")) == {"bucket"}
    assert tasks_in(text(browser, "buckets?bucket=log")) == set()


class TheirKeyOperator(AnypointPutKeyOperator):
    """A user's, which knows its place itself."""

    def __init__(self, *, key: str = "a", **kwargs: Any) -> None:
        super().__init__(**MULE, key=key, value=1, **kwargs)


class TheirOperator(AnypointOperator):
    """A user's, of the connection alone."""

    template_fields = (*AnypointOperator.template_fields, "what")
    what = "orders"


def test_subclasses_paths_and_credentials(browser: Browser, stored: Emulator) -> None:
    civo = {"civo_conn_id": "buckets"}
    with DAG("others", schedule=None) as dag:
        TheirKeyOperator(task_id="sub")
        TheirKeyOperator.partial(task_id="sub_mapped").expand(key=["a", "b"])
        TheirOperator(task_id="alone", anypoint_conn_id="mule")
        SyncFolderOperator(
            task_id="sync",
            source="osv2://mule@orders/inbox/x",
            target=ObjectStoragePath("civo://logs/y", conn_id="buckets"),
        )
        CivoDeleteCredentialOperator(task_id="delete", credential="app", **civo)
        CivoRotateCredentialOperator(task_id="by_name", credential="app", **civo)
    with records.emptied():
        records.save(dag)
        partition = text(browser, "mule?store=orders&partition=inbox&key=a")
        assert "others.sub uses (TheirKeyOperator) perhaps orders / inbox / a none" in partition
        assert "others.sync copies from orders / inbox none" in partition
        assert "others.alone" not in partition
        assert "others.sub " not in text(browser, "mule?store=orders&partition=inbox&key=b")
        assert "others.alone uses (TheirOperator) perhaps not known none" in text(browser, "mule")
        assert "sub_mapped" not in text(browser, "mule")  # its connection is in its class
        account = text(browser, "buckets")
        assert "others.sync copies to logs none" in account
        assert "others.delete deletes credential app none" in account
        assert "others.by_name rotates credential app none" in account
        bucket = text(browser, "buckets?bucket=logs")
        assert "others.sync copies to logs none" in bucket
        assert "app" not in bucket


def test_of_many_tasks_the_first_are_shown(browser: Browser, known: None, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = browser.fragment("/tasks/mule").text.count('data-label="What"')
    assert rows > 1
    monkeypatch.setattr(airflow_metadata, "MAX_TASKS", 1)
    text = browser.fragment("/tasks/mule").text
    assert text.count('data-label="What"') == 1
    assert f"And {rows - 1} more." in text


def test_assets_are_those_below_and_around(browser: Browser, known: None, stored: Emulator) -> None:
    partition = text(browser, "mule?store=orders&partition=inbox")
    assert "written by produces.put: success 2025-03-01 12:30 UTC" in partition
    assert "starts consumes: running" in partition
    assert "watcher triggerer host-1 alive 2025-03-01 12:30 UTC" in partition.replace(
        "AnypointKeyEventTrigger", "watcher"
    )
    assert "2025-03-01 12:30 UTC produces" in partition
    key = text(browser, "mule?store=orders&partition=inbox&key=a/b")
    assert "written by produces.put" in key
    assert "starts consumes" in key
    other = text(browser, "mule?store=orders&partition=inbox&key=a")
    assert "written by produces.put" in other
    assert "starts consumes" not in other
    assert "Airflow has no asset here" in text(browser, "mule?store=order")
    assert not stored.requests()["total"]


def test_an_asset_of_any_name_is_found_by_what_its_watcher_watches(browser: Browser, stored: Emulator) -> None:
    trigger = AnypointKeyEventTrigger("orders", "inbox", keys=["a", "b"], anypoint_conn_id="mule")
    asset = Asset("delivered", watchers=[AssetWatcher(name="watcher", trigger=trigger)])
    other = Asset("other", watchers=[AssetWatcher(name="w", trigger=AnypointKeyEventTrigger("orders", "inbox", "a"))])
    with DAG("started", schedule=[asset, other], is_paused_upon_creation=False) as dag:
        AnypointKeySensor(task_id="t", keys="x", **MULE)
    with records.emptied():
        records.save(dag)
        content = text(browser, "mule?store=orders&partition=inbox&key=a")
        assert "delivered starts started" in content
        assert "no triggerer runs it" in content
        assert "other" not in content
        assert "delivered" not in text(browser, "mule?store=orders&partition=inbox&key=c")


@pytest.mark.parametrize("stored_as", ["gAAAAABnot-of-this-key", "{broken", "[]"])
def test_a_trigger_that_cannot_be_read_leaves_the_others(stored_as: str, browser: Browser, stored: Emulator) -> None:
    from airflow.models.trigger import Trigger  # noqa: TID251
    from airflow.utils.session import create_session  # noqa: TID251

    triggers = [AnypointKeyEventTrigger("orders", "inbox", keys=key, anypoint_conn_id="mule") for key in ("a", "b")]
    found = [Asset(name, watchers=[AssetWatcher(name=name, trigger=t)]) for name, t in zip("xy", triggers, strict=True)]
    with DAG("started", schedule=found, is_paused_upon_creation=False) as dag:
        AnypointKeySensor(task_id="t", keys="x", **MULE)
    with records.emptied():
        records.save(dag)
        with create_session() as session:
            session.query(Trigger).order_by(Trigger.id).first().encrypted_kwargs = stored_as
        content = text(browser, "mule?store=orders&partition=inbox")
        assert content.count("starts started") == 1
        assert "1 event triggers are left out" in content


def test_links_lead_into_airflow(browser: Browser, known: None) -> None:
    content = browser.fragment("/tasks/mule?store=orders&partition=inbox").text
    found = set(re.findall(r'<a href="([^"]*)" data-airflow>', content))
    assert {
        "/dags/consumes",
        "/dags/consumes/tasks/wait",
        "/dags/consumes/runs/r1/tasks/wait",
        "/dags/consumes/runs/r1/tasks/mapped/mapped",
        "/dags/produces/runs/first/tasks/put",
    } <= found
    assert any(re.fullmatch(r"/assets/\d+", path) for path in found)


def test_a_name_is_text(browser: Browser, stored: Emulator) -> None:
    asset = partition_asset(stored, name="<img src=x onerror=attack()>\N{RIGHT-TO-LEFT OVERRIDE}")
    with DAG("hostile", schedule=None) as dag:
        AnypointPutKeyOperator(task_id="put", key="<b>{</b>", value=1, outlets=[asset], **MULE)
        AnypointPutKeyOperator(task_id="t", key="<b>k</b>", value=1, **MULE)
    with records.emptied():
        records.save(dag)
        content = browser.fragment("/tasks/mule?store=orders").text
        assert "&lt;img src=x onerror=attack()&gt;\\u202e" in content
        assert "&lt;b&gt;k&lt;/b&gt;" in content
        assert "<b>" not in content
        assert "<img" not in content


def test_a_bucket_and_its_objects_have_assets(browser: Browser, stored: Emulator) -> None:
    with DAG("writes", schedule=None) as dag:
        CivoObjectStoreSensor(
            task_id="t", object_store="x", outlets=[civo_asset(region="LON1", bucket="logs", path="a%b/c_d")]
        )
    with records.emptied():
        records.save(dag)
        assert "written by writes.t" in text(browser, "buckets?bucket=logs")
        assert "no asset" in text(browser, "buckets?bucket=log")


def test_what_a_user_may_not_read_is_not_shown(browser: Browser, known: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    manager, address = get_auth_manager(), "mule?store=orders&partition=inbox"
    monkeypatch.setattr(manager, "get_authorized_dag_ids", lambda **_: {"produces"})
    content = text(browser, address)
    assert "consumes" not in content
    assert "produces.put" in content
    monkeypatch.setattr(manager, "get_authorized_dag_ids", lambda **_: {"consumes"})
    content = text(browser, address)
    assert "produces" not in content
    assert "consumes.wait" in content
    assert "none that you may read" in content
    assert "host-1" in content
    monkeypatch.setattr(manager, "is_authorized_view", lambda **_: False)
    assert "host-1" not in text(browser, address)
    monkeypatch.setattr(manager, "is_authorized_asset", lambda **_: False)
    assert "You may not read assets" in text(browser, address)
    monkeypatch.setattr(manager, "is_authorized_dag", lambda **_: False)
    content = text(browser, address)
    assert "You may not read tasks" in content
    assert "consumes" not in content


@pytest.mark.parametrize("user", ["uma", "vic"])
def test_without_the_connection_nothing_is_told(user: str, browser: Browser, known: None) -> None:
    assert browser.fragment("/tasks/mule?store=orders", user).status_code == 403


def test_a_dag_that_changes_is_read_anew(browser: Browser, stored: Emulator) -> None:
    with records.emptied():
        for key in ("a", "b"):
            with DAG("changes", schedule=None) as dag:
                AnypointPutKeyOperator(task_id=key, key=key, value=1, **MULE)
            records.save(dag)
            assert f"changes.{key}" in (content := text(browser, "mule?store=orders"))
            assert content.count("changes.") == 1


def test_the_number_of_queries_does_not_grow_with_the_dags(browser: Browser, stored: Emulator) -> None:
    from airflow import settings  # noqa: TID251
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.utils.session import create_session  # noqa: TID251

    dags = []
    for number in range(DAGS):
        with DAG(f"d{number}", schedule=None) as dag:
            for task in range(5):
                outlets = [partition_asset(stored, key=f"{number}-{task}")]
                AnypointPutKeyOperator(task_id=f"t{task}", key=f"{number}-{task}", value=1, outlets=outlets, **MULE)
        dags.append(dag)
    user = SimpleAuthManagerUser(username="ann", role="ADMIN")
    statements: list[str] = []
    with records.emptied():
        records.save(*dags)
        for number in range(DAGS):
            records.run(f"d{number}", "success", {"t0": "success"})
        kept = StoredTasks()
        sqlalchemy_event.listen(settings.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        searched, uris = place_of(PageAnypointHook("mule"), {"store": "orders", "partition": "inbox"})
        for queries in (11, 10):
            statements.clear()
            with create_session(scoped=False) as session:
                found = read_known(session, rights_of(user, session), searched, uris, kept)
            assert len(statements) <= queries, "\n".join(statements)
            assert all(statement.startswith("SELECT") for statement in statements)
            assert (len(found.tasks), len(found.assets), found.more_assets) == (5 * DAGS, 5 * DAGS, False)
