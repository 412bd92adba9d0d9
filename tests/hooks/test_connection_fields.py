from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_objectstore.exceptions import ConfigurationError
from airflow_provider_objectstore.hooks.connection_fields import shown_type
from airflow_provider_objectstore.hooks.connections import resolve_anypoint, resolve_civo

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize("extra", [f"no {SECRET}", f'["{SECRET}"]', "{", "5"])
def test_an_extra_that_is_no_object_is_the_problem(extra: str) -> None:
    """Airflow reads it as an empty one, or as what it is."""
    connection = Connection(conn_id="c", conn_type="civo", password="k", extra=extra)
    with pytest.raises(ConfigurationError, match="'c' cannot be used: extra must be a JSON object") as raised:
        resolve_civo(connection, connection.extra_dejson)
    assert SECRET not in str(raised.value)
    assert "missing" not in str(raised.value), "what is in it cannot be told"


@pytest.mark.parametrize("name", ["timeout", "requests_per_second", "retry_deadline", "retry_attempts", "auth"])
def test_no_more_than_the_beginning_of_a_wrong_field_is_shown(name: str) -> None:
    extra = {"organization_id": "o", "environment_id": "e", name: "9x" * 5000}
    connection = Connection(conn_id="c", conn_type="anypoint", login="a", password="b", extra=json.dumps(extra))
    with pytest.raises(ConfigurationError, match=f"extra {name} must be") as raised:
        resolve_anypoint(connection, connection.extra_dejson)
    assert len(str(raised.value)) < 500


def test_the_type_in_an_error_is_no_more_than_a_type() -> None:
    connection = Connection(conn_id="c", conn_type=f"https://u:{SECRET}@h")
    with pytest.raises(ConfigurationError, match="is of type 'https', not 'anypoint'"):
        resolve_anypoint(connection, {})


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("http", "type 'http'"),
        ("aws_v2", "type 'aws_v2'"),
        (None, "no type that Airflow knows"),
        (f"a.{SECRET}", "type 'a'"),
        ("a" * 41, "no type that Airflow knows"),
    ],
)
def test_types_are_shown_without_what_follows(found: Any, shown: str) -> None:
    assert shown_type(found) == shown
