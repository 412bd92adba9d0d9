"""A file that keeps the emulator's state: read at the start, written when something has changed."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.emulator.fields import StateError
from airflow_provider_objectstore.emulator.messages import dumps
from airflow_provider_objectstore.emulator.state import State, parse

if TYPE_CHECKING:
    from airflow_provider_objectstore.emulator.app import App

logger = logging.getLogger(__name__)

SAVE_SECONDS = 2.0
"""How often to write what has changed."""
PAUSE_FACTOR = 10
"""How much longer than writing to wait before the next time, so that a large state does not take all the time."""


class StateFile:
    """
    The file. What is in it is replaced as a whole or not at all.

    :param path: where it is. It need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()
        self._known: tuple[int, int, int] | None = None

    def read(self) -> State | None:
        """
        Return the state, ``None`` if there is no file.

        :raises StateError: if the file has something else.
        :raises OSError: if it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                self._known = _identity(os.fstat(file.fileno()))
                text = file.read()
        except FileNotFoundError:
            return None
        try:
            return parse(text)
        except StateError as error:
            raise StateError(f"{self.path}: {error}") from error

    def write(self, state: dict[str, Any]) -> None:
        """
        Replace the file. Only its owner may read it: it has the keys of credentials.

        :raises OSError: if it cannot be written, or somebody else has changed it since it was read or written.
        """
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(dumps(state).encode())
                file.flush()
                os.fsync(file.fileno())
            self._check_unchanged()
            Path(name).replace(self.path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise
        self._known = _identity(self.path.stat())

    def _check_unchanged(self) -> None:
        try:
            found = _identity(self.path.stat())
        except FileNotFoundError:
            return
        if found != self._known:
            raise OSError(f"{self.path} was changed by another program, and is left as it is")


class StateKeeper:
    """
    Writes an emulator's state to its file.

    :param app: the emulator's application.
    """

    def __init__(self, app: App, file: StateFile) -> None:
        self._app = app
        self._file = file
        self._saved: tuple[int, int] | None = None
        self._stopping = asyncio.Event()

    async def save(self) -> None:
        """
        Write the state, if it may have changed since the last time.

        :raises OSError: if it cannot be written.
        :raises RuntimeError: if S3 does not respond.
        """
        changes = await self._app.changes()
        if changes != self._saved:
            state = await self._app.dump()
            await asyncio.to_thread(self._file.write, state)
            self._saved = changes

    async def save_changes(self) -> None:
        """Write the state every now and then. An error is logged, and tried again."""
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                await self.save()
            except Exception as error:
                logger.error(
                    "The state is not saved to %s, and saving is tried again: %s: %s",
                    self._file.path,
                    type(error).__name__,
                    error,
                )
            pause = max(SAVE_SECONDS, PAUSE_FACTOR * (time.monotonic() - started))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def stop(self, saving: asyncio.Task[None]) -> None:
        """Let :meth:`save_changes` end, and write the state for the last time."""
        self._stopping.set()
        await saving
        self._saved = None  # lifetimes have gone on, without a change
        await self.save()


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size
