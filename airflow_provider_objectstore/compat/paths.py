"""What differs in ``ObjectStoragePath`` between versions of Airflow."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


def paths_lack_container() -> bool:
    """
    Return whether Airflow writes a path of ours as ``osv2://conn_id@/store/…``, with an empty container.

    Remove when Airflow >= 3.2 is required, which comes with universal_pathlib 0.3.
    """
    return find_spec("upath.extensions") is None


def path_conn_id(path: ObjectStoragePath) -> str | None:
    """
    Return the connection id of a path; None for none.

    Remove when Airflow >= 3.2 is required, whose paths have ``conn_id``. Before, it is a storage option.

    :param path: the path.
    """
    found: str | None = getattr(path, "conn_id", None) if hasattr(type(path), "conn_id") else None
    return found or path.storage_options.get("conn_id")
