"""Only None means the connection's own: where a hook goes is never decided by something empty."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.fs.anypoint import AnypointFileSystem
from airflow_provider_objectstore.fs.civo_s3fs import CivoFileSystem
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.test_arguments import ANYTHING

PLACES = [
    (AnypointObjectStoreHook, "region"),
    (AnypointObjectStoreHook, "organization_id"),
    (AnypointObjectStoreHook, "environment_id"),
    (CivoObjectStoreHook, "region"),
]
each_place = pytest.mark.parametrize(("kind", "name"), PLACES)


@each_place
@pytest.mark.parametrize("empty", ["", " ", "\n", "None", 0, False, [], ["us-east-1"]], ids=repr)
def test_empty_is_refused(kind: type[Any], name: str, empty: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"^{name} must"):
        kind(**{name: empty})


@each_place
@given(value=ANYTHING)
def test_what_is_taken_is_a_name(kind: type[Any], name: str, value: Any) -> None:
    try:
        taken = getattr(kind(**{name: value}), name)
    except InvalidArgumentError:
        return
    assert taken is None if value is None else taken == value.strip() != ""


@each_place
def test_blanks_are_stripped_as_from_a_connection(kind: type[Any], name: str) -> None:
    assert getattr(kind(**{name: " there\n"}), name) == "there"


@pytest.mark.parametrize("kind", [AnypointObjectStoreHook, CivoObjectStoreHook])
@pytest.mark.parametrize("empty", ["", " ", None, "None"], ids=repr)
def test_a_connections_id(kind: type[Any], empty: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"^{kind.conn_name_attr} must"):
        kind(empty)
    assert getattr(kind(" mine "), kind.conn_name_attr) == "mine"


def test_none_means_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"organization_id": "o", "environment_id": "e", "region": "eu-west-1"}
    connection = {"conn_type": "anypoint", "login": "i", "password": "a secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(connection))
    labels = {"conn_id": "anypoint_default", **extra}
    assert AnypointObjectStoreHook().resolve().labels == labels
    assert AnypointObjectStoreHook(organization_id="other").resolve().labels == {**labels, "organization_id": "other"}


@pytest.mark.parametrize("empty", ["", " ", "None"], ids=repr)
def test_filesystems_go_nowhere_else(empty: str, emulator: Emulator) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^region must"):
        AnypointFileSystem("anypoint_default", region=empty, skip_instance_cache=True).ls("")
    with pytest.raises(InvalidArgumentError, match=r"^region must"):
        CivoFileSystem("civo_default", region=empty, skip_instance_cache=True).ls("")
    assert emulator.requests()["total"] == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda hook: hook.get_many("s", "p", None),
        lambda hook: hook.delete_many("s", "p", 5),
        lambda hook: hook.delete_many("s", "p", {"a": 1}),
        lambda hook: hook.put_many("s", "p", ["a"]),
        lambda hook: hook.list_keys("s", "p", 5),
        lambda hook: hook.list_keys("s", "p", "\ud800"),
        lambda hook: hook.create_store("s", attributes="None"),
        lambda hook: hook.delete_key("s", "p", "k", confirmable="False"),
    ],
)
def test_no_raw_errors_from_hooks(call: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        list(call(AnypointObjectStoreHook()) or ())


@pytest.mark.parametrize("keys", [{"access_key_id": "AK", "secret_access_key": 12345678}, {"access_key_id": " "}])
def test_keys_of_a_credential_are_text(keys: Any) -> None:
    for call in (lambda hook: hook.create_credential("x", **keys), lambda hook: hook.update_credential("1", **keys)):
        with pytest.raises(InvalidArgumentError, match=r"must (be text|not be empty)"):
            call(CivoObjectStoreHook())
