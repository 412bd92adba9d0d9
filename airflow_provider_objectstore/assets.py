"""
Asset URIs name a key, a partition or a bucket, independent of the connection.

- ``osv2://{organization}.{environment}.{region}/{store}/{partition}[/{key}]``
- ``civo://{region}/{bucket}[/{path}]``

Airflow imports this module when it first creates an asset of either scheme, so heavy imports do not belong here.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import SplitResult, quote, unquote

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.compat.paths import paths_lack_container
from airflow_provider_objectstore.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseHook, Context

log = logging.getLogger(__name__)

OSV2_FORMAT = "osv2://{organization}.{environment}.{region}/{store}/{partition}[/{key}]"
CIVO_FORMAT = "civo://{region}/{bucket}[/{path}]"

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_OSV2_AUTHORITY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")
_CIVO_REGION = re.compile(r"[A-Z]{3,}[0-9]+")
# What is an asset's authority for sure: a store may have dots in its name, and a region's code may be a bucket's name.
_OSV2_REGION = re.compile(r".*\.[a-z]+(-[a-z]+)+-[0-9]+", re.IGNORECASE)
_CIVO_REGION_IN_ANY_CASE = re.compile(_CIVO_REGION.pattern, re.IGNORECASE)
_UNENCODED = "!$&'()*+,;=:@"  # RFC 3986 allows these in a path, beside letters, digits and -._~


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

    :param organization_id: id of the business group.
    :param environment_id: id of the environment.
    :param region: id of the store's region, such as ``us-east-1``.
    :param store_id: id of the store.
    :param partition: name of the partition.
    :param key: the key; without it the asset is the partition.
    :param fields: other parameters of Airflow's ``Asset``: ``name`` (by default the URI), ``group``, ``extra``,
        ``watchers``.
    :raises InvalidArgumentError: for a value that is invalid in the URI.
    """
    where = anypoint_namespace(organization_id, environment_id, region)
    return Asset(uri=where + _key_path(store_id, partition, key), **fields)


def civo_asset(*, region: str, bucket: str, path: str | None = None, **fields: Any) -> Asset:
    """
    Return the asset of a Civo object store, or of objects in it.

    :param region: code of the region, such as ``LON1``.
    :param bucket: name of the object store.
    :param path: key of an object, or prefix of several.
    :param fields: other parameters of Airflow's ``Asset``: ``name`` (by default the URI), ``group``, ``extra``,
        ``watchers``.
    :raises InvalidArgumentError: for a value that is invalid in the URI.
    """
    return Asset(uri=civo_namespace(region) + _object_path(bucket, path), **fields)


def anypoint_namespace(organization_id: str, environment_id: str, region: str) -> str:
    """
    Return how the URIs of Object Store v2 in an environment and region begin: OpenLineage's namespace.

    :param organization_id: id of the business group.
    :param environment_id: id of the environment.
    :param region: id of the region.
    :raises InvalidArgumentError: for a value that is invalid in the URI.
    """
    ids = {"organization id": organization_id, "environment id": environment_id, "region": region}
    return "osv2://" + ".".join(_check_name(what, value) for what, value in ids.items()).lower()


def civo_namespace(region: str) -> str:
    """
    Return how the URIs of Civo object stores in a region begin: OpenLineage's namespace.

    :param region: code of the region.
    :raises InvalidArgumentError: for a value that is invalid in the URI.
    """
    return "civo://" + _check_name("region", region).upper()


def encode_names(names: Iterable[str]) -> str:
    """
    Return a URI's path: names from the outermost, each percent-encoded.

    :param names: such as a store, a partition and a key; none is empty.
    :raises InvalidArgumentError: for a name that would address something else, such as ``..``.
    """
    return "/".join(_encode("name", name) for name in names)


def is_asset_uri(uri: SplitResult) -> bool:
    """
    Return whether a normalized URI of either scheme is an asset's, and not a path of a filesystem.

    :param uri: the URI, split.
    """
    if uri.scheme == "osv2":
        return bool(_OSV2_AUTHORITY.fullmatch(uri.netloc)) and 2 <= uri.path.count("/") <= 3
    return uri.netloc == uri.netloc.upper() and bool(_NAME.fullmatch(uri.netloc))


def normalize_osv2(uri: SplitResult) -> SplitResult:
    """
    Normalize an ``osv2`` URI. A path of the filesystem, ``osv2://conn_id@store/…``, stays as it is.

    :param uri: the URI, split.
    :return: the same URI for the same partition or key.
    :raises InvalidArgumentError: if the URI cannot name a partition or key.
    """

    def normalize_path() -> str:
        names = _split_path(uri)
        if not 2 <= len(names) <= 3:
            raise InvalidArgumentError("it names less than a partition or more than a key; a '/' within a name is %2F")
        return _key_path(*names)

    return _normalize(uri, OSV2_FORMAT, (_OSV2_AUTHORITY, _OSV2_REGION), str.lower, normalize_path)


def normalize_civo(uri: SplitResult) -> SplitResult:
    """
    Normalize a ``civo`` URI. A path of the filesystem, ``civo://conn_id@bucket/…``, stays as it is.

    :param uri: the URI, split.
    :return: the same URI for the same bucket or objects.
    :raises InvalidArgumentError: if the URI cannot name a bucket or objects in it.
    """

    def normalize_path() -> str:
        bucket, *rest = _split_path(uri)
        return _object_path(bucket, "/".join(rest) if rest else None)

    authority = _CIVO_REGION if "@" in uri.netloc else _NAME
    return _normalize(uri, CIVO_FORMAT, (authority, _CIVO_REGION_IN_ANY_CASE), str.upper, normalize_path)


