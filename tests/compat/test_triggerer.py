"""Paths in a trigger: with what Airflow's triggerer really asks its supervisor through, while others ask as well."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.features import REQUESTS_FROM_THREADS
from tests.forks import Forks

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

WORKS = "read 1"
NEVER = "error this would stop the triggerer's event loop for ever"
OLD = "error in a triggerer before Airflow 3.2.2 this would"
PATHS = {"osv2": "osv2://anypoint_default@store/p/a", "civo": "civo://civo_default@photos/a"}


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    others = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")}
    with Forks("import tests.triggerer", {**others, "_AIRFLOW_PROCESS_CONTEXT": "client"}) as forks:
        yield forks


@pytest.mark.parametrize(
    ("scheme", "how", "now", "before_3_2_2"),
    [
        ("osv2", "to_thread", WORKS, OLD),
        ("osv2", "sync_to_async", WORKS, WORKS),
        ("osv2", "on the loop", WORKS, OLD),
        ("osv2", "many, sync_to_async", WORKS, OLD),
        ("osv2", "many, on the loop", NEVER, OLD),
        ("civo", "to_thread", WORKS, OLD),
        ("civo", "sync_to_async", WORKS, OLD),
        ("civo", "on the loop", NEVER, OLD),
    ],
)
@pytest.mark.parametrize("connections", ["of the environment", "of Airflow"])
def test_it_works_or_says_why_not(
    scheme: str,
    how: str,
    now: str,
    before_3_2_2: str,
    connections: str,
    emulator: Emulator,
    forks: Forks,
    tmp_path: Path,
) -> None:
    AnypointObjectStoreHook().create_store("store")
    hook = CivoObjectStoreHook()
    created = hook.create_object_store("photos")
    while not hook.get_object_store(created.id).ready:
        time.sleep(0.05)
    found = {name: os.environ[f"AIRFLOW_CONN_{name.upper()}"] for name in ("anypoint_default", "civo_default")}
    environment = dict(forks.environment)
    if connections == "of the environment":
        environment |= {f"AIRFLOW_CONN_{name.upper()}": value for name, value in found.items()}
    (tmp_path / "connections.json").write_text(json.dumps(found))
    arguments = "-m", PATHS[scheme], how, str(tmp_path / "connections.json")
    printed = forks.run("tests.triggerer", *arguments, environment=environment, timeout=120).printed
    expected = now if REQUESTS_FROM_THREADS else before_3_2_2
    assert expected in printed, printed[-5000:]
    assert "the others asked on" in printed, printed[-5000:]
