"""Every operator under faults, by ``execute``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow.sdk.io import store as stores

from airflow_provider_objectstore.fs.civo_s3fs import CivoFileSystem
from airflow_provider_objectstore.operators.anypoint import (
    AnypointCreateStoreOperator,
    AnypointDeleteStoreOperator,
    AnypointUpdateStoreOperator,
)
from airflow_provider_objectstore.operators.anypoint_keys import (
    AnypointDeleteKeyOperator,
    AnypointGetKeyOperator,
    AnypointPutKeyOperator,
)
from airflow_provider_objectstore.operators.base import AnypointBulkOperator
from airflow_provider_objectstore.operators.civo import (
    CivoCreateObjectStoreOperator,
    CivoDeleteObjectStoreOperator,
    CivoUpdateObjectStoreOperator,
)
from airflow_provider_objectstore.operators.civo_credentials import (
    CivoCreateCredentialOperator,
    CivoDeleteCredentialOperator,
    CivoUpdateCredentialOperator,
)
from airflow_provider_objectstore.operators.copy_store import AnypointCopyStoreOperator
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator
from airflow_provider_objectstore.publishers import AnypointKeyPublisher
from airflow_provider_objectstore.transfers.sync_folder import SyncFolderOperator
from tests.chaos.case import SYNC, case
from tests.chaos.cases_civo import created_once
from tests.chaos.run import FEW_ATTEMPTS, Outcome, Run, quick_retries
from tests.chaos.world import BUCKET, KEYS, OBJECTS, Anypoint, Civo
from tests.rotation.harness import run_context, short_sleeps

TRIES = 8
"""How often a task is tried again until it succeeds, as Airflow would."""


def _execute(
    run: Run,
    operator: Callable[..., Any],
    *names: str,
    seconds: float = 0,
    allowed: tuple[type[BaseException], ...] = (),
    **arguments: Any,
) -> Outcome:
    task = operator(task_id="task", **arguments)
    return run.call(lambda: task.execute(run_context()), *names, seconds=seconds, allowed=allowed)


def _until_done(run: Run, operator: Any, *names: str, **arguments: Any) -> Iterator[Outcome]:
    """Yield each try's outcome, until one succeeds."""
    for _ in range(TRIES):
        with quick_retries(**(FEW_ATTEMPTS if issubclass(operator, AnypointBulkOperator) else {})):
            outcome = _execute(run, operator, *names, **arguments)
        yield outcome
        if outcome.ok:
            return


@case("AnypointCreateStoreOperator", "AnypointUpdateStoreOperator", "AnypointDeleteStoreOperator", forms=SYNC, weight=2)
def store_operators(run: Run) -> None:
    """A store is created, changed and deleted as asked, also when the task is tried again."""
    anypoint = Anypoint(run)
    for outcome in _until_done(run, AnypointCreateStoreOperator, "new", store_id="new", default_ttl=600):
        store = anypoint.store("new")
        run.check("created once", not outcome.ok or (store is not None and store.default_ttl == 600), outcome)
    for outcome in _until_done(run, AnypointUpdateStoreOperator, "orders", store_id="orders", default_ttl=700):
        store = anypoint.store("orders")
        run.check("done as asked", not outcome.ok or (store is not None and store.default_ttl == 700), outcome)
        run.check("done as asked", anypoint.contents("eu") == KEYS, "the contents changed")
    for outcome in _until_done(run, AnypointDeleteStoreOperator, "other", store_id="other"):
        run.check("done as asked", not outcome.ok or anypoint.store("other") is None, outcome)
        run.check("done as asked", anypoint.store("orders") is not None, "another store is gone")


@case("AnypointPutKeyOperator", "AnypointGetKeyOperator", "AnypointDeleteKeyOperator", forms=SYNC, weight=2)
def key_operators(run: Run) -> None:
    """A key is written, read and deleted as asked."""
    anypoint = Anypoint(run)
    address = {"store_id": "orders", "partition": "eu"}
    for outcome in _until_done(run, AnypointPutKeyOperator, "key-0", **address, key="key-0", value="new"):
        run.check("done as asked", not outcome.ok or anypoint.value("eu", "key-0") == "new", outcome)
    outcome = _execute(run, AnypointGetKeyOperator, "key-1", **address, key="key-1", default="default")
    run.check("read right", not outcome.ok or outcome.result["value"] == KEYS["key-1"], outcome)
    outcome = _execute(run, AnypointGetKeyOperator, "nowhere", **address, key="nowhere", default="default")
    run.check("read right", not outcome.ok or outcome.result["value"] == "default", outcome)
    for outcome in _until_done(run, AnypointDeleteKeyOperator, "key-2", **address, key="key-2"):
        run.check("done as asked", not outcome.ok or anypoint.value("eu", "key-2") is None, outcome)


