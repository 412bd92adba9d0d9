"""The calls of Airflow's REST API, and how their responses are read."""

from __future__ import annotations

import pytest

from airflow_provider_objectstore.api import airflow_rest
from airflow_provider_objectstore.api.call import Response
from airflow_provider_objectstore.exceptions import ApiError, PermissionDeniedError, ServerError

READ = airflow_rest.get_connection("aws/1", "api")
CREATE = airflow_rest.create_connection("aws", "api", {"conn_type": "aws"})
UPDATE = airflow_rest.update_connection("aws", "api", "aws", {"login": "key", "password": "secret"})


def test_calls_are_under_the_api() -> None:
    urls = airflow_rest.base_urls("https://airflow")
    assert f"{urls[READ.base_url]}{READ.path}" == "https://airflow/api/v2/connections/aws%2F1"
    login = airflow_rest.user_token("admin", "secret", "api")
    assert f"{urls[login.base_url]}{login.path}" == "https://airflow/auth/token"


def test_an_update_names_its_fields() -> None:
    assert UPDATE.query == (("update_mask", "login"), ("update_mask", "password"))
    assert UPDATE.body == {"connection_id": "aws", "conn_type": "aws", "login": "key", "password": "secret"}


def test_an_update_of_nothing_does_not_update_everything() -> None:
    assert airflow_rest.update_connection("aws", "api", "aws", {}).query == (("update_mask", "connection_id"),)


def test_what_exists_and_what_does_not() -> None:
    assert READ.interpret(Response(404, {}, b"{}")) is None
    assert READ.interpret(Response(200, {}, b'{"connection_id": "aws/1"}')) == {"connection_id": "aws/1"}
    assert UPDATE.interpret(Response(404, {}, b"{}")) is None
    assert UPDATE.interpret(Response(200, {}, b'{"conn_type": "aws"}')) == {"conn_type": "aws"}
    assert CREATE.interpret(Response(201, {}, b"{}")) is True
    assert CREATE.interpret(Response(409, {}, b"{}")) is False


def test_errors_say_what_to_do() -> None:
    with pytest.raises(PermissionDeniedError, match="needs the permission to read, create and edit connections"):
        CREATE.interpret(Response(403, {}, b'{"detail": "Forbidden"}'))
    invalid = b'{"detail": [{"loc": ["body", "login"], "type": "string_type", "input": "secret"}]}'
    with pytest.raises(ApiError, match="string_type") as caught:
        UPDATE.interpret(Response(422, {}, invalid))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["null", "5", '"two words"'])
def test_a_token_fits_a_header(token: str) -> None:
    login = airflow_rest.user_token("admin", "secret", "api")
    with pytest.raises(ServerError):
        login.interpret(Response(201, {}, b'{"access_token": %s}' % token.encode()))
