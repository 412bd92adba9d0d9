"""What a request to Civo says, checked."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from airflow_provider_objectstore.emulator import assumptions
from airflow_provider_objectstore.emulator.messages import Answered, Request, json_response, loads

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


def refusal(code: str, detail: str | None = None) -> Answered:
    """An error in the service's form; ``detail`` replaces the code's usual reason."""
    status, reason = assumptions.CIVO_ERRORS[code]
    return Answered(json_response(status, {"code": code, "reason": detail or reason, "result": "failed"}))


def region_of(request: Request, body: dict[str, Any] | None = None) -> str:
    """The code of the region in the query or, where there is one, in the body: one that has object stores."""
    wanted = request.query.get("region") or (body or {}).get("region")
    for region in REGIONS:
        code = str(region["code"])
        if isinstance(wanted, str) and code.lower() == wanted.lower():
            if not region["features"].get("object_store"):
                raise _unsupported(code)
            return code
    raise refusal("region_unavailable")


def _unsupported(code: str) -> Answered:
    """The error that was seen in a region without object stores."""
    name = "database_region_feature_not_supported"
    status, reason = assumptions.CIVO_ERRORS[name]
    details = f"Feature object_store is not supported in region {code.lower()}"
    return Answered(json_response(status, {"code": name, "reason": reason, "details": details}))


def fields_of(request: Request) -> dict[str, Any]:
    """
    A body in JSON or form encoding; a form's numbers and flags are turned into such.

    What is null is left out, as the vendor's Go client sends it for what is not given.
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
        raise refusal("parameter_invalid", "The body must be a JSON object or a form")
    return {name: value for name, value in body.items() if value is not None}


def update_of(request: Request, *others: str) -> dict[str, Any]:
    """The fields of an update. A size of 0 is left out where one of the other fields is given."""
    body = fields_of(request)
    size = body.get("max_size_gb")
    if type(size) is int and size == 0 and any(name in body for name in others):
        del body["max_size_gb"]
    return body


def string(body: dict[str, Any], name: str) -> str | None:
    """A string that may be left out."""
    if name not in body:
        return None
    value = body[name]
    if not isinstance(value, str) or not value:
        raise refusal("parameter_invalid", f"{name} must be a string that is not empty")
    return value


def flag(body: dict[str, Any], name: str, default: bool) -> bool:
    """A flag that may be left out."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise refusal("parameter_invalid", f"{name} must be true or false")
    return value


def name_of(body: dict[str, Any]) -> str:
    """The name of something new."""
    name = string(body, "name")
    if name is None or len(name) > MAX_NAME_LENGTH or any(map(str.isspace, name)):
        raise refusal("parameter_invalid", f"name has 1 to {MAX_NAME_LENGTH} characters and no whitespace")
    return name


def size_of(body: dict[str, Any], default: int) -> int:
    """The size in GB, under either of its names."""
    sizes = [body[name] for name in ("size", "max_size_gb") if name in body] or [default]
    for size in sizes:
        if type(size) is not int or size < STEP_GB or size % STEP_GB or size != sizes[0]:
            raise refusal("parameter_invalid", f"The size is an integer of GB, a multiple of {STEP_GB}")
    return int(sizes[0])