@case("AnypointPurgePartitionsOperator", forms=SYNC, weight=4, intensity=0.5)
def purge(run: Run) -> None:
    """What was named is gone when the task succeeds, and nothing else ever."""
    anypoint = Anypoint(run)
    keys = [f"tmp-{number}" for number in range(30)]
    for key in keys:
        anypoint.put("eu", key, "old")
        anypoint.put("us", key, "old")
    arguments: dict[str, Any] = {"store_id": "orders", "partitions": "eu", "key_prefix": "tmp-"}
    for outcome in _until_done(run, AnypointPurgePartitionsOperator, "orders", **arguments):
        left = anypoint.contents("eu")
        run.check("done as asked", not outcome.ok or left == KEYS, (outcome, left))
        run.check("done as asked", KEYS.items() <= left.items(), "other keys are gone")
    partitions = ["eu", "us", *(f"tmp-{number}" for number in range(20))]  # so many that one fails for good
    for name in partitions:
        anypoint.put(name, "k", "old")
    arguments = {"store_id": "orders", "partitions": partitions}
    for outcome in _until_done(run, AnypointPurgePartitionsOperator, "orders", **arguments):
        left = [name for name in partitions if anypoint.contents(name)]
        run.check("done as asked", not outcome.ok or not left, (outcome, left))
    run.check("done as asked", anypoint.contents("numbers") == {"count": 5}, "another partition is gone")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "export"


@case("AnypointExportOperator", forms=SYNC, weight=4, intensity=0.4)
def export(run: Run) -> None:
    """An export that succeeds has every value; one that fails leaves no manifest."""
    anypoint = Anypoint(run)
    for number in range(15):
        anypoint.put("eu", f"more-{number}", f"m{number}")
    wanted = {
        (name, key): str(value) for name in ("eu", "us", "numbers") for key, value in anypoint.contents(name).items()
    }
    with _folder() as folder:
        arguments = {"store_id": "orders", "path": f"file://{folder}"}
        for outcome in _until_done(run, AnypointExportOperator, "orders", **arguments):
            manifest = folder / "manifest.json"
            run.check("export whole", manifest.exists() == outcome.ok, f"a manifest of a failure, or none: {outcome}")
            if outcome.ok:
                data = folder / json.loads(manifest.read_text())["data"]
                lines = [json.loads(line) for line in data.read_text().splitlines()]
                found = {(line["partition"], line["keyId"]): _value(line) for line in lines}
                run.check("export whole", found == wanted and len(lines) == len(wanted), (outcome, len(lines)))
                run.check("export whole", outcome.result["values"] == len(wanted), outcome)
                run.check("export whole", not outcome.result["missing"], outcome)


@case("AnypointExportOperator", "AnypointImportOperator", forms=SYNC, weight=4, intensity=0.3)
def transfer_by_bucket(run: Run) -> None:
    """The same with the export in a bucket, behind faults as well."""
    civo, anypoint = Civo(run), Anypoint(run)
    stores._STORE_CACHE.clear()
    CivoFileSystem.clear_instance_cache()
    wanted = anypoint.contents("eu")
    arguments = {"path": f"civo://civo_default@{BUCKET}/export", "partitions": "eu"}
    files = {"allowed": (OSError,), "seconds": 30.0}
    done = False
    for outcome in _until_done(
        run, AnypointExportOperator, f"orders|{BUCKET}", store_id="orders", **arguments, **files
    ):
        objects, done = civo.objects(), outcome.ok
        if "export/manifest.json" in objects or outcome.ok:
            manifest = json.loads(objects["export/manifest.json"])
            data = objects[f"export/{manifest['data']}"]
            found = {line["keyId"]: line["stringValue"] for line in map(json.loads, data.splitlines())}
            run.check("export whole", found == wanted, (outcome, sorted(objects)))
    if not done:
        return
    for outcome in _until_done(run, AnypointImportOperator, f"third|{BUCKET}", store_id="third", **arguments, **files):
        found = anypoint.contents("eu", "third")
        run.check("import whole", found == wanted if outcome.ok else found.items() <= wanted.items(), outcome)


