"""A process with an Airflow and a database of its own, which runs the example DAGs unchanged."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.forks import Forks

EXAMPLES = Path(__file__).parents[2] / "example_dags"

RUN = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ModuleNotFoundError:  # before Airflow 3.2
    from airflow.models.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
assert not bag.import_errors, bag.import_errors
for run in range(int(sys.argv[3])):
    dag_run = bag.dags[sys.argv[2]].test(mark_success_pattern=sys.argv[4] or None, run_conf=json.loads(sys.argv[5]))
    assert dag_run.state == sys.argv[6], dag_run.state
"""
IMPORT_ONLY = RUN.partition("for run")[0] + "import json; print('DAGS', json.dumps(sorted(bag.dags)))"


# What takes seconds at the beginning of dag.test().
PREPARE = """
from airflow.sdk.execution_time.supervisor import in_process_api_server
import airflow.providers.amazon.aws.hooks.s3, airflow.serialization.serialized_objects
import airflow_provider_objectstore.fs.civo_s3fs, airflow_provider_objectstore.operators.rotation
import airflow_provider_objectstore.triggers.civo
in_process_api_server().app
"""


def python(airflow_home: Forks, code: str, *arguments: object) -> str:
    """Run code in that Airflow, with the connections in this process's environment. Return its output."""
    connections = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
    done = airflow_home.run(code, *arguments, environment={**airflow_home.environment, **connections})
    assert done.returncode == 0, done.printed[-8000:]
    return done.printed


def run(
    airflow_home: Forks,
    dag_id: str,
    *,
    runs: int = 1,
    skipped: str = "",
    conf: Mapping[str, Any] | None = None,
    state: str = "success",
) -> str:
    """
    Run a DAG, one task after the other. Check that its output contains no secret, and return it.

    :param runs: how many times to run it.
    :param skipped: a task that waits for another task, which would never end here. The demo runs it.
    :param conf: the run's ``conf``.
    :param state: the expected state of the runs.
    """
    output = python(airflow_home, RUN, EXAMPLES, dag_id, runs, skipped, json.dumps(conf or {}), state)
    assert "emulator-secret" not in output
    assert "emulator-key" not in output
    return output
