from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from airflow_provider_objectstore.get_provider_info import get_provider_info
from airflow_provider_objectstore.operators.base import CheckedArguments
from airflow_provider_objectstore.plugins.operator_uses import (
    USES,
    WATCHES,
    PathUse,
    Place,
    Unknown,
    constant,
    guessed_places,
    places_of,
)
from airflow_provider_objectstore.triggers.change_trigger import ChangeTrigger

KEYS = "airflow_provider_objectstore.operators.anypoint_keys"
SYNC = ("airflow_provider_objectstore.transfers.sync_folder", "SyncFolderOperator")
ROTATE = ("airflow_provider_objectstore.operators.rotation", "CivoRotateCredentialOperator")


def operators() -> dict[tuple[str, str], type[Any]]:
    info = get_provider_info()
    modules = [name for kind in ("operators", "sensors") for entry in info[kind] for name in entry["python-modules"]]
    modules += [entry["python-module"] for entry in info["transfers"]]
    return {
        (name, kind.__name__): kind
        for name in modules
        for kind in vars(importlib.import_module(name)).values()
        if isinstance(kind, type) and issubclass(kind, CheckedArguments) and kind.__module__ == name
        if not kind.__name__.startswith("_")
    }


def test_every_operator_says_where_it_works() -> None:
    known = operators()
    assert set(USES) == set(known)
    for key, uses in USES.items():
        for use in uses:
            places = (use.field,) if isinstance(use, PathUse) else (use.region, *use.fields, use.credential)
            assert {use.connection, *places} - {None} <= set(known[key].template_fields), key


def test_every_event_trigger_says_what_it_watches() -> None:
    modules = [name for entry in get_provider_info()["triggers"] for name in entry["python-modules"]]
    kinds = {
        f"{name}.{kind.__name__}": kind
        for name in modules
        for kind in vars(importlib.import_module(name)).values()
        if isinstance(kind, type) and kind.__module__ == name and issubclass(kind, ChangeTrigger)
    }
    assert set(WATCHES) == set(kinds)
    for path, use in WATCHES.items():
        assert {use.connection, use.region, *use.fields} <= set(inspect.signature(kinds[path]).parameters)


def test_a_place_is_told_by_constants() -> None:
    fields = {"store_id": "s", "partition": "{{ ds }}", "key": "k"}
    (place,) = places_of((KEYS, "AnypointPutKeyOperator"), fields)
    assert place == Place("writes", "anypoint", "anypoint_default", None, (("s",), Unknown.VALUE, ("k",)))
    assert places_of((KEYS, "AnypointPutKeyOperator"), {**fields, "anypoint_conn_id": "{{ params.c }}"}) == []
    assert places_of((KEYS, "AnypointPutKeyOperator"), {**fields, "region": "{{ params.r }}"}) == []
    assert places_of(("their.module", "AnypointPutKeyOperator"), fields) == []


@pytest.mark.parametrize(
    ("stored", "names"),
    [
        (None, None),
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ({"__type": "tuple", "__var": ["a"]}, ("a",)),
        ("{{ ds }}", Unknown.VALUE),
        (["a", "{% if x %}b{% endif %}"], Unknown.VALUE),
        ({"__type": "xcomref", "__var": {}}, Unknown.VALUE),
        ("***", Unknown.VALUE),
        ("Truncated. You can change this behaviour in [core]max_templated_field_length. 'a", Unknown.VALUE),
        (5, Unknown.VALUE),
        ([], Unknown.VALUE),
    ],
)
def test_a_name_is_what_it_surely_is(stored: Any, names: Any) -> None:
    assert constant(stored) == names


@pytest.mark.parametrize(
    ("path", "conn_id", "expected"),
    [
        ("osv2://mule@s/p/folder", None, ("anypoint", "mule", (("s",), ("p",)))),
        ("osv2://mule@/s/p", None, ("anypoint", "mule", (("s",), ("p",)))),  # as Airflow 3.1 writes it
        ("osv2://s", "mule", ("anypoint", "mule", (("s",), None))),
        ("civo://b/{{ ds }}", None, ("civo", "civo_default", (("b",),))),
        ("civo://b-{{ ds }}/x", None, ("civo", "civo_default", (Unknown.VALUE,))),
        ({"path": "civo://b/x", "conn_id": "c", "kwargs": {}}, None, ("civo", "c", (("b",),))),
        ("civo://{{ params.c }}@b/x", None, None),
        ("civo://b/x", "{{ params.c }}", None),
        ("s3://c@b/x", None, None),
        ("{{ params.path }}", "mule", None),
    ],
)
def test_a_path_names_a_place(path: Any, conn_id: str | None, expected: Any) -> None:
    found = places_of(SYNC, {"source": "file:///a", "target": path, "target_conn_id": conn_id})
    assert [(place.service, place.connection_id, place.names) for place in found] == [expected] * (expected is not None)


def test_a_rotation_by_a_credential_is_of_no_certain_bucket() -> None:
    (place,) = places_of(ROTATE, {"credential": "app", "object_store": None})
    assert (place.names, place.credential) == ((Unknown.VALUE,), ("app",))
    (place,) = places_of(ROTATE, {"credential": None, "object_store": "logs"})
    assert (place.names, place.credential) == ((("logs",),), None)


def test_a_subclass_is_told_by_its_fields() -> None:
    known = operators()
    for key, uses in USES.items():
        names = known[key].template_fields
        connections = {use.connection: "c" for use in uses}
        fields = dict.fromkeys(names, "osv2://a/b" if key == SYNC else "a") | connections
        guessed = guessed_places("Theirs", (*names, "own"), fields)
        assert {place.connection_id for place in guessed} == {"c"}, key
        assert all(place.guessed for place in guessed), key
        by_name = any("name" in use.fields or use.credential for use in uses if not isinstance(use, PathUse))
        if key != ROTATE and not by_name:
            assert {place.names for place in guessed} >= {place.names for place in places_of(key, fields)}, key


def test_what_a_subclass_does_not_tell_is_not_taken_for_all() -> None:
    names = operators()[ROTATE].template_fields
    (place,) = guessed_places("Theirs", names, {"civo_conn_id": "c", "credential": "app"})
    assert place.names == (Unknown.VALUE,)
    assert guessed_places("Theirs", names, {"credential": "app"}) == []
    (place,) = guessed_places("Theirs", ("civo_conn_id", "region", "name"), {"civo_conn_id": "c", "name": "app"})
    assert place.names == (Unknown.VALUE,)  # a bucket's or a credential's
    assert guessed_places("S3CopyObjectOperator", ("source", "aws_conn_id"), {"source": "civo://b"}) == []