@case("SyncFolderOperator", forms=SYNC, weight=4, intensity=0.3)
def syncing(run: Run) -> None:
    """A folder that is copied is whole; one that is not has no other contents, and nothing else is deleted."""
    civo, anypoint = Civo(run), Anypoint(run)
    stores._STORE_CACHE.clear()
    CivoFileSystem.clear_instance_cache()
    wanted = {f"synced/{key}": str(value).encode() for key, value in KEYS.items()}
    before = {key: value for key, value in civo.objects().items() if not key.startswith("synced/")}
    folders = {"source": "osv2://anypoint_default@orders/eu", "target": f"civo://civo_default@{BUCKET}/synced"}
    for outcome in _until_done(
        run, SyncFolderOperator, f"orders|{BUCKET}", **folders, delete=True, allowed=(OSError,), seconds=30.0
    ):
        objects = civo.objects()
        found = {key: value for key, value in objects.items() if key.startswith("synced/")}
        run.check("export whole", found == wanted if outcome.ok else found.items() <= wanted.items(), outcome)
        run.check("done as asked", before.items() <= objects.items(), "other objects are gone")
    run.check("done as asked", anypoint.contents("eu") == KEYS, "the source changed")


@case("AnypointCopyStoreOperator", forms=SYNC, weight=4, intensity=0.4)
def copying(run: Run) -> None:
    """A copy that succeeds has every value; one that fails has written no other value."""
    anypoint = Anypoint(run)
    for number in range(15):
        anypoint.put("eu", f"more-{number}", f"m{number}")
    arguments = {"source": "orders", "target": "copied"}
    for outcome in _until_done(run, AnypointCopyStoreOperator, "orders|copied", **arguments):
        if outcome.ok:
            store = anypoint.store("copied")
            run.check("created once", store is not None and store.ttl == anypoint.store("orders").ttl, outcome)
        for name in ("eu", "us", "numbers") if anypoint.store("copied") else ():
            wanted, found = anypoint.contents(name), anypoint.contents(name, "copied")
            held = found == wanted if outcome.ok else found.items() <= wanted.items()
            run.check("import whole", held, (name, outcome))


def _value(line: dict[str, Any]) -> str:
    return str(line["stringValue"] if "stringValue" in line else line["numberValue"])


@case("AnypointImportOperator", forms=SYNC, weight=4, intensity=0.4)
def importing(run: Run) -> None:
    """An import that succeeds has written every value."""
    anypoint = Anypoint(run)
    for number in range(15):
        anypoint.put("eu", f"more-{number}", f"m{number}")
    with _folder() as folder:
        AnypointExportOperator(task_id="export", store_id="orders", path=f"file://{folder}").execute({})  # type: ignore[typeddict-item]
        arguments = {"store_id": "third", "path": f"file://{folder}"}
        for outcome in _until_done(run, AnypointImportOperator, "third", **arguments):
            for name in ("eu", "us", "numbers"):
                wanted, found = anypoint.contents(name), anypoint.contents(name, "third")
                held = found == wanted if outcome.ok else found.items() <= wanted.items()
                run.check("import whole", held, (name, outcome))
        anypoint.put("eu", "more-1", "kept", "third")
        outcome = _execute(run, AnypointImportOperator, "third", **arguments, if_exists="skip")
        run.check("done as asked", anypoint.value("eu", "more-1", "third") == "kept", "overwritten")


