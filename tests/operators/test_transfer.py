"""Exporting stores to files and importing them: exact, complete or not at all."""

from __future__ import annotations

import json
import os
import random
import re
import time
import tracemalloc
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, Stats
from airflow.sdk import ObjectStoragePath
from airflow.sdk.execution_time.timeout import timeout

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.encoding import encode
from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.emulator.anypoint import operations as service
from airflow_provider_objectstore.emulator.anypoint.parsing import parse_entry
from airflow_provider_objectstore.emulator.messages import loads
from airflow_provider_objectstore.exceptions import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    StoreNotFoundError,
)
from airflow_provider_objectstore.export.exporter import Exporter
from airflow_provider_objectstore.export.folder import ExportFolder
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator
from tests.conftest import ALL, connect
from tests.triggers.waiting import answers, once

pytestmark = pytest.mark.slow

GET, PUT = "anypoint.get_key", "anypoint.put_key"


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.create_store("t")
    return hook


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return f"file://{tmp_path}/export"


def export(path: Any, **settings: Any) -> dict[str, Any]:
    task = AnypointExportOperator(**{"task_id": "export", "store_id": "s", "path": path, **settings})
    done: dict[str, Any] = task.execute({})  # type: ignore[typeddict-item]
    assert json.loads(json.dumps(done)) == done
    return done


def restore(path: Any, **settings: Any) -> dict[str, Any]:
    task = AnypointImportOperator(**{"task_id": "import", "store_id": "t", "path": path, **settings})
    done: dict[str, Any] = task.execute({})  # type: ignore[typeddict-item]
    assert json.loads(json.dumps(done)) == done
    return done


WHOLE = ["data-….jsonl", "manifest.json"]
"""The files of one export, as :func:`names` calls them."""


def names(path: str) -> list[str]:
    """The names of the files in a folder; an export's data has one of its own."""
    found = (file.name for file in ObjectStoragePath(path).iterdir())
    return sorted(re.sub(r"^data-[0-9a-f]{16}\.", "data-….", name) for name in found)


def data_of(path: str) -> Path:
    """The data file of the export in a local folder."""
    folder = Path(path.removeprefix("file://"))
    return folder / json.loads((folder / "manifest.json").read_text()).get("data", "data.jsonl")


