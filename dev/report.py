"""The demo's output: progress while it runs, tables at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dev.runs import Task

_STYLES = {"success": "green", "failed": "red", "running": "cyan", "deferred": "magenta", "up_for_retry": "yellow"}


def task_table(tasks: Iterable[Task]) -> Table:
    """Return a table of DAG, run, task, state, seconds, deferred."""
    table = Table("DAG", "run", "task", "state", "seconds", "deferred", title="Tasks", title_justify="left")
    for task in tasks:
        seconds = "" if task.seconds is None else f"{task.seconds:.1f}"
        state = Text(task.state, style=_STYLES.get(task.state, ""))
        table.add_row(task.dag_id, str(task.run), Text(task.name), state, seconds, "yes" if task.deferred else "no")
    return table


def content_tables() -> list[Table]:
    """Return tables of what is in the buckets and in the Object Store v2 stores, read with this package's hooks."""
    import boto3

    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

    buckets = Table("bucket", "objects", "bytes", "first", "last", title="Civo", title_justify="left")
    civo = CivoObjectStoreHook()
    for bucket in civo.list_object_stores():
        pages = boto3.client("s3", **civo.s3_options(bucket)).get_paginator("list_objects_v2")
        objects = [item for page in pages.paginate(Bucket=bucket.name) for item in page.get("Contents", [])]
        keys = [item["Key"] for item in objects] or ["", ""]
        buckets.add_row(bucket.name, str(len(objects)), str(sum(item["Size"] for item in objects)), keys[0], keys[-1])

    entries = Table(
        "store", "partition", "key", "value", title="Anypoint Object Store v2", title_justify="left", highlight=True
    )
    anypoint = AnypointObjectStoreHook()
    for store in anypoint.list_stores():
        for partition in anypoint.list_partitions(store.store_id):
            for key, value in anypoint.partition(store.store_id, partition).items():
                entries.add_row(store.store_id, partition, escape(key), escape(str(value)[:60]))
    return [buckets, entries]


class Progress:
    """
    Prints lines with the time and, in a ``with`` block, the tasks.

    On a terminal the tasks are a live table. Elsewhere each change of state is a line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True) if console.is_terminal else None
        self._start = time.monotonic()
        self._shown: dict[tuple[str, int, str], str] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def log(self, text: str) -> None:
        """Print a line, with the seconds since the start."""
        self._console.print(f"{time.monotonic() - self._start:6.1f} s  {text}", markup=False, highlight=False)

    def show(self, tasks: list[Task]) -> None:
        """Show the tasks' states."""
        if self._live:
            self._live.update(task_table(tasks))
            return
        for task in tasks:
            key = (task.dag_id, task.run, task.name)
            if task.state not in ("none", self._shown.get(key)):
                self._shown[key] = task.state
                self.log(f"{task.dag_id}, run {task.run}: {task.name} {task.state}")
