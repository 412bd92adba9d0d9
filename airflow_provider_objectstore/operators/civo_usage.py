"""How much of Civo's object stores is used, and growing one before it is full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import floor
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api.civo import check_size
from airflow_provider_objectstore.exceptions import ConflictError, InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.operators.base import CivoOperator
from airflow_provider_objectstore.operators.civo_waiting import CivoWaitingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.civo.models import ObjectStore

_ENDLESS_GB = 1e12
"""No object store has so much."""


def _check_share(share: float) -> None:
    if share >= 1:
        raise InvalidArgumentError(f"share must be below 1, not {share}: a full object store refuses writes")


class CivoUsageOperator(CivoOperator):
    """
    Read how much of the object stores and of the quota is used, and how old credentials are.

    XCom: ``quota``, ``object_stores`` and ``credentials``, as plain data without secrets. A credential's
    ``age_seconds`` is the time since its last rotation, None if no rotation is known: the service tells no age. The
    gauges ``objectstore.civo.store_share.<name>``, ``objectstore.civo.store_kb.<name>``,
    ``objectstore.civo.quota_share`` and ``objectstore.civo.credential_age.<name>`` (in seconds) get the same numbers;
    an age that is not known has no gauge.

    :param object_stores: exact name or id of an object store, or a list of them. Left out: all of the region.
    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "object_stores")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "object_stores": read.optional(read.name_or_names),
    }

    def __init__(
        self,
        *,
        object_stores: str | Sequence[str] | None = None,
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(civo_conn_id=civo_conn_id, region=region, **kwargs)
        self.object_stores = object_stores

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the use."""
        from airflow_provider_objectstore.api.civo.usage import use_of_quota, use_of_store
        from airflow_provider_objectstore.compat.gauges import gauge

        self.read_arguments()
        hook = self.hook
        if self.object_stores is None:
            stores = list(hook.list_object_stores())
        else:
            names = [self.object_stores] if isinstance(self.object_stores, str) else self.object_stores
            stores = [hook.require_object_store(name) for name in names]
        used = [use_of_store(store, hook.get_object_store_stats(store.id)) for store in stores]
        quota = use_of_quota(hook.get_quota())
        credentials: list[dict[str, Any]] = [
            {
                "id": one.credential.id,
                "name": one.credential.name,
                "age_seconds": one.age.total_seconds() if one.age is not None else None,
                "object_stores": list(one.stores),
            }
            for one in hook.credential_inventory()
        ]
        for store in used:
            tags = {"object_store": store["object_store"]}
            gauge(f"civo.store_share.{store['object_store']}", store["share"], tags)
            gauge(f"civo.store_kb.{store['object_store']}", store["size_kb_utilised"], tags)
        gauge("civo.quota_share", quota["share"], {})
        for credential in credentials:
            if credential["age_seconds"] is not None:
                name = credential["name"]
                gauge(f"civo.credential_age.{name}", credential["age_seconds"], {"credential": name})
        self.log.info(
            "Read the use of %s, of the quota (%.1f %% used), and %d credentials (%s)",
            ", ".join(f"{store['object_store']} ({store['share']:.1%})" for store in used[:20]) or "no object store",
            quota["share"] * 100,
            len(credentials),
            self.where,
        )
        return {"quota": quota, "object_stores": used, "credentials": credentials}


class CivoGrowObjectStoreOperator(CivoWaitingOperator):
    """
    Grow an object store that is nearly full, and wait until it is ready; ``PATCH /v2/objectstores/{id}``.

    The new size is the current one and as many steps as bring the use below ``share``. It follows from the use and the
    size that are read first, so a retry of a task whose outcome is unknown finds a store that is large enough and
    changes nothing. A size that the limit or the quota does not allow is an error before anything changes.

    XCom: the object store, as plain data without secrets.

    :param object_store: its exact name or id.
    :param limit_gb: the largest size that it may get, in GB: 500 or a multiple of it.
    :param share: grow it if this share of its size is used or more; above 0 and below 1.
    :param step_gb: the size of a step in GB: 500 or a multiple of it.
    :param deferrable: wait in the triggerer, which takes no worker slot. Left out, Airflow's setting ``[operators]
        default_deferrable`` decides.
    :param poke_interval: time between two polls: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param timeout: longest time to wait, in the same forms. Then the task fails; the object store may still grow.
    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (
        *CivoWaitingOperator.template_fields,
        "object_store",
        "limit_gb",
        "share",
        "step_gb",
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoWaitingOperator.arguments,
        "object_store": read.name,
        "limit_gb": read.checked(read.integer(1), check_size),
        "share": read.checked(read.share, _check_share),
        "step_gb": read.checked(read.integer(1), check_size),
    }

    def __init__(
        self,
        *,
        object_store: str,
        limit_gb: int | str,
        share: float | str = 0.8,
        step_gb: int | str = 500,
        deferrable: bool | None = None,
        poke_interval: read.Duration = 5,
        timeout: read.Duration = 1800,
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            deferrable=deferrable,
            poke_interval=poke_interval,
            timeout=timeout,
            civo_conn_id=civo_conn_id,
            region=region,
            **kwargs,
        )
        self.object_store = object_store
        self.limit_gb: Any = limit_gb
        self.share: Any = share
        self.step_gb: Any = step_gb

    def execute(self, context: Context) -> dict[str, Any]:
        """Read size and use, grow the object store if needed, and wait until it has its size."""
        self.read_arguments()
        store = self.hook.require_object_store(self.object_store)
        if not store.ready:  # an earlier attempt's change may be under way
            self._wait(store, deferrable=self.deferrable, then="execute_ready")
            store = self.hook.get_object_store(store.id)
        return self._grow(context, store)

    def execute_ready(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Go on once the trigger found the object store ready for a change."""
        self.read_arguments()
        return self._grow(context, self.hook.get_object_store(self._ready_store(event)["id"]))

    def _grow(self, context: Context, store: ObjectStore) -> dict[str, Any]:
        from airflow_provider_objectstore.api.civo.usage import use_of_store

        if store.max_size_gb is None:
            raise ObjectStoreError(f"the service does not tell the size of object store {store.name}: nothing changed")
        used = use_of_store(store, self.hook.get_object_store_stats(store.id))
        if used["share"] < self.share:
            self.log.info(
                "Object store %s is used to %.1f %% of %d GB: large enough, left unchanged (id %s; %s)",
                store.name,
                used["share"] * 100,
                store.max_size_gb,
                store.id,
                self.where,
            )
            return asdict(store)
        size = self._new_size(store.name, store.max_size_gb, used["share"])
        self._check_unchanged(store)
        self.hook.update_object_store(store.id, max_size_gb=size)
        self.log.info(
            "Object store %s was used to %.1f %%: growing it from %d to %d GB (id %s; %s)",
            store.name,
            used["share"] * 100,
            store.max_size_gb,
            size,
            store.id,
            self.where,
        )
        return self._complete(context, self._wait(store, size, deferrable=self.deferrable))

    @property
    def _store_name(self) -> str:
        return self.object_store

    def _complete(self, context: Context, store: dict[str, Any]) -> dict[str, Any]:
        self._emit_asset_events(context, "update_object_store", store)
        self.log.info(
            "Object store %s has %s GB now (id %s; %s)", store["name"], store["max_size_gb"], store["id"], self.where
        )
        return store

    def _new_size(self, name: str, size_gb: int, share: float) -> int:
        """
        Return the size to grow to.

        :raises ObjectStoreError: if the limit or the quota does not allow it, or there is no such size.
        """
        if not 0 < share / self.share * size_gb < _ENDLESS_GB:
            raise ObjectStoreError(
                f"object store {name} is used to {share:.1%} of {size_gb} GB, as the service tells, and no size brings "
                f"that below share={self.share}: nothing changed. Check share, and the object store at the service"
            )
        steps = max(floor((share / self.share - 1) * size_gb / self.step_gb), 0)
        size: int = size_gb + steps * self.step_gb
        while share * size_gb / size >= self.share:
            size += self.step_gb
        if size > self.limit_gb:
            raise ObjectStoreError(
                f"object store {name} is used to {share:.1%} of {size_gb} GB and needs {size} GB, which is above "
                f"limit_gb={self.limit_gb}: nothing changed. Delete objects, or raise limit_gb"
            )
        # Assumption: the quota counts the sizes of object stores, not what is in them.
        quota = self.hook.get_quota()
        if quota.objectstore_gb_usage + size - size_gb > quota.objectstore_gb_limit:
            raise ObjectStoreError(
                f"object store {name} is used to {share:.1%} of {size_gb} GB and needs {size} GB, which is above the "
                f"account's quota: {quota.objectstore_gb_usage} of {quota.objectstore_gb_limit} GB are used. Nothing "
                "changed: delete other object stores, or ask Civo for a higher quota"
            )
        return size

    def _check_unchanged(self, store: ObjectStore) -> None:
        """Refuse to set a size that was derived from another: it could make the object store smaller."""
        now = self.hook.get_object_store(store.id)
        if now.max_size_gb != store.max_size_gb:
            raise ConflictError(
                f"object store {store.name} had {store.max_size_gb} GB and now has {now.max_size_gb} GB: something "
                "else changes it. Nothing was changed here: run this task again"
            )
