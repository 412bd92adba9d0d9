"""The connection forms as Airflow's API hands them to the browser."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from airflow_provider_objectstore.get_provider_info import get_provider_info
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.features import DECLARED_FORMS

REQUIRED = {"anypoint": {"organization_id", "environment_id"}, "civo": {"region"}}
FIELDS = {
    "anypoint": {
        "organization_id",
        "environment_id",
        "region",
        "control_plane",
        "auth",
        "accounts_url",
        "statistics_url",
        "requests_per_second",
        "timeout",
        "retry_attempts",
        "retry_deadline",
        "verify",
        "proxy",
    },
    "civo": {
        *("region", "s3_endpoint", "requests_per_second", "timeout"),
        *("retry_attempts", "retry_deadline", "verify", "proxy"),
    },
}
HOOKS = {"anypoint": AnypointObjectStoreHook, "civo": CivoObjectStoreHook}


def declared(conn_type: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in get_provider_info()["connection-types"] if one["connection-type"] == conn_type
    )
    return found


@pytest.fixture(scope="module")
def forms() -> dict[str, dict[str, Any]]:
    """What the API answers, by connection type; asked in a new process, because Airflow keeps what it once found."""
    code = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
print(json.dumps({meta.connection_type: meta.model_dump() for meta in HookMetaService.hook_meta_data()}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("conn_type", FIELDS)
def test_type_is_offered(conn_type: str, forms: dict[str, dict[str, Any]]) -> None:
    form = forms[conn_type]
    hook = HOOKS[conn_type]
    assert form["hook_name"] == hook.hook_name
    assert form["hook_class_name"] == f"{hook.__module__}.{hook.__name__}"


@pytest.mark.parametrize("conn_type", FIELDS)
def test_own_fields(conn_type: str, forms: dict[str, dict[str, Any]]) -> None:
    fields = forms[conn_type]["extra_fields"]
    assert set(fields) == FIELDS[conn_type]
    for name, wanted in declared(conn_type)["conn-fields"].items():
        required = name in REQUIRED[conn_type]
        schema = fields[name]["schema"]
        assert schema["title"] == (f"{wanted['label']} *" if required and not DECLARED_FORMS else wanted["label"])
        assert fields[name]["description"] == wanted["description"]
        assert ("null" in schema["type"]) == (not required or not DECLARED_FORMS), "whether it may be left empty"
        assert schema.get("enum") == wanted["schema"].get("enum")
        assert fields[name]["value"] is None


@pytest.mark.parametrize("conn_type", FIELDS)
def test_types_of_own_fields(conn_type: str, forms: dict[str, dict[str, Any]]) -> None:
    types = {name: field["schema"]["type"] for name, field in forms[conn_type]["extra_fields"].items()}
    # Before 3.2 a form is made of text fields.
    number, integer = (["number", "null"], ["integer", "null"]) if DECLARED_FORMS else (["string", "null"],) * 2
    expected: dict[str, Any] = {name: ["string", "null"] for name in FIELDS[conn_type]}
    expected |= dict.fromkeys(("requests_per_second", "timeout", "retry_deadline"), number)
    expected |= {"retry_attempts": integer}
    if DECLARED_FORMS:
        expected |= dict.fromkeys(REQUIRED[conn_type], "string")
    assert types == expected


@pytest.mark.parametrize(
    ("conn_type", "shown", "hidden"),
    [
        (
            "anypoint",
            {"host": "Base URL", "login": "Client ID *", "password": "Client secret *", "port": "Port"},
            {"url_schema"},
        ),
        ("civo", {"host": "Base URL", "password": "API key *", "port": "Port"}, {"url_schema", "login"}),
    ],
)
def test_standard_fields(
    conn_type: str, shown: dict[str, str], hidden: set[str], forms: dict[str, dict[str, Any]]
) -> None:
    fields = forms[conn_type]["standard_fields"]
    assert {name for name, field in fields.items() if field and field["hidden"]} == hidden
    assert {name: field["title"] for name, field in fields.items() if field and field["title"]} == shown
    assert all(fields[name]["placeholder"] for name in shown)


@pytest.mark.parametrize("conn_type", FIELDS)
def test_python_methods_say_what_the_provider_info_says(conn_type: str) -> None:
    """Before Airflow 3.2 the form is made of these and of ``get_connection_form_widgets``: the tests above see both."""
    assert {"get_ui_field_behaviour", "get_connection_form_widgets"} <= vars(HOOKS[conn_type]).keys(), "not inherited"
    behaviour = HOOKS[conn_type].get_ui_field_behaviour()
    assert set(behaviour) == {"hidden_fields", "relabeling", "placeholders"}
    assert behaviour["relabeling"] == declared(conn_type)["ui-field-behaviour"]["relabeling"]


@pytest.mark.parametrize("conn_type", FIELDS)
def test_behaviour_needs_no_form_library(conn_type: str) -> None:
    assert HOOKS[conn_type].get_ui_field_behaviour()["hidden_fields"]
