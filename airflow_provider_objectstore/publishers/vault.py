"""Publishing a credential as a secret of HashiCorp Vault."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.exceptions import (
    ConfigurationError,
    ConflictError,
    PermissionDeniedError,
    ServerError,
    StoreNotFoundError,
    TransportError,
    error_for,
)
from airflow_provider_objectstore.publishers.base import BasePublisher
from airflow_provider_objectstore.publishers.checks import check_fields, naming_missing_connection
from airflow_provider_objectstore.publishers.stored_connection import StoredConnection, parse_json
from airflow_provider_objectstore.transport.failures import failure_text, forget_handled, shown_cause

_STATUSES = {
    "InvalidRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "InvalidPath": 404,
    "UnsupportedOperation": 405,
    "RateLimitExceeded": 429,
    "InternalServerError": 500,
    "VaultNotInitialized": 501,
    "BadGateway": 502,
    "VaultDown": 503,
}
"""By the name of hvac's error, the status that it stands for. It does not keep any other status, such as a 504."""


@dataclass(frozen=True)
class VaultPublisher(BasePublisher):
    """
    Publishes a credential as a secret of Vault's key-value engine, version 2: the members of an ``aws`` connection.

    Under the ``connections_path`` of Airflow's secrets backend, such as ``connections/s3_civo``, it is the connection
    ``s3_civo``. Needs the extra ``hashicorp``.

    Before it is written, Vault is asked whether the token may do that. A version that was written since the secret was
    read is read first, and is not overwritten if it is anything but an ``aws`` connection.

    :param path: the secret's path in the engine. The engine is where the connection's ``schema`` says, by default
        ``secret``. A secret that holds anything but an ``aws`` connection is left as it is, and publishing fails.
    :param vault_conn_id: id of a ``vault`` connection that may read, create and update the secret.
    """

    path: str
    vault_conn_id: str = "vault_default"

    def __post_init__(self) -> None:
        """
        Check the fields.

        :raises InvalidArgumentError: naming the field that is empty, not text, or a template.
        """
        check_fields(self, path=read.name, vault_conn_id=read.name)

    def _place(self) -> _VaultSecret:
        return _VaultSecret(self)


