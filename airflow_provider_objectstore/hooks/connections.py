"""From an Airflow connection's fields to a target. Pure but for a look at the CA file and the environment's proxies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_objectstore.api import anypoint_access, civo
from airflow_provider_objectstore.api.addresses import is_label, web_address
from airflow_provider_objectstore.api.call import boolean
from airflow_provider_objectstore.exceptions import ConfigurationError, InvalidArgumentError
from airflow_provider_objectstore.transport import Target
from airflow_provider_objectstore.transport.proxies import environment_proxies, passwords

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


_ODD_PATH = re.compile(r"//|/\.{1,2}/")


@dataclass
class Fields:
    """
    A connection's fields, which may be typed or text. Collects what is wrong, to say all of it at once.

    :param connection: the Airflow connection.
    :param extra: its extra, parsed.
    """

    connection: Connection = field(repr=False)
    extra: Mapping[str, Any] = field(repr=False)
    problems: list[str] = field(default_factory=list)

    def of_type(self, conn_type: str) -> None:
        """Refuse a connection that leads elsewhere: its secret would be sent to the wrong service."""
        found = self.connection.conn_type
        if found not in (conn_type, "generic", "", None):
            raise ConfigurationError(
                f"connection {self.connection.conn_id!r} is of type {found!r}, not {conn_type!r}: give the id of "
                f"a connection of type {conn_type!r}"
            )

    def text(self, name: str, default: str = "") -> str:
        value = self.extra.get(name)
        return default if value is None or value == "" else str(value).strip()

    def required(self, what: str, value: str | None) -> str:
        if not value:
            self.problems.append(f"{what} is missing")
        return value or ""

    def positive(self, name: str, default: float) -> float:
        text = self.text(name, str(default))
        try:
            number = float(text)
        except ValueError:
            number = 0
        if not 0 < number < float("inf"):
            self.problems.append(f"extra {name} must be a positive number, not {text!r}")
        return number

    def choice(self, name: str, *choices: str) -> str:
        value = self.text(name, choices[0]).lower()
        if value in choices:
            return value
        self.problems.append(f"extra {name} must be one of {', '.join(filter(None, choices))}, not {value!r}")
        return choices[0]

    def base_url(self, what: str, value: str, port: int | None = None, *, without: str = "") -> str:
        """
        Return scheme, host, port and path of an address; https unless it says http.

        :param without: the path that the calls themselves begin with: it is taken off where it was pasted along.
        """
        value = value.strip()
        parts = web_address(value if "://" in value else f"https://{value}")
        if parts is None or parts.query or parts.fragment or "@" in parts.netloc:
            self.problems.append(f"{what} must be a host or an http(s) URL without user and query")
            return ""
        path = parts.path.rstrip("/").removesuffix(without).rstrip("/")
        if _ODD_PATH.search(f"{path}/"):
            self.problems.append(f"{what} must not have '//', '.' or '..' in its path")
            return ""
        netloc = f"{parts.netloc}:{port}" if port and parts.port is None else parts.netloc
        return f"{parts.scheme}://{netloc}{path}"

    def secret(self, what: str, value: str | None, *, in_header: bool = False) -> str:
        value = self.required(what, value)
        if not (value.isascii() and value.isprintable()):
            self.problems.append(
                f"{what} holds characters that cannot be sent; it may have been pasted with a line end"
            )
        elif value and in_header and not anypoint_access.fits_header(value):
            self.problems.append(f"{what} holds a space, which cannot be sent; it may have been pasted with one")
        return value

    def carriage(self) -> dict[str, Any]:
        """Return the part of a target that both services share."""
        verify: bool | str = self.text("verify", "true")
        try:
            verify = boolean(verify)
        except ValueError:
            if not _is_file(str(verify)):
                self.problems.append(f"extra verify must be true, false or an existing file, not {str(verify)[:100]!r}")
        proxy = self.text("proxy") or None
        if proxy and web_address(proxy) is None:
            self.problems.append(
                "extra proxy must be an http(s) URL with a host (SOCKS is not supported, special characters of a "
                "password are percent-encoded)"
            )
        return {
            "requests_per_second": self.positive("requests_per_second", 10),
            "timeout": self.positive("timeout", 30),
            "verify": verify,
            "proxy": proxy,
        }

    def check(self) -> None:
        """
        Raise what was collected.

        :raises ConfigurationError: naming every problem.
        """
        if self.problems:
            raise ConfigurationError(
                f"connection {self.connection.conn_id!r} cannot be used: {'; '.join(self.problems)}"
            )


@dataclass(frozen=True, slots=True)
class AnypointPlace:
    """
    Whose stores a connection leads to, and where.

    :param url: base address of the object stores.
    :param accounts_url: base address of what gives tokens.
    """

    organization_id: str
    environment_id: str
    region: str
    url: str
    accounts_url: str


def anypoint_place(
    fields: Fields,
    *,
    region: str | None = None,
    organization_id: str | None = None,
    environment_id: str | None = None,
) -> AnypointPlace:
    """
    Resolve where an ``anypoint`` connection leads, collecting what is wrong with the connection.

    :param region: region instead of the connection's; None means the connection's, for the others likewise.
    :raises InvalidArgumentError: for a region that cannot take effect.
    """
    organization_id = organization_id or fields.text("organization_id")
    environment_id = environment_id or fields.text("environment_id")
    asked = region or ""
    fields.required("extra organization_id", organization_id)
    fields.required("extra environment_id", environment_id)
    said = fields.choice("control_plane", "", *anypoint_access.CONTROL_PLANES)
    host = (fields.connection.host or "").strip()
    url = fields.base_url("host", host, fields.connection.port, without="/api/v1") if host else ""
    vendor = _vendor_of(url)
    plane = (vendor and vendor.control_plane) or said or anypoint_access.DEFAULT_CONTROL_PLANE
    if said and said != plane:
        fields.problems.append(f"host is of control plane {plane!r}, extra control_plane says {said!r}")
    if host and not (vendor and vendor.documented):
        region = _region_of_host(fields, url, plane, asked)
    else:
        region, url = _documented_address(fields, url, plane, vendor.region if vendor else None, asked)
    if fields.text("accounts_url"):
        accounts_url = fields.base_url("extra accounts_url", fields.text("accounts_url"), without="/accounts/api")
    elif host and not vendor and plane in anypoint_access.REGIONS:
        accounts_url = url
    else:
        accounts_url = anypoint_access.default_accounts_url(plane)
    return AnypointPlace(organization_id, environment_id, region, url, accounts_url)


def _region_of_host(fields: Fields, url: str, plane: str, asked: str) -> str:
    """Return the region that a host is taken to have, and refuse another: it could not take effect."""
    region = fields.text("region") or anypoint_access.default_region(plane) or anypoint_access.DEFAULT_REGION
    if url and asked not in ("", region):
        raise InvalidArgumentError(
            f"region {asked!r} cannot take effect: connection {fields.connection.conn_id!r} has a host of its own, "
            f"{urlsplit(url).netloc}, taken to be in region {region!r}. Leave the region out, or use a connection "
            "whose host and extra region are of that region"
        )
    return region


def _documented_address(
    fields: Fields, url: str, plane: str, region_of_host: str | None, asked: str
) -> tuple[str, str]:
    """Return region and base address where the vendor documents the address of every region."""
    own = fields.text("region") or region_of_host or anypoint_access.default_region(plane) or ""
    if region_of_host and own != region_of_host:
        fields.problems.append(f"host is of region {region_of_host!r}, extra region says {own!r}")
    if region_of_host and urlsplit(url).path:
        fields.problems.append("host must have no path but /api/v1: whose stores it is say the extra's fields")
    if asked and asked != own:
        return asked, anypoint_access.default_url(plane, asked)
    if region_of_host:
        return own, f"https://{urlsplit(url).hostname}"
    try:
        return own, anypoint_access.default_url(plane, own)
    except InvalidArgumentError as problem:
        fields.problems.append(str(problem))
        return own, ""


def anypoint_target(connection: Connection, extra: Mapping[str, Any], **arguments: str | None) -> Target:
    """
    Resolve an ``anypoint`` connection.

    :param arguments: those of :func:`anypoint_place`.
    :raises ConfigurationError: naming everything that is missing or wrong.
    """
    fields = Fields(connection, extra)
    fields.of_type("anypoint")
    auth = fields.choice("auth", "connected_app", "user", "bearer")
    login = connection.login or ""
    if auth != "bearer":
        fields.required({"user": "login (the user name)"}.get(auth, "login (the client id)"), login)
    what = {"user": "password", "bearer": "password (the bearer token)"}.get(auth, "password (the client secret)")
    password = fields.secret(what, connection.password, in_header=auth == "bearer")
    place = anypoint_place(fields, **arguments)
    carriage = fields.carriage()
    fields.check()
    fetch = {"connected_app": anypoint_access.connected_app_token, "user": anypoint_access.user_token}.get(auth)
    return Target(
        roots=anypoint_access.roots(place.url, place.accounts_url, place.organization_id, place.environment_id),
        secrets=_secrets(password, carriage["proxy"]),
        bearer=None if fetch else password,
        token_call=fetch(login, password) if fetch else None,
        **carriage,
    )


def civo_target(connection: Connection, extra: Mapping[str, Any], *, region: str | None = None) -> Target:
    """
    Resolve a ``civo`` connection.

    :param region: region code instead of the connection's; None means the connection's.
    :raises ConfigurationError: naming everything that is missing or wrong.
    :raises InvalidArgumentError: for a region that cannot be one.
    """
    fields = Fields(connection, extra)
    fields.of_type("civo")
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
    carriage = fields.carriage()
    fields.check()
    return Target(
        roots=civo.roots(url),
        parameters=civo.parameters(region),
        secrets=_secrets(password, carriage["proxy"]),
        bearer=password,
        **carriage,
    )


def _vendor_of(url: str) -> anypoint_access.VendorHost | None:
    return anypoint_access.vendor_host(urlsplit(url).hostname or "") if _on_usual_port(url) else None


def _on_usual_port(url: str) -> bool:
    """Whether an address can be the vendor's own; one on another port is something like a tunnel."""
    return urlsplit(url).port in (None, 80, 443)


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # too long for a name: the certificates themselves were pasted
        return False


def _secrets(password: str, proxy: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys((password, *passwords(proxy), *passwords(*environment_proxies()))))
