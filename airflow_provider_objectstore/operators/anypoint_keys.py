"""Operators for the keys of Anypoint Object Store v2."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api.anypoint.values import encode_value
from airflow_provider_objectstore.assets import emit_asset_events
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    StoreNotFoundError,
)
from airflow_provider_objectstore.lineage import DataObject, LineageMixin
from airflow_provider_objectstore.operators.base import AnypointOperator
from airflow_provider_objectstore.xcom import fits_xcom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.anypoint.values import Value
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

IfMissing: TypeAlias = Literal["skip", "fail"]


class NoDefault(Enum):
    """Marks that no default was given: None is a possible default."""

    FAIL = "fail"


def _value(what: str, value: Any) -> Value:
    if isinstance(value, bool) or not isinstance(value, (str, bytes, bytearray, memoryview, int, float, Decimal)):
        raise InvalidArgumentError(
            f"{what} must be text (str), bytes or a number (int, float, Decimal), not {type(value).__name__}. "
            "Serialize anything else, for example with json.dumps"
        )
    return value  # type: ignore[return-value]


class _KeyOperator(LineageMixin, AnypointOperator):
    """Base of the operators that work on one key."""

    template_fields: Sequence[str] = (*AnypointOperator.template_fields, "store_id", "partition", "key")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        "partition": read.name,
        "key": read.name,
    }
    store_id: str
    partition: str
    key: str

    @property
    def address(self) -> tuple[str, str, str]:
        """Store, partition and key."""
        return self.store_id, self.partition, self.key

    def _log_key(self, message: str) -> None:
        self.log.info(
            "%s: key %r, partition %r, store %r (%s)", message, self.key, self.partition, self.store_id, self.where
        )

    def _emit_asset_events(self, context: Context, hook: AnypointObjectStoreHook, operation: str, **extra: Any) -> None:
        """Emit this task's asset events for the key."""
        event = {
            "operation": operation,
            "store_id": self.store_id,
            "partition": self.partition,
            "key": self.key,
            **extra,
        }
        emit_asset_events(self.outlets, context, lambda: hook.asset(*self.address), event)


class AnypointPutKeyOperator(_KeyOperator):
    """
    Write a value; ``PUT /stores/{store_id}/partitions/{partition}/keys/{key}``.

    :param store_id: the store.
    :param partition: the partition; it is created with its first key.
    :param key: at most 1,024 bytes of UTF-8, without ``|``; the service replaces spaces by ``+``.
    :param value: str is stored as STRING, bytes as BINARY, int, float and Decimal as NUMBER; at most 10 MB.
    :param metadata: JSON of at most 4 KB. Left out, the value has none.
    :param anypoint_conn_id: id of the ``anypoint`` connection.
    :param region: region such as ``us-east-1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*_KeyOperator.template_fields, "value", "metadata")
    template_fields_renderers: ClassVar[dict[str, str]] = {"metadata": "json"}
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **_KeyOperator.arguments,
        "value": _value,
        "metadata": read.any_value,
    }

    def __init__(
        self,
        *,
        store_id: str,
        partition: str,
        key: str,
        value: Value,
        metadata: Any = None,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.partition = partition
        self.key = key
        self.value = value
        self.metadata = metadata
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    def execute(self, context: Context) -> None:
        """Write the value."""
        self.read_arguments()
        hook = self.hook
        hook.put_key(*self.address, self.value, metadata=self.metadata)
        self._record_lineage(outputs=[DataObject(hook, self.address)])
        self._log_key("Written")
        if self.outlets:
            value_type = encode_value(self.value, self.key)["valueType"]
            self._emit_asset_events(context, hook, "put_key", value_type=value_type)


class AnypointGetKeyOperator(_KeyOperator):
    """
    Read a small value; ``GET /stores/{store_id}/partitions/{partition}/keys/{key}``.

    XCom: ``{"key", "value_type", "value"}``. A BINARY value is base64 text. A NUMBER that no float represents is text,
    and so is an integer of more than 64 bits, which XCom cannot hold. A default has the value type None.

    :param store_id: the store.
    :param partition: the partition.
    :param key: the key.
    :param default: the value to return if the key does not exist. Left out, the task then fails. A store that does
        not exist always fails the task.
    :param max_xcom_bytes: largest value, in bytes, that goes to XCom. A larger one fails the task: read it where it
        is used, with the hook.
    :param anypoint_conn_id: id of the ``anypoint`` connection.
    :param region: region such as ``us-east-1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*_KeyOperator.template_fields, "default", "max_xcom_bytes")
    arguments: ClassVar[Mapping[str, read.Reader]] = {**_KeyOperator.arguments, "max_xcom_bytes": read.integer(0)}

    def __init__(
        self,
        *,
        store_id: str,
        partition: str,
        key: str,
        default: Any = NoDefault.FAIL,
        max_xcom_bytes: int | str = 48 * 1024,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.partition = partition
        self.key = key
        self.default = default
        self.max_xcom_bytes: Any = max_xcom_bytes
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    def read_arguments(self) -> None:
        """
        Check all arguments. None is a possible default, so that has no reader.

        :raises InvalidArgumentError: naming argument, task and value.
        """
        super().read_arguments()
        self._check_rendered("default")

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the value."""
        self.read_arguments()
        try:
            entry = self.hook.get_key(*self.address)
        except StoreNotFoundError:
            raise
        except NotFoundError:
            if self.default is NoDefault.FAIL:
                raise
            self._log_key("Does not exist, returning the default")
            return {"key": self.key, "value_type": None, "value": self.default}
        self._record_lineage(inputs=[DataObject(self.hook, self.address)])
        value: Any = entry.value
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        elif isinstance(value, Decimal) or not fits_xcom(value):
            value = str(value)
        size = len(str(value).encode())
        if size > self.max_xcom_bytes:
            raise ObjectStoreError(
                f"the value of key {self.key!r} is {size:,} bytes, more than max_xcom_bytes={self.max_xcom_bytes:,}, "
                "too large for XCom. Read it where it is used, with AnypointObjectStoreHook.get_key or an "
                "ObjectStoragePath"
            )
        self._log_key(f"Read {size:,} bytes")
        return {"key": entry.key, "value_type": entry.value_type, "value": value}


class AnypointDeleteKeyOperator(_KeyOperator):
    """
    Delete a key; ``DELETE /stores/{store_id}/partitions/{partition}/keys/{key}``.

    :param store_id: the store.
    :param partition: the partition.
    :param key: the key.
    :param if_missing: ``skip`` treats a missing key as deleted, ``fail`` fails. A store that does not exist always
        fails the task.
    :param anypoint_conn_id: id of the ``anypoint`` connection.
    :param region: region such as ``us-east-1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*_KeyOperator.template_fields, "if_missing")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **_KeyOperator.arguments,
        "if_missing": read.choice(*get_args(IfMissing)),
    }

    def __init__(
        self,
        *,
        store_id: str,
        partition: str,
        key: str,
        if_missing: IfMissing = "skip",
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.partition = partition
        self.key = key
        self.if_missing = if_missing
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

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
            self._log_key("Does not exist, nothing to delete")
        else:
            self._record_lineage(outputs=[DataObject(hook, self.address, deleted=True)])
            self._log_key("Deleted")
            self._emit_asset_events(context, hook, "delete_key")
