"""The models of Civo, and how responses are read: tolerant where the vendor's page and live service differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from airflow_provider_objectstore.api.addresses import is_label, web_address
from airflow_provider_objectstore.api.call import Call, Page, Response, error_message
from airflow_provider_objectstore.api.encoding import integer
from airflow_provider_objectstore.arguments import boolean
from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    RateLimitedError,
    ResourceFailedError,
    ServerError,
    error_for,
)
from airflow_provider_objectstore.xcom import NotForXCom

Item = TypeVar("Item", "Credential", "ObjectStore")

_FAILED = "failed"
_READY = ("ready", "active")
MAX_REASON_LENGTH = 500
"""Most characters of what the service says of a failure."""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """
    An object store. Its bucket has the store's name.

    :param id: its id.
    :param name: its name, and its bucket's.
    :param max_size_gb: how much it may hold, in GB; None where the service does not return it.
    :param status: the service's word in lower case: ``ready`` or ``active``, ``failed``, or another while it is being
        created; empty where the service does not return it.
    :param owner_access_key_id: access key of the credential that owns it.
    :param owner_name: name of that credential.
    :param owner_credential_id: id of that credential, where the service returns it.
    :param endpoint: the address of its S3 interface, as the service returns it: a host, or a URL with or without path.
    :param reason: why it failed, where the service returns it.
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
    def failed(self) -> bool:
        """Whether it has failed for good."""
        return self.status == _FAILED

    @property
    def ready(self) -> bool:
        """
        Whether it can be used.

        :raises ResourceFailedError: if it has failed for good.
        """
        if self.failed:
            raise ResourceFailedError(
                f"object store {self.name} ({self.id}) has failed: {self.reason or 'the service gives no reason'}. "
                "Delete it and create it again; its name may stay reserved for a while"
            )
        return self.status in _READY


@dataclass(frozen=True, slots=True)
class Credential(NotForXCom):
    """
    A credential for object stores. Its ``repr`` does not show the secret, and a task cannot return it.

    :param id: its id.
    :param name: its name.
    :param access_key_id: its access key; empty until the service has created it.
    :param secret_access_key: its secret; empty until the service has created it.
    :param max_size_gb: how much it may hold, in GB; None where the service does not return it.
    :param suspended: whether the service refuses it.
    :param status: the service's word in lower case: ``ready`` or ``active``, ``failed``, or another while it is being
        created; empty where the service does not return it.
    """

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
    def failed(self) -> bool:
        """Whether it has failed for good."""
        return self.status == _FAILED

    @property
    def has_keys(self) -> bool:
        """
        Whether the service has given it its keys.

        :raises ResourceFailedError: if it has failed for good.
        """
        self._require_not_failed()
        return bool(self.access_key_id.strip() and self.secret_access_key.strip())

    @property
    def ready(self) -> bool:
        """
        Whether the service says that it can be used.

        :raises ResourceFailedError: if it has failed for good.
        """
        self._require_not_failed()
        return self.status in _READY

    def _require_not_failed(self) -> None:
        if self.failed:
            raise ResourceFailedError(f"credential {self.name} ({self.id}) has failed; delete it")


@dataclass(frozen=True, slots=True)
class ObjectStoreStats:
    """
    How much an object store holds.

    :param size_kb_utilised: size of its contents, in KB.
    :param max_size_kb: how much it may hold, in KB.
    :param num_objects: number of objects.
    """

    size_kb_utilised: int
    max_size_kb: int
    num_objects: int


@dataclass(frozen=True, slots=True)
class Quota:
    """
    The account's quota for object stores.

    :param objectstore_gb_limit: the limit of all sizes together, in GB.
    :param objectstore_gb_usage: how much of it is used, in GB.
    """

    objectstore_gb_limit: int
    objectstore_gb_usage: int


@dataclass(frozen=True, slots=True)
class Region:
    """
    A region.

    :param code: its code, such as ``LON1``.
    :param name: its name for people; empty where the service does not return it.
    :param usable: whether object stores can be created there.
    """

    code: str
    name: str
    usable: bool


