"""Hand a credential to its consumers without XCom: each publisher puts it where they look it up."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers.airflow_connection import AirflowConnectionPublisher
from airflow_provider_objectstore.publishers.anypoint_key import AnypointKeyPublisher
from airflow_provider_objectstore.publishers.secrets_manager import SecretsManagerPublisher
from airflow_provider_objectstore.publishers.ssm import SsmParameterPublisher
from airflow_provider_objectstore.publishers.vault import VaultPublisher

__all__ = [
    "AirflowConnectionPublisher",
    "AnypointKeyPublisher",
    "Publisher",
    "SecretsManagerPublisher",
    "SsmParameterPublisher",
    "VaultPublisher",
]


@runtime_checkable
class Publisher(Protocol):
    """
    Hands a credential to its consumers. All methods may be called again with the same credential. Its ``str`` holds no
    secret and is the same in each process: a rotation recognizes its own tries by it.

    It may also have these methods, as the publishers of this package do:

    - ``check()`` is called before anything is created or changed, and raises if it can tell that publishing would fail,
      for example because a connection is missing. It sends no request.
    - ``prepare()`` is called by a rotation before the first change that consumers notice. It may send requests, but
      changes nothing: it looks connections up, fetches a token, reads what is there, and raises if publishing would
      fail. It returns what publishes and verifies from then on, an object with both methods; None for the publisher
      itself. What it returns lives as long as the task, and may hold what a publisher must not, such as a token.
      ``publish`` also works without it.

    Secrets that an implementation receives are masked in logs; it must not write them there in another form.
    """

    def publish(self, credential: S3Options) -> None:
        """
        Put the credential where consumers look it up. Publishing the same one twice changes nothing.

        :param credential: endpoint and keys, and the bucket if the credential belongs to exactly one.
        :raises Exception: if that fails; the task fails with it.
        """

    def verify(self, credential: S3Options) -> None:
        """
        Look the credential up as a consumer does.

        :param credential: what was published.
        :raises ValueError: if the look-up returns anything else, or nothing; ``FileNotFoundError`` and this package's
            ``ObjectStoreError``, ``NotFoundError``, ``ConflictError`` and ``UnreadableValueError`` say so too. By any
            other error, or a subclass of these, a rotation takes it that the credential may be there.
        """
