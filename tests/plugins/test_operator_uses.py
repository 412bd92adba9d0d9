from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from airflow_provider_objectstore.get_provider_info import get_provider_info
from airflow_provider_objectstore.operators.base import CheckedArguments
from airflow_provider_objectstore.plugins.operator_uses import USES, WATCHES, Place, Unknown, constant, places_of
from airflow_provider_objectstore.triggers.change_trigger import ChangeTrigger

ELSEWHERE = {
    "CivoCreateCredentialOperator",  # a credential is at no place
    "CivoUpdateCredentialOperator",
    "CivoDeleteCredentialOperator",
    "SyncFolderOperator",  # any filesystem's paths
}
KEYS = "airflow_provider_objectstore.operators.anypoint_keys"


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
    assert set(USES) == {key for key in known if key[1] not in ELSEWHERE}
    for key, uses in USES.items():
        for use in uses:
            fields = {use.connection, use.region, *use.fields}
            assert fields <= set(known[key].template_fields), key


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
