"""
Asset URIs: what Airflow calls a key, a partition or a bucket, whatever connection leads there.

- ``osv2://{organization}.{environment}.{region}/{store}/{partition}[/{key}]``
- ``civo://{region}/{bucket}[/{path}]``

Airflow loads this module when it first builds an asset of either scheme: nothing heavy here.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_objectstore.api.call import segment
from airflow_provider_objectstore.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.common.compat.sdk import BaseHook, Context

log = logging.getLogger(__name__)

OSV2 = "osv2://{organization}.{environment}.{region}/{store}/{partition}[/{key}]"
CIVO = "civo://{region}/{bucket}[/{path}]"

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_PLACE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")
_REGION_CODE = re.compile(r"[A-Z]{3,}[0-9]+")
_PLAIN = "!$&'()*+,;=:@"  # what RFC 3986 lets stand in a path beside letters, digits and -._~


def anypoint_asset(
    *,
    organization_id: str,
    environment_id: str,
    region: str,
    store_id: str,
    partition: str,
    key: str | None = None,
    **fields: Any,
) -> Asset:
    """
    Return the asset of a partition in Object Store v2, or of one of its keys.

    :param organization_id: the business group's id.
    :param environment_id: the environment's id.
    :param region: where the store is, such as ``us-east-1``.
    :param store_id: the store.
    :param partition: the partition.
    :param key: the key; without one the asset is the partition.
    :param fields: what else Airflow's ``Asset`` takes: ``name`` (else its URI), ``group``, ``extra``, ``watchers``.
    :raises InvalidArgumentError: for what cannot be a part of the URI.
    """
    ids = {"organization id": organization_id, "environment id": environment_id, "region": region}
    place = ".".join(_checked(what, value) for what, value in ids.items())
    return _asset(SplitResult("osv2", place.lower(), _key_path(store_id, partition, key), "", ""), fields)


def civo_asset(*, region: str, bucket: str, path: str | None = None, **fields: Any) -> Asset:
    """
    Return the asset of a Civo object store, or of what lies in it.

    :param region: region code, such as ``LON1``.
    :param bucket: the object store's name.
    :param path: an object's key, or the prefix of several.
    :param fields: what else Airflow's ``Asset`` takes: ``name`` (else its URI), ``group``, ``extra``, ``watchers``.
    :raises InvalidArgumentError: for what cannot be a part of the URI.
    """
    place = _checked("region", region).upper()
    return _asset(SplitResult("civo", place, _object_path(bucket, path), "", ""), fields)


def normalize_osv2(uri: SplitResult) -> SplitResult:
    """
    Give equal things equal ``osv2`` URIs. A path of the filesystem, ``osv2://conn_id@store/…``, is left as it is.

    :raises InvalidArgumentError: if the URI cannot name a partition or key.
    """

    def path() -> str:
        names = _names(uri)
        if not 2 <= len(names) <= 3:
            raise InvalidArgumentError("it names less than a partition or more than a key; a '/' within a name is %2F")
        return _key_path(*names)

    return _normalized(uri, OSV2, _PLACE, str.lower, path)


def normalize_civo(uri: SplitResult) -> SplitResult:
    """
    Give equal things equal ``civo`` URIs. A path of the filesystem, ``civo://conn_id@bucket/…``, is left as it is.

    :raises InvalidArgumentError: if the URI cannot name a bucket or what lies in it.
    """

    def path() -> str:
        bucket, *rest = _names(uri)
        return _object_path(bucket, "/".join(rest) if rest else None)

    return _normalized(uri, CIVO, _REGION_CODE if "@" in uri.netloc else _NAME, str.upper, path)


def to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """Return the data set that OpenLineage knows an asset as: its authority is the namespace, its path the name."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"{uri.scheme}://{uri.netloc}", name=uri.path.lstrip("/") or "/")


