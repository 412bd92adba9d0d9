"""Copying a store to another place: read each value, write it where it is missing or differs, and read it back."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.exceptions import (
    ConflictError,
    NotFoundError,
    ObjectStoreError,
    StoreNotFoundError,
)
from airflow_provider_objectstore.export.attributes import (
    attributes_of,
    compare,
    find_store,
    require_store,
    set_attributes,
)
from airflow_provider_objectstore.export.format import difference, put_call
from airflow_provider_objectstore.export.runner import TransferRunner, stream_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from airflow_provider_objectstore.api.anypoint.values import Entry
    from airflow_provider_objectstore.api.call import Flow
    from airflow_provider_objectstore.export.attributes import Comparison
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.transport import AsyncClient
    from airflow_provider_objectstore.transport.bulk import BulkRunner

Outcome: TypeAlias = Literal["written", "overwritten", "unchanged", "skipped", "missing", "compared"]
COUNTED: tuple[Outcome, ...] = ("written", "overwritten", "unchanged", "skipped", "missing")


class Copier(TransferRunner):
    """
    Copies a store: its attributes, and all its values or those of some partitions.

    :param source: the source's hook; ``hook`` is the target's.
    :param source_id: the source.
    :param source_bulk: sends the requests to the source; :meth:`run` takes the one for the target.
    :param if_exists: what to do with a key that has another value at the target: ``overwrite`` or ``skip`` it, or
        ``fail`` before anything is written.
    :param if_attributes_differ: what to do where the target exists and its attributes differ: ``fail``, ``update`` or
        ``keep`` them.
    """

    done = done_so_far = "copied"

    def __init__(
        self,
        *,
        source: AnypointObjectStoreHook,
        source_id: str,
        source_bulk: BulkRunner,
        if_exists: str,
        if_attributes_differ: str,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.source = source
        self.source_id = source_id
        self._source_bulk = source_bulk
        self.if_exists = if_exists
        self.if_attributes_differ = if_attributes_differ
        self._outcomes: Counter[Outcome] = Counter()
        self._values: Counter[str] = Counter()
        self._index_unverified = False
        self._created = False

    def _transfer(self) -> dict[str, Any]:
        wanted = attributes_of(require_store(self.source, self.source_id))
        self._check_partitions()
        target = find_store(self.hook, self.store_id)
        compared = compare(wanted, target) if target else None
        if compared and compared.differences and self.if_attributes_differ == "fail":
            raise ConflictError(
                f"store {self.store_id} exists with other attributes than store {self.source_id}: "
                f"{compared.differences}. Nothing was written; if_attributes_differ='update' sets them, 'keep' leaves "
                "them"
            )
        if target and self.if_exists == "fail":
            self._run(self._compare, "stopped before it wrote anything,")
        if compared is None or (compared.differences and self.if_attributes_differ == "update"):
            compared = set_attributes(self.hook, self.store_id, wanted, create=target is None)
        self._created = target is None
        self._log_attributes(self._created, compared)
        self._run(self._copy, "stopped")
        return {
            "source": self.source_id,
            "target": self.store_id,
            "created": self._created,
            "attributes": wanted,
            "unverified": [*compared.unverified, *(["index"] if self._index_unverified else [])],
            "partitions": dict(sorted(self._values.items())),
            "values": self._values.total(),
            **{name: self._outcomes[name] for name in COUNTED},
            "missing_partitions": self.stats.missing_partitions,
        }

    @property
    def _title(self) -> str:
        return f"Copied store {self.source_id!r} to store {self.store_id!r}"

    @property
    def _where(self) -> str:
        if self.source.where == self.hook.where:
            return self.hook.where
        return f"{self.source.where}, to {self.hook.where}"

    def _check_partitions(self) -> None:
        for partition in self.partitions or ():
            if not self.source.partition_exists(self.source_id, partition):
                raise NotFoundError(f"store {self.source_id} has no partition {partition}", status=404)

    def _log_attributes(self, created: bool, compared: Comparison) -> None:
        if created:
            self.log.info("Created store %r with the attributes of store %r", self.store_id, self.source_id)
        if compared.differences:
            self.log.warning("Store %r keeps its own attributes: %s", self.store_id, compared.differences)
        if compared.unverified:
            names = ", ".join(compared.unverified)
            self.log.info("The service does not return these attributes for both stores: %s", names)

    # Values

    def _run(self, work: Callable[[AsyncClient, str, str, AsyncClient], Awaitable[Outcome]], stopped: str) -> None:
        """Do this with every key of the source; it gets the source's client, partition, key, the target's client."""

        async def stream(_: AsyncClient, source: AsyncClient) -> AsyncIterator[tuple[str, Any]]:
            async for partition, key in stream_keys(source, self.source_id, self.partitions, self.stats):
                yield partition, partial(work, source, partition, key)

        self._outcomes.clear()
        self._values.clear()
        self.stats.missing_partitions = 0
        self._bulk.run(stream, self._record_outcome, self._record_failure, beside=self._source_bulk)
        self._raise_if_stopped(f"the copy of store {self.source_id} to store {self.store_id} {stopped}")

    async def _copy(self, source: AsyncClient, partition: str, key: str, target: AsyncClient) -> Outcome:
        entry = await self._read(source, partition, key)
        return "missing" if entry is None else await target.run(self._write(partition, entry))

    async def _compare(self, source: AsyncClient, partition: str, key: str, target: AsyncClient) -> Outcome:
        entry = await self._read(source, partition, key)
        existing = entry and await target.run(self._find(partition, key))
        if entry and existing and (differs := difference(entry, existing)):
            self._bulk.stop()
            raise ConflictError(
                f"key {key!r} of partition {partition!r} has another {differs} in store {self.store_id} than in store "
                f"{self.source_id}. Nothing was written; if_exists='skip' or 'overwrite' accepts such keys"
            )
        return "compared"

    async def _read(self, source: AsyncClient, partition: str, key: str) -> Entry | None:
        try:
            return await source.send(api.get_key(self.source_id, partition, key))
        except StoreNotFoundError:
            raise
        except NotFoundError:
            return None

    def _find(self, partition: str, key: str) -> Flow[Entry | None]:
        try:
            entry: Entry = yield api.get_key(self.store_id, partition, key)
        except StoreNotFoundError:
            raise
        except NotFoundError:
            return None
        return entry

    def _write(self, partition: str, entry: Entry) -> Flow[Outcome]:
        key = str(entry.key)
        put = put_call(self.store_id, partition, entry)
        existing: Entry | None = None if self._created else (yield from self._find(partition, key))
        if existing and not difference(entry, existing):
            return "unchanged"
        if existing and self.if_exists == "skip":
            return "skipped"
        yield put
        written: Entry | None = yield from self._find(partition, key)
        differs = "value: it is not there" if written is None else difference(entry, written)
        if differs:
            raise ObjectStoreError(
                f"key {key!r} of partition {partition!r} was written to store {self.store_id}, and read back it has "
                f"another {differs}"
            )
        self._index_unverified |= entry.index is not None and written is not None and written.index is None
        return "overwritten" if existing else "written"

    def _record_outcome(self, partition: str, outcome: Outcome) -> None:
        self._outcomes[outcome] += 1
        self.stats.values = self._outcomes["written"] + self._outcomes["overwritten"]
        self.stats.skipped = self._outcomes["skipped"]
        self.stats.unchanged = self._outcomes["unchanged"]
        self.stats.missing = self._outcomes["missing"]
        if outcome != "missing":
            self._values[partition] += 1
