"""Tell Mule applications how a DAG or task ended, by a key of Anypoint Object Store v2."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseNotifier

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.anypoint.values import Value
    from airflow_provider_objectstore.api.call import Call
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook


class AnypointKeyNotifier(BaseNotifier):
    """
    Write a key that says how a DAG or task ended, or that a deadline has passed.

    For the callbacks of DAGs and tasks, and for a ``DeadlineAlert``, in the triggerer (``AsyncCallback``) or on an
    executor (``SyncCallback``). An earlier value is replaced. The store's time to live is the value's.

    :param store_id: the store.
    :param partition: the partition; it is created with its first key.
    :param key: the key, such as ``{{ dag.dag_id }}`` in the callbacks of DAGs and tasks, or ``{{ dag_run.dag_id }}`` in
        all callbacks of runs that have tasks.
    :param value: str is stored as STRING, bytes as BINARY, int, float and Decimal as NUMBER. None means a JSON text
        with ``event`` (``task``, ``dag_run`` or ``deadline``), ``dag_id``, ``run_id``, ``task_id``, ``map_index``,
        ``try_number``, ``state``, ``logical_date``, ``reason``, ``deadline``, ``run_url`` and ``log_url``.
    :param metadata: JSON of at most 4 KB. Left out, the value has none.
    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: region such as ``us-east-1``, instead of the connection's. An empty one is an error.
    :param context: the context, which Airflow gives for a ``DeadlineAlert``.
    :raises InvalidArgumentError: naming an argument that is wrong, if it is no template.
    """

    template_fields: Sequence[str] = (
        "anypoint_conn_id",
        "region",
        "store_id",
        "partition",
        "key",
        "value",
        "metadata",
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        "anypoint_conn_id": read.identifier,
        "region": read.override,
        "store_id": read.name,
        "partition": read.name,
        "key": read.name,
    }

    def __init__(
        self,
        *,
        store_id: str,
        partition: str,
        key: str,
        value: Value | None = None,
        metadata: Any = None,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        context: Context | None = None,
    ) -> None:
        super().__init__(context)
        self.store_id = store_id
        self.partition = partition
        self.key = key
        self.value = value
        self.metadata = metadata
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region
        self._original = self
        self._lacking: set[str] = set()
        self._given = {name: getattr(self, name) for name in self.template_fields if getattr(self, name) is not None}
        for name, reader in self.arguments.items():
            if read.is_constant(getattr(self, name)):
                reader(name, getattr(self, name))

    def __call__(self, *args: Any) -> None:
        """
        Write the key.

        :param args: the context.
        """
        # Rendering replaces the fields, and one process may call back for many runs.
        once = copy(self)
        once._original = self
        BaseNotifier.__call__(once, *args)

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """
        Render the template fields in place.

        :param context: the callback's context.
        :param jinja_env: the environment to render with; None for the DAG's.
        """
        from airflow_provider_objectstore.compat.tasks import render_fields

        self._lacking = render_fields(self, context, jinja_env)

    def notify(self, context: Context) -> None:
        """
        Write the key.

        :param context: the callback's context.
        :raises ObjectStoreError: naming the key and the connection, if it is not written.
        """
        call, hook = self._call(context), self._hook()
        hook.send(call)
        self._log_key(hook)

    async def async_notify(self, context: Context) -> None:
        """
        Write the key, on an event loop.

        :param context: the callback's context.
        :raises ObjectStoreError: naming the key and the connection, if it is not written.
        """
        call, hook = self._call(context), self._hook()
        async with hook.async_client() as client:
            await client.send(call)
        self._log_key(hook)

    def _hook(self) -> AnypointObjectStoreHook:
        from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

        return AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)

    def _call(self, context: Context) -> Call[str | None]:
        from airflow_provider_objectstore.api.anypoint import put_key
        from airflow_provider_objectstore.notifications.outcome import describe

        if empty := [name for name in self._given if getattr(self, name) is None]:
            raise InvalidArgumentError(
                f"{empty[0]} of {type(self).__name__} was given and came out as None, which does not count as left "
                "out. Check what its template refers to"
            )
        names = {name: reader(name, getattr(self, name)) for name, reader in self.arguments.items()}
        for name, template in self._given.items():
            lacking = name in self._lacking and name in names  # in a value it may be told
            read.check_rendered(name, template, getattr(self, name), lacking=lacking)
        value = json.dumps(describe(context, self._original)) if self.value is None else self.value
        return put_key(names["store_id"], names["partition"], names["key"], value, metadata=self.metadata)

    def _log_key(self, hook: AnypointObjectStoreHook) -> None:
        self.log.info(
            "Written: key %r, partition %r, store %r (%s)", self.key, self.partition, self.store_id, hook.where
        )
