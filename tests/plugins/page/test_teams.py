"""Connections that belong to teams, as Airflow has them with ``[core] multi_team``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from airflow.secrets.environment_variables import EnvironmentVariablesBackend
from sqlalchemy import delete, update
from sqlalchemy import text as sql

from airflow_provider_objectstore.emulator import Emulator
from tests.features import TEAMS
from tests.plugins.page.conftest import FRAGMENT, Browser

pytestmark = pytest.mark.skipif(not TEAMS, reason="needs Airflow 3.2")


@pytest.fixture
def teams(
    metadata_database: None, store_connection: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Two teams, ``red`` and ``blue``."""
    from airflow.models.connection import Connection  # noqa: TID251
    from airflow.models.team import Team  # noqa: TID251
    from airflow.utils.session import create_session  # noqa: TID251

    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    with create_session() as session:
        session.add_all([Team(name="red"), Team(name="blue")])
    yield
    with create_session() as session:
        session.execute(delete(Connection))
        session.execute(delete(Team))


@pytest.fixture
def give(teams: None, stored: Emulator) -> Callable[[str, str | None], None]:
    """Gives a connection to a team, or to none."""

    def give(conn_id: str, team: str | None) -> None:
        from airflow.models.connection import Connection  # noqa: TID251
        from airflow.utils.session import create_session  # noqa: TID251

        with create_session() as session:
            session.execute(update(Connection).where(Connection.conn_id == conn_id).values(team_name=team))

    return give


def get(browser: Browser, path: str, team: str | None, role: str = "OP", headers: dict[str, str] = FRAGMENT) -> Any:
    """Request an address of the page as somebody of a team."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    found: Any = SimpleAuthManagerUser(username=f"{team}", role=role, teams=[team] if team else [])
    browser._client.cookies.clear()
    browser._client.cookies.update({"_token": get_auth_manager().generate_jwt(found)})
    return browser._client.get(f"/object-stores{path}", headers=headers)


def test_a_connection_of_a_team_is_opened_for_those_who_may_read_it(
    browser: Browser, give: Callable[..., None]
) -> None:
    give("mule", "red")
    give("buckets", "blue")
    for team, mule, buckets in (("red", 200, 403), ("blue", 403, 200), (None, 403, 403)):
        start = get(browser, "/", team, headers={}).text
        assert ("/stores/mule" in start, "/buckets/buckets" in start) == (mule == 200, buckets == 200)
        for view in ("stores", "connection", "tasks", "requests"):
            answer = get(browser, f"/{view}/mule", team)
            assert answer.status_code == mule
            assert "there is no connection" not in answer.text
        assert get(browser, "/buckets/buckets", team).status_code == buckets
    assert "emulator-org" in get(browser, "/stores/mule", "red").text
    assert "emulator-org" in get(browser, "/stores/mule", None, "ADMIN").text


@pytest.mark.parametrize("id", ["mule", "2024"])  # the second has no case
def test_the_rights_of_a_team_are_asked_for_what_was_found_for_it(
    id: str,
    browser: Browser,
    stored: Emulator,
    give: Callable[..., None],
    store_connection: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection goes to another team: what was looked up for the first one is kept for seconds."""
    red = stored.connections()["anypoint_default"]
    red["extra"]["organization_id"] = "red-org"
    monkeypatch.setenv(f"AIRFLOW_CONN__RED___{id.upper()}", json.dumps(red))
    if id != "mule":
        store_connection(id, {"conn_type": "anypoint"})
    give(id, "red")
    assert "red-org" in get(browser, f"/stores/{id}", "red").text
    give(id, "blue")
    for view in ("connection", "stores", "tasks"):
        answer = get(browser, f"/{view}/{id}", "blue")
        assert answer.status_code == 403
        assert "red-org" not in answer.text
        assert get(browser, f"/{view}/{id}", "red").status_code == 403


@pytest.mark.parametrize("stored_id", [None, "_red___hidden", "_RED___HIDDEN"])
def test_an_id_that_spells_a_team_opens_nothing_of_it(
    stored_id: str | None,
    browser: Browser,
    stored: Emulator,
    give: Callable[..., None],
    store_connection: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before Airflow 3.3 it does, most of all for another team that has a connection of such an id."""
    as_before = staticmethod(lambda *_: False)
    monkeypatch.setattr(EnvironmentVariablesBackend, "_names_a_team_namespace", as_before, raising=False)
    monkeypatch.setenv("AIRFLOW_CONN__RED___HIDDEN", json.dumps(stored.connections()["anypoint_default"]))
    if stored_id:
        store_connection(stored_id, {"conn_type": "anypoint"})
        give(stored_id, "blue")
    for team in ("red", "blue", None):
        for id in ("_red___hidden", "_RED___HIDDEN", "hidden"):
            assert "emulator-org" not in get(browser, f"/stores/{id}", team).text
    assert not stored.requests()["total"]


def test_a_connection_of_a_team_that_cannot_be_used_says_why(browser: Browser, give: Callable[..., None]) -> None:
    from airflow.utils.session import create_session  # noqa: TID251

    give("mule", "red")
    with create_session() as session:
        session.execute(sql("UPDATE connection SET extra = 'gAAAAA', is_extra_encrypted = true WHERE conn_id = 'mule'"))
    shown = get(browser, "/stores/mule", "red")
    assert shown.status_code == 200
    assert "cannot be decrypted with Airflow's present Fernet key" in unescape(shown.text)
    assert get(browser, "/stores/mule", "blue").status_code == 403
