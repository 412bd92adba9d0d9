"""
Names and access keys that a rotation gives, so that the services' state alone tells what has been done.

A new credential is called ``{base}-r{timestamp}-{hash}{check}``. A key that is changed in place is
``R{timestamp}X{hash}{credential}``. ``check`` and ``credential`` are digits of a hash: a name or key that a person gave
is not taken for a rotation's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from airflow_provider_objectstore.api.civo import MAX_NAME_LENGTH
from airflow_provider_objectstore.api.civo.models import Credential

MAX_CLOCK_DIFFERENCE = timedelta(hours=1)
"""By how much the clocks of two machines that rotate may differ."""
_HASH_LENGTH = 6
_CHECK_LENGTH = 4
_TIMESTAMP_FORMAT = "%Y%m%d%H%M%S"
_NAME = re.compile(rf"(?P<base>.+)-r(?P<timestamp>[0-9]{{14}})-(?P<hash>[0-9a-f]{{{_HASH_LENGTH}}})[0-9a-f]*")
_ACCESS_KEY = re.compile(rf"R(?P<timestamp>[0-9]{{14}})X(?P<hash>[0-9A-F]{{{_HASH_LENGTH}}})[0-9A-F]{{{_HASH_LENGTH}}}")
_MAX_BASE_LENGTH = MAX_NAME_LENGTH - len("-r") - 14 - len("-") - _HASH_LENGTH - _CHECK_LENGTH


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
        return cls(run_after.astimezone(UTC).strftime(_TIMESTAMP_FORMAT), _hash("\n".join(identity), _HASH_LENGTH))

    @property
    def time(self) -> datetime:
        """When the run was due, in UTC."""
        return datetime.strptime(self.timestamp, _TIMESTAMP_FORMAT).replace(tzinfo=UTC)


def rotation_id_of(credential: Credential) -> RotationId | None:
    """Return the newest rotation that a credential's name or access key shows; None if no rotation made either."""
    by_key = _match(_ACCESS_KEY, credential.access_key_id)
    if by_key and access_key_for(credential.id, by_key) != credential.access_key_id:
        by_key = None
    by_name = _match(_NAME, credential.name) if not is_original(credential.name) else None
    return max(filter(None, (by_name, by_key)), default=None)


def is_of_the_future(credential: Credential) -> bool:
    """Return whether a name or access key looks like that of a rotation which is due more than an hour from now."""
    latest = (datetime.now(UTC) + MAX_CLOCK_DIFFERENCE).strftime(_TIMESTAMP_FORMAT)
    shown = _match(_NAME, credential.name), _match(_ACCESS_KEY, credential.access_key_id)
    return any(rotation_id.timestamp > latest for rotation_id in shown if rotation_id)


def is_original(name: str) -> bool:
    """Return whether a name is the first of its lineage, which no rotation made."""
    rotation_id = _match(_NAME, name)
    return rotation_id is None or name_for(_base_of(name), rotation_id) != name


def looks_rotated(name: str, base: str) -> bool:
    """
    Return whether a name looks as if a rotation had made it, and none has.

    :param base: the name of the lineage that it seems to belong to.
    """
    return _NAME.fullmatch(name) is not None and is_original(name) and _base_of(name) == base


def lineage_name(name: str) -> str:
    """Return what the names of all credentials of one lineage have in common: the first name, shortened if long."""
    if not is_original(name):
        return _base_of(name)
    if len(name) <= _MAX_BASE_LENGTH:
        return name
    return f"{name[: _MAX_BASE_LENGTH - _HASH_LENGTH - 1]}-{_hash(name, _HASH_LENGTH)}"


def members_of(name: str, credentials: Iterable[Credential]) -> list[Credential]:
    """
    Return the credentials of a lineage.

    :param name: of any member, or what their names have in common.
    :param credentials: all of the region.
    """
    base = lineage_name(name)
    return [credential for credential in credentials if lineage_name(credential.name) == base]


def successors_of(name: str, credentials: Iterable[Credential]) -> list[Credential]:
    """
    Return the credentials that later rotations made of the one with a name, the newest last.

    :param name: the credential's name; it may be gone.
    :param credentials: all of the region.
    """
    made = [one for one in members_of(name, credentials) if not is_original(one.name)]
    later = [one for one in made if is_original(name) or one.name > name]  # ordered by time
    return sorted(later, key=lambda credential: credential.name)


def name_for(base: str, rotation_id: RotationId) -> str:
    """
    Return the name of the credential that a rotation creates.

    :param base: the lineage's name, see :func:`lineage_name`.
    """
    name = f"{base}-r{rotation_id.timestamp}-{rotation_id.hash}"
    return name + _hash(name, _CHECK_LENGTH)


def access_key_for(credential_id: str, rotation_id: RotationId) -> str:
    """Return the access key that a rotation gives to a credential."""
    return f"R{rotation_id.timestamp}X{rotation_id.hash}{_hash(credential_id, _HASH_LENGTH)}".upper()


def _match(pattern: re.Pattern[str], text: str) -> RotationId | None:
    match = pattern.fullmatch(text)
    return RotationId(match["timestamp"], match["hash"].lower()) if match else None


def _base_of(name: str) -> str:
    match = _NAME.fullmatch(name)
    return match["base"] if match else name


def _hash(text: str, length: int) -> str:
    return sha256(text.encode()).hexdigest()[:length]
