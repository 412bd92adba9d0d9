"""What hooks tell Airflow's lineage collector, in a process that has a real one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.forks import Forks

PLUGIN = """
from airflow.plugins_manager import AirflowPlugin
from airflow.providers.common.compat.sdk import HookLineageReader

class Plugin(AirflowPlugin):
    name = "lineage"
    hook_lineage_readers = [HookLineageReader]
"""
FRAME = """
import json
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow.providers.common.compat.sdk import HookLineageReader
hook, civo = AnypointObjectStoreHook(), CivoObjectStoreHook()
{}
found = HookLineageReader().retrieve_hook_lineage()
sides = {{side: [[one.asset.uri, one.count] for one in getattr(found, side)] for side in ("inputs", "outputs")}}
contexts = sorted({{type(one.context).__name__ for one in found.inputs + found.outputs}})
print("FOUND", json.dumps([sides["inputs"], sides["outputs"], contexts]))
"""
P = "osv2://emulator-org.emulator-env.us-east-1/s/p"

Lineage = Callable[[str], tuple[list[list[Any]], list[list[Any]], list[str]]]


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Processes where a collector is active."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "plugins").mkdir()
    (home / "plugins" / "lineage.py").write_text(PLUGIN)
    environment = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__UNIT_TEST_MODE": "False"}
    environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{home}/airflow.db"
    with Forks(FRAME.partition("hook, civo")[0], environment) as forks:
        yield forks


@pytest.fixture
def lineage(forks: Forks, emulator: Emulator) -> Lineage:
    """Run code with both hooks where a collector is active; return what was read, written, and by what."""
    AnypointObjectStoreHook().create_store("s")

    def run(code: str) -> Any:
        connections = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
        done = forks.run(FRAME.format(code), environment={**forks.environment, **connections}, timeout=120)
        assert done.returncode == 0, done.printed[-4000:]
        line = next(line for line in done.printed.splitlines() if line.startswith("FOUND"))
        return json.loads(line.removeprefix("FOUND"))

    return run


@pytest.mark.slow
def test_keys(lineage: Lineage) -> None:
    code = """
hook.put_key("s", "p", "a/b", "v")
hook.put_key("s", "p", "n", 1)
hook.get_key("s", "p", "a/b")
hook.get_key("s", "p", "a/b")
hook.delete_key("s", "p", "n")
hook.partition("s", "q")["k"] = 1
hook.key_exists("s", "p", "x"), list(hook.list_keys("s", "p"))
"""
    assert lineage(code) == [
        [[f"{P}/a%2Fb", 2]],
        [[f"{P}/a%2Fb", 1], [f"{P}/n", 2], [f"{P[:-1]}q/k", 1]],
        ["AnypointObjectStoreHook"],
    ]


@pytest.mark.slow
def test_many_keys_are_their_partition(lineage: Lineage) -> None:
    code = """
hook.put_many("s", "p", {f"k{n}": n for n in range(150)})
hook.get_many("s", "p", ["k1", "k2", "absent"])
hook.delete_many("s", "p", ["k1", "absent"])
hook.delete_many("s", "gone", ["absent"])
"""
    assert lineage(code) == [[[P, 1]], [[P, 2]], ["AnypointObjectStoreHook"]]


@pytest.mark.slow
def test_partitions(lineage: Lineage) -> None:
    code = """
hook.put_many("s", "p", {"k": 1})
list(hook.get_partition("s", "p"))
hook.delete_partition("s", "p")
"""
    assert lineage(code) == [[[P, 1]], [[P, 2]], ["AnypointObjectStoreHook"]]


@pytest.mark.slow
def test_buckets(lineage: Lineage) -> None:
    code = """
civo.create_object_store("photos")
list(civo.list_object_stores())
"""
    assert lineage(code) == [[], [["civo://LON1/photos", 1]], ["CivoObjectStoreHook"]]


@pytest.mark.slow
def test_what_failed_is_not_reported(lineage: Lineage) -> None:
    code = """
for call in (hook.get_key, hook.delete_key):
    try:
        call("s", "p", "absent")
    except Exception as error:
        assert type(error).__name__ == "NotFoundError", error
"""
    assert lineage(code) == [[], [], []]


@pytest.mark.slow
def test_no_call_fails_by_it(lineage: Lineage) -> None:
    """Airflow takes no URI of more than 1,500 characters; a key may need more."""
    code = """
key = "é" * 512
hook.put_key("s", "p", key, "v")
assert hook.get_key("s", "p", key).value == "v"
"""
    assert lineage(code) == [[], [], []]


@pytest.mark.slow
def test_it_costs_no_look_up(lineage: Lineage) -> None:
    code = """
looked_up = []
get_connection = AnypointObjectStoreHook.get_connection
AnypointObjectStoreHook.get_connection = staticmethod(lambda id: looked_up.append(id) or get_connection(id))
hook.put_key("s", "p", "n", 1)
hook.get_key("s", "p", "n")
assert looked_up == ["anypoint_default"], looked_up
"""
    assert lineage(code)[1] == [[f"{P}/n", 1]]
