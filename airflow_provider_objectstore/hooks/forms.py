"""Connection forms for Airflow before 3.2, derived from the provider info, which later versions read themselves."""

from __future__ import annotations

from typing import Any

from airflow_provider_objectstore.get_provider_info import get_provider_info


def _connection_type(conn_type: str) -> dict[str, Any]:
    types: list[dict[str, Any]] = get_provider_info()["connection-types"]
    return next(declared for declared in types if declared["connection-type"] == conn_type)


def widgets(conn_type: str) -> dict[str, Any]:
    """Return form fields by name; that version knows text, whole numbers, passwords and check boxes only."""
    from flask_babel import lazy_gettext
    from wtforms import StringField

    fields: dict[str, Any] = _connection_type(conn_type)["conn-fields"]
    return {
        name: StringField(lazy_gettext(declared["label"]), description=declared["description"])
        for name, declared in fields.items()
    }


def behaviour(conn_type: str) -> dict[str, Any]:
    """Return which standard fields are hidden and how the others are called."""
    declared: dict[str, Any] = _connection_type(conn_type)["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in declared.items()}