def emit_asset_events(
    outlets: Iterable[Any], context: Context, get_asset: Callable[[], Asset], extra: Mapping[str, Any]
) -> None:
    """
    Emit asset events for what a task wrote. Errors are logged and never fail a task that has done its work.

    The event of each outlet that is the written asset, or contains it, gets the extra. Each ``AssetAlias`` gets an
    event of the written asset.

    :param outlets: the task's outlets.
    :param context: the context that the task runs in.
    :param get_asset: returns the written asset; called only if an outlet needs it.
    :param extra: the events' extra: plain data without secrets.
    """
    outlets = [outlet for outlet in outlets if isinstance(outlet, AssetAlias) or _is_ours(getattr(outlet, "uri", ""))]
    if not outlets:
        return
    try:
        asset = get_asset()
        for outlet in outlets:
            event = context["outlet_events"][outlet]
            if isinstance(outlet, AssetAlias):
                _add_to_alias(event, asset, extra)
            elif f"{asset.uri}/".startswith(f"{outlet.uri}/"):
                event.extra.update(extra)
            else:
                log.info("Outlet %s does not name what this task wrote: %s", outlet.uri, asset.uri)
    except Exception as error:
        log.warning("The events of this task's outlets do not say what it wrote: %s", error)


def _add_to_alias(event: Any, asset: Asset, extra: Mapping[str, Any]) -> None:
    try:
        # Two assets with one URI and different names conflict: use the one that Airflow knows.
        known: Any = Asset.ref(uri=asset.uri)
        event.add(known, dict(extra))
    except Exception:
        event.add(asset, dict(extra))


def report_lineage(hook: BaseHook, side: Literal["input", "output"], get_asset: Callable[[], Asset]) -> None:
    """
    Report what a hook read or wrote to Airflow's hook lineage collector, if one is active. Errors never fail a call.

    :param hook: the hook.
    :param side: ``input`` for what was read, ``output`` for what was written.
    :param get_asset: returns the asset; called only if a collector is active.
    """
    try:
        if (collector := lineage_collector()) is not None:
            add = collector.add_input_asset if side == "input" else collector.add_output_asset
            add(context=hook, uri=get_asset().uri)
    except Exception:
        log.debug("The lineage of a call could not be reported", exc_info=True)


def lineage_collector() -> Any:
    """Return Airflow's hook lineage collector; None if none is active. The first call loads Airflow's plugins."""
    from airflow.providers.common.compat.sdk import NoOpCollector, get_hook_lineage_collector

    collector = get_hook_lineage_collector()
    return None if isinstance(collector, NoOpCollector) else collector


def _is_ours(uri: str) -> bool:
    return uri.startswith(("osv2://", "civo://"))


def _normalize(
    uri: SplitResult,
    expected: str,
    authorities: tuple[re.Pattern[str], re.Pattern[str]],
    change_case: Callable[[str], str],
    normalize_path: Callable[[], str],
) -> SplitResult:
    """Normalize a URI; ``authorities`` match what can be an asset's authority, and what surely is one."""
    _, at, authority = uri.netloc.rpartition("@")
    shown = f"{uri.scheme}://{authority}{uri.path}"  # without the user information, which may be secret
    if not authority and not paths_lack_container():
        raise InvalidArgumentError(f"{shown} does not say where; expected {expected}")
    possible, certain = authorities
    is_asset = possible.fullmatch(authority)
    if at or not is_asset:
        _warn_of_path(uri.scheme, authority, expected)
    if not is_asset:
        return uri
    try:
        if uri.query:
            raise InvalidArgumentError("it has a query; a '?' within a name is written %3F")
        return uri._replace(netloc=change_case(authority), path=normalize_path())
    except InvalidArgumentError as error:
        if at:
            return uri
        if not certain.fullmatch(authority):
            _warn_of_path(uri.scheme, authority, expected)
            return uri
        raise InvalidArgumentError(f"{shown} is no URI of an asset: {error}. Expected {expected}") from None


def _warn_of_path(scheme: str, authority: str, expected: str) -> None:
    # A warning only: Airflow's lineage creates assets of every path that ObjectStoragePath opens.
    warnings.warn(
        f"{scheme}://{authority} begins a path of a filesystem, which means nothing without its connection. "
        f"An asset's URI has no connection; expected {expected}",
        UserWarning,
        stacklevel=7,  # where the asset is created
    )


def _split_path(uri: SplitResult) -> list[str]:
    try:
        return [unquote(name, errors="strict") for name in uri.path.removeprefix("/").removesuffix("/").split("/")]
    except UnicodeDecodeError:
        raise InvalidArgumentError("it is not percent-encoded UTF-8") from None


def _key_path(store_id: str, partition: str, key: str | None = None) -> str:
    names = {"store id": store_id, "partition": partition, **({} if key is None else {"key": key})}
    return "".join(f"/{_encode(what, name)}" for what, name in names.items())


def _object_path(bucket: str, path: str | None) -> str:
    names = [] if path is None else path.split("/")
    return "".join(f"/{_encode(what, name)}" for what, name in [("bucket", bucket), *(("path", n) for n in names)])


def _encode(what: str, name: str) -> str:
    segment(what, name)  # raises for names that would address something else, such as '..'
    return quote(name, safe=_UNENCODED)


def _check_name(what: str, value: str) -> str:
    if not _NAME.fullmatch(value):
        raise InvalidArgumentError(f"the {what} must be letters, digits, '-' and '_' only, not {value!r}")
    return value
