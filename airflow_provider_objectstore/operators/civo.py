"""Operators for Civo object stores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.api.call import Flow, Pause
from airflow_provider_objectstore.api.civo import check_name, check_size
from airflow_provider_objectstore.bases import CivoOperator, default_deferrable, one_of
from airflow_provider_objectstore.exceptions import ConflictError, ObjectStoreError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.triggers.waits import ObjectStoreTrigger


class CivoCreateObjectStoreOperator(CivoOperator):
    """
    Creates an object store and waits until it is ready.

    XCom: the store, as plain data without secrets.

    :param name: unique, at most 63 characters, no white space; it is the bucket's name.
    :param size_gb: 500 or a multiple of it.
    :param access_key_id: access key of the credential that shall own it; without one it gets its own.
    :param if_exists: ``skip`` takes an object store that is there as it is, ``fail`` fails.
    :param wait: wait until it is ready.
    :param deferrable: wait in the triggerer, which takes no worker; by default what Airflow's setting
        ``[operators] default_deferrable`` says.
    :param poke_interval: seconds between two looks while waiting.
    :param timeout: seconds after which waiting fails; the store stays.
    """

    template_fields: Sequence[str] = (
        *CivoOperator.template_fields,
        "name",
        "size_gb",
        "access_key_id",
        "if_exists",
    )

    def __init__(
        self,
        *,
        name: str,
        size_gb: int = 500,
        access_key_id: str | None = None,
        if_exists: str = "skip",
        wait: bool = True,
        deferrable: bool | None = None,
        poke_interval: float = 5,
        timeout: float = 1800,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.size_gb = size_gb
        self.access_key_id = access_key_id
        self.if_exists = if_exists
        self.wait = wait
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.poke_interval = poke_interval
        self.timeout = timeout

    def execute(self, context: Context) -> dict[str, Any] | None:
        """Create the object store."""
        from airflow_provider_objectstore.triggers.waits import ObjectStoreTrigger

        one_of("if_exists", self.if_exists, "skip", "fail")
        check_name(self.name)
        size_gb = check_size(self.size_gb)
        hook = self.hook
        store = hook.find_object_store(self.name)
        if store is None:
            store = hook.create_object_store(self.name, size_gb, self.access_key_id)
            self.log.info("Created object store %s (%s) of %d GB", store.name, store.id, size_gb)
        elif self.if_exists == "fail":
            raise ConflictError(f"object store {self.name} exists already; with if_exists='skip' that is no failure")
        else:
            self.log.info("Object store %s (%s) was there; left as it is", store.name, store.id)
            if store.max_size_gb != size_gb or self.access_key_id not in (None, store.owner_access_key_id):
                self.log.warning(
                    "It has %s GB and the owner %s, which is not what this task asks for",
                    store.max_size_gb,
                    store.owner_access_key_id,
                )
        if not self.wait or store.ready:
            return asdict(store)
        trigger = ObjectStoreTrigger(
            conn_id=self.civo_conn_id,
            region=self.region,
            object_store=store.id,
            poke_interval=self.poke_interval,
        )
        self.log.info("Its status is %s; waiting until it is ready", store.status or "not given")
        if self.deferrable:
            self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout))
        with hook.client() as client:
            return client.run(self._until_ready(trigger))

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Take what the trigger brings."""
        from airflow_provider_objectstore.triggers.poll import answer_of

        answer: dict[str, Any] = answer_of(event)
        return answer

    def _until_ready(self, trigger: ObjectStoreTrigger) -> Flow[dict[str, Any]]:
        from airflow_provider_objectstore.triggers.poll import passing

        deadline = time.monotonic() + self.timeout
        errors = 0
        while True:
            try:
                answer = yield from trigger.check()
            except ObjectStoreError as error:
                errors += 1
                if not passing(error) or errors > trigger.max_consecutive_errors:
                    raise
                self.log.warning("%s. Error %d of at most %d in a row", error, errors, trigger.max_consecutive_errors)
                answer = None
            else:
                errors = 0
            if answer is not None:
                return answer
            if time.monotonic() >= deadline:
                raise ObjectStoreError(
                    f"object store {self.name} was not ready after {self.timeout:.0f} s; it exists and may become "
                    "so: run this task again, or wait for it with CivoObjectStoreSensor"
                )
            yield Pause(self.poke_interval)
