"""All kinds of work at once, of which every process of one kind is killed in the middle."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator
from tests.distributed.cluster import SCHEDULERS, TRIGGERERS, WORKERS, Cluster
from tests.distributed.events import Events
from tests.distributed.probe import Probe

NUMBERS = {"worker": WORKERS, "triggerer": TRIGGERERS, "scheduler": SCHEDULERS}
PARTITIONS = "p0", "p1", "p2"
KEYS = 60
QUIET = 15
TOTAL = len(PARTITIONS) * KEYS
ROTATIONS = "published", "created"
SLOW = [
    {"operation": operation, "kind": "delay", "seconds": 1}
    for operation in ("anypoint.delete_key", "anypoint.get_key", "anypoint.put_key")
]
RETIRING = {"operation": "civo.delete_credential", "kind": "delay", "seconds": 60}
ENDED = "SELECT extract(epoch FROM end_date) FROM dag_run WHERE dag_id = %s AND run_id = %s"


class Killing:
    """
    A purge, an export, an import, two rotations, 200 waits and a watcher while a component is killed.

    The service is so slow that all are in the middle at the same time; nothing depends on how long a machine takes.

    :param component: what is killed, all of its kind: ``worker``, ``triggerer`` or ``scheduler``.
    :param folder: for the exports.
    """

    def __init__(self, cluster: Cluster, service: Emulator, component: str, folder: Path) -> None:
        self.cluster, self.service, self.component = cluster, service, component
        self.names = [f"{component}-{number}" for number in range(1, NUMBERS[component] + 1)]
        self.hook = AnypointObjectStoreHook()
        self.probe = Probe(service)
        self.folder, self.source = folder / "export", folder / "import"
        self.grace = 120 if component == "triggerer" else 0
        self.runs: dict[str, str] = {}
        self.at_kill: dict[str, int] = {}
        self.changed: list[str] = []
        self._names = itertools.count()

    def run(self) -> None:
        """Do all of it, until everything has ended."""
        self._prepare()
        self._before = self.service.requests()["by_operation"]
        self.first_credentials = {name: self.probe.owner(name) for name in ROTATIONS}
        try:
            self._begin()
            self._kill()
        finally:
            self._resume()
        self._end()
        self.requests = Counter[str]()
        for operation, statuses in self.service.requests()["by_operation"].items():
            for status, number in statuses.items():
                self.requests[f"{operation} {status}"] = number - self._before.get(operation, {}).get(status, 0)

    # Before

    def _prepare(self) -> None:
        stores = {store.store_id for store in self.hook.list_stores()}
        for name in ("purge", "export", "import", "waits", "events", "keys"):
            if f"kill-{name}" not in stores:
                self.hook.create_store(f"kill-{name}")
        for partition in PARTITIONS:
            self._clear("kill-import", partition)
        self._clear("kill-waits", "p")
        for partition in PARTITIONS:
            keys = {f"k-{number:02}": "v" for number in range(KEYS)}
            self.hook.put_many("kill-purge", partition, {**keys, "stays": "v"}).raise_failed()
            self.hook.put_many("kill-export", partition, dict.fromkeys(keys, "earlier")).raise_failed()
        self._export(self.folder)
        for partition in PARTITIONS:
            self.hook.put_many("kill-export", partition, self.values(partition)).raise_failed()
        self._export(self.source)
        self._create_buckets()
        self._start_watching()

    def _clear(self, store: str, partition: str) -> None:
        self.hook.delete_many(store, partition, self.probe.keys(store, partition)).raise_failed()

    def values(self, partition: str) -> dict[str, Any]:
        """Return the values of a partition that are exported and imported: text, bytes and exact numbers."""
        kinds = (lambda n: f"{partition} {n}", lambda n: f"{partition} {n}".encode(), lambda n: 10**17 + n)
        return {f"k-{number:02}": kinds[number % 3](number) for number in range(KEYS)}

    def _export(self, folder: Path) -> None:
        AnypointExportOperator(task_id="export", store_id="kill-export", path=f"file://{folder}").execute({})

    def _create_buckets(self) -> None:
        civo = CivoObjectStoreHook()
        there = {store.name for store in civo.list_object_stores()}
        for name in ROTATIONS:
            if name not in there:
                owner = civo.wait_until_ready(civo.create_credential(name))
                id = civo.create_object_store(name, access_key_id=owner.access_key_id).id
                self.cluster.wait(lambda i=id: civo.get_object_store(i).ready, 30, "the store is ready")

    def _start_watching(self) -> None:
        self.cluster.unpause("kill_watch")
        events = Events(self.cluster.databases, "kills")

        def fires() -> bool:
            self.hook.put_key("kill-events", "p", f"x/first-{next(self._names)}", "v")
            return bool(events.keys())

        self.cluster.wait(fires, 180, "the watcher is past its first poll")
        ended = "SELECT 1 FROM asset_dag_run_queue WHERE target_dag_id = 'kill_watch'"
        self.cluster.wait(
            lambda: not self.cluster.databases.query(ended) and not self._active("kill_watch"), 120, "it is quiet"
        )
        self._clear("kill-events", "p")  # each poll would read them
        time.sleep(10)
        self.events = Events(self.cluster.databases, "kills")

    # Until all are in the middle

    def _begin(self) -> None:
        self._trigger("waits")
        waits = "kill_waits"
        self.cluster.wait(lambda: self._states(waits)["deferred"] == 200, 400, "all wait")
        self.service.faults([*SLOW, RETIRING])
        self._trigger("published", grace=self.grace)
        self._trigger("purge")
        self._trigger("export", path=f"file://{self.folder}")
        self._trigger("import", path=f"file://{self.source}")
        self.cluster.wait(lambda: self._is_in_the_middle("published"), 180, "a rotation has published")
        if not self.grace:
            self.service.settings.creating_seconds = 45
        self._trigger("created", grace=self.grace)
        for job in ("purge", "export", "import", "created"):
            self.cluster.wait(lambda j=job: self._is_in_the_middle(j), 180, f"{job} is in the middle")

    def _is_in_the_middle(self, job: str) -> bool:
        state = "deferred" if job in ROTATIONS and self.grace else "running"
        least = {"purge": 6, "import": 6, "export": 20}.get(job, 1)
        return self._states(f"kill_{job}")[state] == 1 and self.progress(job) >= least

    def progress(self, job: str) -> int:
        """Return how many keys, values or credentials a job has done."""
        match job:
            case "purge":
                return TOTAL + len(PARTITIONS) - len(list(self.left("kill-purge")))
            case "import":
                return len(list(self.left("kill-import")))
            case "export":
                drafts = [path for path in self.folder.iterdir() if path.name.startswith("data-")]
                reads = [
                    by["anypoint.get_key"]["200"] for by in (self.service.requests()["by_operation"], self._before)
                ]
                return reads[0] - reads[1] if len(drafts) > 1 else 0  # one is the earlier export's
            case "created":
                return len(self.probe.credentials(job)) - 1
            case _:
                return int(self.published(job) != self.first_credentials[job])

    def left(self, store: str) -> Iterator[tuple[str, str]]:
        """Return partition and name of each key in a store."""
        return ((partition, key) for partition in PARTITIONS for key in self.probe.keys(store, partition))

    def published(self, bucket: str) -> str:
        """Return the access key that consumers of an object store get."""
        if bucket not in self.probe.keys("kill-keys", "s3"):
            return self.first_credentials[bucket]
        text = self.probe.value("kill-keys", "s3", bucket)["stringValue"]
        return str(json.loads(text)["access_key_id"])

    # The kill

    def _kill(self) -> None:
        self._let_waits_end(0, 20)
        for job in ("purge", "export", "import", *ROTATIONS):
            assert self._is_in_the_middle(job), job
        self._change()
        if self.component == "worker":
            self.cluster.wait(lambda: self._states("kill_watch")["running"], 60, "a run handles the changes")
        for name in self.names:
            self.cluster.kill(name)
        self.killed = time.time()
        self.at_kill = {job: self.progress(job) for job in ("purge", "import", "created")}
        self.at_kill["waits"] = self._states("kill_waits")["success"]
        self.at_kill["watch"] = len(self.events.keys())
        self.manifest_at_kill = json.loads((self.folder / "manifest.json").read_text())
        data = {path.name for path in self.folder.iterdir() if path.name.startswith("data-")}
        self.drafts_at_kill = len(data - {self.manifest_at_kill["data"]})
        self._let_waits_end(20, 120)
        self._change()

    def _resume(self) -> None:
        """Start again what was killed, as a supervisor would do."""
        self.service.settings.creating_seconds = 0.2
        self.cluster.start_missing()
        self.service.faults([])

    def _end(self) -> None:
        self._change()
        self.cluster.wait(lambda: self._states("kill_waits")["success"] >= 120, 300, "the waits for written keys end")
        time.sleep(10)
        self.waiting = self._states("kill_waits")["deferred"]
        self._let_waits_end(120, 200)
        for job in self.runs:
            self.cluster.wait(lambda j=job: not self._active(f"kill_{j}"), 600, f"{job} ends")
        self.cluster.wait(lambda: set(self.changed) <= self._fired(), 180, "each change is in an event")
        time.sleep(QUIET)
        self.without_run = self.events.without_run()
        if self.component == "scheduler":
            self._change()
        self.cluster.wait(lambda: set(self.changed) <= set(self.events.keys()), 180, "each change is in a run")
        self.cluster.wait(lambda: not self._active("kill_watch"), 300, "the changes are handled")

    def _fired(self) -> set[str]:
        return {key for event in self.events.all() for key in event.payload["keys"]}

    def _let_waits_end(self, first: int, last: int) -> None:
        keys = [f"w{number:03}" for number in range(first, last)]
        self.hook.put_many("kill-waits", "p", dict.fromkeys(keys, "v")).raise_failed()

    def _change(self) -> None:
        keys = [f"x/{next(self._names):03}" for _ in range(10)]
        self.hook.put_many("kill-events", "p", dict.fromkeys(keys, "v")).raise_failed()
        self.changed += keys

    # What Airflow says

    def state(self, job: str) -> str:
        """Return the state of a job's run."""
        return self.cluster.run_state(f"kill_{job}", self.runs[job])

    def tries(self, job: str) -> int:
        """Return how many tries a job's task took."""
        sql = "SELECT max(try_number) FROM task_instance WHERE dag_id = %s AND run_id = %s"
        ((tries,),) = self.cluster.databases.query(sql, f"kill_{job}", self.runs[job])
        return int(tries)

    def xcom(self, job: str) -> dict[str, Any]:
        """Return a job's result."""
        path = f"/dags/kill_{job}/dagRuns/{self.runs[job]}/taskInstances/job/xcomEntries/return_value"
        value = self.cluster.call("GET", path)["value"]
        result: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
        return result

    def report(self, job: str, *figures: str) -> None:
        """Print the figures of a job."""
        ((ended,),) = self.cluster.databases.query(ENDED, f"kill_{job}", self.runs[job])
        print(
            f"{job}: {len(self.names)} {self.component}s killed; {'; '.join(figures)}; ended after "
            f"{float(ended) - self.killed:.0f} s more, try {self.tries(job)}"
        )

    def _active(self, dag_id: str) -> bool:
        sql = "SELECT 1 FROM dag_run WHERE dag_id = %s AND state IN ('queued', 'running')"
        return bool(self.cluster.databases.query(sql, dag_id))

    def _states(self, dag_id: str) -> Counter[str]:
        sql = (
            "SELECT coalesce(state, 'none'), count(*) FROM task_instance WHERE dag_id = %s AND run_id = "
            "(SELECT run_id FROM dag_run WHERE dag_id = %s ORDER BY id DESC LIMIT 1) GROUP BY 1"
        )
        return Counter(dict(self.cluster.databases.query(sql, dag_id, dag_id)))

    def _trigger(self, job: str, **conf: Any) -> None:
        self.runs[job] = self.cluster.trigger(f"kill_{job}", **conf)
