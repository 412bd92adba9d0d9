"""The operator that copies a folder to any other place that a path of Airflow reaches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.assets import emit_asset_events, report_lineage
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.fs import storage_paths
from airflow_provider_objectstore.lineage import DataObject, LineageMixin
from airflow_provider_objectstore.operators.base import CheckedArguments

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_objectstore.fs.folder_sync import Folder, FolderSync

Compare: TypeAlias = Literal["content", "size"]


class SyncFolderOperator(LineageMixin, CheckedArguments):
    """
    Copy the files of a folder to another folder, of any two filesystems of ``ObjectStoragePath``.

    A file that is missing at the target is copied, one that differs is overwritten, one that is the same is left alone.
    So a second try goes on with what is missing. A file appears when it is whole, and is read back and compared. A
    source without files is an error.

    XCom: ``source``, ``target``, ``copied`` (files written), ``overwritten`` (those of them that differed),
    ``unchanged``, ``deleted``, ``bytes`` (written), ``seconds``. The counts are of the last try alone.

    :param source: the folder to copy: ``file:///…``, ``s3://conn_id@bucket/…``, ``civo://conn_id@bucket/…``,
        ``osv2://conn_id@store/partition/…``.
    :param target: the folder to write into, likewise.
    :param source_conn_id: connection of the source, instead of one in its URL.
    :param target_conn_id: connection of the target, likewise.
    :param delete: whether to delete the target's files that are not at the source, after all others are copied.
    :param compare: how to tell that a file is the same: ``content`` reads both files, unless their sizes differ or
        their ETags are equal; ``size`` takes files of one size for the same, where both sizes are known.
    """

    template_fields: Sequence[str] = ("source", "target", "source_conn_id", "target_conn_id", "delete", "compare")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        "source": storage_paths.path,
        "target": storage_paths.path,
        "source_conn_id": read.optional(read.identifier),
        "target_conn_id": read.optional(read.identifier),
        "delete": read.flag,
        "compare": read.choice(*get_args(Compare)),
    }
    ui_color = "#d9f0dd"

    def __init__(
        self,
        *,
        source: str | ObjectStoragePath,
        target: str | ObjectStoragePath,
        source_conn_id: str | None = None,
        target_conn_id: str | None = None,
        delete: bool | str = False,
        compare: Compare = "content",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.target = target
        self.source_conn_id = source_conn_id
        self.target_conn_id = target_conn_id
        self.delete: Any = delete
        self.compare = compare
        self._sync: FolderSync | None = None
        self._killed = False

    def execute(self, context: Context) -> dict[str, Any]:
        """Copy the folder."""
        from airflow_provider_objectstore.fs.folder_sync import FolderSync
        from airflow_provider_objectstore.fs.places import folder_asset

        self.read_arguments()
        started = time.monotonic()
        source, target = self._folders()
        self._sync = FolderSync(source, target, delete=self.delete, by_size=self.compare == "size", log=self.log)
        self._sync.stopped = self._killed
        counts = asdict(self._sync.run())
        self._record_lineage(inputs=[DataObject(source.name)], outputs=[DataObject(target.name)])
        for folder, side in ((source, "input"), (target, "output")):
            report_lineage(self, side, partial(folder_asset, folder.fs, folder.path))  # type: ignore[arg-type]
        event = {"operation": "sync", "source": source.name, "target": target.name, **counts}
        emit_asset_events(self.outlets, context, partial(folder_asset, target.fs, target.path), event)
        seconds = round(time.monotonic() - started, 3)
        return {"source": source.name, "target": target.name, **counts, "seconds": seconds}

    def on_kill(self) -> None:
        """Start no further files; those under way finish."""
        self._killed = True
        if self._sync:
            self._sync.stopped = True

    def _folders(self) -> tuple[Folder, Folder]:
        """
        Return source and target.

        :raises InvalidArgumentError: if they are the same, or one is within the other.
        """
        from airflow_provider_objectstore.fs.places import overlap, places

        with self.naming_task():
            source = _folder("source", self.source, self.source_conn_id)
            target = _folder("target", self.target, self.target_conn_id)
            if overlap(places(source.fs, source.path), places(target.fs, target.path)):
                raise InvalidArgumentError(
                    f"source and target are the same, or one is within the other: {source.name} and {target.name}"
                )
        return source, target


def _folder(what: str, path: Any, conn_id: str | None) -> Folder:
    from airflow_provider_objectstore.compat.paths import path_conn_id
    from airflow_provider_objectstore.fs.folder_sync import Folder

    own = path_conn_id(storage_paths.storage_path(what, path))
    if conn_id and own and own != conn_id:
        raise InvalidArgumentError(f"{what}_conn_id is {conn_id!r}, and the path has {own!r}: give one")
    path = storage_paths.usable_path(what, path, conn_id)
    folder = str(path.fs._strip_protocol(path.path)).rstrip("/")
    if not folder:
        raise InvalidArgumentError(f"{what} is the root of a filesystem, {path}: name a folder")
    return Folder(path.fs, folder, storage_paths.path_text(what, path))
