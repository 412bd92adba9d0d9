"""
Everything ends as if nothing had happened when all workers, triggerers or schedulers are killed in the middle of it.

``-rP`` prints the figures.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.conftest import connect
from tests.distributed.cluster import SCHEDULERS, Cluster
from tests.distributed.events import Events
from tests.distributed.killing import PARTITIONS, QUIET, ROTATIONS, TOTAL, Killing
from tests.rotation.harness import has_access

pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module", params=["worker", "triggerer", "scheduler"])
def killed(
    request: pytest.FixtureRequest, cluster: Cluster, service: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Killing]:
    with pytest.MonkeyPatch.context() as patch:
        connect(patch, service)
        killing = Killing(cluster, service, request.param, tmp_path_factory.mktemp(request.param))
        killing.run()
        yield killing


def test_purge(killed: Killing) -> None:
    left, deleted = list(killed.left("kill-purge")), killed.requests["anypoint.delete_key 204"]
    deleted += killed.requests["anypoint.delete_key 200"]
    lost = len(set(left) - {(partition, "stays") for partition in PARTITIONS})
    killed.report(
        "purge",
        f"{killed.at_kill['purge']} of {TOTAL} keys were deleted",
        f"{deleted} deletions, {killed.requests['anypoint.delete_key 404']} of what was gone",
        f"lost {lost}, doubled {deleted + lost - TOTAL}",
    )
    assert killed.state("purge") == "success"
    assert left == [(partition, "stays") for partition in PARTITIONS]
    assert 5 < killed.at_kill["purge"] < TOTAL
    assert deleted == TOTAL, "each key once"


def test_export(killed: Killing) -> None:
    manifest = json.loads((killed.folder / "manifest.json").read_text())
    data = (killed.folder / manifest["data"]).read_bytes()
    lines = [json.loads(line) for line in data.splitlines()]
    exported = Counter((line["partition"], line["keyId"]) for line in lines)
    values = {(line.pop("partition"), line["keyId"]): line for line in lines}
    stored = {place: killed.probe.value("kill-export", *place) for place in killed.left("kill-export")}
    killed.report(
        "export",
        f"the earlier export was there and {killed.drafts_at_kill} begun",
        f"{len(lines)} lines",
        f"lost {len(set(stored) - set(exported))}, doubled {len(lines) - len(exported)}",
    )
    assert killed.state("export") == "success"
    assert killed.drafts_at_kill == 1, "it had begun"
    assert killed.manifest_at_kill["sha256"] != manifest["sha256"], "the earlier one was there"
    assert killed.manifest_at_kill["values"] == TOTAL
    assert set(exported.values()) == {1}
    assert values == stored
    assert (manifest["values"], manifest["bytes"]) == (TOTAL, len(data))
    assert manifest["sha256"] == sha256(data).hexdigest()
    files = {path.name for path in killed.folder.iterdir()}
    assert {manifest["data"], "manifest.json"} <= files
    assert killed.manifest_at_kill["data"] not in files, "what was replaced is deleted"
    assert len(files) <= 3, "what the killed one left stays for a week"


def test_import(killed: Killing) -> None:
    places = list(killed.left("kill-import"))
    imported = {place: killed.probe.value("kill-import", *place) for place in places}
    stored = {place: killed.probe.value("kill-export", *place) for place in killed.left("kill-export")}
    lost = len(set(stored) - set(imported))
    killed.report("import", f"{killed.at_kill['import']} of {TOTAL} values were written", f"lost {lost}, doubled 0")
    assert killed.state("import") == "success"
    assert imported == stored
    assert 5 < killed.at_kill["import"] < TOTAL


@pytest.mark.parametrize("bucket", ROTATIONS)
def test_rotation(killed: Killing, bucket: str) -> None:
    credentials = killed.probe.credentials(bucket)
    created = killed.requests["civo.create_credential 200"] + killed.requests["civo.create_credential 201"]
    killed.report(
        bucket,
        "in its grace period" if killed.grace else f"{bucket} the new credential",
        f"{created} created by {len(ROTATIONS)} rotations",
        f"lost {int(not credentials)}, doubled {len(credentials) - 1}",
    )
    assert killed.state(bucket) == "success"
    assert killed.xcom(bucket)["rotated"] is True
    assert created == len(ROTATIONS), "one each"
    assert len(credentials) == 1, "no orphan"
    (key,) = {credential["access_key_id"] for credential in credentials}
    assert key != killed.first_credentials[bucket]
    assert killed.published(bucket) == killed.probe.owner(bucket) == key
    published = json.loads(killed.probe.value("kill-keys", "s3", bucket)["stringValue"])
    assert published["secret_access_key"] == credentials[0]["secret_access_key_id"]
    assert has_access(CivoObjectStoreHook().s3_options(bucket))


def test_200_waits(killed: Killing) -> None:
    killed.report(
        "waits",
        f"{killed.at_kill['waits']} of 200 had ended, {killed.waiting} waited on for keys that were not there",
    )
    assert killed.at_kill["waits"] <= 20
    assert killed.waiting == 80, "none ended without its key"
    assert killed.state("waits") == "success"


def test_watcher(killed: Killing) -> None:
    found = killed.events.all()
    keys = Counter(killed.events.keys(found))
    lost, doubled = set(killed.changed) - set(keys), keys.total() - len(keys)
    states = killed.cluster.states("kill_watch")
    print(
        f"watcher: {len(killed.names)} {killed.component}s killed; {killed.at_kill['watch']} of {len(killed.changed)} "
        f"changed keys were in runs; {len(found)} events, {killed.without_run} of which came into a run with the next; "
        f"lost {len(lost)}, doubled {doubled}"
    )
    assert killed.without_run <= (killed.component == "scheduler"), "see TestAirflowItself"
    assert not lost
    assert keys == Counter(killed.changed), "each once"
    assert [event.runs for event in found] == [1] * len(found)
    assert set(states) == {"success"}


class TestAirflowItself:
    """Why a change that fires while no scheduler runs can need the next change. If this fails, Airflow has improved."""

    def test_one_run_for_two_events_while_no_scheduler_runs(self, cluster: Cluster) -> None:
        cluster.unpause("plain")
        path = Path(cluster.environment["BURSTS"])
        events = Events(cluster.databases, "plain")

        def fire(number: int) -> None:
            path.write_text("1")
            cluster.wait(lambda: len(events.all()) == number, 60, "the event is stored")

        fire(1)
        cluster.wait(lambda: not events.without_run(), 60, "it has its run")
        for number in range(1, SCHEDULERS + 1):
            cluster.kill(f"scheduler-{number}")
        fire(2)
        time.sleep(10)
        fire(3)
        cluster.start_missing()
        cluster.wait(lambda: events.without_run() < 2, 120, "there is a run")
        time.sleep(QUIET)
        runs = [event.runs for event in events.all()]
        print(f"an event, all schedulers killed, 2 events 10 s apart, schedulers started: runs of each {runs}")
        assert runs == [1, 1, 0]
        fire(4)
        cluster.wait(lambda: not events.without_run(), 60, "the next event takes it along")


def test_counts_are_those_of_the_last_try(killed: Killing) -> None:
    purge, transfer, export = (killed.xcom(job) for job in ("purge", "import", "export"))
    before = {job: killed.at_kill[job] for job in ("purge", "import")}
    print(
        f"{killed.component}s killed after {before}; XCom says {purge['keys']} deleted, {transfer['written']} written, "
        f"{transfer['skipped']} skipped, {export['values']} exported"
    )
    print("requests:", ", ".join(f"{number} {name}" for name, number in killed.requests.items() if number))
    assert export["values"] == transfer["written"] + transfer["skipped"] == TOTAL
    if killed.component != "worker":
        assert killed.tries("purge") == killed.tries("import") == 1
        assert (purge["keys"], transfer["skipped"]) == (TOTAL, 0)
        return
    assert killed.tries("purge") == killed.tries("import") == killed.tries("export") == 2
    # A request that the worker had sent may have had its effect after the kill.
    assert TOTAL - before["purge"] - purge["keys"] in (0, 1)
    assert transfer["skipped"] - before["import"] in (0, 1)
