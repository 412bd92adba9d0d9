"""
OpenLineage's datasets: an object has one, whether an asset, a path, a hook or an operator names it.

A dataset's namespace says where a connection leads (``osv2://{organization}.{environment}.{region}`` or
``civo://{region}``), never which connection it is. Its name is the rest of the asset's URI.

What cannot be told, such as where a connection leads that nobody can read, is left out. Nothing here fails a task.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_objectstore.assets import anypoint_namespace, civo_namespace, encode_names, is_asset_uri

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.common.compat.sdk import Asset
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook

log = logging.getLogger(__name__)

SCHEMES = ("osv2", "civo")
MAX_PARTITIONS = 100
"""A task that names more partitions reports their store."""


@dataclass(frozen=True, slots=True)
class DataObject:
    """
    What a task has read or written.

    :param place: the hook whose connection leads there, or a path of any filesystem.
    :param names: with a hook, the object's names, the outermost first: a store, a partition and a key; or a bucket.
    :param deleted: whether the task has deleted it.
    """

    place: ObjectStoreHook | ObjectStoragePath | str
    names: tuple[str, ...] = ()
    deleted: bool = False

    def dataset(self) -> Dataset | None:
        """Return its dataset; None for a path whose scheme has none."""
        dataset = _of_hook(self.place, self.names) if self.names else of_path(self.place)  # type: ignore[arg-type]
        if dataset is not None and self.deleted:
            from airflow.providers.common.compat.openlineage.facet import (
                LifecycleStateChange,
                LifecycleStateChangeDatasetFacet,
            )

            change = LifecycleStateChangeDatasetFacet(lifecycleStateChange=LifecycleStateChange.DROP)
            dataset.facets = {**(dataset.facets or {}), "lifecycleStateChange": change}
        return dataset


def in_store(
    hook: ObjectStoreHook, store_id: str, partitions: Sequence[str] | None = None, *, deleted: bool = False
) -> list[DataObject]:
    """
    Return what a task that works on many keys reports: the partitions that it names, else their store.

    :param hook: the hook of the store.
    :param store_id: the store.
    :param partitions: the partitions; None for all, or for those that match a pattern.
    :param deleted: whether the task has deleted the partitions.
    """
    if partitions is None or len(partitions) > MAX_PARTITIONS:
        return [DataObject(hook, (store_id,))]
    return [DataObject(hook, (store_id, partition), deleted) for partition in partitions]


class LineageMixin:
    """For operators that move data: what a task has read and written, for OpenLineage. It says nothing until it has."""

    _lineage_inputs: Sequence[DataObject] = ()
    _lineage_outputs: Sequence[DataObject] = ()

    def _record_lineage(self, *, inputs: Sequence[DataObject] = (), outputs: Sequence[DataObject] = ()) -> None:
        """
        Record what the task has read and written, when it has.

        :param inputs: what it has read.
        :param outputs: what it has written or deleted.
        """
        self._lineage_inputs, self._lineage_outputs = inputs, outputs

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """
        Return what the task has read and written; the OpenLineage provider calls this.

        :param task_instance: not used; the provider passes it.
        """
        return operator_lineage(self, self._lineage_inputs, self._lineage_outputs)


def operator_lineage(
    task: Any, inputs: Iterable[DataObject], outputs: Iterable[DataObject]
) -> OperatorLineage[Any, Any]:
    """
    Return what an operator tells the OpenLineage provider, with the task's inlets and outlets.

    The provider itself adds inlets and outlets only to tasks that tell it nothing.

    :param task: the task.
    :param inputs: what it has read.
    :param outputs: what it has written or deleted.
    """
    from airflow.providers.openlineage.extractors import ExtractorManager, OperatorLineage

    found = [_datasets(objects) for objects in (inputs, outputs)]
    if any(found):
        for datasets, declared in zip(found, (task.inlets, task.outlets), strict=True):
            for each in map(ExtractorManager.convert_to_ol_dataset, declared):
                if each is not None:
                    datasets.setdefault((each.namespace, each.name), each)
    read, written = (list(datasets.values()) for datasets in found)
    return OperatorLineage(inputs=read, outputs=written)


def to_openlineage(asset: Asset, lineage_context: Any) -> Dataset | None:
    """
    Return an asset's dataset; Airflow calls this.

    :param asset: the asset, or a path that Airflow made one of.
    :param lineage_context: what reported it: a path, a hook, or None for an inlet or outlet.
    :return: None if it is a path of which nobody knows where it leads.
    """
    from airflow.sdk import ObjectStoragePath

    if isinstance(lineage_context, ObjectStoragePath) and lineage_context.protocol in SCHEMES:
        return _unless_unknown(lineage_context)
    uri = urlsplit(asset.uri)
    if "@" in uri.netloc:
        return _unless_unknown(asset.uri)
    return _dataset(f"{uri.scheme}://{uri.netloc}", uri.path.removeprefix("/")) if is_asset_uri(uri) else None


def of_path(path: ObjectStoragePath | str) -> Dataset | None:
    """
    Return the dataset of a path of any filesystem, without its connection.

    :param path: the path.
    :return: None if no provider has datasets of its scheme.
    """
    from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset
    from airflow.providers.common.compat.sdk import Asset
    from airflow.sdk import ObjectStoragePath

    path = ObjectStoragePath(path)
    if path.protocol in SCHEMES:
        hook, names = path.fs.hook_and_names(path.path)
        return _of_hook(hook, names)
    dataset: Dataset | None = translate_airflow_asset(Asset(uri=f"{path.protocol}://{path.path}"), None)
    return dataset


def _unless_unknown(path: ObjectStoragePath | str) -> Dataset | None:
    return next(iter(_datasets([DataObject(path)]).values()), None)


def _datasets(objects: Iterable[DataObject]) -> dict[tuple[str, str], Dataset]:
    """Return the datasets of objects by namespace and name, without those that cannot be told."""
    found = {}
    for each in objects:
        try:
            if (dataset := each.dataset()) is not None:
                found[dataset.namespace, dataset.name] = dataset
        except Exception:
            log.debug("There is no lineage of %r: it cannot be told where it is", each, exc_info=True)
    return found


def _of_hook(hook: ObjectStoreHook, names: Iterable[str]) -> Dataset:
    where = hook.labels
    if hook.conn_type == "anypoint":
        namespace = anypoint_namespace(where["organization_id"], where["environment_id"], where["region"])
    else:
        namespace = civo_namespace(where["region"])
    return _dataset(namespace, encode_names(names))


def _dataset(namespace: str, name: str) -> Dataset:
    """Return the dataset of a namespace and a percent-encoded name."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    if namespace.startswith("osv2:") and name.count("/") == 2:
        store_and_partition, slash, key = name.rpartition("/")
        name = store_and_partition + slash + key.replace("%20", "+")  # the service stores a space in a key as '+'
    return Dataset(namespace=namespace, name=name or "/")
