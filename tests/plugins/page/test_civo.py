from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.plugins.page import civo, services
from airflow_provider_objectstore.plugins.page.services import PageCivoHook
from airflow_provider_objectstore.rotation.names import RotationId, name_for
from tests.plugins.page.conftest import Browser


@pytest.fixture
def account(stored: Emulator) -> CivoObjectStoreHook:
    return PageCivoHook("buckets")


def row(text: str, name: str) -> str:
    (found,) = (part for part in text.split("<tr>") if f">{name}<" in part)
    return found


def rotated(base: str, days: int) -> str:
    return name_for(base, RotationId.of(datetime.now(UTC) - timedelta(days=days), "a run"))


def test_buckets_with_their_use(browser: Browser, account: CivoObjectStoreHook) -> None:
    account.create_object_store("pictures", 1000)
    text = browser.fragment("/buckets/buckets").text
    shown = row(text, "pictures")
    assert "1\N{NARROW NO-BREAK SPACE}000 GB" in shown
    assert "<meter" in shown
    assert "0.0 %" in shown
    assert " style=" not in text
    assert "CivoGrowObjectStoreOperator" in text
    assert "GB" in browser.fragment("/quota/buckets").text


def test_a_use_that_cannot_be_read_leaves_the_others(
    browser: Browser, account: CivoObjectStoreHook, stored: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.create_object_store("pictures")
    stored.faults([{"operation": "civo.get_object_store_stats", "kind": "status", "status": 403}])
    shown = row(browser.fragment("/buckets/buckets").text, "pictures")
    stored.faults([])
    assert "500 GB" in shown
    assert "403" in shown


def test_a_slow_service_shows_the_buckets_without_their_use(
    browser: Browser, account: CivoObjectStoreHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.create_object_store("pictures")
    monkeypatch.setattr(services.Budget, "is_spent", True)
    assert "the service is slow" in row(browser.fragment("/buckets/buckets").text, "pictures")


def test_credentials_with_their_age(browser: Browser, account: CivoObjectStoreHook) -> None:
    names = {"old": rotated("old", 100), "new": rotated("new", 3)}
    for name in names.values():
        credential = account.create_credential(name)
        account.create_object_store(f"of-{name[:3]}", access_key_id=credential.access_key_id)
    account.create_object_store("of-new-too", access_key_id=credential.access_key_id)
    account.create_credential("nobodys")
    text = browser.fragment("/credentials/buckets").text
    old, new, nobodys = row(text, names["old"]), row(text, names["new"]), row(text, "nobodys")
    assert "100 days ago" in old
    assert (">due<" in old, ">shared<" in old, ">orphan<" in old) == (True, False, False)
    assert "of-new, of-new-too" in new
    assert (">due<" in new, ">shared<" in new, ">orphan<" in new) == (False, True, False)
    assert "none known" in nobodys
    assert (">due<" in nobodys, ">shared<" in nobodys, ">orphan<" in nobodys) == (False, False, True)


def test_the_cards_of_a_connection_list_its_buckets_once(
    browser: Browser, account: CivoObjectStoreHook, stored: Emulator
) -> None:
    account.create_object_store("pictures")
    before = stored.requests()["by_operation"].get("civo.list_object_stores", {}).get("200", 0)
    for view in ("buckets", "quota", "credentials"):
        browser.fragment(f"/{view}/buckets")
    assert stored.requests()["by_operation"]["civo.list_object_stores"]["200"] == before + 1


def test_secrets_are_neither_shown_nor_kept(
    browser: Browser, account: CivoObjectStoreHook, caplog: pytest.LogCaptureFixture
) -> None:
    credential = account.create_credential("app")
    assert len(credential.secret_access_key) > 10
    shown = browser.fragment("/credentials/buckets").text
    assert credential.access_key_id in shown
    kept = str(civo._credentials(PageCivoHook("buckets"), {}))
    for text in (shown, kept, caplog.text):
        assert credential.secret_access_key not in text
