"""From an Airflow connection's fields to a target. Pure but for a look at the CA file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from airflow_provider_objectstore.api import anypoint_access, civo
from airflow_provider_objectstore.api.call import boolean
from airflow_provider_objectstore.exceptions import ConfigurationError, InvalidArgumentError
from airflow_provider_objectstore.transport import Target

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


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
        if value not in choices:
            self.problems.append(f"extra {name} must be one of {', '.join(choices)}, not {value!r}")
        return value

    def base_url(self, what: str, value: str, port: int | None = None) -> str:
        """Return scheme, host, port and path of an address; https unless it says http."""
        value = value.strip()
        parts = _web_address(value if "://" in value else f"https://{value}")
        if parts is None or parts.query or "@" in parts.netloc:
            self.problems.append(f"{what} must be a host or an http(s) URL without user and query")
            return ""
        netloc = f"{parts.netloc}:{port}" if port and parts.port is None else parts.netloc
        return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"

    def secret(self, what: str, value: str | None) -> str:
        value = self.required(what, value)
        if not (value.isascii() and value.isprintable()):
            self.problems.append(
                f"{what} holds characters that cannot be sent; it may have been pasted with a line end"
            )
        return value

    def carriage(self) -> dict[str, Any]:
        """Return the part of a target that both services share."""
        verify: bool | str = self.text("verify", "true")
        try:
            verify = boolean(verify)
        except ValueError:
            if not _is_file(str(verify)):
                self.problems.append(f"extra verify must be true, false or an existing file, not {verify!r}")
        proxy = self.text("proxy") or None
        if proxy and _web_address(proxy) is None:
            self.problems.append("extra proxy must be an http(s) URL")
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


def anypoint_target(
    connection: Connection,
    extra: Mapping[str, Any],
    *,
    region: str | None = None,
    organization_id: str | None = None,
    environment_id: str | None = None,
) -> Target:
    """
    Resolve an ``anypoint`` connection.

    :raises ConfigurationError: naming everything that is missing or wrong.
    """
    fields = Fields(connection, extra)
    auth = fields.choice("auth", "connected_app", "user", "bearer")
    login = connection.login or ""
    if auth != "bearer":
        fields.required({"user": "login (the user name)"}.get(auth, "login (the client id)"), login)
    what = {"user": "password", "bearer": "password (the bearer token)"}.get(auth, "password (the client secret)")
    password = fields.secret(what, connection.password)
    organization_id = fields.required("extra organization_id", organization_id or fields.text("organization_id"))
    environment_id = fields.required("extra environment_id", environment_id or fields.text("environment_id"))
    control_plane = fields.choice("control_plane", *anypoint_access.REGIONS)
    region = region or fields.text("region", "us-east-1")
    url = accounts_url = ""
    if connection.host:
        url = accounts_url = fields.base_url("host", connection.host, connection.port)
    elif control_plane in anypoint_access.REGIONS:
        try:
            url = anypoint_access.default_url(control_plane, region)
            accounts_url = anypoint_access.default_accounts_url(control_plane)
        except InvalidArgumentError as problem:
            fields.problems.append(str(problem))
    if fields.text("accounts_url"):
        accounts_url = fields.base_url("extra accounts_url", fields.text("accounts_url"))
    carriage = fields.carriage()
    fields.check()
    fetch = {"connected_app": anypoint_access.connected_app_token, "user": anypoint_access.user_token}.get(auth)
    return Target(
        roots=anypoint_access.roots(url, accounts_url, organization_id, environment_id),
        secrets=_secrets(password, carriage["proxy"]),
        bearer=None if fetch else password,
        token_call=fetch(login, password) if fetch else None,
        **carriage,
    )


def civo_target(connection: Connection, extra: Mapping[str, Any], *, region: str | None = None) -> Target:
    """
    Resolve a ``civo`` connection.

    :raises ConfigurationError: naming everything that is missing or wrong.
    """
    fields = Fields(connection, extra)
    password = fields.secret("password (the API key)", connection.password)
    region = fields.required("extra region", region or fields.text("region"))
    url = fields.base_url("host", connection.host or civo.DEFAULT_URL, connection.port)
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


def _web_address(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  it is read, and refused, only here
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # too long for a name: the certificates themselves were pasted
        return False


def _secrets(password: str, proxy: str | None) -> tuple[str, ...]:
    behind_proxy = urlsplit(proxy).password if proxy else None
    return (password, *({behind_proxy, unquote(behind_proxy)} if behind_proxy else ()))
