"""
``civo://conn_id@bucket/path``: Civo's object stores as a filesystem.

Airflow imports this module whenever it looks for a filesystem, so s3fs, an extra, must not be needed for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow_provider_objectstore.fs.civo_s3fs import CivoFileSystem

schemes = ["civo"]


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> CivoFileSystem:
    """
    Return the filesystem of a connection; Airflow calls this.

    :raises ConfigurationError: saying what to install.
    """
    try:
        from airflow_provider_objectstore.fs.civo_s3fs import CivoFileSystem
    except ImportError as error:
        raise ConfigurationError("civo:// paths need s3fs: pip install 'airflow-provider-objectstore[s3]'") from error
    return CivoFileSystem(conn_id=conn_id, **(storage_options or {}))
