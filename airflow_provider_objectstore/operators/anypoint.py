"""Operators for Anypoint Object Store v2."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.api.values import encode_value, ttl_seconds
from airflow_provider_objectstore.assets import tell_outlets
from airflow_provider_objectstore.bases import AnypointOperator
from airflow_provider_objectstore.exceptions import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    StoreNotFoundError,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.anypoint_model import Store
    from airflow_provider_objectstore.api.values import Ttl, Value
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

ATTRIBUTES = ("default_ttl", "default_confirmation_ttl", "encrypted", "attributes")
IF_MISSING = read.choice("skip", "fail")


class Missing(Enum):
    """What stands in for a default that is not given."""

    FAIL = "fail"


def _ttl(what: str, value: Any) -> int:
    return ttl_seconds(value, what)


def _value(what: str, value: Any) -> Value:
    if isinstance(value, bool) or not isinstance(value, (str, bytes, bytearray, memoryview, int, float, Decimal)):
        raise InvalidArgumentError(
            f"{what} must be text (str), bytes or a number (int, float, Decimal), not {type(value).__name__}. "
            "Serialize anything else, for example with json.dumps"
        )
    return value  # type: ignore[return-value]


class _StoreOperator(AnypointOperator):
    """
    Base of what sets a store's attributes.

    :param store_id: its id.
    :param default_ttl: how long values live: seconds, a ``timedelta`` or an ISO 8601 duration; at most 30 days.
    :param default_confirmation_ttl: how long a confirmable operation waits for its confirmation, likewise.
    :param encrypted: whether values are encrypted at rest.
    :param attributes: further members of the request's body, sent as they are.
    """

    template_fields: Sequence[str] = (*AnypointOperator.template_fields, "store_id", *ATTRIBUTES)
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        "default_ttl": read.optional(_ttl),
        "default_confirmation_ttl": read.optional(_ttl),
        "encrypted": read.optional(read.flag),
        "attributes": read.optional(read.mapping),
    }

    def __init__(
        self,
        *,
        store_id: str,
        default_ttl: Ttl | None = None,
        default_confirmation_ttl: Ttl | None = None,
        encrypted: bool | str | None = None,
        attributes: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.default_ttl = default_ttl
        self.default_confirmation_ttl = default_confirmation_ttl
        self.encrypted: Any = encrypted
        self.attributes = attributes
        self.check_arguments()

    @property
    def wanted(self) -> dict[str, Any]:
        """The attributes to set."""
        return {name: getattr(self, name) for name in ATTRIBUTES}

    def _differences(self, store: Store) -> str:
        """Return in words what of a store is not as this task asks for it, as far as the service tells it."""
        asked = {
            "default_ttl": (self.default_ttl, store.default_ttl_seconds),
            "default_confirmation_ttl": (self.default_confirmation_ttl, store.default_confirmation_ttl_seconds),
            "encrypted": (self.encrypted, store.encrypted),
        }
        return ", ".join(
            f"{name} is {there} instead of {wanted}"
            for name, (wanted, there) in asked.items()
            if None not in (wanted, there) and wanted != there
        )

    def _read_back(self, hook: AnypointObjectStoreHook) -> dict[str, Any]:
        """Return the store as it is now; refuse to call it done if the service has not taken what was asked for."""
        store = hook.get_store(self.store_id)
        if different := self._differences(store):
            raise ObjectStoreError(f"the service accepted the attributes of store {self.store_id}, but {different}")
        return asdict(store)


class AnypointCreateStoreOperator(_StoreOperator):
    """
    Creates a store.

    XCom: the store, as plain data.

    :param store_id: its id.
    :param default_ttl: how long values live: seconds, a ``timedelta`` or an ISO 8601 duration; at most 30 days.
    :param default_confirmation_ttl: how long a confirmable operation waits for its confirmation, likewise.
    :param encrypted: whether values are encrypted at rest.
    :param attributes: further members of the request's body, sent as they are.
    :param if_exists: ``skip`` leaves a store that is there as it is, and warns where it is not what was asked for;
        ``update`` sets the attributes given here; ``fail`` fails.
    """

    template_fields: Sequence[str] = (*_StoreOperator.template_fields, "if_exists")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **_StoreOperator.arguments,
        "if_exists": read.choice("skip", "update", "fail"),
    }

    def __init__(self, *, if_exists: str = "skip", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.if_exists = if_exists
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the store."""
        self.read_arguments()
        hook = self.hook
        try:
            store = hook.get_store(self.store_id)
        except NotFoundError:
            hook.create_store(self.store_id, **self.wanted)
            self.log.info("Created store %r", self.store_id)
            return self._read_back(hook)
        if self.if_exists == "fail":
            raise ConflictError(
                f"store {self.store_id} exists already; with if_exists='skip' or 'update' that is no failure"
            )
        if self.if_exists == "update":
            hook.update_store(self.store_id, **self.wanted)
            self.log.info("Store %r was there; its attributes are set", self.store_id)
            return self._read_back(hook)
        self.log.info("Store %r was there; left as it is", self.store_id)
        if different := self._differences(store):
            self.log.warning(
                "Store %r is not what this task asks for: %s. if_exists='update' sets it", self.store_id, different
            )
        return asdict(store)


class AnypointUpdateStoreOperator(_StoreOperator):
    """
    Sets attributes of a store.

    XCom: the store, as plain data.

    :param store_id: its id.
    :param default_ttl: how long values live: seconds, a ``timedelta`` or an ISO 8601 duration; at most 30 days.
    :param default_confirmation_ttl: how long a confirmable operation waits for its confirmation, likewise.
    :param encrypted: whether values are encrypted at rest.
    :param attributes: further members of the request's body, sent as they are.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Set the attributes."""
        self.read_arguments()
        hook = self.hook
        hook.update_store(self.store_id, **self.wanted)
        return self._read_back(hook)


