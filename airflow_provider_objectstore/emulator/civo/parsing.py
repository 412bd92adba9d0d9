"""Parse and check requests to Civo. What is invalid raises the service's error."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from airflow_provider_objectstore.emulator import assumptions
from airflow_provider_objectstore.emulator.messages import Abort, Request, json_response, loads

STEP_GB = 500
MAX_NAME_LENGTH = 63

REGIONS: list[dict[str, Any]] = [
    {
        "code": code,
        "name": name,
        "country": country,
        "country_name": country_name,
        "type": "civostack",
        "default": code == "LON1",
        "out_of_capacity": False,
        "features": {"iaas": True, "kubernetes": True} | ({"object_store": True} if has_stores else {}),
    }
    for code, name, country, country_name, has_stores in (
        ("LON1", "London 1", "gb", "United Kingdom", True),
        ("NYC1", "New York 1", "us", "United States", True),
        ("FRA1", "Frankfurt 1", "de", "Germany", True),
        ("PHX1", "Phoenix 1", "us", "United States", False),
        ("MUM1", "Mumbai 1", "in", "India", True),
    )
]


def civo_error(code: str, reason: str | None = None) -> Abort:
    """Return an error in the service's format, to raise. ``reason`` replaces the code's usual reason."""
    status, usual_reason = assumptions.CIVO_ERRORS[code]
    return Abort(json_response(status, {"code": code, "reason": reason or usual_reason, "result": "failed"}))


def parse_region(request: Request, body: dict[str, Any] | None = None) -> str:
    """Return the code of the region in the query or, if there is one, in the body. It must have object stores."""
    requested = request.query.get("region") or (body or {}).get("region")
    for region in REGIONS:
        code = str(region["code"])
        if isinstance(requested, str) and code.lower() == requested.lower():
            if not region["features"].get("object_store"):
                raise _region_unsupported(code)
            return code
    raise civo_error("region_unavailable")


def _region_unsupported(code: str) -> Abort:
    """Return the error that was seen in a region without object stores."""
    name = "database_region_feature_not_supported"
    status, reason = assumptions.CIVO_ERRORS[name]
    details = f"Feature object_store is not supported in region {code.lower()}"
    return Abort(json_response(status, {"code": name, "reason": reason, "details": details}))


def parse_fields(request: Request) -> dict[str, Any]:
    """
    Return the fields of a body in JSON or form encoding, with a form's numbers and flags parsed.

    Fields that are null are left out: the vendor's Go client sends them for what its caller did not give.
    """
    if request.header(b"content-type").startswith("application/x-www-form-urlencoded"):
        form: dict[str, Any] = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
        for name in ("size", "max_size_gb"):
            if form.get(name, "").isdecimal():
                form[name] = int(form[name])
        if form.get("suspended") in ("true", "false"):
            form["suspended"] = form["suspended"] == "true"
        return form
    try:
        body = loads(request.body) if request.body else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise civo_error("parameter_invalid", "The body must be a JSON object or a form")
    return {name: value for name, value in body.items() if value is not None}


def parse_update(request: Request, *others: str) -> dict[str, Any]:
    """Return the fields of an update, without a size of 0 if one of ``others`` is given."""
    body = parse_fields(request)
    size = body.get("max_size_gb")
    if type(size) is int and size == 0 and any(name in body for name in others):
        del body["max_size_gb"]
    return body


def parse_string(body: dict[str, Any], name: str) -> str | None:
    """Return an optional string."""
    if name not in body:
        return None
    value = body[name]
    if not isinstance(value, str) or not value:
        raise civo_error("parameter_invalid", f"{name} must be a non-empty string")
    return value


def parse_flag(body: dict[str, Any], name: str, default: bool) -> bool:
    """Return an optional flag."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise civo_error("parameter_invalid", f"{name} must be true or false")
    return value


def parse_name(body: dict[str, Any]) -> str:
    """Return the name of a new store or credential."""
    name = parse_string(body, "name")
    if name is None or len(name) > MAX_NAME_LENGTH or any(map(str.isspace, name)):
        raise civo_error("parameter_invalid", f"name has 1 to {MAX_NAME_LENGTH} characters and no whitespace")
    return name


def parse_size(body: dict[str, Any], default: int) -> int:
    """Return the size in GB, which has two names."""
    sizes = [body[name] for name in ("size", "max_size_gb") if name in body] or [default]
    for size in sizes:
        if type(size) is not int or size < STEP_GB or size % STEP_GB or size != sizes[0]:
            raise civo_error("parameter_invalid", f"The size is an integer of GB, a multiple of {STEP_GB}")
    return int(sizes[0])
