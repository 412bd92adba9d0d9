"""
How a rotation names what it makes, so that the services' state alone tells what has been done.

A replaced credential is called ``{base}-r{moment}-{hash}``; a key changed in place is ``R{moment}X{hash}{credential}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from airflow_provider_objectstore.api.civo import MAX_NAME_LENGTH
from airflow_provider_objectstore.api.civo_model import Credential

_HASH = 6
_NAME = re.compile(rf"(?P<base>.+)-r(?P<moment>\d{{14}})-(?P<hash>[0-9a-f]{{{_HASH}}})")
_KEY = re.compile(rf"R(?P<moment>\d{{14}})X(?P<hash>[0-9A-F]{{{_HASH}}})[0-9A-F]{{{_HASH}}}")
_MOMENT = "%Y%m%d%H%M%S"
_LONGEST_BASE = MAX_NAME_LENGTH - len("-r") - 14 - len("-") - _HASH


@dataclass(frozen=True, order=True, slots=True)
class Tag:
    """
    Which rotation it was; a later one is greater.

    :param moment: the run's ``run_after``, to the second, in UTC.
    :param hash: tells apart what happens in the same second.
    """

    moment: str
    hash: str

    @classmethod
    def of(cls, run_after: datetime, *identity: str) -> Tag:
        """Return the tag of a run; the same run and target always have the same one."""
        return cls(run_after.astimezone(UTC).strftime(_MOMENT), _short("\n".join(identity)))

    @property
    def time(self) -> datetime:
        """When that run was due."""
        return datetime.strptime(self.moment, _MOMENT).replace(tzinfo=UTC)


def tag_of(credential: Credential) -> Tag | None:
    """Return the newest rotation that a credential shows, in its name or its access key."""
    found = (_NAME.fullmatch(credential.name), _KEY.fullmatch(credential.access_key_id))
    return max((Tag(it["moment"], it["hash"].lower()) for it in found if it), default=None)


def is_first(name: str) -> bool:
    """Whether a name is a lineage's first, which no rotation made."""
    return _NAME.fullmatch(name) is None


def base_of(name: str) -> str:
    """Return what the names of all credentials of one lineage have in common: the first one's, shortened if long."""
    tagged = _NAME.fullmatch(name)
    if tagged:
        return tagged["base"]
    return name if len(name) <= _LONGEST_BASE else f"{name[: _LONGEST_BASE - _HASH - 1]}-{_short(name)}"


def name_for(base: str, tag: Tag) -> str:
    """Return the name of the credential that a rotation creates."""
    return f"{base}-r{tag.moment}-{tag.hash}"


def access_key_for(credential_id: str, tag: Tag) -> str:
    """Return the access key that a rotation gives to a credential."""
    return f"R{tag.moment}X{tag.hash}{_short(credential_id)}".upper()


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_HASH]
