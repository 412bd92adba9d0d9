"""
What the vendors do not document, and what the emulator does instead. Correct a guess here.

Object Store v2, in addition to the code below:

- An unknown store or partition responds with 404 to every request for its contents.
- PUT on an existing store replaces its attributes and keeps its contents; PATCH changes those that are in the body.
- A store's TTL applies to entries that are written after it was set. As long as nobody sets it, reading or listing an
  entry restarts its time to live as writing it does (documented for the connector's operations); HEAD does not. After
  PUT or PATCH set it, only writing restarts the time to live.
- POST of ``application/json`` on a key, as in the vendor's examples, stores the value if the key does not exist.
- Spaces in a key become ``+``, so ``a b`` and ``a+b`` are one key.
- A partition exists from its first key to its last.
- One value per key: ``index`` is stored and returned, it does not make a list.
- Listings are in the order of names, or in another order with the setting ``unsorted``. A page continues after the last
  name of the page before, whatever changed in between; with the setting ``positional_tokens`` at the same position.
- While a confirmation is open, every client sees the state before it. POST applies the change, DELETE and expiry drop
  it. A confirmable GET changes nothing. Deleting a partition cannot be confirmed (there is no path for it): it happens
  at once. HEAD takes ``confirmable`` and ignores it.
- The rate limit is a token bucket per client address and service that holds one second's worth of
  requests. The token endpoints are not limited.
- Statistics count each request for stores that succeeded as one, in whole hours of UTC, in the one region
  ``us-east-1``. Requests for the list of stores count for the environment and no store. A store that exists or was
  used has a count for each period, from the one that ``startDate`` is in to the one before ``endDate``; an unknown
  environment, region or store has none. There is no suborganization.

Civo, in addition to the code below:

- Names of stores and of credentials are unique in the account, over all regions.
- ``region`` is not needed for the list of regions and the quota.
- A region without object stores responds to every request for one with the error that was seen there.
- A null counts as not given, and so does a size of 0 in an update that changes something else.
- A credential's size follows the rule for stores. The default is 500.
- A new credential is ``pending``; its keys are empty for ``creating_seconds``. This holds for a store's own
  credential too.
- A change of keys or owner takes effect before the response, or ``s3_lag_seconds`` later; the status stays ``ready``.
- An owner change transfers the bucket's existing objects. ``owner_change="bucket"`` does not, as Ceph's ``bucket link``
  without ``bucket chown``: the user who wrote an object can read it even if another user owns the bucket.
- A bucket that was deleted through S3 leaves its store as it was. The store's statistics fail with
  ``objectstore_backend_failed``: neither 0 nor a missing store would be true. Deleting the store succeeds.
- A store can be made smaller than its contents; sizes are not enforced on S3.
"""

from __future__ import annotations

import secrets
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any

# ---- Object Store v2 ----------------------------------------------------------------------------

UNKNOWN_ORGANIZATION_STATUS = 403
UNKNOWN_ENVIRONMENT_STATUS = 404
VALUE_TOO_LARGE_STATUS = 413
METADATA_TOO_LARGE_STATUS = 413
WRONG_MEDIA_TYPE_STATUS = 415
NOT_A_NUMBER_STATUS = 409
KEY_CREATED_STATUS = 201  # as similar services respond
KEY_EXISTS_STATUS = 409  # the contract's for this POST
MAX_STATISTICS_HOURS = {"1hour": 31 * 24, "1day": 366 * 24, "1month": 10 * 366 * 24}
"""Longest time frame of statistics by period. That there are limits is documented, which ones is not known here."""

DEFAULT_TTL_SECONDS = 2_592_000
DEFAULT_CONFIRMATION_TTL_SECONDS = 600

CONFIRMATION_FIELD = "confirmationId"  # where the response has a body: GET and PUT
CONFIRMATION_HEADER = b"x-confirmation-id"  # where the response has no body: DELETE

_EXACT = Context(prec=10_000, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])


def alter(current: int | Decimal | None, operation: Any) -> int | Decimal:
    """
    Apply the body of a number operation, ``{"operation": "add" | "subtract" | "set", "value": n}``.

    :param current: the number so far; ``None`` for a missing key, which starts at 0.
    :param operation: the parsed body.
    :raises ValueError: if the operation is invalid, or its result has too many digits to be exact.
    """
    if not isinstance(operation, dict) or not is_number(operation.get("value")):
        raise ValueError('a number operation is {"operation": "add", "value": <number>}')
    name, value = str(operation.get("operation")).lower(), operation["value"]
    if name == "set":
        return value  # type: ignore[no-any-return]
    if name not in ("add", "subtract"):
        raise ValueError(f"unknown operation {name!r}: known are add, subtract and set")
    first, second = current or 0, value if name == "add" else -value
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    try:
        return _EXACT.add(Decimal(first), Decimal(second))
    except ArithmeticError as error:
        raise ValueError("the result cannot be stored exactly") from error


def is_number(value: Any) -> bool:
    """Return whether a value from JSON is a number."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


# ---- Civo --------------------------------------------------------------------------------------

CIVO_ERRORS = {
    "authentication_invalid_key": (401, "No API key was given"),
    "database_account_not_found": (404, "Failed to find the account within the internal database"),
    "database_objectstore_not_found": (404, "Failed to find the object store within the internal database"),
    "database_objectstore_exists": (409, "An object store with this name exists already"),
    "database_objectstore_credential_not_found": (404, "Failed to find the object store credential"),
    "database_objectstore_credential_exists": (
        409,
        "A credential with this name or access key exists already",
    ),
    "database_objectstore_credential_in_use": (409, "The credential owns object stores"),
    "database_region_feature_not_supported": (400, "This feature is not supported in this region"),
    "objectstore_backend_failed": (500, "The object storage failed, or has no such bucket"),
    "parameter_invalid": (400, "A parameter is invalid"),
    "quota_limit_reached": (403, "The change would exceed the object store quota"),
    "rate_limit_exceeded": (429, "Too many requests"),
    "region_unavailable": (400, "The region is missing or unknown"),
}
"""Error code to status and reason. Documented are the codes ``database_account_not_found`` (with its status, and
that of the other ``…_not_found``), ``database_objectstore_exists``, ``database_objectstore_credential_not_found``,
``database_region_feature_not_supported`` (with its status and reason), ``quota_limit_reached``,
``region_unavailable`` and the prefixes ``authentication_`` and ``parameter_``; the rest is guessed."""


def own_credential_name(store: str) -> str:
    """Return a name for the credential that is created with a store, like ``demo-store-2785-8e1e6b``."""
    return f"{store}-{secrets.randbelow(9000) + 1000}-{secrets.token_hex(3)}"


def usage_in_kilobytes(size: int, max_size_gb: int) -> tuple[int, int]:
    """
    Convert bytes and gigabytes to the statistics' ``size_kb_utilised`` and ``max_size_kb``.

    A store of 500 GB was seen with a maximum of 500000000. Usage is counted as Ceph does: in units of 1024 bytes,
    rounded up.
    """
    return -(-size // 1024), max_size_gb * 1_000_000
