"""
What the vendors do not document, and what the emulator does in its place. Correct a guess here.

Object Store v2, beside what stands below as code:

- An unknown store or partition answers 404 to whatever is asked about its contents.
- PUT on an existing store replaces its attributes and keeps its contents; PATCH changes those that are given.
- A store's TTL applies to what is written from then on. As long as nobody set it, reading an entry and listing it
  extend its life as storing it does (documented for the connector's operations); HEAD does not. Once it is set, in
  PUT or PATCH, only storing starts an entry's time anew.
- POST of ``application/json`` on a key, as in the vendor's examples, stores the value if the key is not there.
- Spaces in a key become ``+``, so ``a b`` and ``a+b`` are one key.
- A partition appears with its first key and goes with its last.
- One value per key: ``index`` is kept and given back, it does not make a list.
- Listings are in order of names, or with ``unsorted`` in another; a page goes on after the last name of the page
  before, whatever changed in between.
- While a confirmation is open, everybody sees the state before it. POST applies the effect, DELETE and expiry drop
  it. A confirmed GET has no effect to hold. Removing a partition cannot be confirmed (there is no path for it): it
  happens at once. HEAD takes ``confirmable`` and ignores it.
- The rate limit is a token bucket per client address and service that holds one second's worth.
  The token endpoints are not limited.

Civo, beside what stands below as code:

- Names of stores and of credentials are unique in the account, over all regions.
- ``region`` is not needed for the list of regions and the quota.
- A region without object stores answers every request for one with the error that was seen there.
- What is null is not given, and neither is a size of 0 in an update that has something else to change.
- A credential's size follows the rule for stores, and is 500 if it is not given.
- A new credential is ``pending``; its keys are empty for ``creating_seconds``. A store's own starts like any other.
- A change of keys or owner takes effect before the answer, or ``s3_lag_seconds`` later; status stays ``ready``.
- An owner change takes the bucket's existing objects along. ``owner_change="bucket"`` leaves them behind, as Ceph's
  ``bucket link`` without ``bucket chown`` does: who wrote an object can read it, also if the bucket is another's.
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
KEY_CREATED_STATUS = 201  # a look-alike's
KEY_EXISTS_STATUS = 409  # the contract's for this POST

DEFAULT_TTL_SECONDS = 2_592_000
DEFAULT_CONFIRMATION_TTL_SECONDS = 600

CONFIRMATION_FIELD = "confirmationId"  # where the answer has a body: GET and PUT
CONFIRMATION_HEADER = b"x-confirmation-id"  # where it has none: DELETE

_EXACT = Context(prec=10_000, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])


def alter(current: int | Decimal | None, operation: Any) -> int | Decimal:
    """
    Apply the body of a number operation, ``{"operation": "add" | "subtract" | "set", "value": n}``.

    :param current: the number so far; a missing key starts at 0.
    :raises ValueError: if the operation is not understood, or its result cannot be written exactly.
    """
    if not isinstance(operation, dict) or not is_number(operation.get("value")):
        raise ValueError('a number operation is {"operation": "add", "value": <number>}')
    name, value = str(operation.get("operation")).lower(), operation["value"]
    if name == "set":
        return value  # type: ignore[no-any-return]
    if name not in ("add", "subtract"):
        raise ValueError(f"unknown operation {name!r}: add, subtract and set are known")
    first, second = current or 0, value if name == "add" else -value
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    try:
        return _EXACT.add(Decimal(first), Decimal(second))
    except ArithmeticError as error:
        raise ValueError("the result cannot be written exactly") from error


def is_number(value: Any) -> bool:
    """Whether a value from JSON is a number."""
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
    "objectstore_backend_failed": (500, "The object storage did not carry out the change"),
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
    """The name of the credential that comes with a store, like ``demo-store-2785-8e1e6b``."""
    return f"{store}-{secrets.randbelow(9000) + 1000}-{secrets.token_hex(3)}"


def usage_in_kilobytes(size: int, max_size_gb: int) -> tuple[int, int]:
    """
    Bytes and gigabytes as the statistics' ``size_kb_utilised`` and ``max_size_kb``.

    A store of 500 GB was seen with a maximum of 500000000. What is used is counted as Ceph does: in units of 1024
    bytes, rounded up.
    """
    return -(-size // 1024), max_size_gb * 1_000_000
