"""The fields of an Airflow connection, read and checked."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.api.addresses import web_address
from airflow_provider_objectstore.api.call import fits_header
from airflow_provider_objectstore.arguments import boolean, shortened
from airflow_provider_objectstore.compat.connection_forms import is_of_test_button
from airflow_provider_objectstore.exceptions import ConfigurationError
from airflow_provider_objectstore.get_provider_info import get_provider_info
from airflow_provider_objectstore.transport.proxies import is_proxy
from airflow_provider_objectstore.transport.retry import RetryPolicy

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

_NO_OBJECT = "extra must be a JSON object"
_FOLDED_PATH = re.compile(r"//|/\.{1,2}/")


def require_type(conn_id: str, found: str | None, conn_type: str) -> None:
    """
    Refuse a connection of another type: its secret would be sent to the wrong service.

    :param conn_id: the connection's id.
    :param found: its type.
    :param conn_type: the type that is needed. ``generic`` and no type are allowed too.
    :raises ConfigurationError: naming both types.
    """
    if found not in (conn_type, "generic", "", None):
        raise ConfigurationError(
            f"connection {conn_id!r} is of {shown_type(found)}, not {conn_type!r}: give the id of a connection of type "
            f"{conn_type!r}"
        )


def shown_type(found: Any) -> str:
    """
    Return the type of a connection for messages: only what can be one.

    In an environment variable or a secrets backend it is whatever stands before a colon, or any text.

    :param found: the type, as Airflow returns it.
    """
    kind = re.match(r"[A-Za-z][A-Za-z0-9_-]{,39}(?![A-Za-z0-9_-])", str(found or ""))
    return f"type {kind[0]!r}" if kind else "no type that Airflow knows"


@dataclass
class Fields:
    """
    A connection's fields, which may be typed or text. It collects all problems, to raise them at once.

    :param connection: the Airflow connection.
    :param extra: its extra, parsed.
    :param problems: what is missing or wrong so far.
    """

    connection: Connection = field(repr=False)
    extra: Mapping[str, Any] = field(repr=False)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Airflow takes a broken extra for an empty one, of which every member would be missing.
        if not _is_object(self.connection.extra):
            self.problems.append(_NO_OBJECT)
            self.extra = {}

    def require_type(self, conn_type: str) -> None:
        """
        Refuse a connection of another type: its secret would be sent to the wrong service.

        A misspelt field is a problem: without it, the connection would lead to the default of the field that was meant.

        :raises ConfigurationError: naming both types.
        """
        require_type(self.connection.conn_id, self.connection.conn_type, conn_type)
        fields = _fields_of(conn_type)
        for name in self.extra.keys() - fields:
            for meant in get_close_matches(name.lower(), fields, 1, 0.82):
                self.problems.append(f"extra {_shown(name)} is no field: rename it to {meant}, if that is meant")

    def text(self, name: str, default: str = "") -> str:
        value = self.extra.get(name)
        return default if value is None or value == "" else str(value).strip()

    def required(self, what: str, value: str | None) -> str:
        if not value and not (_NO_OBJECT in self.problems and what.startswith("extra ")):
            self.problems.append(f"{what} is missing")
        return value or ""

    def positive(self, name: str, default: float, at_most: float = sys.float_info.max) -> float:
        text = self.text(name, str(default))
        try:
            number = float(text)
        except ValueError:
            number = 0
        if not 0 < number <= at_most:
            limit = " of at most a day" if at_most == 86_400 else ""
            self.problems.append(f"extra {name} must be a positive number{limit}, not {_shown(text)}")
        return number

    def retry(self) -> RetryPolicy:
        """Return how often and how long calls are tried."""
        settings: dict[str, Any] = {}
        if text := self.text("retry_attempts"):
            if not re.fullmatch("0*[1-9][0-9]{0,8}", text):
                self.problems.append(f"extra retry_attempts must be a whole number, at least 1, not {_shown(text)}")
            else:
                settings["attempts"] = int(text)
        if self.text("retry_deadline"):
            settings["deadline"] = self.positive("retry_deadline", 0, 86_400)
        return RetryPolicy(**settings)

    def choice(self, name: str, *choices: str) -> str:
        value = self.text(name, choices[0]).lower()
        if value in choices:
            return value
        self.problems.append(f"extra {name} must be one of {', '.join(filter(None, choices))}, not {_shown(value)}")
        return choices[0]

    def base_url(self, what: str, value: str, port: int | None = None, *, without: str = "") -> str:
        """
        Return scheme, host, port and path of an address; https unless it has a scheme.

        :param what: the field, for messages.
        :param value: a host or URL.
        :param port: the port, if the address has none.
        :param without: a path that every call begins with; it is cut off if it was pasted along.
        """
        value = value.strip()
        parts = web_address(value if "://" in value else f"https://{value}")
        if parts is None or parts.query or parts.fragment or "@" in parts.netloc:
            self.problems.append(f"{what} must be a host or an http(s) URL without user and query")
            return ""
        path = parts.path.rstrip("/").removesuffix(without).rstrip("/")
        if _FOLDED_PATH.search(f"{path}/"):
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
        elif value and in_header and not fits_header(value):
            self.problems.append(f"{what} holds a space, which cannot be sent; it may have been pasted with one")
        return value

    def transport_options(self) -> dict[str, Any]:
        """Return the part of a resolved connection that all services share."""
        verify: bool | str = self.text("verify", "true")
        try:
            verify = boolean(verify)
        except ValueError:
            if not _is_file(str(verify)):
                self.problems.append(f"extra verify must be true, false or an existing file, not {_shown(verify)}")
        proxy = self.text("proxy") or None
        if proxy and not is_proxy(proxy):
            self.problems.append(
                "extra proxy must be an http(s) URL of a host, without a path (SOCKS is not supported, special "
                "characters of a password are percent-encoded)"
            )
        return {
            "requests_per_second": self.positive("requests_per_second", 10),
            "timeout": self.positive("timeout", 30, 86_400),
            "retry": self.retry(),
            "verify": verify,
            "proxy": proxy,
        }

    def raise_problems(self) -> None:
        """
        Raise the collected problems, if any.

        :raises ConfigurationError: naming every problem.
        """
        if self.problems:
            conn_id = str(self.connection.conn_id)
            which = "the connection" if is_of_test_button(conn_id) else f"connection {conn_id!r}"
            raise ConfigurationError(f"{which} cannot be used: {'; '.join(self.problems)}")


@cache
def _fields_of(conn_type: str) -> frozenset[str]:
    """The names in the extra of a connection type of this package; none for another."""
    types = get_provider_info()["connection-types"]
    return frozenset(name for one in types if one["connection-type"] == conn_type for name in one["conn-fields"])


def _shown(value: Any) -> str:
    return shortened(repr(value), 100)


def _is_object(extra: Any) -> bool:
    try:
        return not extra or isinstance(json.loads(extra) if isinstance(extra, str) else extra, Mapping)
    except ValueError:
        return False


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # too long for a name: the certificates themselves were pasted
        return False