def contents(emulator: Emulator, store: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    """What the service holds, exactly."""
    return {
        (partition, key): (entry.value_type, repr(entry.value), repr(entry.metadata), entry.index)
        for partition, entries in emulator._app.anypoint.data.stores[store].partitions.items()
        for key, entry in entries.items()
    }


def random_word(chance: random.Random, longest: int) -> str:
    alphabet = "abc XYZ09/%?#&+'\"\\\n\t\u0000äß€漢😀.-_~"
    return "".join(chance.choices(alphabet, k=chance.randint(1, longest)))


def random_value(chance: random.Random) -> Any:
    match chance.randrange(6):
        case 0:
            return chance.randbytes(chance.randint(0, 200))
        case 1:
            return chance.randint(-(10 ** chance.randint(0, 30)), 10**30)
        case 2:
            return chance.choice([0.1, -1e-300, 1e22, 5.0, -0.0]) * chance.choice([1, chance.random()])
        case 3:
            return Decimal(chance.randint(-(10**25), 10**25)).scaleb(-chance.randint(0, 40))
        case 4:
            return ""
    return random_word(chance, 300)


def fill(emulator: Emulator, values: int) -> None:
    """Let store s hold a mixture of everything that the service takes."""
    chance, data = random.Random(1), emulator._app.anypoint.data

    def metadata() -> Any:
        return chance.choice(
            [
                None,
                None,
                random_word(chance, 20),
                0.1,
                [1, 2.5, None],
                {random_word(chance, 5): {"rate": chance.random()}},
                "",
            ]
        )

    for number in range(values):
        partition, key = (
            f"p{chance.randrange(7)} {random_word(chance, 1)}".strip(),
            f"{number}{random_word(chance, 30)}",
        )
        index = chance.choice([None, None, 0, number])
        put = api.put_key("s", partition, key, random_value(chance), metadata=metadata(), index=index)
        data.write(data.stores["s"], partition, key.replace(" ", "+"), parse_entry(loads(encode(put.body or {}))))


# ---- there and back ------------------------------------------------------------------------------


def test_many_mixed_values(hook: AnypointObjectStoreHook, emulator: Emulator, tmp_path: Path) -> None:
    number = 10_000 if ALL else 2_500
    fill(emulator, number)
    manifest = export(f"file://{tmp_path}/1")
    assert (manifest["values"], sum(manifest["partitions"].values())) == (number, number)
    done = restore(f"file://{tmp_path}/1", if_exists="overwrite")
    assert (done["written"], done["skipped"]) == (number, 0)
    export(f"file://{tmp_path}/2", store_id="t")
    first, second = (sorted(data_of(f"{tmp_path}/{name}").read_bytes().splitlines()) for name in "12")
    assert first == second
    before, after = contents(emulator, "s"), contents(emulator, "t")
    assert before.keys() == after.keys()
    assert {kind for kind, *_ in after.values()} == {"STRING", "NUMBER", "BINARY"}
    for place, kept in before.items():
        assert same(kept, after[place]), (place, kept, after[place])


def same(kept: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """All alike; numbers by what they are, not by how many zeros they are written with."""
    if kept[0] == "NUMBER":
        first, second = (Decimal(re.sub(r"^Decimal\('(.*)'\)$", r"\1", value[1])) for value in (kept, now))
        return first == second and kept[2:] == now[2:]
    return kept == now


def alike(before: Mapping[Any, tuple[Any, ...]], after: Mapping[Any, tuple[Any, ...]]) -> None:
    assert before.keys() == after.keys()
    assert [key for key in before if not same(before[key], after[key])] == []


@pytest.fixture
def bucket(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket that ``aws`` and ``civo`` connections lead to."""
    civo = CivoObjectStoreHook()
    store = civo.create_object_store("backups")
    while not civo.get_object_store(store.id).ready:
        time.sleep(0.05)
    options = civo.s3_options("backups")
    aws = {
        "conn_type": "aws",
        "login": options.access_key_id,
        "password": options.secret_access_key,
        "extra": {"endpoint_url": emulator.s3_url, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_MY_AWS", json.dumps(aws))
    return "backups"


@pytest.mark.parametrize("path", ["s3://my_aws@{}/nightly/2026", "civo://civo_default@{}/nightly/2026", "civo://{}"])
def test_over_s3(path: str, bucket: str, hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(emulator, 50)
    where = path.format(bucket)
    hook.put_key("s", "alone", "k", "v")
    assert export(f"{where}/alone", partitions="alone")["values"] == 1
    hook.delete_partition("s", "alone")
    with pytest.raises(InvalidArgumentError, match="is not in the export"):
        restore(f"{where}/alone", partitions="p0")
    where = f"{where}/all"
    export(where)
    exported = export(where)
    assert exported["values"] == 50, "again, over the first"
    assert names(where) == WHOLE
    restore(ObjectStoragePath(where))
    alike(contents(emulator, "s"), contents(emulator, "t"))
    kept = json.loads((ObjectStoragePath(where) / "manifest.json").read_text())
    assert kept == {name: exported[name] for name in kept} | {"sha256": kept["sha256"]}


def test_into_another_environment(
    hook: AnypointObjectStoreHook, emulator: Emulator, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(emulator, 50)
    export(folder)
    with Emulator(Settings()) as elsewhere:
        other = {**elsewhere.connections()["anypoint_default"]}
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(other))
        there = AnypointObjectStoreHook("other")
        with pytest.raises(ObjectStoreError, match="no store s to import into: create it with AnypointCreateStore"):
            restore(folder, store_id="s", anypoint_conn_id="other")
        there.create_store("s")
        restore(folder, store_id="s", anypoint_conn_id="other")
        alike(contents(emulator, "s"), contents(elsewhere, "s"))


def test_the_attributes_of_the_store(hook: AnypointObjectStoreHook, folder: str, tmp_path: Path) -> None:
    hook.update_store("s", default_ttl="P3D", default_confirmation_ttl=99, encrypted=False)
    hook.put_key("s", "p", "k", 1)
    attributes = {"default_ttl_seconds": 259200, "default_confirmation_ttl_seconds": 99, "encrypted": False}
    exported = export(folder)
    assert exported["attributes"] == {**attributes, "persistent": True, "is_fixed_ttl": None}
    done = restore(folder, store_id="new", create_store="True")
    assert (done["created"], done["written"]) == (True, 1)
    store = hook.get_store("new")
    assert {name: getattr(store, name) for name in attributes} == attributes
    assert restore(folder, store_id="new", create_store=True)["created"] is False
    hook.update_store("t", default_ttl=600)
    assert restore(folder, create_store=True)["written"] == 1
    assert hook.get_store("t").default_ttl_seconds == 600, "a store that exists keeps its own"

    manifest = tmp_path / "export" / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace("259200", '"soon"'))
    with pytest.raises(ObjectStoreError, match="the store's default_ttl_seconds is 'soon'"):
        restore(folder)
    manifest.write_text(json.dumps({name: value for name, value in json.loads(text).items() if name != "attributes"}))
    assert restore(folder)["skipped"] == 1, "an export without attributes"
    with pytest.raises(ObjectStoreError, match="does not say what attributes it had"):
        restore(folder, store_id="newer", create_store=True)
    assert not hook.store_exists("newer")


def test_some_partitions(hook: AnypointObjectStoreHook, folder: str, emulator: Emulator) -> None:
    for partition in "abc":
        hook.put_key("s", partition, "k", partition)
    assert export(folder, partitions=["a", "b", "a"])["partitions"] == {"a": 1, "b": 1}
    assert restore(folder, partitions="b")["written"] == 1
    assert list(contents(emulator, "t")) == [("b", "k")]
    with pytest.raises(NotFoundError, match="partition d"):
        export(f"{folder}-2", partitions="d")
    with pytest.raises(InvalidArgumentError, match="partition c is not in the export"):
        restore(folder, partitions="c")


def test_what_goes_while_it_is_read(
    hook: AnypointObjectStoreHook, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.put_many("s", "p", {"gone": 1, "here": 1}).raise_failed()
    more = lambda state, request: service._listing(["expired", "p"], None)  # noqa: E731
    monkeypatch.setitem(service.OPERATIONS, (2, "GET"), (more, service.DATA))
    keys = lambda state, request: (  # noqa: E731
        service._listing([{"keyId": "gone"}, {"keyId": "here"}], None)
        if request.path[2] == "p"
        else service.list_keys(state, request)
    )
    monkeypatch.setitem(service.OPERATIONS, (4, "GET"), (keys, service.DATA))
    hook.delete_key("s", "p", "gone")
    done = export(folder)
    assert (done["partitions"], done["missing"], done["missing_partitions"]) == ({"p": 1}, 1, 1)


@pytest.mark.parametrize(("if_exists", "value"), [("skip", "theirs"), ("overwrite", "ours")])
def test_keys_that_are_there(hook: AnypointObjectStoreHook, folder: str, if_exists: str, value: str) -> None:
    hook.put_many("s", "p", {"a": "ours", "b": "ours"}).raise_failed()
    hook.put_key("t", "p", "a", "theirs")
    export(folder)
    done = restore(folder, if_exists=if_exists)
    assert done["written"] + done["skipped"] == 2
    assert dict(hook.partition("t", "p")) == {"a": value, "b": "ours"}


def test_a_key_that_is_there_fails_before_anything_is_written(
    hook: AnypointObjectStoreHook, folder: str, emulator: Emulator
) -> None:
    hook.put_many("s", "p", {f"k{number}": 1 for number in range(100)}).raise_failed()
    export(folder)
    hook.put_key("t", "p", "k99", "theirs")
    puts = sum(answers(emulator, PUT).values())
    with pytest.raises(ConflictError, match=r"'k99' of partition 'p' already exists in store t\. Nothing was written"):
        restore(folder, if_exists="fail")
    assert sum(answers(emulator, PUT).values()) == puts
    hook.delete_key("t", "p", "k99")
    assert restore(folder, if_exists="fail")["written"] == 100


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"path": " "}, "path must not be empty"),
        ({"store_id": ".."}, "store id"),
        ({"partitions": ["p", ""]}, "partition"),
        ({"if_exists": "perhaps"}, "if_exists must be one of"),
        ({"max_concurrency": 0}, "max_concurrency must be an integer ≥ 1"),
    ],
    ids=repr,
)
def test_bad_input_asks_nothing(bad: dict[str, Any], message: str, emulator: Emulator, folder: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        restore(**{"path": folder, **bad})
    assert emulator.requests()["total"] == 0


def test_a_store_that_is_not_there_costs_no_earlier_export(hook: AnypointObjectStoreHook, folder: str) -> None:
    hook.put_key("s", "p", "k", 1)
    export(folder)
    message = r"^there is no store none: create it, or check its name .* \[connection anypoint_default, .* us-east-1\]$"
    with pytest.raises(StoreNotFoundError, match=message):
        export(folder, store_id="none")
    assert restore(folder)["written"] == 1


def test_no_manifest(hook: AnypointObjectStoreHook, folder: str, emulator: Emulator) -> None:
    message = (
        r"no .*/export/manifest\.json: either this is not an export, or .* \[file:.*/export, to connection any[^/]+\]$"
    )
    with pytest.raises(ObjectStoreError, match=message):
        restore(folder)


def test_no_manifest_in_a_bucket_says_where_the_bucket_is(hook: AnypointObjectStoreHook, bucket: str) -> None:
    message = (
        rf"no civo://civo_default@/?{bucket}/x/manifest\.json: .*did not end \[connection civo_default, region LON1, "
        r"to connection anypoint_default, environment [\w-]+, region us-east-1\]$"
    )
    with pytest.raises(NotFoundError, match=message):
        restore(f"civo://civo_default@{bucket}/x")


def test_an_import_from_a_missing_bucket(hook: AnypointObjectStoreHook, bucket: str) -> None:
    message = r"^there is no object store 'none': check its name \[connection civo_default, region LON1\]$"
    with pytest.raises(StoreNotFoundError, match=message):
        restore("civo://civo_default@none/x")


@pytest.mark.parametrize("path", ["civo://civo_default@none/x", "osv2://anypoint_default@none/x"])
def test_an_export_to_a_missing_place_reads_nothing(
    hook: AnypointObjectStoreHook, emulator: Emulator, bucket: str, path: str
) -> None:
    hook.put_key("s", "p", "k", 1)
    with pytest.raises(StoreNotFoundError, match=r"none.*check its name"):
        export(path)
    assert {"anypoint.list_partitions", "anypoint.list_keys"}.isdisjoint(emulator.requests()["by_operation"])


def test_an_export_says_exported_at_its_end_alone(
    hook: AnypointObjectStoreHook, folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.put_key("s", "p", "k", 1)
    export(folder)
    assert re.search(r"Exported store 's' to .*: 1 value exported in ", capsys.readouterr().out)

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(ExportFolder, "switch", fail)
    with pytest.raises(OSError, match="no space left"):
        export(folder)
    log = capsys.readouterr().out
    assert "1 value read in " in log
    assert " exported" not in log.lower()


def test_an_export_that_broke_off_is_none(hook: AnypointObjectStoreHook, folder: str, emulator: Emulator) -> None:
    fill(emulator, 100)
    emulator.faults([{"operation": GET, "kind": "status", "status": 403, "share": 0.5}])
    with pytest.raises(ObjectStoreError, match=r"the export of store s to .* stopped after \d+ values: anypoint\.get_"):
        export(f"{folder}-2")
    with pytest.raises(ObjectStoreError, match="did not end"):
        restore(f"{folder}-2")
    emulator.faults([])
    assert export(folder)["values"] == 100, "and it can be run again"


def admit(data: Path) -> None:
    """Let the manifest beside a file say that it may be longer than it was."""
    manifest = json.loads((data.parent / "manifest.json").read_text())
    longer = {"bytes": max(manifest["bytes"], data.stat().st_size)}
    (data.parent / "manifest.json").write_text(json.dumps(manifest | longer))


def line(**item: Any) -> str:
    return json.dumps({"partition": "p", "keyId": "k", "stringValue": "v", **item}) + "\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text + "{broken\n", r"data-\w+\.jsonl, line 21: it is not a line of an export"),
        (lambda text: text.replace('"v7"', '"v8"'), "does not match its manifest: .* or their checksum differs"),
        (lambda text: text + line(metadata=1).replace("1}", "1e9999999999999999999}"), r"line 21: .* out of range"),
        (lambda text: text + "[" * 100_000 + "\n", r"line 21: it is not a line .*RecursionError"),
        (lambda text: text[: len(text) // 2], r"data-\w+\.jsonl, line \d+: it is not a line"),
        (lambda text: text[: text.rindex("{")], r"it has \d+ bytes of \d+, or their checksum differs"),
        (
            lambda text: text.replace('"p"', '"q"'),
            "their checksum differs",
        ),
        (
            lambda text: text + line(metadata="m" * 5000),
            "line 21: key 'k' of partition 'p': the metadata .* 5,002",
        ),
        (lambda text: text + line(keyId="k" * 1025), r"line 21: key 'kk+' of partition 'p': the key .* 1,025 bytes"),
    ],
    ids=["broken", "altered", "number", "nested", "cut", "short", "moved", "metadata", "key"],
)
def test_what_is_corrupt_writes_nothing(
    change: Any, message: str, hook: AnypointObjectStoreHook, emulator: Emulator, folder: str
) -> None:
    hook.put_many("s", "p", {f"k{number}": f"v{number}" for number in range(20)}).raise_failed()
    export(folder)
    data = data_of(folder)
    data.write_text(change(data.read_text()))
    admit(data)
    with pytest.raises(ObjectStoreError, match=rf"{message}.*Nothing was written"):
        restore(folder)
    assert contents(emulator, "t") == {}


def test_metadata_that_cannot_be_kept_is_named(hook: AnypointObjectStoreHook, emulator: Emulator, folder: str) -> None:
    hook.put_key("s", "p", "k", "v", metadata=0.5)
    (entry,) = emulator._app.anypoint.data.stores["s"].partitions["p"].values()
    entry.metadata = {"rate": Decimal("0.12345678901234567890123")}
    with pytest.raises(ObjectStoreError, match=r"key 'k' of partition 'p' cannot be exported: the metadata .*Decimal"):
        export(folder)
    with pytest.raises(ObjectStoreError, match=r"no .*manifest\.json"):
        restore(folder)


# ---- interruptions -------------------------------------------------------------------------------


def test_an_import_that_broke_off_goes_on(hook: AnypointObjectStoreHook, emulator: Emulator, folder: str) -> None:
    fill(emulator, 200)
    export(folder)
    emulator.faults([{"operation": PUT, "kind": "status", "status": 400, "share": 0.05}])
    with pytest.raises(ObjectStoreError, match=r"the import into store t stopped after \d+ values: anypoint\.put_key"):
        restore(folder)
    written = len(contents(emulator, "t"))
    assert 0 < written < 200
    emulator.faults([])
    done = restore(folder)
    assert (done["written"], done["skipped"]) == (200 - written, written)
    assert contents(emulator, "t").keys() == contents(emulator, "s").keys()


@pytest.mark.parametrize(("operator", "operation"), [(AnypointExportOperator, GET), (AnypointImportOperator, PUT)])
def test_a_kill(
    operator: Any,
    operation: str,
    hook: AnypointObjectStoreHook,
    services: Emulator,
    folder: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(services, 200)
    export(folder)
    connect(monkeypatch, services, requests_per_second=50)
    before = sum(answers(services, operation).values())
    task = operator(task_id="t", store_id="s" if operation == GET else "t", path=folder)
    with (
        pytest.raises(ObjectStoreError, match=r"stopped after \d+ values: the task was stopped\. Run it again"),
        once(lambda: sum(answers(services, operation).values()) >= before + 5, task.on_kill),
    ):
        task.execute({})
    done = sum(answers(services, operation).values()) - before
    assert 5 <= done < 20
    assert re.findall(r"\] (\d+) values (?:read|imported)", capsys.readouterr().out)[-1] == str(done)


def test_a_second_try_of_the_same_task(hook: AnypointObjectStoreHook, emulator: Emulator, folder: str) -> None:
    fill(emulator, 20)
    export(folder)
    task = AnypointImportOperator(task_id="t", store_id="t", path=folder)
    emulator.faults([{"operation": PUT, "kind": "status", "status": 403}])
    with pytest.raises(ObjectStoreError, match="403"):
        task.execute({})
    emulator.faults([])
    assert task.execute({})["written"] == 20


def test_what_vanished_meanwhile_is_counted_and_logged(
    hook: AnypointObjectStoreHook, emulator: Emulator, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(emulator, 20)
    emulator.faults([{"operation": GET, "kind": "status", "status": 404, "times": 3}])
    done = export(folder)
    assert (done["values"], done["missing"], done["missing_partitions"]) == (17, 3, 0)
    assert "3 values and 0 partitions were listed and no longer existed" in capsys.readouterr().out


def test_long_files_in_a_bucket_are_read_line_by_line(
    bucket: str, hook: AnypointObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsspec's own files copy a block for every line: 40 MB times 2,000."""
    hook.put_many("s", "p", {f"k{number}": "x" * 20_000 for number in range(2000)}).raise_failed()
    export(f"civo://{bucket}/a")
    start = time.monotonic()
    restore(f"civo://{bucket}/a")
    assert time.monotonic() - start < 30
    alike(contents(emulator, "s"), contents(emulator, "t"))


def test_a_kill_while_the_export_is_checked(hook: AnypointObjectStoreHook, emulator: Emulator, folder: str) -> None:
    hook.put_key("s", "p", "k", "v")
    export(folder)
    data = data_of(folder)
    data.write_bytes(data.read_bytes() * 500_000)
    admit(data)
    task = AnypointImportOperator(task_id="t", store_id="t", path=folder)
    with (
        pytest.raises(
            ObjectStoreError, match=r"while the export was being checked, after 0 values: the task was stopped"
        ),
        once(lambda: task._runners, task.on_kill),
    ):
        task.execute({})
    assert sum(answers(emulator, PUT).values()) == 1


def test_execution_timeout(
    hook: AnypointObjectStoreHook, services: Emulator, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(services, 200)
    connect(monkeypatch, services, requests_per_second=50)
    with pytest.raises(AirflowTaskTimeout), timeout(1):
        export(folder)
    with pytest.raises(ObjectStoreError, match="did not end"):
        restore(folder)


# ---- logs, metrics, asset events --------------------------------------------------------------------------------


def test_metrics_and_summary(
    hook: AnypointObjectStoreHook, emulator: Emulator, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, int] = {}
    monkeypatch.setattr(Stats, "incr", lambda name, count=1, **_: sent.update({name: count}), raising=False)
    fill(emulator, 20)
    assert {"seconds", "retries", "throttled", "sha256"} <= set(export(folder))
    restore(folder)
    assert sent == {"objectstore.exported.values": 20, "objectstore.imported.values": 20}
    emulator.faults([{"operation": GET, "kind": "status", "status": 400, "skip": 10}])
    with pytest.raises(ObjectStoreError, match="400"):
        export(folder)
    assert sent["objectstore.exported.values"] == 0, "an export is whole or not there"


def test_outlets(hook: AnypointObjectStoreHook, folder: str) -> None:
    class Event:
        def __init__(self) -> None:
            self.extra: dict[str, Any] = {}

    hook.put_many("s", "p", {"a": 1, "b": 2}).raise_failed()
    hook.put_key("s", "q", "c", 3)
    export(folder)
    assets = [hook.asset("t", "p"), hook.asset("t", "q"), hook.asset("s", "p")]
    events = {asset.uri: Event() for asset in assets}
    context: Any = {"outlet_events": type("Events", (), {"__getitem__": lambda _, asset: events[asset.uri]})()}
    task = AnypointImportOperator(task_id="t", store_id="t", path=folder, partitions="p", outlets=assets)
    task.execute(context)
    event = {"operation": "import", "store_id": "t", "partition": "p", "values": 2}
    assert [recorded.extra for recorded in events.values()] == [event, {}, {}]


def test_memory_is_flat(
    hook: AnypointObjectStoreHook, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = emulator._app.anypoint.data
    keep = data.write
    monkeypatch.setattr(data, "write", lambda *_: None)  # the emulator's memory counts here as well
    monkeypatch.setattr(emulator._app.log, "_requests", deque(maxlen=1))

    def peaks(values: int) -> list[int]:
        for number in range(values):
            entry = service.Entry("STRING", "v" * 200)
            keep(data.stores["s"], f"p{number // 50:04}", f"k{number:06}", entry)
        found = []
        for move in (export, restore):
            tracemalloc.start()
            assert move(f"file://{tmp_path}/{values}")["values"] == values
            found.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return found

    few, many = (int(number) for number in os.environ.get("TRANSFER_MEMORY", "300 2500" if ALL else "200 1200").split())
    peaks(100)
    for small, large in zip(peaks(few), peaks(many), strict=True):
        assert large < small + (many - few) * 150, "its values alone are larger"


class TestTheFolder:
    """Nothing is written to a folder that was not named, nor over the export of another store."""

    @pytest.mark.parametrize(
        "path",
        ["s3//bucket/exports", "exports", "./exports", "~/exports", "file:exports", "file:/exports", "file://exports/x",
         "local://exports", "file://", "civo:/civo_default@bucket/ex", "://bucket"],
    )  # fmt: skip
    @pytest.mark.parametrize("kind", [AnypointExportOperator, AnypointImportOperator])
    def test_no_place_of_its_own(self, kind: Any, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InvalidArgumentError, match=r"path must be a URL .* or a path that begins with '/'"):
            kind(task_id="t", store_id="s", path=path)
        for given in (ObjectStoragePath("exports"), Path("exports")):
            with pytest.raises(InvalidArgumentError, match=r"path must be a URL"):
                export(given)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("kind", [AnypointExportOperator, AnypointImportOperator])
    @pytest.mark.parametrize(
        ("template", "message"),
        [("{folder}/{{{{ x }}}}", "empty segment"), ("{folder}/{{{{ x }}}}/a", "empty segment"),
         ("{folder}/C#", "another place"), ("{folder}/{{{{ x }}}}?", "empty segment|another place")],
    )  # fmt: skip
    @pytest.mark.parametrize("wrap", [str, ObjectStoragePath])
    def test_another_one_than_the_text_says(
        self, kind: Any, template: str, message: str, wrap: Any, hook: AnypointObjectStoreHook, tmp_path: Path
    ) -> None:
        text = template.format(folder=f"{tmp_path}/of")
        path = text if wrap is str else ObjectStoragePath(text.rpartition("/")[0]) / text.rpartition("/")[2]
        task = kind(task_id="t", store_id="s", path=path)
        task.render_template_fields({"x": ""})
        with pytest.raises(InvalidArgumentError, match=message):
            task.execute({})
        assert list(tmp_path.iterdir()) == []

    def test_absolute_ones(self, hook: AnypointObjectStoreHook, tmp_path: Path) -> None:
        here = tmp_path / "a@b"
        for number, path in enumerate((f"{here}/0", here / "1", f"file://{here}/2", f"file://conn@{here}/3")):
            export(path)
            assert names(f"{here}/{number}") == WHOLE

    def test_the_export_of_another_store(self, hook: AnypointObjectStoreHook, folder: str, emulator: Emulator) -> None:
        hook.put_key("s", "p", "k", "of s")
        hook.put_key("t", "p", "k", "of t")
        first = export(folder)
        with pytest.raises(ConflictError, match=r"has the export of store s \(.* Give each store, place and"):
            export(folder, store_id="t")
        assert json.loads((ObjectStoragePath(folder) / "manifest.json").read_text())["sha256"] == first["sha256"]
        assert export(folder)["values"] == 1, "its own is replaced"

    @pytest.mark.parametrize("label", ["organization_id", "environment_id", "region"])
    def test_the_export_of_a_store_of_the_same_name(
        self,
        label: str,
        hook: AnypointObjectStoreHook,
        folder: str,
        emulator: Emulator,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        hook.put_key("s", "p", "k", "here")
        first = export(folder)
        with Emulator(Settings()) as elsewhere:
            other = dict(elsewhere.connections()["anypoint_default"])
            other["extra"] = {**other["extra"], label: "eu-west-1"}
            monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(other))
            store = hook.get_store("s")
            monkeypatch.setattr(AnypointObjectStoreHook, "get_store", lambda *_: store)
            with pytest.raises(ConflictError, match=rf"{label.removesuffix('_id')} eu-west-1, .*would replace"):
                export(folder, anypoint_conn_id="other")
        assert json.loads((ObjectStoragePath(folder) / "manifest.json").read_text())["data"] == first["data"]

    def test_another_connection_to_the_same_place(
        self, hook: AnypointObjectStoreHook, folder: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hook.put_key("s", "p", "k", "v")
        export(folder)
        monkeypatch.setenv("AIRFLOW_CONN_SAME", json.dumps(emulator.connections()["anypoint_default"]))
        assert export(folder, anypoint_conn_id="same")["values"] == 1

    @pytest.mark.parametrize(
        ("first", "second"), [(None, ["a", "b", "c"]), (None, "a"), ("a", None), ("a", "b"), (["a", "b"], "a")]
    )
    def test_the_export_of_other_partitions(
        self, first: Any, second: Any, hook: AnypointObjectStoreHook, folder: str
    ) -> None:
        for partition in "abc":
            hook.put_key("s", partition, "k", partition)
        given = {} if first is None else {"partitions": first}
        done = export(folder, **given)
        with pytest.raises(ConflictError, match="selection of partitions a folder of its own"):
            export(folder, **({} if second is None else {"partitions": second}))
        assert json.loads((ObjectStoragePath(folder) / "manifest.json").read_text())["data"] == done["data"]
        assert export(folder, **given)["partitions"] == done["partitions"]

    def test_the_same_partitions_in_another_order(self, hook: AnypointObjectStoreHook, folder: str) -> None:
        for partition in "ab":
            hook.put_key("s", partition, "k", partition)
        export(folder, partitions=["a", "b"])
        assert export(folder, partitions=["b", "a", "a"])["source"]["partitions"] == ["a", "b"]

    def test_one_that_comes_meanwhile(
        self, hook: AnypointObjectStoreHook, folder: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        check = Exporter._raise_if_stopped

        def slow(self: Exporter, what: str) -> None:
            if self.store_id == "s":
                export(folder, store_id="t")
            check(self, what)

        monkeypatch.setattr(Exporter, "_raise_if_stopped", slow)
        with pytest.raises(ConflictError, match="has the export of store t"):
            export(folder)
        assert names(folder) == WHOLE
