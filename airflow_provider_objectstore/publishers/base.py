"""The base of this package's publishers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.s3 import S3Options
    from airflow_provider_objectstore.publishers import Publisher


class PublishedPlace(ABC):
    """What a publisher writes to, through a client that is created once. It lives as long as one task."""

    @abstractmethod
    def resolve(self) -> object:
        """Look the connection up. No request is sent."""

    @abstractmethod
    def look(self) -> None:
        """Read what is there, and check what can be checked without changing anything."""

    @abstractmethod
    def publish(self, credential: S3Options) -> None:
        """Write the credential."""

    @abstractmethod
    def verify(self, credential: S3Options) -> None:
        """Read the credential, and compare it with what was published."""


class BasePublisher(ABC):
    """
    Base of the publishers that write to one place. They are dataclasses: Airflow copies, compares and stores them, so
    that what holds a token or a session is created by each call.
    """

    @abstractmethod
    def _place(self) -> PublishedPlace:
        """Return the place, with no client yet."""

    def check(self) -> None:
        """
        Resolve the connection. No request is sent.

        :raises ConfigurationError: if the connection does not exist, or naming everything that is missing or wrong in
            it, or if an extra of this package is not installed.
        """
        self._place().resolve()

    def prepare(self) -> Publisher:
        """
        Log in, and read what is there. Nothing is changed.

        :return: what publishes with one request and verifies.
        :raises ConfigurationError: as :meth:`check`.
        :raises ConflictError: if something is there that must not be overwritten.
        :raises TransportError: if there is no response.
        :raises ApiError: if a request is refused.
        """
        place = self._place()
        place.look()
        return place

    def publish(self, credential: S3Options) -> None:
        """
        Write the credential, unless the place holds it already.

        :param credential: what to publish.
        :raises InvalidArgumentError: if the credential has no keys, before any request.
        :raises ConfigurationError: as :meth:`check`, before any request.
        :raises ConflictError: if something is there that must not be overwritten.
        :raises TransportError: if there is no response.
        :raises ApiError: if a request is refused.
        """
        self._place().publish(credential)

    def verify(self, credential: S3Options) -> None:
        """
        Look the credential up as a consumer does.

        :param credential: what was published.
        :raises ObjectStoreError: if it is missing, or anything else is there.
        """
        self._place().verify(credential)
