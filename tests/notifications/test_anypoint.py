from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError, StoreNotFoundError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.notifications.anypoint import AnypointKeyNotifier
from dev.database import create_database

CALLBACKS = Path(__file__).parent / "callbacks.py"


def notifier(**arguments: Any) -> AnypointKeyNotifier:
    return AnypointKeyNotifier(**{"store_id": "s", "partition": "p", "key": "k", **arguments})


def notify(notifier: AnypointKeyNotifier, mode: str, context: Any) -> None:
    """As Airflow does: a callback is called, and one of a deadline is awaited."""
    if mode == "sync":
        notifier(context)
        return
    notifier.context = context

    async def wait() -> None:
        await notifier

    asyncio.run(wait())


MODES = pytest.mark.parametrize("mode", ["sync", "async"])


@MODES
class TestArguments:
    def test_a_value_of_its_own_needs_no_event(self, mode: str, emulator: Emulator) -> None:
        AnypointObjectStoreHook().create_store("s")
        mine = notifier(key="{{ name }}", value="{{ name }}!", metadata={"by": "{{ name }}"})
        notify(mine, mode, {"name": "k"})
        entry = AnypointObjectStoreHook().get_key("s", "p", "k")
        assert (entry.value, entry.value_type, entry.metadata) == ("k!", "STRING", {"by": "k"})
        notify(notifier(value=5), mode, {})
        assert AnypointObjectStoreHook().get_key("s", "p", "k").value_type == "NUMBER"

    @pytest.mark.parametrize("name", ["anypoint_conn_id", "region", "store_id", "partition", "key"])
    def test_empty_ones_are_refused(self, mode: str, name: str, emulator: Emulator) -> None:
        with pytest.raises(InvalidArgumentError, match=f"^{name} must not be empty"):
            notify(notifier(value="v", **{name: "{{ nothing }}"}), mode, {"nothing": ""})
        assert emulator.requests()["total"] == 0

    @pytest.mark.parametrize("name", ["region", "value", "metadata"])
    def test_what_comes_out_as_none_does_not_count_as_left_out(self, mode: str, name: str, emulator: Emulator) -> None:
        made = notifier(**{name: "{{ nothing }}"})
        setattr(made, name, None)  # as with render_template_as_native_obj
        with pytest.raises(
            InvalidArgumentError, match=f"^{name} of AnypointKeyNotifier was given and came out as None"
        ):
            notify(made, mode, {})
        assert emulator.requests()["total"] == 0

    @pytest.mark.parametrize("nothing", [None, "null", "", " "])
    @pytest.mark.parametrize("name", ["value", "metadata"])
    def test_the_text_of_a_missing_value_is_refused(
        self, mode: str, name: str, nothing: Any, emulator: Emulator
    ) -> None:
        with pytest.raises(InvalidArgumentError, match=f"^{name} was rendered to "):
            notify(notifier(**{"value": "v", name: "{{ nothing }}"}), mode, {"nothing": nothing})
        assert emulator.requests()["total"] == 0

    @pytest.mark.parametrize("name", ["store_id", "partition", "key"])
    def test_a_missing_value_is_no_part_of_a_name(self, mode: str, name: str, emulator: Emulator) -> None:
        with pytest.raises(InvalidArgumentError, match=f"^{name} has a part that came out as None"):
            notify(notifier(**{"value": "v", name: "run-{{ nothing }}"}), mode, {"nothing": None})
        assert emulator.requests()["total"] == 0

    def test_but_may_be_a_part_of_a_value(self, mode: str, emulator: Emulator) -> None:
        AnypointObjectStoreHook().create_store("s")
        notify(notifier(value="failed: {{ nothing }}"), mode, {"nothing": None})
        assert AnypointObjectStoreHook().get_key("s", "p", "k").value == "failed: None"

    @pytest.mark.parametrize("text", ["None", "null", ""])
    def test_a_constant_may_be_any_text(self, mode: str, text: str, emulator: Emulator) -> None:
        AnypointObjectStoreHook().create_store("s")
        notify(notifier(value=text, metadata=text), mode, {})
        entry = AnypointObjectStoreHook().get_key("s", "p", "k")
        assert (entry.value, entry.metadata) == (text, text)

    def test_no_event(self, mode: str, emulator: Emulator) -> None:
        with pytest.raises(ObjectStoreError, match="not one of a callback of a task, a DAG or a DeadlineAlert"):
            notify(notifier(), mode, {})

    def test_no_store(self, mode: str, emulator: Emulator) -> None:
        with pytest.raises(StoreNotFoundError, match=r"store s, partition p, key 'k'.*anypoint_default"):
            notify(notifier(value="v"), mode, {})

    def test_no_connection(self, mode: str) -> None:
        with pytest.raises(AirflowNotFoundException, match="not_there"):
            notify(notifier(value="v", anypoint_conn_id="not_there"), mode, {})


