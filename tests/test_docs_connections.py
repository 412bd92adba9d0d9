"""docs/connections.md shows each connection in five forms, which are the same to a hook."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook, Connection
from airflow.secrets.local_filesystem import LocalFilesystemBackend

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

PAGE = (Path(__file__).parents[1] / "docs/connections.md").read_text()
SECTION = re.search(r"^## Without the form\n(.*?)^## ", PAGE, re.M | re.S)
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", SECTION[1] if SECTION else "", re.M | re.S)
ENVIRONMENT, URIS, COMMANDS = (shlex.split(code) for language, code in BLOCKS if language == "console")
HOOKS: dict[str, Any] = {"anypoint_default": AnypointObjectStoreHook, "civo_default": CivoObjectStoreHook}
Seen = dict[str, Any]


def seen(connection: Any) -> Seen:
    fields = ("conn_type", "login", "password", "schema", "port")
    return {**{name: getattr(connection, name) or None for name in fields}, "extra": connection.extra_dejson}


def exported(words: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Seen]:
    found = {}
    for word in words:
        if word != "export":
            name, _, value = word.partition("=")
            monkeypatch.setenv(name, value)
            conn_id = name.removeprefix("AIRFLOW_CONN_").lower()
            found[conn_id] = seen(BaseHook.get_connection(conn_id))
    return found


def test_all_forms_are_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forms = [exported(ENVIRONMENT, monkeypatch), exported(URIS, monkeypatch)]

    added = [COMMANDS[at + 3 : at + 6] for at, word in enumerate(COMMANDS) if word == "airflow"]
    assert [option for _, option, _ in added] == ["--conn-json"] * 2
    forms.append({conn_id: seen(Connection.from_json(value, conn_id)) for conn_id, _, value in added})

    (file,) = (code for language, code in BLOCKS if language == "json")
    path = tmp_path / "connections.json"
    path.write_text(file)
    backend = LocalFilesystemBackend(connections_file_path=str(path))
    forms.append({conn_id: seen(backend.get_connection(conn_id)) for conn_id in json.loads(file)})

    assert set(forms[0]) == set(HOOKS)
    assert [form for form in forms if form != forms[0]] == []


@pytest.mark.parametrize("words", [ENVIRONMENT, URIS], ids=["json", "uri"])
def test_hooks_take_them(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    exported(words, monkeypatch)
    urls = [next(iter(hook()._connection.base_urls.values())) for hook in HOOKS.values()]
    assert urls[0].startswith("https://object-store-eu-central-1.eu1.anypoint.mulesoft.com/")
    assert urls[1] == "https://api.civo.com/v2"


def test_the_http_host_of_a_uri_is_what_a_hook_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    (uri,) = re.findall(r"`(\w+://\S+http%3A\S+)`", PAGE)
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", uri)
    resolved = CivoObjectStoreHook().resolve()
    assert (resolved.base_urls["api"], resolved.bearer) == ("http://127.0.0.1:8089/v2", "API_KEY")


def test_the_example_of_retries_is_what_a_hook_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    section = re.search(r"^## Retries\n.*?^```console\n(.*?)^```", PAGE, re.M | re.S)
    assert section
    exported(shlex.split(section[1]), monkeypatch)
    retry = CivoObjectStoreHook().resolve().retry
    assert (retry.attempts, retry.deadline) == (10, 600)
