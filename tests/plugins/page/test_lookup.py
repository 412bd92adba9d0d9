from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook
from sqlalchemy import text as sql

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.plugins.page.lookup import look_up, same_ids
from tests.plugins.page.conftest import Browser

SECRET = "hunter2-hunter2"


@pytest.fixture
def may_read(metadata_database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The ids that a user may read, as an auth manager with a policy for each connection says."""
    from airflow.api_fastapi.app import get_auth_manager

    ids: set[str] = set()
    monkeypatch.setattr(
        get_auth_manager(), "is_authorized_connection", lambda *, details, **_: details and details.conn_id in ids
    )
    return ids


class Backend:
    """
    A secrets backend.

    :param found: what it returns, or raises.
    """

    def __init__(self, found: Any) -> None:
        self._found = found

    def get_connection(self, conn_id: str) -> Any:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Lets Airflow have one secrets backend only."""

    def use(found: Any) -> None:
        name = "airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded"
        monkeypatch.setattr(name, lambda *_: [Backend(found)])

    return use


def content(browser: Browser, address: str) -> str:
    answer = browser.fragment(address)
    assert answer.status_code == 200
    assert SECRET not in answer.text
    return unescape(answer.text)


def in_environment(monkeypatch: pytest.MonkeyPatch, conn_id: str, connection: Any) -> None:
    value = connection if isinstance(connection, str) else json.dumps(connection)
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", value)


@pytest.mark.parametrize("view", ["stores", "requests", "connection", "tasks", "value"])
def test_an_id_in_another_case_opens_no_connection_of_the_environment(
    view: str,
    browser: Browser,
    stored: Emulator,
    store_connection: Callable[..., None],
    may_read: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Airflow's look-up asks the environment first, and there case does not count."""
    anypoint = stored.connections()["anypoint_default"]
    store_connection("prod", anypoint)
    in_environment(monkeypatch, "PROD", {**anypoint, "extra": {**anypoint["extra"], "organization_id": "env-org"}})
    address = f"/{view}/prod?store=s&partition=p&key=k"
    may_read.update({"prod", "PROD"})
    allowed = browser.fragment(address)
    assert allowed.status_code == 200
    asked = stored.requests()["total"]
    for rights in ({"prod"}, {"PROD"}):
        may_read.clear()
        may_read.update(rights)
        refused = browser.fragment(address)
        assert refused.status_code == 403
        assert "env-org" not in refused.text
    assert "in lower and upper case" in browser.fragment(address.replace("prod", "PROD")).text
    assert stored.requests()["total"] == asked


def test_exactly_the_stored_connection_needs_no_other_right(
    browser: Browser, stored: Emulator, store_connection: Callable[..., None], may_read: set[str]
) -> None:
    for conn_id in ("prod", "PROD"):
        store_connection(conn_id, stored.connections()["anypoint_default"], organization_id=f"org-of-{conn_id}")
    may_read.add("prod")
    assert "org-of-prod" in content(browser, "/stores/prod")
    assert browser.fragment("/stores/PROD").status_code == 403
    assert browser.fragment("/stores/Prod").status_code == 403


def test_whether_there_is_another_connection_is_not_told(
    browser: Browser, stored: Emulator, may_read: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    may_read.add("pRod")
    answers = []
    for value in (None, "{", stored.connections()["anypoint_default"]):
        if value:
            in_environment(monkeypatch, "PROD", value)
        answers.append(browser.fragment("/stores/pRod"))
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize(
    ("conn_id", "ids"),
    [
        ("1", {"1"}),
        ("a/B", {"a/B", "a/b", "A/B"}),
        ("te\N{LATIN SMALL LETTER LONG S}t", {"te\N{LATIN SMALL LETTER LONG S}t", "TEST", "test", "Test"}),
    ],
)
def test_ids_that_the_environment_takes_for_the_same(
    conn_id: str, ids: set[str], store_connection: Callable[..., None]
) -> None:
    store_connection("Test", {"conn_type": "http"})
    assert same_ids(conn_id) == ids


@pytest.mark.parametrize("address", ["/stores/there", "/buckets/there", "/connection/there", "/tasks/there"])
def test_a_secrets_backend_that_denies_is_named(
    address: str, browser: Browser, stored: Emulator, backend: Callable[[Any], None]
) -> None:
    try:
        from airflow.sdk.exceptions import AirflowSecretsBackendAccessDenied as Denied
    except ImportError:
        Denied = PermissionError  # type: ignore[misc, assignment]
    backend(Denied(f"no {SECRET}"))
    text = content(browser, address)
    assert "connection 'there' could not be looked up" in text
    assert "access is denied" in text


def test_a_secrets_backend_that_fails_is_named(
    browser: Browser, stored: Emulator, backend: Callable[[Any], None]
) -> None:
    backend(RuntimeError(f"a token {SECRET}"))
    assert "the secrets backend Backend: what is there cannot be read (RuntimeError)" in content(
        browser, "/stores/there"
    )
    backend(None)
    assert "there is no connection 'nobody'" in content(browser, "/stores/nobody")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"extra": f"no JSON {SECRET}", "is_extra_encrypted": False}, "extra is no JSON object"),
        ({"extra": f'["{SECRET}"]', "is_extra_encrypted": False}, "extra is no JSON object"),
        ({"password": f"x{SECRET}", "is_encrypted": True}, "cannot be decrypted with Airflow's present Fernet key"),
        ({"extra": f'{{"auth": "no", "a": "{SECRET}"}}', "is_extra_encrypted": False}, "extra auth must be one of"),
        ({"extra": '{"control_plane": "mars"}', "is_extra_encrypted": False}, "extra control_plane must be one of"),
    ],
)
def test_a_stored_connection_that_is_broken_says_why(
    columns: dict[str, Any],
    said: str,
    browser: Browser,
    stored: Emulator,
    may_read: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.utils.session import create_session  # noqa: TID251
    from cryptography.fernet import Fernet

    if "is_encrypted" in columns:
        monkeypatch.setattr("airflow.models.crypto._fernet", None, raising=False)
        monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", Fernet.generate_key().decode())
    may_read.add("mule")
    with create_session() as session:
        values = ", ".join(f"{name} = :{name}" for name in columns)
        session.execute(sql(f"UPDATE connection SET {values} WHERE conn_id = 'mule'"), columns)
    for address in ("/stores/mule", "/connection/mule", "/tasks/mule"):
        text = content(browser, address)
        assert said in text
        assert "there is no connection" not in text


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        (f"{{{SECRET}", "environment variable AIRFLOW_CONN_BROKEN: what is there cannot be read (JSONDecodeError)"),
        ({"conn_type": "anypoint", "extra": f"no {SECRET}"}, "JSON object"),
        ({"conn_type": "anypoint", "port": SECRET}, "cannot be read (ValueError)"),
        ({"conn_type": "civo", "extra": [SECRET]}, "JSON object"),
        ({"conn_type": "civo", "password": 5, "extra": {"region": "LON1"}}, "cannot be"),
        (f"postgresql+psycopg2://u:{SECRET}@h/d", "is of type 'postgresql', which is neither anypoint nor civo"),
        ({"conn_type": f"https://u:{SECRET}@h"}, "is of type 'https', which is neither"),
        ({"conn_type": f"://{SECRET}"}, "is of no type that Airflow knows, which is neither"),
    ],
)
def test_a_broken_connection_of_the_environment_says_why(
    connection: Any, said: str, browser: Browser, stored: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment(monkeypatch, "broken", connection)
    assert said in content(browser, "/buckets/broken")


@pytest.mark.parametrize(
    "address",
    [
        "/stores/mule",
        "/value/mule?store=s&partition=p&key=k",
        "/connection/mule",
        "/tasks/mule",
        "/credentials/buckets",
    ],
)
def test_a_card_looks_its_connection_up_once(
    address: str, browser: Browser, stored: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_connection, looked_up = BaseHook.get_connection, []
    monkeypatch.setattr(
        BaseHook, "get_connection", lambda conn_id: looked_up.append(conn_id) or get_connection(conn_id)
    )
    for _ in range(2):
        assert browser.fragment(address).status_code == 200
    assert len(looked_up) == 1


def test_a_hook_never_looks_its_connection_up_again(
    stored: Emulator, store_connection: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that refuses the credentials could otherwise make the page open what nobody has checked."""
    hook = look_up("mule").hook
    assert hook is not None
    monkeypatch.setattr(BaseHook, "get_connection", lambda conn_id: pytest.fail("looked up"))
    assert hook.resolve() is hook.last_connection
