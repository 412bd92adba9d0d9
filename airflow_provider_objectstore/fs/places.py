"""Where a folder is, independent of the connection: to see that two are the same, or one is within the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_objectstore.fs.many_files import is_local

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset


def places(fs: Any, folder: str) -> set[tuple[str, ...]]:
    """
    Return all that is known of where a folder is: a service each, and the path there. No request is sent.

    :param fs: the folder's filesystem.
    :param folder: its path there, without protocol.
    """
    from airflow_provider_objectstore.fs.anypoint import AnypointFileSystem

    if is_local(fs):
        return {("file", str(Path(folder).resolve()))}
    if isinstance(fs, AnypointFileSystem):
        authority = urlsplit(fs.hook.asset("store", "partition").uri).netloc
        return {("osv2", authority.partition(".")[2], folder)}  # an environment belongs to one organization
    found: set[tuple[str, ...]] = set()
    endpoint = (getattr(fs, "client_kwargs", None) or {}).get("endpoint_url") or getattr(fs, "endpoint_url", None)
    if _is_civo(fs):
        labels = fs.hook.labels
        found.add(("civo", labels["region"].upper(), folder))
        endpoint = labels.get("s3_endpoint")
        if not endpoint:
            return found
    if "s3" in _protocols(fs) or endpoint:
        return found | {("s3", urlsplit(endpoint or "//aws").netloc.lower(), folder)}
    return {("/".join(_protocols(fs)), str(getattr(fs, "_fs_token", "")), folder)}


def overlap(first: set[tuple[str, ...]], second: set[tuple[str, ...]]) -> bool:
    """Return whether two folders are the same, or one is within the other."""
    return any(
        one[:-1] == other[:-1] and (_within(one[-1], other[-1]) or _within(other[-1], one[-1]))
        for one in first
        for other in second
    )


def folder_asset(fs: Any, folder: str) -> Asset:
    """
    Return the asset of a folder: a partition of Object Store v2, or what is below a path.

    :param fs: the folder's filesystem.
    :param folder: its path there.
    """
    from airflow.providers.common.compat.sdk import Asset

    from airflow_provider_objectstore.fs.anypoint import AnypointFileSystem

    top, _, rest = folder.partition("/")
    if isinstance(fs, AnypointFileSystem):
        partition, _, _ = rest.partition("/")
        return fs.hook.asset(top, partition)
    if _is_civo(fs):
        found: Asset = fs.hook.asset(top, rest or None)
        return found
    return Asset(uri=f"{_protocols(fs)[0]}://{folder}")


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _is_civo(fs: Any) -> bool:
    return "civo" in _protocols(fs)


def _within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")
