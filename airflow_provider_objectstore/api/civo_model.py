"""What Civo answers with, and how it is read: tolerant where the vendor's page and live service differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_objectstore.api.call import Call, Page, Reply, boolean, integer, words
from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ResourceFailedError,
    ServerError,
    error_for,
)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """
    An object store. Its bucket has the store's name.

    :param owner_access_key_id: access key of the credential that owns it.
    :param owner_credential_id: id of that credential, where the service tells it.
    :param endpoint: where its S3 interface is, as the service says it: a host, a URL or a URL with a path.
    """

    id: str
    name: str
    max_size_gb: int | None
    status: str
    owner_access_key_id: str | None = None
    owner_name: str | None = None
    owner_credential_id: str | None = None
    endpoint: str | None = None
    reason: str | None = None

    @property
    def ready(self) -> bool:
        """
        Whether it can be used.

        :raises ResourceFailedError: if the service has given up on it.
        """
        if self.status == "failed":
            raise ResourceFailedError(
                f"object store {self.name} ({self.id}) has failed: {self.reason or 'the service gives no reason'}. "
                "Delete it and create it anew; its name may stay reserved for a while"
            )
        return self.status in ("ready", "active")


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential for object stores. Its secret is kept out of representations."""

    id: str
    name: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    max_size_gb: int | None = None
    suspended: bool = False
    status: str = ""

    @property
    def filled(self) -> bool:
        """
        Whether the service has given it its keys.

        :raises ResourceFailedError: if the service has given up on it.
        """
        if self.status == "failed":
            raise ResourceFailedError(f"credential {self.name} ({self.id}) has failed; delete it")
        return bool(self.access_key_id and self.secret_access_key)


@dataclass(frozen=True, slots=True)
class ObjectStoreStats:
    """How much an object store holds; sizes in KB."""

    size_kb_utilised: int
    max_size_kb: int
    num_objects: int


@dataclass(frozen=True, slots=True)
class Quota:
    """The account's limit for object stores and its use, in GB."""

    objectstore_gb_limit: int
    objectstore_gb_usage: int


@dataclass(frozen=True, slots=True)
class Region:
    """A region; ``usable`` if object stores can be created there."""

    code: str
    name: str
    usable: bool


def s3_endpoint(endpoint: str | None, region: str) -> str:
    """
    Return the address of a store's S3 interface.

    :param endpoint: what the service says: a host, a URL, a URL with a path (which is dropped), or nothing.
    :param region: region code, for the service's own address where it says nothing.
    """
    if not endpoint:
        return f"https://objectstore.{region.lower()}.civo.com"
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    return f"{parts.scheme}://{parts.netloc}"


def read_store(item: Any) -> ObjectStore:
    owner = item.get("owner_info") or {}
    size = item.get("max_size_gb", item.get("max_size"))
    return ObjectStore(
        id=str(item["id"]),
        name=str(item["name"]),
        max_size_gb=None if size is None else integer(size),
        status=_status(item),
        owner_access_key_id=owner.get("access_key_id") or None,
        owner_name=owner.get("name") or None,
        owner_credential_id=owner.get("credential_id") or None,
        endpoint=item.get("objectstore_endpoint") or None,
        reason=item.get("reason") or item.get("details") or None,
    )


def read_credential(item: Any) -> Credential:
    size = item.get("max_size_gb")
    return Credential(
        id=str(item["id"]),
        name=str(item["name"]),
        access_key_id=str(item.get("access_key_id") or ""),
        secret_access_key=str(item.get("secret_access_key_id") or ""),
        max_size_gb=None if size is None else integer(size),
        suspended=boolean(item.get("suspended") or False),
        status=_status(item),
    )


def read_stats(item: Any) -> ObjectStoreStats:
    return ObjectStoreStats(
        **{name: integer(item[name]) for name in ("size_kb_utilised", "max_size_kb", "num_objects")}
    )


def read_quota(item: Any) -> Quota:
    return Quota(**{name: integer(item[name]) for name in ("objectstore_gb_limit", "objectstore_gb_usage")})


def read_regions(items: Any) -> tuple[Region, ...]:
    return tuple(
        Region(
            code=str(item["code"]),
            name=str(item.get("name", "")),
            usable=boolean((item.get("features") or {}).get("object_store", False))
            and not boolean(item.get("out_of_capacity") or False),
        )
        for item in items
    )


def page_of(read: Callable[[Any], Item]) -> Callable[[Reply], Page[Item]]:
    def page(reply: Reply) -> Page[Item]:
        answer = reply.json()
        number, last = integer(answer.get("page") or 1), integer(answer.get("pages") or 1)
        return Page(tuple(map(read, answer["items"] or ())), str(number + 1) if number < last else None)

    return page


_KINDS: Mapping[str, tuple[type[ApiError], str]] = {
    "database_account_not_found": (
        AuthenticationError,
        "The API key is not known: check the connection's password",
    ),
    "database_objectstore_exists": (
        ConflictError,
        "The name is taken; it can stay reserved after a failed create even where no list shows it",
    ),
    "database_objectstore_credential_not_found": (
        NotFoundError,
        "An object store's owner is named by the credential's access key, not by its id",
    ),
    "quota_limit_reached": (ApiError, "Ask the vendor for more quota or delete what is not used"),
    "region_unavailable": (ApiError, "The hook's list_regions() names the regions that can be used"),
    "out_of_capacity": (ApiError, "The region is full: try another or try later"),
    "disabled_service": (ApiError, "The account may not use object stores in this region"),
}


def failure(call: Call[Any], reply: Reply) -> ApiError:
    """Map an error reply; a 404 is told apart by its code: it may as well be a bad API key."""
    parsed = reply.json_object() or {}
    code = str(parsed["code"]) if parsed.get("code") else None
    kind, hint = _KINDS.get(code or "", (None, None))
    if code and code.startswith("authentication_"):
        kind, hint = AuthenticationError, "Check the connection's password, the API key"
    # A busy or broken service stays what its status says, whatever the code.
    if reply.status == 429:
        kind = RateLimitedError
    elif reply.status >= 500 and reply.status != 501 and kind is ApiError:
        kind = ServerError
    if kind is None and reply.status == 403:
        kind, hint = PermissionDeniedError, "The API key does not allow this"
    return error_for(
        str(call),
        reply.status,
        reason=words(reply, "reason", "message", "error", "details"),
        code=code,
        hint=hint,
        kind=kind,
        request_id=reply.headers.get("x-request-id"),
        retry_after=reply.headers.get("retry-after"),
    )


def _status(item: Any) -> str:
    return str(item.get("status") or item.get("state") or "").lower()
