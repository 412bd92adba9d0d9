"""What the cases start from, and what the services hold: read from the emulator's state, never through the client."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import boto3
from botocore.config import Config

from airflow_provider_objectstore.emulator.anypoint.stores import Change, Entry, Store, Stores
from airflow_provider_objectstore.emulator.civo.object_stores import Credential, ObjectStore
from airflow_provider_objectstore.emulator.settings import REGION
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.chaos.run import Run
from tests.chaos.services import ChaosEmulator

STORES = "orders", "other", "third"
PARTITIONS = "eu", "numbers", "us"
KEYS = {f"key-{number}": f"value-{number}" for number in range(8)}
BUCKET = "photos"
OBJECTS = {"a/first": b"written first", "a/second": b"written second", "top": b"on top"}


@dataclass
class Recorded(Change):
    """A change that only records that it was made."""

    applied: list[str] = field(default_factory=list)

    def apply(self, stores: Stores, store: Store, address: tuple[str, str]) -> None:
        """Record it."""
        self.applied.append("x")


class Anypoint:
    """Object Store v2's state: stores ``orders`` (with ``KEYS`` in its partition ``eu``), ``other`` and ``third``."""

    def __init__(self, run: Run) -> None:
        self.hook = AnypointObjectStoreHook()
        self._data = run.emulator.app.anypoint.data
        for store_id in STORES:
            self._data.stores.put(store_id, Store(store_id))
        for key, value in KEYS.items():
            self.put("eu", key, value)
        self.put("us", "key-0", "american")
        self.put("numbers", "count", 5)

    def put(self, partition: str, key: str, value: Any, store_id: str = "orders") -> None:
        """Write into the state."""
        kind = "STRING" if isinstance(value, str) else "NUMBER"
        self._data.write(self._data.stores[store_id], partition, key, Entry(kind, value))

    def value(self, partition: str, key: str, store_id: str = "orders") -> Any:
        """A key's value; None if it is missing."""
        store = self._data.stores.get(store_id)
        entry = store and self._data.entry(store, partition, key)
        return entry.value if entry else None

    def contents(self, partition: str, store_id: str = "orders") -> dict[str, Any]:
        """A partition's values by key."""
        store = self._data.stores.get(store_id)
        entries = store.partitions.get(partition, {}) if store else {}
        return {key: entry.value for key, entry in entries.items() if self._data.is_alive(entry)}

    def store(self, store_id: str) -> Store | None:
        """A store."""
        return self._data.stores.get(store_id)

    def open_confirmation(self, applied: list[str]) -> str:
        """Open a confirmation of ``key-0``."""
        change = Recorded("put", applied=applied)
        return self._data.open_confirmation(self._data.stores["orders"], ("eu", "key-0"), change)

    @property
    def confirmations(self) -> dict[str, Any]:
        """The open confirmations by id."""
        return self._data.confirmations


class Civo:
    """Civo's state: object stores ``photos`` (ready, with ``OBJECTS`` in its bucket) and others, and credentials."""

    def __init__(self, run: Run, others: int = 0, objects: bool = False) -> None:
        self.hook = CivoObjectStoreHook()
        self.emulator: ChaosEmulator = run.emulator
        self.state = run.emulator.app.civo
        owner = self.add_credential("owner")
        for name in (BUCKET, *(f"more-{number}" for number in range(others))):
            self.add_store(name, owner)
        self.emulator.wait_until_quiet()
        self.id = self.store(BUCKET).id
        self.owner = owner
        if objects:
            for key, body in OBJECTS.items():
                self.s3().put_object(Bucket=BUCKET, Key=key, Body=body)

    def add_credential(self, name: str) -> Credential:
        """Add a credential with its keys."""

        async def add() -> Credential:
            credential = Credential(
                name=name,
                region=REGION,
                max_size_gb=500,
                ready_at=0,
                access_key_id=f"KEY{name.upper()}",
                secret_access_key_id=f"secret-of-{name}-{time.monotonic_ns()}",
            )
            self.state.credentials[credential.id] = credential
            user, key, secret = credential.id, credential.access_key_id, credential.secret_access_key_id
            self.state.create_on_s3(credential, lambda s3: s3.put_user(user, key, secret))
            return credential

        return self.emulator._call(add())

    def add_store(self, name: str, owner: Credential) -> None:
        """Add an object store with its bucket."""

        async def add() -> None:
            store = ObjectStore(name=name, region=REGION, max_size_gb=500, ready_at=0, owner=owner)
            self.state.stores[store.id] = store
            self.state.create_on_s3(store, lambda s3: s3.create_bucket(name, owner.id))

        self.emulator._call(add())

    def stores(self, name: str) -> list[ObjectStore]:
        """The object stores of a name."""
        return [store for store in self.state.stores.values() if store.name == name]

    def store(self, name: str) -> ObjectStore:
        """The one object store of a name."""
        (store,) = self.stores(name)
        return store

    def credentials(self, name: str) -> list[Credential]:
        """The credentials of a name."""
        return [credential for credential in self.state.credentials.values() if credential.name == name]

    def s3(self) -> Any:
        """A client of S3 itself, with the keys of the bucket's present owner and no faults."""
        owner = self.store(BUCKET).owner
        return boto3.client(
            "s3",
            endpoint_url=self.emulator.s3_url,
            aws_access_key_id=owner.access_key_id,
            aws_secret_access_key=owner.secret_access_key_id,
            region_name="lon1",
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def objects(self) -> dict[str, bytes]:
        """The bucket's objects."""
        s3 = self.s3()
        found = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {each["Key"]: s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in found}


def number(value: Any) -> Decimal:
    """A number exactly."""
    return Decimal(str(value))
