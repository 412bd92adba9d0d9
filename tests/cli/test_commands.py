"""``airflow objectstore`` through Airflow's own parser and console, against the emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

ANYPOINT, CIVO = ("--conn-id", "anypoint_default"), ("--conn-id", "civo_default")


@pytest.fixture
def anypoint(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.put_key("s", "p", "[red]k", "text")
    hook.put_key("s", "p", "bytes", b"\x00\xff")
    return hook


@pytest.fixture
def civo(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> CivoObjectStoreHook:
    monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
    hook = CivoObjectStoreHook()
    hook.create_object_store("photos")
    hook.create_credential("spare")
    return hook


def call(*words: str) -> None:
    """Run a command as Airflow does."""
    parser = pytest.importorskip("airflow.cli.cli_parser").get_parser()
    args = parser.parse_args(["objectstore", *words])
    args.func(args)


@pytest.fixture(autouse=True)
def offered() -> None:
    from airflow.cli import cli_parser

    if not any(command.name == "objectstore" for command in cli_parser.airflow_commands):
        pytest.skip("commands of providers came with Airflow 3.2")


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a command prints as JSON."""
    call(*words, "--output", "json")
    return json.loads(capsys.readouterr().out)


def refused(*words: str) -> str:
    with pytest.raises(SystemExit) as raised:
        call(*words)
    return str(raised.value.code)


def test_lists(
    anypoint: AnypointObjectStoreHook, civo: CivoObjectStoreHook, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [store["store_id"] for store in shown(capsys, "stores", *ANYPOINT)] == ["s"]
    assert shown(capsys, "partitions", "s") == [{"partition": "p"}]
    assert {row["key"] for row in shown(capsys, "keys", "s", "p")} == {"[red]k", "bytes"}
    assert shown(capsys, "keys", "s", "p", "--prefix", "b") == [{"key": "bytes"}]
    (store,) = shown(capsys, "stores", *CIVO)
    assert (store["name"], store["max_size_gb"]) == ("photos", "500")


@pytest.mark.parametrize("output", ["table", "plain", "yaml"])
def test_a_name_is_no_markup(
    output: str, anypoint: AnypointObjectStoreHook, capsys: pytest.CaptureFixture[str]
) -> None:
    anypoint.put_key("s", "p", "two\nlines", 1)
    call("keys", "s", "p", "--output", output)
    said = capsys.readouterr().out
    assert "[red]k" in said
    assert output != "table" or "two\\nlines" in said


def test_values(anypoint: AnypointObjectStoreHook, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    call("get", "s", "p", "[red]k")
    assert capfdbinary.readouterr().out == b"text\n"
    call("get", "s", "p", "bytes")
    assert capfdbinary.readouterr().out == b"\x00\xff"
    call("put", "s", "p", "n", "12.50", "--number")
    call("put", "s", "p", "t", "12.50")
    assert (anypoint.get_key("s", "p", "n").value, anypoint.get_key("s", "p", "t").value) == (12.5, "12.50")
    assert b"Stored 'n' in partition 'p' of store 's' (connection anypoint_default" in capfdbinary.readouterr().out
    assert refused("put", "s", "p", "n", "many", "--number") == "'many' is not a number"
    for endless in ("Infinity", "NaN", "1e999999999"):
        assert "is not a number" in refused("put", "s", "p", "n", endless, "--number")


def test_deletes_the_one_key_after_a_question(
    anypoint: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert refused("rm", "s", "p", "bytes") == "Nothing was deleted"
    assert anypoint.key_exists("s", "p", "bytes")
    assert "must not be ''" in refused("rm", "s", "p", "", "--yes")
    call("rm", "s", "p", "bytes", "--yes")
    assert set(anypoint.list_keys("s", "p")) == {"[red]k"}
    assert "[connection anypoint_default" in refused("rm", "s", "p", "bytes", "--yes")


def test_usage(
    anypoint: AnypointObjectStoreHook, civo: CivoObjectStoreHook, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = shown(capsys, "usage", *ANYPOINT)
    assert row["store_id"] == "s"
    assert int(row["requests"]) == 3  # its creation counts, too
    call("usage", *CIVO, "--output", "json")
    said = capsys.readouterr()
    (row,) = json.loads(said.out)
    assert (row["object_store"], row["size_gb"], row["objects"]) == ("photos", "500", "0")
    assert said.err.startswith("Quota: 500 of ")


def test_credentials_without_secrets(civo: CivoObjectStoreHook, capsys: pytest.CaptureFixture[str]) -> None:
    call("credentials", "--output", "json")
    said = capsys.readouterr().out
    rows = {row["name"]: row for row in json.loads(said)}
    assert (rows["spare"]["orphan"], rows["spare"]["object_stores"], rows["spare"]["age_days"]) == ("True", [], None)
    assert ["photos"] in [row["object_stores"] for row in rows.values()]
    assert all(credential.secret_access_key not in said for credential in civo.list_credentials())


def test_plans_a_rotation_and_does_none(civo: CivoObjectStoreHook, capsys: pytest.CaptureFixture[str]) -> None:
    before = list(civo.list_credentials())
    call("rotate", "--object-store", "photos", "--dry-run")
    plan = json.loads(capsys.readouterr().out)
    assert (plan["target"], plan["stores"]) == ("owner of object store photos", ["photos"])
    assert list(civo.list_credentials()) == before
    assert "give --dry-run" in refused("rotate", "--object-store", "photos")
    missing = refused("rotate", "--object-store", "fotos", "--dry-run")
    assert "'fotos'" in missing
    assert missing.endswith("[connection civo_default, region LON1]")
    assert "and not both" in refused("rotate", "--dry-run")
    assert "and not both" in refused("rotate", "--dry-run", "--credential", "")


def test_errors_are_one_line(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused("stores", "--conn-id", "nowhere").startswith("Airflow finds no connection 'nowhere'. Create it, or")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", "http://127.0.0.1")
    assert (
        refused("stores", "--conn-id", "other")
        == "connection 'other' is of type http, which is neither anypoint nor civo"
    )
    said = refused("partitions", "none")
    assert "none" in said
    assert said.endswith("[connection anypoint_default, environment emulator-env, region us-east-1]")


@pytest.mark.slow
def test_as_a_command(anypoint: AnypointObjectStoreHook, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("airflow")), "objectstore", "partitions", "none"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "AIRFLOW_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert "Store none does not exist" in done.stderr
    assert "Traceback" not in done.stderr
