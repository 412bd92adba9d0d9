"""Check sizes and names of object stores and credentials, and keys of objects, before any request."""

from __future__ import annotations

from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.exceptions import InvalidArgumentError

SIZE_STEP_GB = 500
"""Sizes are multiples of this, in GB."""
MAX_NAME_LENGTH = 63
"""Most characters of a name."""
MAX_KEY_BYTES = 1024
"""Most bytes of an object's key in UTF-8."""


def check_size(size_gb: int) -> int:
    """
    Return a size in GB; refuse what the service would refuse. It is never rounded, because it costs money.

    :raises InvalidArgumentError: unless it is a positive multiple of 500; text with digits is accepted.
    """
    text = str(size_gb)
    size = int(text) if not isinstance(size_gb, bool) and text.isascii() and text.isdigit() else 0
    if size < SIZE_STEP_GB or size % SIZE_STEP_GB:
        raise InvalidArgumentError(
            f"a size of {size_gb!r} GB is not allowed: it must be {SIZE_STEP_GB} or a multiple of it"
        )
    return size


def is_other_size(size_gb: int | None, wanted: int | None) -> bool:
    """Return whether a size is not the one that was asked for, as far as both are known."""
    return None not in (size_gb, wanted) and size_gb != wanted


def check_name(name: str) -> None:
    """
    Refuse what cannot be the name of an object store or a credential.

    :raises InvalidArgumentError: saying the limit and the length.
    """
    segment("name", name)
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidArgumentError(
            f"the name {name!r} has {len(name)} characters; at most {MAX_NAME_LENGTH} are allowed"
        )
    if any(character.isspace() for character in name) or "/" in name:
        raise InvalidArgumentError(f"the name {name!r} must not hold white space or a slash")


def check_object_key(key: str) -> None:
    """
    Refuse what cannot be the key of an object, or a part of one.

    :raises InvalidArgumentError: saying the limit and the length.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"the key {key!r} is not valid Unicode") from None
    if size > MAX_KEY_BYTES:
        raise InvalidArgumentError(
            f"the key {key[:100]!r}… has {size:,} bytes in UTF-8; at most {MAX_KEY_BYTES:,} are allowed"
        )
