"""Keeping a published connection in a store of secrets, whatever that is."""

from __future__ import annotations

import json
import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.exceptions import ConflictError, ObjectStoreError
from airflow_provider_objectstore.publishers.base import PublishedPlace

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.s3 import S3Options

NO_TEXT = "\0"
"""Stands for a value that is no text, and therefore no connection."""

_PLACEHOLDERS: tuple[list[str], ...] = ([], ["{}"], ["[]"], ["null"], ['""'])
"""The words of a text that says nothing."""

log = logging.getLogger(__name__)


class StoredConnection(PublishedPlace):
    """
    A publisher's secret, through a client that is created once: the JSON of an ``aws`` connection.

    :param kind: what the store calls it, such as ``secret``.
    :param name: its name there.
    """

    def __init__(self, kind: str, name: str) -> None:
        self._kind = kind
        self._name = name
        self._found: tuple[str | None] | None = None
        """What :meth:`look` has read, until something is published."""

    def __str__(self) -> str:
        return f"{self._kind} {self._name!r}"

    def look(self) -> None:
        """
        Read what is there.

        :raises ConflictError: if it is neither empty nor an ``aws`` connection.
        :raises PermissionDeniedError: if it is known that it may not be written.
        """
        self._found = (self._read(),)
        self._check_rights()

    def publish(self, credential: S3Options) -> None:
        """
        Write the connection, unless it is there already.

        :param credential: what to publish.
        """
        wanted = credential.aws_connection()
        (text,) = self._found or (self._read(),)
        self._found = None
        if parse_json(text) == wanted:
            log.info("%s holds the credential already", self._title)
            return
        new = json.dumps(wanted)
        if text is None:
            if self._create(new):
                log.info("Created %s", self)
                return
            self._read()  # it appeared meanwhile, or it exists and has no value
        self._put(new)
        log.info("Put a new version of %s", self)

    def verify(self, credential: S3Options) -> None:
        """
        Read the connection.

        :param credential: what was published.
        :raises ObjectStoreError: if it is missing, or anything else.
        """
        if parse_json(self._get()) != credential.aws_connection():
            raise ObjectStoreError(
                f"{self} does not hold what was published: something else writes it too. Check its versions"
            )

    @property
    def _title(self) -> str:
        return f"{self}"[0].upper() + f"{self}"[1:]

    def _read(self) -> str | None:
        """Return the text, unless it is anything but an ``aws`` connection."""
        text = self._get()
        conn_type = _conn_type(text)
        if conn_type == "aws" or not text or text.split() in _PLACEHOLDERS:
            return text
        holds = f"a connection of type {conn_type!r}" if isinstance(conn_type, str) else "something else"
        raise ConflictError(
            f"{self} holds {holds}, not 'aws': it is left as it is. Publish under another name, or empty it if it is "
            "a placeholder"
        )

    def _check_rights(self) -> None:
        """Check that it may be written, where the store tells."""

    @abstractmethod
    def _get(self) -> str | None:
        """Return the text; None if there is none of this name. A value that is no text counts as :data:`NO_TEXT`."""

    @abstractmethod
    def _create(self, text: str) -> bool:
        """Return False if it exists."""

    @abstractmethod
    def _put(self, text: str) -> None:
        """Replace the text of what exists."""


def parse_json(text: str | None) -> Any:
    """Return what a text holds as JSON; None if it is none."""
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def _conn_type(text: str | None) -> str | None:
    """Return the type of the connection that a secret holds as JSON or as a URI; None if it holds no connection."""
    connection = parse_json(text)
    if isinstance(connection, dict):
        return connection.get("conn_type")
    scheme, separator, _ = (text or "").partition("://")
    return scheme if separator else None
