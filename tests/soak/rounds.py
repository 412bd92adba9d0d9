"""One round of everything that the package does."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
from airflow.sdk._shared.secrets_masker.secrets_masker import _secrets_masker

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from airflow_provider_objectstore.triggers.conditions import (
    AnypointKeyTrigger,
    AnypointPartitionTrigger,
    CivoObjectStoreTrigger,
)
from tests.soak import odd_uses

WAITS = 20
STORE = "s"


class Rounds:
    """
    :param seed: of the random numbers.
    :param folder: for exports.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self._random = random.Random(seed)
        self._folder = folder
        self.number = 0
        self.hook = AnypointObjectStoreHook()
        self.hook.create_store(STORE)

    def run(self) -> None:
        """Do everything once, in an order of its own."""
        self.number += 1
        parts: list[Callable[[], object]] = [
            self.calls,
            lambda: asyncio.run(self.waits()),
            lambda: asyncio.run(self.events()),
            lambda: asyncio.run(self.async_calls()),
            self.bulk,
            self.transfers,
            self.failures,
            self.edits,
            lambda: odd_uses.all_of_them(self.hook),
            lambda: self.files("osv2", "anypoint_default@" + STORE),
            lambda: self.files("civo", "civo_default@bucket"),
            lambda: asyncio.run(self.async_files("civo", "bucket/async")),
        ]
        self._random.shuffle(parts)
        # For each secret Airflow compiles a pattern of all that it has seen, and keeps them (docs/reliability.md).
        masker = _secrets_masker()
        patterns, replacer = set(masker.patterns), masker.replacer
        for part in parts:
            part()
        masker.patterns, masker.replacer = patterns, replacer

    def calls(self) -> None:
        for number in range(20):
            self.hook.put_key(STORE, "calls", f"k{number}", number)
            assert AnypointObjectStoreHook().get_key(STORE, "calls", f"k{number}").value == number
        assert len(list(CivoObjectStoreHook().list_object_stores())) == 1

    async def async_calls(self) -> None:
        async with self.hook.async_client() as client:
            found = await asyncio.gather(*(client.send(api.key_exists(STORE, "none", f"k{n}")) for n in range(20)))
        assert found == [False] * 20

    async def waits(self) -> None:
        """Triggers that are satisfied, and triggers that are cancelled."""
        partition = f"wait-{self.number}"
        anypoint: dict[str, Any] = {"anypoint_conn_id": "anypoint_default", "poke_interval": 0.2}
        triggers: list[Any] = []
        for number in range(WAITS):
            key: dict[str, Any] = {"store_id": STORE, "partition": partition, "keys": f"k{number}"}
            triggers += [AnypointKeyTrigger(**anypoint, **key)]
            triggers += [AnypointPartitionTrigger(store_id=STORE, partition="never", **anypoint)]
        triggers += [CivoObjectStoreTrigger(object_store="never", civo_conn_id="civo_default", poke_interval=0.2)] * 5
        tasks = [asyncio.create_task(self._first(trigger)) for trigger in triggers]
        await asyncio.sleep(0.3)
        items = {f"k{number}": 1 for number in range(WAITS)}
        (await asyncio.to_thread(self.hook.put_many, STORE, partition, items)).raise_failed()
        await asyncio.wait_for(asyncio.gather(*tasks[: 2 * WAITS : 2]), 60)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self.hook.delete_partition, STORE, partition)

    async def events(self) -> None:
        """A burst reaches triggers that are then cancelled."""
        partition = f"events-{self.number}"
        triggers = [AnypointKeyEventTrigger(STORE, partition, poke_interval=0.1) for _ in range(3)]
        tasks = [asyncio.create_task(self._first(trigger)) for trigger in triggers]
        await asyncio.sleep(0.2)
        for burst in range(200):
            await asyncio.to_thread(self.hook.put_many, STORE, partition, {f"k{n}": burst for n in range(3)})
            if all(task.done() for task in tasks):
                break
        else:
            raise AssertionError("no event")
        await asyncio.gather(*tasks)
        await asyncio.to_thread(self.hook.delete_partition, STORE, partition)

    async def _first(self, trigger: Any) -> Any:
        stream = trigger.run()
        try:
            return (await anext(stream)).payload
        finally:
            await stream.aclose()

    def bulk(self) -> None:
        items = {f"k{number}": number for number in range(100)}
        self.hook.put_many(STORE, "bulk", items).raise_failed()
        self.hook.get_many(STORE, "bulk", list(items)).raise_failed()
        self.hook.delete_many(STORE, "bulk", list(items)[:50]).raise_failed()
        AnypointPurgePartitionsOperator(task_id="purge", store_id=STORE, partitions="bulk").execute({})

    def transfers(self) -> None:
        path = f"file://{self._folder}/export"
        self.hook.put_many(STORE, "transfer", {f"k{number}": number for number in range(30)}).raise_failed()
        common: dict[str, Any] = {"store_id": STORE, "path": path}
        AnypointExportOperator(task_id="export", partitions="transfer", **common).execute({})
        AnypointImportOperator(task_id="import", if_exists="overwrite", **common).execute({})

    def failures(self) -> None:
        """A missing key, a refused connection, and one that never answers."""
        for name in ("refused", "silent"):
            with suppress(ObjectStoreError):
                AnypointObjectStoreHook(f"anypoint_{name}").get_key(STORE, "p", "k")
                raise AssertionError("no error")
        for number in range(10):
            with suppress(NotFoundError):
                self.hook.get_key(STORE, "calls", f"missing-{number}")
                raise AssertionError("no error")

    def edits(self) -> None:
        """A connection whose settings change is another connection."""
        name = "AIRFLOW_CONN_ANYPOINT_DEFAULT"
        for _ in range(4):
            connection = json.loads(os.environ[name])
            connection["extra"]["timeout"] = self._random.uniform(20, 60)
            os.environ[name] = json.dumps(connection)
            self.hook = AnypointObjectStoreHook()
            assert self.hook.store_exists(STORE)
            asyncio.run(self.async_calls())

    def files(self, scheme: str, base: str) -> None:
        folder = f"{scheme}://{base}/folder" + str(self.number)
        fs, path = fsspec.core.url_to_fs(folder)
        with fs.open(f"{path}/a", "wb") as file:
            file.write(b"content")
        fs.copy(f"{path}/a", f"{path}/b")
        with fs.open(f"{path}/b") as file:
            assert file.read() == b"content"
        assert sum(len(files) for _, _, files in fs.walk(path)) == 2
        fs.rm(path, recursive=True)

    async def async_files(self, scheme: str, path: str) -> None:
        fs = fsspec.filesystem(scheme, asynchronous=True, skip_instance_cache=True)
        session = await fs.set_session()
        await fs._pipe_file(path, b"content")
        assert await fs._cat_file(path) == b"content"
        await fs._rm_file(path)
        await session.close()