@case(
    "CivoCreateObjectStoreOperator",
    "CivoUpdateObjectStoreOperator",
    "CivoDeleteObjectStoreOperator",
    forms=SYNC,
    weight=3,
)
def object_store_operators(run: Run) -> None:
    """An object store is created once, changed and deleted as asked."""
    civo = Civo(run)
    waiting = {"poke_interval": 0.02, "timeout": 20}
    for outcome in _until_done(run, CivoCreateObjectStoreOperator, "new", name="new", seconds=3, **waiting):
        created_once(run, "object store new", civo.stores("new"), outcome)
        run.check("wait ends right", not outcome.ok or outcome.result["status"] == "ready", outcome)
    identified = f"{BUCKET}|{civo.id}"
    for outcome in _until_done(run, CivoUpdateObjectStoreOperator, identified, object_store=BUCKET, max_size_gb=1000):
        run.check("done as asked", not outcome.ok or civo.store(BUCKET).max_size_gb == 1000, outcome)
    for outcome in _until_done(run, CivoDeleteObjectStoreOperator, identified, object_store=BUCKET):
        run.check("done as asked", not outcome.ok or not civo.stores(BUCKET), outcome)
    run.check("created once", len(civo.stores("new")) <= 1, "the other store")


@case("CivoDeleteObjectStoreOperator", forms=SYNC, weight=2)
def delete_store_with_contents(run: Run) -> None:
    """A bucket that holds objects is not deleted, whatever S3 responds."""
    civo = Civo(run, objects=True)
    outcome = _execute(run, CivoDeleteObjectStoreOperator, object_store=BUCKET)
    run.check("done as asked", not outcome.ok and bool(civo.stores(BUCKET)), outcome)
    run.check("done as asked", civo.objects() == OBJECTS, "objects are gone")


@case(
    "CivoCreateCredentialOperator", "CivoUpdateCredentialOperator", "CivoDeleteCredentialOperator", forms=SYNC, weight=3
)
def credential_operators(run: Run) -> None:
    """A credential is created once and published, changed and deleted as asked."""
    civo, anypoint = Civo(run), Anypoint(run)
    publisher = AnypointKeyPublisher("orders", "eu", "published")
    arguments: dict[str, Any] = {"name": "new", "publishers": [publisher], "seconds": 6}
    for outcome in _until_done(run, CivoCreateCredentialOperator, "new|published", **arguments):
        found = civo.credentials("new")
        created_once(run, "credential new", found, outcome) if "published" not in str(outcome) else None
        run.check("created once", len(found) <= 1, "credentials of one name")
        if outcome.ok:
            published = json.loads(str(anypoint.value("eu", "published")))
            run.check("done as asked", published["secret_access_key"] == found[0].secret_access_key_id, "not published")
    other = civo.add_credential("other")
    civo.emulator.wait_until_quiet()
    identified = f"other|{other.id}"
    for outcome in _until_done(
        run, CivoUpdateCredentialOperator, identified, credential="other", suspended=True, seconds=3
    ):
        run.check("done as asked", not outcome.ok or other.suspended, outcome)
    for outcome in _until_done(run, CivoDeleteCredentialOperator, identified, credential="other"):
        run.check("done as asked", not outcome.ok or not civo.credentials("other"), outcome)
    run.check("done as asked", len(civo.credentials("owner")) == 1, "another credential is gone")


@case("CivoRotateCredentialOperator", forms=SYNC, weight=8, intensity=0.4)
def rotation(run: Run) -> None:
    """One new credential owns the bucket when the task succeeds; until then one that exists, and no object is lost."""
    civo, anypoint = Civo(run, objects=True), Anypoint(run)
    publisher = AnypointKeyPublisher("orders", "eu", "published")
    arguments: dict[str, Any] = {"object_store": BUCKET, "publishers": [publisher], "settle_timeout": 10, "seconds": 30}
    with short_sleeps():
        for outcome in _until_done(run, CivoRotateCredentialOperator, **arguments):
            owner, credentials = civo.store(BUCKET).owner, civo.state.credentials
            names = [credential.name for credential in credentials.values()]
            run.check("created once", len(names) == len(set(names)) and len(names) <= 2, names)
            run.check("done as asked", owner.id in credentials, "the bucket's owner is gone")
            run.check("done as asked", civo.objects() == OBJECTS, "objects are lost")
            if outcome.ok:
                run.check("created once", names == [owner.name] and owner.id != civo.owner.id, (names, outcome))
                published = json.loads(str(anypoint.value("eu", "published")))
                held = published["secret_access_key"] == owner.secret_access_key_id
                run.check("done as asked", held, "what was published is not the owner's")