class _VaultSecret(StoredConnection):
    """A publisher's secret, through a client that is created once."""

    def __init__(self, publisher: VaultPublisher) -> None:
        super().__init__("secret", publisher.path)
        self._publisher = publisher
        self._version = 0

    def resolve(self) -> None:
        api_prefix = f"{self._hook.vault_client.mount_point}/data/"
        if self._name.strip("/").startswith(api_prefix):
            raise ConfigurationError(
                f"{self._publisher} cannot publish: the path is the one of Vault's HTTP API, and would be a secret "
                f"{self._name!r} within the engine. Leave {api_prefix!r} out"
            )
        if self._hook.vault_client.kv_engine_version != 2:
            raise ConfigurationError(
                f"{self._publisher} cannot publish: connection {self._publisher.vault_conn_id!r} has "
                "kv_engine_version 1, which keeps no versions. Publish to an engine of version 2"
            )

    def _check_rights(self) -> None:
        rights, needed = self._rights(), {"read", "update" if self._version else "create"}
        if rights is None or "root" in rights or needed <= rights:
            return
        raise PermissionDeniedError(
            f"{self._where} cannot be published: Vault allows its token {', '.join(sorted(rights))} there, and not "
            f"{', '.join(sorted(needed - rights))}",
            status=403,
        )

    def _rights(self) -> set[str] | None:
        """Return what the token may do with the secret; None if Vault does not tell."""
        from hvac.exceptions import Forbidden, InvalidRequest

        path = f"{self._hook.vault_client.mount_point}/data/{self._name}"
        with self._requesting("capabilities"), suppress(Forbidden, InvalidRequest):  # it has no use left
            response = self._ask(lambda client: client.sys.get_capabilities([path]))
            return set(response["data"][path])
        return None

    def _get(self) -> str | None:
        from hvac.exceptions import InvalidPath

        with self._requesting("read"):
            engine = self._hook.vault_client.mount_point
            try:  # the hook would take any 404 for a missing secret
                found = self._ask(
                    lambda client: client.secrets.kv.v2.read_secret_version(
                        self._name, mount_point=engine, raise_on_deleted_version=True
                    )
                )
            except InvalidPath as error:
                self._version = _deleted_version(error)
                return None
        self._version = found["data"]["metadata"]["version"]
        content = found["data"]["data"] or {}
        if "conn_uri" in content:
            return str(content["conn_uri"])
        extra = content.get("extra")
        return json.dumps({**content, **({"extra": parse_json(extra)} if isinstance(extra, str) else {})})

    def _create(self, text: str) -> bool:
        return self._write(text)

    def _put(self, text: str) -> None:
        if not self._write(text):
            self._read()
            if not self._write(text):
                raise ConflictError(f"{self._where} is written by something else at the same time. Run this task again")

    def _write(self, text: str) -> bool:
        """Return False if the secret has another version than the one that was read."""
        from hvac.exceptions import InvalidRequest

        connection = json.loads(text)
        content = {**connection, "extra": json.dumps(connection["extra"])}
        with self._requesting("write"):
            try:
                self._hook.create_or_update_secret(self._name, content, cas=self._version)
            except InvalidRequest as error:
                if "check-and-set" not in str(error):
                    raise
                return False
        return True

    def _ask(self, request: Callable[[Any], Any]) -> Any:
        """Send a request. If the token is refused, log in anew and send it once more: it may be used up."""
        from hvac.exceptions import Forbidden, InvalidRequest

        client = self._hook.get_conn()
        try:
            return request(client)
        except (Forbidden, InvalidRequest):  # the latter for the token's capabilities
            del self._hook
            return request(self._hook.get_conn())

    @cached_property
    def _hook(self) -> Any:
        try:
            from airflow.providers.hashicorp.hooks.vault import VaultHook
        except ImportError as error:
            raise ConfigurationError(
                "VaultPublisher needs the hashicorp provider: pip install 'airflow-provider-objectstore[hashicorp]'"
            ) from error
        from hvac.exceptions import VaultError

        conn_id = self._publisher.vault_conn_id
        with naming_missing_connection(self._publisher, conn_id):
            try:
                return VaultHook(conn_id)
            except VaultError as error:
                raise ConfigurationError(
                    f"{self._publisher} cannot publish: connection {conn_id!r}: {error}"
                ) from error

    @property
    def _where(self) -> str:
        return f"{self} by way of connection {self._publisher.vault_conn_id!r}"

    @contextmanager
    def _requesting(self, operation: str) -> Iterator[None]:
        self.resolve()
        from hvac.exceptions import UnexpectedError, VaultError
        from requests import RequestException

        what = f"vault.{operation} ({self._where})"
        handled = sys.exception()
        try:
            yield
        except VaultError as error:
            refusal = _refusal(error)
            if isinstance(refusal, UnexpectedError):
                raise ServerError(
                    f"{what}: the service answered with an unexpected status: {failure_text(refusal)}. "
                    "Run this task again"
                ) from error
            status = _STATUSES.get(type(refusal).__name__)
            if status is None:
                raise ConfigurationError(f"{what}: {refusal}. Check that connection's fields") from error
            hint = "Check the connection's token or login, and what it may do with this secret"
            kind = StoreNotFoundError if status == 404 else None  # there is no such engine, or this is not Vault
            raise error_for(what, status, reason=str(refusal), hint=hint, kind=kind) from error
        except RequestException as error:
            forget_handled(error, handled)
            raise TransportError(
                f"{what}: {failure_text(error)}. Check that connection's host, port and use_tls"
            ) from shown_cause(error)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{what}: {error}. Check that connection and the files that it names") from error


def _deleted_version(error: Any) -> int:
    """Return the version of a secret that was deleted; 0 if there is none. Any other 404 does not say that."""
    data = error.json.get("data") if isinstance(error.json, dict) else None
    if data:
        return int(data["metadata"]["version"])
    if error.errors == []:
        return 0
    raise error


def _refusal(error: BaseException) -> BaseException:
    """Return Vault's own error: after a 403 the hook logs in again, and a second 403 is the cause of its error."""
    return error.__cause__ or error