class AnypointDeleteStoreOperator(AnypointOperator):
    """
    Deletes a store with all its partitions. A running Mule application that uses it breaks.

    :param store_id: its id.
    :param if_missing: ``skip`` takes a store that is not there for deleted, ``fail`` fails.
    """

    template_fields: Sequence[str] = (*AnypointOperator.template_fields, "store_id", "if_missing")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        "if_missing": IF_MISSING,
    }

    def __init__(self, *, store_id: str, if_missing: str = "skip", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.if_missing = if_missing
        self.check_arguments()

    def execute(self, context: Context) -> None:
        """Delete the store."""
        self.read_arguments()
        try:
            self.hook.delete_store(self.store_id)
        except NotFoundError:
            if self.if_missing == "fail":
                raise
            self.log.info("Store %r was not there", self.store_id)


class _KeyOperator(AnypointOperator):
    """
    Base of what works on one key.

    :param store_id: the store.
    :param partition: the partition.
    :param key: the key.
    """

    template_fields: Sequence[str] = (*AnypointOperator.template_fields, "store_id", "partition", "key")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        "partition": read.name,
        "key": read.name,
    }

    def __init__(self, *, store_id: str, partition: str, key: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.partition = partition
        self.key = key

    @property
    def address(self) -> tuple[str, str, str]:
        """Store, partition and key."""
        return self.store_id, self.partition, self.key

    def _tell(self, context: Context, hook: AnypointObjectStoreHook, operation: str, **extra: Any) -> None:
        """Say on this task's outlets what became of the key."""
        said = {
            "operation": operation,
            "store_id": self.store_id,
            "partition": self.partition,
            "key": self.key,
            **extra,
        }
        tell_outlets(self.outlets, context, lambda: hook.asset(*self.address), said)


class AnypointPutKeyOperator(_KeyOperator):
    """
    Writes a value.

    :param store_id: the store.
    :param partition: the partition; it appears with its first key.
    :param key: at most 1,024 bytes of UTF-8, without ``|``; the service turns spaces into ``+``.
    :param value: str is stored as STRING, bytes as BINARY, numbers as NUMBER; at most 10 MB.
    :param metadata: JSON of at most 4 KB.
    """

    template_fields: Sequence[str] = (*_KeyOperator.template_fields, "value", "metadata")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **_KeyOperator.arguments,
        "value": _value,
        "metadata": read.anything,
    }

    def __init__(self, *, value: Value, metadata: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = value
        self.metadata = metadata
        self.check_arguments()

    def execute(self, context: Context) -> None:
        """Write the value."""
        self.read_arguments()
        hook = self.hook
        hook.put_key(*self.address, self.value, metadata=self.metadata)
        if self.outlets:
            value_type = encode_value(self.value, self.key)["valueType"]
            self._tell(context, hook, "put_key", value_type=value_type)


class AnypointGetKeyOperator(_KeyOperator):
    """
    Reads a small value.

    XCom: ``{"key", "value_type", "value"}``. A BINARY value comes as base64, a NUMBER that no float can hold as
    text. A default has the value type None.

    :param store_id: the store.
    :param partition: the partition.
    :param key: the key.
    :param default: the value if the key is not there; without one the task fails. A store that is not there fails it
        in any case.
    :param max_xcom_bytes: a larger value fails the task: read it in a task of its own.
    """

    template_fields: Sequence[str] = (*_KeyOperator.template_fields, "default", "max_xcom_bytes")
    arguments: ClassVar[Mapping[str, read.Reader]] = {**_KeyOperator.arguments, "max_xcom_bytes": read.whole(0)}

    def __init__(self, *, default: Any = Missing.FAIL, max_xcom_bytes: int | str = 48 * 1024, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.default = default
        self.max_xcom_bytes: Any = max_xcom_bytes  # a number once it is read
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the value."""
        self.read_arguments()
        try:
            entry = self.hook.get_key(*self.address)
        except StoreNotFoundError:
            raise
        except NotFoundError:
            if self.default is Missing.FAIL:
                raise
            return {"key": self.key, "value_type": None, "value": self.default}
        value: Any = entry.value
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        elif isinstance(value, Decimal):
            value = str(value)
        size = len(str(value).encode())
        if size > self.max_xcom_bytes:
            raise ObjectStoreError(
                f"the value of key {self.key!r} is {size:,} bytes, more than max_xcom_bytes={self.max_xcom_bytes:,}: "
                "XCom is no place for it. Read it where it is used, with AnypointObjectStoreHook.get_key or an "
                "ObjectStoragePath"
            )
        return {"key": entry.key, "value_type": entry.value_type, "value": value}


class AnypointDeleteKeyOperator(_KeyOperator):
    """
    Deletes a key.

    :param store_id: the store.
    :param partition: the partition.
    :param key: the key.
    :param if_missing: ``skip`` takes a key that is not there for deleted, ``fail`` fails. A store that is not there
        fails the task in any case.
    """

    template_fields: Sequence[str] = (*_KeyOperator.template_fields, "if_missing")
    arguments: ClassVar[Mapping[str, read.Reader]] = {**_KeyOperator.arguments, "if_missing": IF_MISSING}

    def __init__(self, *, if_missing: str = "skip", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.if_missing = if_missing
        self.check_arguments()

    def execute(self, context: Context) -> None:
        """Delete the key."""
        self.read_arguments()
        hook = self.hook
        try:
            hook.delete_key(*self.address)
        except StoreNotFoundError:
            raise
        except NotFoundError:
            if self.if_missing == "fail":
                raise
            self.log.info("Key %r was not there", self.key)
        else:
            self._tell(context, hook, "delete_key")