@pytest.mark.parametrize("name", ["anypoint_conn_id", "region", "store_id", "partition", "key"])
def test_constants_are_checked_at_once(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{name} must"):
        notifier(**{name: ""})


@pytest.mark.airflow
def test_all_callbacks_of_airflow(emulator: Emulator, tmp_path: Path) -> None:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__API__BASE_URL": "https://airflow.example/a/",
        "AIRFLOW__CORE__DAGS_FOLDER": str(CALLBACKS.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }

    def run(*command: str) -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        assert "emulator-secret" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    create_database(environment)
    shown = run(sys.executable, str(CALLBACKS))
    good, bad = [line.split()[-1] for line in shown.splitlines() if line.startswith("RUN")]
    assert "TRIGGER ['running', 'success']" in shown
    assert "EXECUTOR (False" not in shown
    assert "Callback failed" not in shown
    values = {entry.key: entry for entry in hook.get_many("s", "p", list(hook.list_keys("s", "p"))).succeeded.values()}
    assert not [entry for entry in values.values() if "the-password" in str(entry.value)]
    found = {key: json.loads(str(entry.value)) for key, entry in values.items()}

    def expected(event: str, dag_id: str, run_id: str, **members: Any) -> dict[str, Any]:
        url = f"https://airflow.example/a/dags/{dag_id}/runs/{run_id.replace(':', '%3A').replace('+', '%2B')}"
        base = dict.fromkeys(("task_id", "map_index", "try_number", "reason", "deadline", "log_url"))
        if task := members.get("task_id"):
            mapped = "" if members.get("map_index") is None else f"/mapped/{members['map_index']}"
            base["log_url"] = f"{url}/tasks/{task}{mapped}?try_number={members['try_number']}"
        return {"event": event, "dag_id": dag_id, "run_id": run_id, "run_url": url, **base, **members}

    for one in found.values():
        one.pop("logical_date")
    deadlines = {key: found.pop(key) for key in ("bad+late", "sync") if key in found}
    assert found == {
        **{
            f"good+one+{index}": expected(
                "task", "good", good, task_id="one", map_index=index, try_number=1, state="success"
            )
            for index in (0, 1)
        },
        "good+own+-1": expected("task", "good", good, task_id="own", try_number=1, state="skipped"),
        "good": expected("dag_run", "good", good, state="success", reason="success"),
        "bad+broken+-1": expected("task", "bad", bad, task_id="broken", try_number=1, state="failed"),
        "bad": expected("dag_run", "bad", bad, state="failed", reason="task_failure"),
        "gone": expected("task", "bad", bad, task_id="broken", try_number=1, state="failed"),
        "gone+again": expected("task", "bad", bad, task_id="broken", try_number=1, state="up_for_retry"),
    }
    for one in deadlines.values():
        assert one.pop("deadline").startswith("20")
        wanted = expected("deadline", "bad", bad, state="failed")
        wanted.pop("deadline")
        assert one == wanted
