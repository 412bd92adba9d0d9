"""How paths of ``osv2://`` map to stores, partitions and keys of one connection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.listing import CompleteListing
from airflow_provider_objectstore.exceptions import InvalidArgumentError, NotFoundError, StoreNotFoundError
from airflow_provider_objectstore.fs.created_folders import CreatedFolders
from airflow_provider_objectstore.fs.files import bytes_of, file_info, folder_info
from airflow_provider_objectstore.fs.key_encoding import decode, encode
from airflow_provider_objectstore.fs.literal_names import is_pattern, run_sync
from airflow_provider_objectstore.fs.paths import ConnectionInPathMixin
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.anypoint.values import Entry
    from airflow_provider_objectstore.api.call import Call, Page

Item = TypeVar("Item")
log = logging.getLogger(__name__)


class AnypointKeysMixin(ConnectionInPathMixin):
    """For the filesystem: the stores, partitions and keys of its paths."""

    _default_conn_id = AnypointObjectStoreHook.default_conn_name
    hook: AnypointObjectStoreHook
    _warned: set[str]
    _created_folders: CreatedFolders

    def hook_and_names(self, path: str) -> tuple[AnypointObjectStoreHook, tuple[str, ...]]:
        """Return the hook, and store, partition and key of a path, as far as it names them; for lineage."""
        return self.hook, tuple(name for name in self._parts(path) if name)

    def _parts(self, path: str) -> tuple[str, str, str]:
        """Return store, partition and key."""
        store, _, rest = self._strip_protocol(path).partition("/")
        partition, _, name = rest.partition("/")
        if rest and "" in rest.split("/"):
            raise InvalidArgumentError(f"osv2://{path} has an empty segment: two slashes in a row")
        return store, partition, encode(name)

    def _key(self, path: str) -> tuple[str, str, str]:
        parts = self._parts(path)
        if not all(parts):
            raise InvalidArgumentError(f"osv2://{path} is no file: one is named osv2://store/partition/key")
        return parts

    def _entry(self, path: str) -> Entry:
        store, partition, key = self._parts(path)
        if not key:
            raise FileNotFoundError(
                f"osv2://{path} is no file: one is named osv2://store/partition/key [{self.hook.where}]"
            )
        with replace_absence(partial(self._missing, path)):
            return self.hook.get_key(store, partition, key)

    def _read(self, path: str) -> bytes:
        return bytes_of(self._entry(path), path)

    def _read_files(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Read files by their exact names, many at once."""
        contents: dict[str, bytes] = {}
        for (store, partition), names in self._grouped(paths).items():
            result = self.hook.get_many(store, partition, names.values())
            for name, key in names.items():
                if error := result.failed.get(key):
                    raise self._missing(name) if is_absent(error) else error
                contents[name] = bytes_of(result.succeeded[key], name)
        return contents

    def _files(self, store: str, partition: str, prefix: str) -> Iterator[str]:
        with replace_absence(None):
            for key in self._list(api.list_keys(store, partition, prefix or None)):
                if not key.startswith(prefix):
                    continue  # listed keys may be deleted next: do not rely on the service's filter alone
                name = decode(key)
                if name is not None:
                    yield f"{store}/{partition}/{name}"
                else:
                    self._warn_left_out(f"{store}/{partition}", key)

    def _list(self, listing: Call[Page[Item]], name: Callable[[Item], str] = str) -> Iterator[Item]:
        complete = CompleteListing(listing, name)
        client = self.hook.get_conn()
        for call in complete.rounds():
            try:
                for page in client.pages(call):
                    yield from complete.new_items(page)
            except NotFoundError as error:
                if not complete.is_end(error):
                    raise
                return

    def _warn_left_out(self, folder: str, name: str) -> None:
        if folder not in self._warned:
            self._warned.add(folder)
            log.warning(
                "%r in %r, and others like it, are not the keys of paths: listings leave them out, the hook and "
                "partition() have them, and a recursive deletion of the partition deletes them",
                name,
                f"osv2://{folder}",
            )

    def _files_of(self: Any, paths: Iterable[str], recursive: bool, maxdepth: int | None = None) -> list[str]:
        """Return the files that paths and patterns stand for; with ``recursive``, those below them too."""
        files: set[str] = set()
        for path in map(self._strip_protocol, paths):
            pattern = self._is_pattern(path)
            if not recursive and not pattern:
                files.add(path)
                continue
            found = self.glob(path, maxdepth=maxdepth, detail=True) if pattern else {path: folder_info(path)}
            matched = {name for name, info in found.items() if info["type"] == "file"}
            for folder in found.keys() - matched if recursive else ():
                matched.update(self.find(folder, maxdepth=maxdepth))
            if recursive and path in found and self._parts(path)[2] and self.isfile(path):
                matched.add(path)  # a key may be a file and a folder
            was_created = recursive and self._created_folders.discard(path)
            if not matched and not was_created:
                raise self._missing(path)
            files |= matched
        return sorted(files)

    def _is_pattern(self, path: str) -> bool:
        return run_sync(self, is_pattern(self._strip_protocol(path)))

    def _entries(self, path: str) -> Iterator[dict[str, Any]]:
        store, partition, key = self._parts(path)
        if not store:
            yield from (folder_info(found.store_id) for found in self._list(api.list_stores(), attrgetter("store_id")))
        elif not partition:
            with replace_absence(None):
                for name in self._list(api.list_partitions(store)):
                    if "/" in name:
                        self._warn_left_out(store, name)
                    else:
                        yield folder_info(f"{store}/{name}")
        else:
            for name in self._files(store, partition, f"{key}%2F" if key else ""):
                first, slash, _ = name[len(path) + 1 :].partition("/")
                yield folder_info(f"{path}/{first}") if slash else file_info(name, None)

    def _is_folder(self, path: str) -> bool:
        store, partition, key = self._parts(path)
        if not store:
            return True
        if not partition:
            return self.hook.store_exists(store)
        if not key:
            exists = self.hook.partition_exists(store, partition)
        else:
            exists = next(self._files(store, partition, f"{key}%2F"), None) is not None
        return exists or path in self._created_folders

    def _grouped(self, paths: Iterable[str]) -> dict[tuple[str, str], dict[str, str]]:
        """Return keys by path, grouped by store and partition."""
        groups: dict[tuple[str, str], dict[str, str]] = {}
        for path in map(self._strip_protocol, paths):
            store, partition, key = self._key(path)
            groups.setdefault((store, partition), {})[path] = key
        return groups


def is_absent(error: BaseException | None) -> bool:
    """Return whether an error says that the object is absent; an error about its store says nothing about it."""
    return isinstance(error, NotFoundError) and not isinstance(error, StoreNotFoundError)


@contextmanager
def replace_absence(error: Callable[[], OSError] | None) -> Iterator[None]:
    """Raise this error instead of the service's that an object is absent; raise nothing if it is None."""
    try:
        yield
    except NotFoundError as missing:
        if not is_absent(missing):
            raise
        if error is not None:
            raise error() from None
