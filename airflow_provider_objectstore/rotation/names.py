"""
Names and access keys that a rotation gives, so that the services' state alone tells what has been done.

A new credential is called ``{base}-r{timestamp}-{hash}``. A key that is changed in place is
``R{timestamp}X{hash}{credential}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from airflow_provider_objectstore.api.civo import MAX_NAME_LENGTH
from airflow_provider_objectstore.api.civo.models import Credential

MAX_CLOCK_DIFFERENCE = timedelta(hours=1)
"""By how much the clocks of two machines that rotate may differ."""
_HASH_LENGTH = 6
_TIMESTAMP_FORMAT = "%Y%m%d%H%M%S"
_NAME = re.compile(rf"(?P<base>.+)-r(?P<timestamp>\d{{14}})-(?P<hash>[0-9a-f]{{{_HASH_LENGTH}}})")
_ACCESS_KEY = re.compile(rf"R(?P<timestamp>\d{{14}})X(?P<hash>[0-9A-F]{{{_HASH_LENGTH}}})[0-9A-F]{{{_HASH_LENGTH}}}")
_MAX_BASE_LENGTH = MAX_NAME_LENGTH - len("-r") - 14 - len("-") - _HASH_LENGTH


@dataclass(frozen=True, order=True, slots=True)
class RotationId:
    """
    Identifies a rotation. Ordered by time: a later rotation is greater.

    :param timestamp: when the run was due (``run_after``), as ``YYYYMMDDhhmmss`` in UTC.
    :param hash: six hexadecimal digits that distinguish rotations that are due in the same second.
    """

    timestamp: str
    hash: str

    @classmethod
    def of(cls, run_after: datetime, *identity: str) -> RotationId:
        """
        Return the id of a run's rotation. The same run and target always have the same one.

        :param run_after: when the run was due, with a time zone.
        :param identity: texts that identify run and target, such as the DAG's id and the run's id.
        """
        return cls(run_after.astimezone(UTC).strftime(_TIMESTAMP_FORMAT), _short_hash("\n".join(identity)))

    @property
    def time(self) -> datetime:
        """When the run was due, in UTC."""
        return datetime.strptime(self.timestamp, _TIMESTAMP_FORMAT).replace(tzinfo=UTC)


def rotation_id_of(credential: Credential) -> RotationId | None:
    """Return the newest rotation that a credential's name or access key shows; None if no rotation made either."""
    matches = (_NAME.fullmatch(credential.name), _ACCESS_KEY.fullmatch(credential.access_key_id))
    return max((RotationId(match["timestamp"], match["hash"].lower()) for match in matches if match), default=None)


def is_of_the_future(credential: Credential) -> bool:
    """Return whether a credential's name or access key shows a rotation that is due more than an hour from now."""
    rotation_id = rotation_id_of(credential)
    latest = datetime.now(UTC) + MAX_CLOCK_DIFFERENCE
    return rotation_id is not None and rotation_id.timestamp > latest.strftime(_TIMESTAMP_FORMAT)


def is_original(name: str) -> bool:
    """Return whether a name is the first of its lineage, which no rotation made."""
    return _NAME.fullmatch(name) is None


def lineage_name(name: str) -> str:
    """Return what the names of all credentials of one lineage have in common: the first name, shortened if long."""
    match = _NAME.fullmatch(name)
    if match:
        return match["base"]
    if len(name) <= _MAX_BASE_LENGTH:
        return name
    return f"{name[: _MAX_BASE_LENGTH - _HASH_LENGTH - 1]}-{_short_hash(name)}"


def name_for(base: str, rotation_id: RotationId) -> str:
    """
    Return the name of the credential that a rotation creates.

    :param base: the lineage's name, see :func:`lineage_name`.
    """
    return f"{base}-r{rotation_id.timestamp}-{rotation_id.hash}"


def access_key_for(credential_id: str, rotation_id: RotationId) -> str:
    """Return the access key that a rotation gives to a credential."""
    return f"R{rotation_id.timestamp}X{rotation_id.hash}{_short_hash(credential_id)}".upper()


def _short_hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
