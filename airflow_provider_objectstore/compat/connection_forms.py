"""The forms of connections, and their button **Test**, as far as Airflow's versions differ."""

from __future__ import annotations

import os
import re
from typing import Any


def connection_form_widgets(hook: type[Any]) -> dict[str, Any]:
    """
    Return the fields of a connection form by name, derived from the provider info.

    Remove when Airflow >= 3.2 is required, which reads the provider info itself. Before, a form knows text, integers,
    passwords, check boxes and choices only: text takes the place of numbers and of proposals. It marks no field as
    required: the label does.
    """
    from flask_babel import lazy_gettext
    from wtforms import StringField
    from wtforms.validators import any_of

    fields: dict[str, Any] = _connection_type(hook.conn_type)["conn-fields"]
    widgets = {}
    for name, declared in fields.items():
        schema = declared["schema"]
        label = declared["label"] if "null" in schema["type"] else f"{declared['label']} *"
        choices = [any_of(schema["enum"])] if "enum" in schema else []
        widgets[name] = StringField(lazy_gettext(label), choices, description=declared["description"])
    return widgets


def connection_form_behaviour(hook: type[Any]) -> dict[str, Any]:
    """
    Return which standard fields of a connection form are hidden, and the labels of the others.

    Remove when Airflow >= 3.2 is required, which reads the provider info itself.
    """
    declared: dict[str, Any] = _connection_type(hook.conn_type)["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in declared.items()}


def _connection_type(conn_type: str) -> dict[str, Any]:
    from airflow_provider_objectstore.get_provider_info import get_provider_info

    types: list[dict[str, Any]] = get_provider_info()["connection-types"]
    return next(declared for declared in types if declared["connection-type"] == conn_type)


def is_of_test_button(conn_id: str) -> bool:
    """
    Return whether Airflow's button **Test** has made up this connection id, which tells nobody anything.

    Private: the API server tries a connection by an environment variable, under eight random letters and digits. It can
    go when the hook is told the id of the connection that is tried.

    :param conn_id: the id.
    """
    server = os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "server"
    return server and bool(re.fullmatch("[A-Za-z0-9]{8}", conn_id)) and f"AIRFLOW_CONN_{conn_id.upper()}" in os.environ
