"""What Civo answers with, and how it is read: tolerant where the vendor's page and live service differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from airflow_provider_objectstore.api.addresses import is_label, web_address
from airflow_provider_objectstore.api.call import Call, Page, Reply, boolean, integer, words
from airflow_provider_objectstore.api.xcom import NotForXCom
from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ResourceFailedError,
    ServerError,
    error_for,
)

Item = TypeVar("Item")

_READY = ("ready", "active")


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
        return self.status in _READY


@dataclass(frozen=True, slots=True)
class Credential(NotForXCom):
    """A credential for object stores. Its secret is kept out of representations, and it goes into no XCom."""

    _instead: ClassVar[str] = (
        "it holds a secret. Return its name or id, and call the hook's find_credential in the task that needs it, or "
        "give it to publishers"
    )

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
        return not self._failed and bool(self.access_key_id.strip() and self.secret_access_key.strip())

    @property
    def ready(self) -> bool:
        """
        Whether the service says that it can be used.

        :raises ResourceFailedError: if the service has given up on it.
        """
        return not self._failed and self.status in _READY

    @property
    def _failed(self) -> bool:
        if self.status == "failed":
            raise ResourceFailedError(f"credential {self.name} ({self.id}) has failed; delete it")
        return False


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


def s3_endpoint(endpoint: str | None, region: str, *, plain_http: bool = False) -> str:
    """
    Return the address of a store's S3 interface.

    :param endpoint: what the service says: a host, a URL, a URL with a path (which is dropped), or nothing.
    :param region: region code, for the service's own address where it says nothing.
    :param plain_http: whether it may be a URL with ``http``.
    :raises ServerError: if it is no address that keys may be used at.
    :raises InvalidArgumentError: if the region cannot be a part of a host name.
    """
    if not endpoint:
        if not is_label(region):
            raise InvalidArgumentError(f"the region must be a region code such as LON1, not {region!r}")
        return f"https://objectstore.{region.lower()}.civo.com"
    parts = web_address(endpoint if "://" in endpoint else f"https://{endpoint}")
    if parts is None or "@" in parts.netloc or (parts.scheme == "http" and not plain_http):
        raise ServerError(
            f"the service gives {endpoint[:200]!r} as the address of an object store's S3 interface, which is taken "
            "only as a host or an https URL without user (http only where the connection's host is http). Give the "
            "right one as the connection's s3_endpoint"
        )
    return f"{parts.scheme}://{parts.netloc}"


def read_store(item: Any) -> ObjectStore:
    owner = item.get("owner_info") or {}
    size = item.get("max_size_gb", item.get("max_size"))
    return ObjectStore(
        id=_name(item["id"]),
        name=_name(item["name"]),
        max_size_gb=None if size is None else integer(size),
        status=_status(item),
        owner_access_key_id=_text(owner.get("access_key_id")),
        owner_name=_text(owner.get("name")),
        owner_credential_id=_text(owner.get("credential_id")),
        endpoint=_text(item.get("objectstore_endpoint")),
        reason=item.get("reason") or item.get("details") or None,
    )


def read_credential(item: Any) -> Credential:
    size = item.get("max_size_gb")
    return Credential(
        id=_name(item["id"]),
        name=_name(item["name"]),
        access_key_id=_text(item.get("access_key_id")) or "",
        secret_access_key=_text(item.get("secret_access_key_id")) or "",
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
            code=_name(item["code"]),
            name=str(item.get("name", "")),
            usable=boolean((item.get("features") or {}).get("object_store", False))
            and not boolean(item.get("out_of_capacity") or False),
        )
        for item in items
    )


def page_of(read: Callable[[Any], Item]) -> Callable[[Reply], Page[Item]]:
    def page(reply: Reply) -> Page[Item]:
        answer = reply.json()
        items = answer["items"]
        if answer.get("page") is None and answer.get("pages") is None:
            return Page(tuple(map(read, items)))
        number, last = integer(answer["page"]), max(integer(answer["pages"]), 1)
        if not 1 <= number <= last or (items is None and last > 1):  # only a list without any items is null
            raise ValueError("a page that is not there, or has no items")
        return Page(tuple(map(read, items or ())), str(number + 1) if number < last else None, str(number))

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
    "database_region_feature_not_supported": (
        ApiError,
        "The region has no object stores: the hook's list_regions() names the regions that have, where usable is true",
    ),
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
        reason=_reason(reply),
        code=code,
        hint=hint,
        kind=kind,
        request_id=reply.headers.get("x-request-id"),
        retry_after=reply.headers.get("retry-after"),
    )


def unrouted(reply: Reply) -> bool:
    """
    Tell whether an answer says that there is no such route for this method, rather than no such object.

    Assumption: a 404 about an object has a code that begins with ``database_``, as all that are known.
    """
    if reply.status == 404:
        code = (reply.json_object() or {}).get("code")
        return not str(code or "").startswith("database_")
    about_method = reply.status == 400 and b"method" in reply.body.lower()
    return about_method or reply.status in (405, 501)


def _reason(reply: Reply) -> str:
    """Return the service's own words, with the details that it gives beside them."""
    said = words(reply, "reason", "message", "error", "details")
    details = str((reply.json_object() or {}).get("details") or "")[:500]
    return f"{said} ({details})" if details and details not in said else said


def _status(item: Any) -> str:
    return str(item.get("status") or item.get("state") or "").lower()


def _text(value: Any) -> str | None:
    if not isinstance(value, str | None):
        raise TypeError(f"a text that is {type(value).__name__}")
    return value or None


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"a name or id that is {type(value).__name__}")
    return value
