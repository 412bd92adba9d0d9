"""From an Airflow connection to a resolved one. Nothing else reads a connection's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_objectstore.api import airflow_rest, civo
from airflow_provider_objectstore.api.addresses import is_label
from airflow_provider_objectstore.api.anypoint import access as anypoint_access
from airflow_provider_objectstore.compat.connection_forms import is_of_test_button
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.connection_fields import Fields
from airflow_provider_objectstore.transport import ResolvedConnection
from airflow_provider_objectstore.transport.proxies import environment_proxies, passwords

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


@dataclass(frozen=True, slots=True)
class AnypointLocation:
    """
    Where an ``anypoint`` connection leads.

    :param organization_id: the organization.
    :param environment_id: the environment.
    :param region: the region.
    :param url: base address of the object stores.
    :param accounts_url: base address of the service that issues tokens.
    :param statistics_url: base address of the Statistics API; None if it is not known.
    """

    organization_id: str
    environment_id: str
    region: str
    url: str
    accounts_url: str
    statistics_url: str | None


def locate_anypoint(
    fields: Fields,
    *,
    region: str | None = None,
    organization_id: str | None = None,
    environment_id: str | None = None,
) -> AnypointLocation:
    """
    Resolve where an ``anypoint`` connection leads; ``fields`` collects the problems.

    :param fields: the connection's fields.
    :param region: region instead of the connection's; None means the connection's.
    :param organization_id: organization instead of the connection's, likewise.
    :param environment_id: environment instead of the connection's, likewise.
    :raises InvalidArgumentError: for a region that cannot take effect.
    """
    organization_id = organization_id or fields.text("organization_id")
    environment_id = environment_id or fields.text("environment_id")
    requested_region = region or ""
    fields.required("extra organization_id", organization_id)
    fields.required("extra environment_id", environment_id)
    declared_plane = fields.choice("control_plane", "", *anypoint_access.CONTROL_PLANES)
    host = (fields.connection.host or "").strip()
    url = fields.base_url("host", host, fields.connection.port, without="/api/v1") if host else ""
    vendor = _vendor_of(url)
    plane = (vendor and vendor.control_plane) or declared_plane or anypoint_access.DEFAULT_CONTROL_PLANE
    if declared_plane and declared_plane != plane:
        fields.problems.append(f"host is of control plane {plane!r}, extra control_plane is {declared_plane!r}")
    if host and not (vendor and vendor.documented):
        region = _region_of_host(fields, url, plane, requested_region)
    else:
        region, url = _documented_address(fields, url, plane, vendor.region if vendor else None, requested_region)
    if fields.text("accounts_url"):
        accounts_url = fields.base_url("extra accounts_url", fields.text("accounts_url"), without="/accounts/api")
    elif host and not vendor and plane in anypoint_access.REGIONS:
        accounts_url = url
    else:
        accounts_url = anypoint_access.default_accounts_url(plane)
    statistics_url: str | None = anypoint_access.default_statistics_url(plane)
    if fields.text("statistics_url"):
        given = fields.text("statistics_url")
        statistics_url = fields.base_url("extra statistics_url", given, without="/api/v1")
    elif host and not vendor and plane in anypoint_access.REGIONS:
        statistics_url = url
    return AnypointLocation(organization_id, environment_id, region, url, accounts_url, statistics_url)


def _region_of_host(fields: Fields, url: str, plane: str, requested_region: str) -> str:
    """Return the region that a host is taken to have, and refuse another, which could not take effect."""
    region = fields.text("region") or anypoint_access.default_region(plane) or anypoint_access.DEFAULT_REGION
    if url and requested_region not in ("", region):
        raise InvalidArgumentError(
            f"region {requested_region!r} cannot take effect: connection {fields.connection.conn_id!r} has a host of "
            f"its own, {urlsplit(url).netloc}, taken to be in region {region!r}. Leave the region out, or use a "
            "connection whose host and extra region are of that region"
        )
    return region


def _documented_address(
    fields: Fields, url: str, plane: str, region_of_host: str | None, requested_region: str
) -> tuple[str, str]:
    """Return region and base address of a control plane whose regions have documented addresses."""
    own = fields.text("region") or region_of_host or anypoint_access.default_region(plane) or ""
    if region_of_host and own != region_of_host:
        fields.problems.append(f"host is of region {region_of_host!r}, extra region is {own!r}")
    if region_of_host and urlsplit(url).path:
        fields.problems.append("host must have no path but /api/v1: organization and environment belong in the extra")
    if requested_region and requested_region != own:
        return requested_region, anypoint_access.default_url(plane, requested_region)
    if region_of_host:
        return own, f"https://{urlsplit(url).hostname}"
    try:
        return own, anypoint_access.default_url(plane, own)
    except InvalidArgumentError as problem:
        fields.problems.append(str(problem))
        return own, ""


def resolve_anypoint(connection: Connection, extra: Mapping[str, Any], **arguments: str | None) -> ResolvedConnection:
    """
    Resolve an ``anypoint`` connection.

    :param connection: the Airflow connection.
    :param extra: its extra, parsed.
    :param arguments: those of :func:`locate_anypoint`.
    :raises ConfigurationError: naming everything that is missing or wrong.
    """
    fields = Fields(connection, extra)
    fields.require_type("anypoint")
    auth = fields.choice("auth", "connected_app", "user", "bearer")
    login = connection.login or ""
    if auth != "bearer":
        fields.required({"user": "login (the user name)"}.get(auth, "login (the client id)"), login)
    what = {"user": "password", "bearer": "password (the bearer token)"}.get(auth, "password (the client secret)")
    password = fields.secret(what, connection.password, in_header=auth == "bearer")
    place = locate_anypoint(fields, **arguments)
    transport_options = fields.transport_options()
    fields.raise_problems()
    fetch = {"connected_app": anypoint_access.connected_app_token, "user": anypoint_access.user_token}.get(auth)
    return ResolvedConnection(
        base_urls=anypoint_access.base_urls(
            place.url, place.accounts_url, place.organization_id, place.environment_id, place.statistics_url
        ),
        secrets=_secrets(password, transport_options["proxy"]),
        bearer=None if fetch else password,
        token_call=fetch(login, password) if fetch else None,
        labels={
            **_conn_id(connection),
            "organization_id": place.organization_id,
            "environment_id": place.environment_id,
            "region": place.region,
        },
        **transport_options,
    )


def resolve_civo(connection: Connection, extra: Mapping[str, Any], *, region: str | None = None) -> ResolvedConnection:
    """
    Resolve a ``civo`` connection.

    :param connection: the Airflow connection.
    :param extra: its extra, parsed.
    :param region: region code instead of the connection's; None means the connection's.
    :raises ConfigurationError: naming everything that is missing or wrong.
    :raises InvalidArgumentError: for a region that cannot be one.
    """
    fields = Fields(connection, extra)
    fields.require_type("civo")
    password = fields.secret("password (the API key)", connection.password, in_header=True)
    if region is not None and not is_label(region):
        raise InvalidArgumentError(f"region must be a region code such as LON1, not {region!r}")
    region = fields.required("extra region", region or fields.text("region"))
    if region and not is_label(region):
        fields.problems.append(f"extra region must be a region code such as LON1, not {region!r}")
    url = fields.base_url("host", (connection.host or "").strip() or civo.DEFAULT_URL, connection.port, without="/v2")
    if _on_usual_port(url) and urlsplit(url).hostname == urlsplit(civo.DEFAULT_URL).hostname:
        if urlsplit(url).path:
            fields.problems.append("host must have no path but /v2")
        url = civo.DEFAULT_URL
    if fields.text("s3_endpoint"):
        fields.base_url("extra s3_endpoint", fields.text("s3_endpoint"))
    transport_options = fields.transport_options()
    fields.raise_problems()
    return ResolvedConnection(
        base_urls=civo.base_urls(url),
        parameters=civo.parameters(region),
        secrets=_secrets(password, transport_options["proxy"]),
        bearer=password,
        labels={**_conn_id(connection), "region": region, "s3_endpoint": fields.text("s3_endpoint")},
        **transport_options,
    )


def resolve_airflow_api(connection: Connection, problems: list[str]) -> ResolvedConnection:
    """
    Resolve an ``http`` connection to Airflow's API.

    :param connection: the Airflow connection.
    :param problems: gets what is missing or wrong; the result is usable only if it stays empty.
    :raises ConfigurationError: for a connection of another type.
    """
    fields = Fields(connection, connection.extra_dejson)
    fields.require_type("http")
    host, scheme = connection.host or "", (connection.schema or "").lower()
    if fields.required("host", host) and "://" not in host:
        host = f"{scheme}://{host}"
        if scheme not in ("http", "https"):
            fields.problems.append("schema must be http or https")
    url = "" if fields.problems else fields.base_url("host", host, connection.port)
    login = connection.login or ""
    password = fields.secret("password (of the user in login; without login, a token)", connection.password)
    transport_options = fields.transport_options()
    problems += (f"connection {connection.conn_id!r}: {problem}" for problem in fields.problems)
    return ResolvedConnection(
        base_urls=airflow_rest.base_urls(url),
        secrets=_secrets(password, transport_options["proxy"]),
        bearer=None if login else password,
        token_call=airflow_rest.user_token(login, password, str(connection.conn_id)) if login else None,
        labels=_conn_id(connection),
        **transport_options,
    )


def _vendor_of(url: str) -> anypoint_access.VendorHost | None:
    return anypoint_access.vendor_host(urlsplit(url).hostname or "") if _on_usual_port(url) else None


def _on_usual_port(url: str) -> bool:
    """Whether an address can be the vendor's own; another port belongs to something like a tunnel."""
    return urlsplit(url).port in (None, 80, 443)


def _conn_id(connection: Connection) -> dict[str, str]:
    conn_id = str(connection.conn_id)
    return {} if is_of_test_button(conn_id) else {"conn_id": conn_id}


def _secrets(password: str, proxy: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys((password, *passwords(proxy), *passwords(*environment_proxies()))))