def tell_outlets(
    outlets: Iterable[Any], context: Context, written: Callable[[], Asset], extra: Mapping[str, Any]
) -> None:
    """
    Say on a task's outlets what it wrote.

    The event of each outlet that names what was written, or what holds that, gets the extra; each ``AssetAlias``
    gets an event of the asset itself. It never fails a task that has done its work.

    :param outlets: the task's outlets.
    :param context: the context that the task runs in.
    :param written: gives the asset; asked only where an outlet wants it.
    :param extra: plain data without secrets.
    """
    outlets = [it for it in outlets if isinstance(it, AssetAlias) or _ours(getattr(it, "uri", ""))]
    if not outlets:
        return
    try:
        asset = written()
        for outlet in outlets:
            event = context["outlet_events"][outlet]
            if not isinstance(outlet, AssetAlias):
                if f"{asset.uri}/".startswith(f"{outlet.uri}/"):
                    event.extra.update(extra)
                else:
                    log.info("Outlet %s does not name what this task wrote: %s", outlet.uri, asset.uri)
                continue
            try:
                # Two assets of one URI and different names hinder each other: take the one that Airflow knows.
                known: Any = Asset.ref(uri=asset.uri)
                event.add(known, dict(extra))
            except Exception:
                event.add(asset, dict(extra))
    except Exception as error:
        log.warning("What this task wrote is not on its outlets' events: %s", error)


def report_lineage(hook: BaseHook, side: Literal["input", "output"], used: Callable[[], Asset]) -> None:
    """
    Tell Airflow's hook lineage collector, if one is active, what a hook read or wrote. It never fails a call.

    :param hook: the hook.
    :param side: ``input`` for what was read, ``output`` for what was written.
    :param used: gives the asset; asked only where a collector is active.
    """
    from airflow.providers.common.compat.sdk import NoOpCollector, get_hook_lineage_collector

    try:
        collector = get_hook_lineage_collector()
        if not isinstance(collector, NoOpCollector):
            add = collector.add_input_asset if side == "input" else collector.add_output_asset
            add(context=hook, uri=used().uri)
    except Exception:
        log.debug("Lineage of a call is not reported", exc_info=True)


def _ours(uri: str) -> bool:
    return uri.startswith(("osv2://", "civo://"))


def _asset(uri: SplitResult, fields: Mapping[str, Any]) -> Asset:
    return Asset(uri=uri.geturl(), **fields)


def _normalized(
    uri: SplitResult, form: str, place: re.Pattern[str], fold: Callable[[str], str], path: Callable[[], str]
) -> SplitResult:
    _, at, authority = uri.netloc.rpartition("@")
    shown = f"{uri.scheme}://{authority}{uri.path}"  # without what may be secret
    if not authority:
        raise InvalidArgumentError(f"{shown} does not say where; expected {form}")
    complete = place.fullmatch(authority)
    if at or not complete:
        # Not refused: Airflow's lineage makes assets of every path that ObjectStoragePath opens.
        warnings.warn(
            f"{uri.scheme}://{authority} is where a filesystem's path begins, which means nothing without its "
            f"connection. An asset's URI carries none; expected {form}",
            UserWarning,
            stacklevel=6,  # where the asset is made
        )
    if not complete:
        return uri
    try:
        if uri.query:
            raise InvalidArgumentError("it has a query; a '?' within a name is written %3F")
        return uri._replace(netloc=fold(authority), path=path())
    except InvalidArgumentError as problem:
        if at:
            return uri
        raise InvalidArgumentError(f"{shown} is no URI of an asset: {problem}. Expected {form}") from None


def _names(uri: SplitResult) -> list[str]:
    try:
        return [unquote(name, errors="strict") for name in uri.path.removeprefix("/").removesuffix("/").split("/")]
    except UnicodeDecodeError:
        raise InvalidArgumentError("it is not percent-encoded UTF-8") from None


def _key_path(store_id: str, partition: str, key: str | None = None) -> str:
    names = {"store id": store_id, "partition": partition, **({} if key is None else {"key": key})}
    return "".join(f"/{_encoded(what, name)}" for what, name in names.items())


def _object_path(bucket: str, path: str | None) -> str:
    names = [] if path is None else path.split("/")
    return "".join(f"/{_encoded(what, name)}" for what, name in [("bucket", bucket), *(("path", n) for n in names)])


def _encoded(what: str, name: str) -> str:
    segment(what, name)  # refuses what would be another address
    return quote(name, safe=_PLAIN)


def _checked(what: str, value: str) -> str:
    if not _NAME.fullmatch(value):
        raise InvalidArgumentError(f"the {what} must be letters, digits, '-' and '_' only, not {value!r}")
    return value
