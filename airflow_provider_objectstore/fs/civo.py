"""
``civo://conn_id@bucket/path``: Civo's object stores as a filesystem.

Airflow imports this module whenever it looks for any filesystem, so it must not need s3fs, which is an extra.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_objectstore.fs.civo_s3fs import CivoFileSystem

schemes = ["civo"]


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> CivoFileSystem:
    """
    Return the filesystem of a connection; Airflow calls this.

    :param conn_id: id of a ``civo`` connection; None means ``civo_default``.
    :param storage_options: further arguments of ``CivoFileSystem``.
    :raises ConfigurationError: if s3fs is missing, with what to install.
    """
    from airflow_provider_objectstore.fs.civo_s3fs import CivoFileSystem

    return CivoFileSystem(conn_id=conn_id, **(storage_options or {}))
