"""Where a credential goes so that its consumers find it: its secret never passes through XCom."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers.airflow_connection import AirflowConnectionPublisher
from airflow_provider_objectstore.publishers.anypoint_key import AnypointKeyPublisher
from airflow_provider_objectstore.publishers.secrets_manager import SecretsManagerPublisher

__all__ = [
    "AirflowConnectionPublisher",
    "AnypointKeyPublisher",
    "Publisher",
    "SecretsManagerPublisher",
]


@runtime_checkable
class Publisher(Protocol):
    """
    Brings a credential to its consumers. Both methods may be called again with the same credential.

    It may also have a method ``check()``, as those of this package do. It is called before anything is created or
    changed, and raises if it can tell that publishing would fail, such as for want of a connection. It sends nothing.

    Secrets that an implementation receives are masked in logs; it must not write them there in another form.
    """

    def publish(self, credential: S3Options) -> None:
        """Put the credential where consumers look for it; publishing the same one twice changes nothing."""

    def verify(self, credential: S3Options) -> None:
        """Look it up as a consumer does; raise if that gives anything else."""