def s3_endpoint(endpoint: str | None, region: str, *, plain_http: bool = False) -> str:
    """
    Return the address of a store's S3 interface.

    :param endpoint: the store's endpoint: a host, a URL, a URL with a path (which is dropped), or None.
    :param region: region code, for the default address where there is no endpoint.
    :param plain_http: whether an ``http`` URL is allowed.
    :raises ServerError: if keys must not be sent to that address.
    :raises InvalidArgumentError: if the region cannot be a part of a host name.
    """
    if not endpoint:
        if not is_label(region):
            raise InvalidArgumentError(f"the region must be a region code such as LON1, not {region!r}")
        return f"https://objectstore.{region.lower()}.civo.com"
    parts = web_address(endpoint if "://" in endpoint else f"https://{endpoint}")
    if parts is None or "@" in parts.netloc or (parts.scheme == "http" and not plain_http):
        raise ServerError(
            f"the service returns {endpoint[:200]!r} as the address of an object store's S3 interface. It must be a "
            "host or an https URL without user (http only where the connection's host is http). Set the right address "
            "as the connection's s3_endpoint"
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
        reason=str(item.get("reason") or item.get("details") or "")[:MAX_REASON_LENGTH] or None,
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


def page_of(read: Callable[[Any], Item]) -> Callable[[Response], Page[Item]]:
    """Return what reads a page of a listing, item by item."""

    def page(response: Response) -> Page[Item]:
        body = response.json()
        items = body["items"]
        if body.get("page") is None and body.get("pages") is None:
            return Page(tuple(map(read, items)))
        number, last = integer(body["page"]), max(integer(body["pages"]), 1)
        if number > last and not items:  # so many were deleted since the page before that there is no such page now
            return Page((), None, str(number), last)
        if not 1 <= number <= last or (items is None and last > 1):  # only a list without any items is null
            raise ValueError("a page that does not exist, or has no items")
        found = tuple(map(read, items or ()))
        ids = tuple(str(item.id) for item in found)
        return Page(found, str(number + 1) if number < last else None, str(number), last, ids)

    return page


_ERRORS_BY_CODE: Mapping[str, tuple[type[ApiError], str]] = {
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


_HINTS = {403: "The API key does not allow this"}
_HINTS_WITHOUT_CODE = {
    403: "The API key does not allow this, or another program answers: check the connection's host and proxy",
    404: "Civo's API has a code for what is missing: check the connection's host and proxy",
}


def failure(call: Call[Any], response: Response) -> ApiError:
    """Map an error response to an error. Codes decide before statuses: a 404 may mean a wrong API key."""
    parsed = response.json_object() or {}
    code = str(parsed["code"]) if parsed.get("code") else None
    kind, hint = _ERRORS_BY_CODE.get(code or "", (None, None))
    if code and code.startswith("authentication_"):
        kind, hint = AuthenticationError, "Check the connection's password, the API key"
    # 429 and 5xx are transient, whatever the code.
    if response.status == 429:
        kind = RateLimitedError
    elif response.status >= 500 and response.status != 501 and kind is ApiError:
        kind = ServerError
    if kind is None:
        hint = (_HINTS if code else _HINTS_WITHOUT_CODE).get(response.status)
    return error_for(
        str(call),
        response.status,
        reason=_reason(response),
        code=code,
        hint=hint,
        kind=kind,
        request_id=response.headers.get("x-request-id"),
        retry_after=response.retry_after,
    )


def is_method_unsupported(response: Response) -> bool:
    """
    Tell whether a response means that the method has no route on this path, rather than that the object is missing.

    Assumption: a 404 about an object has a code that begins with ``database_``, as all known codes do.
    """
    if response.status == 404:
        code = (response.json_object() or {}).get("code")
        return not str(code or "").startswith("database_")
    about_method = response.status == 400 and b"method" in response.body.lower()
    return about_method or response.status in (405, 501)


def _reason(response: Response) -> str:
    """Return the service's message with its details."""
    message = error_message(response, "reason", "message", "error", "details")
    details = str((response.json_object() or {}).get("details") or "")[:MAX_REASON_LENGTH]
    return f"{message} ({details})" if details and details not in message else message


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
