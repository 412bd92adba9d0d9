"""
A task that is interrupted and goes on where it was, by Airflow's task state store.

Eleven years of stock prices are worked through year by year. After each year the task records its place with
``task_state_store``. On its first try it is made to fail half-way; the second one begins after the last year that is
done. The next task proves that nothing was done twice and nothing left out.

Where the state lies is the installation's affair: here, as ``make demo`` configures it, under
``osv2://anypoint_default@airflow-state/tasks``; without configuration in Airflow's database.

Needs Airflow 3.3 or later, and the extra: ``pip install vega_datasets``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, task

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator

STORE = "stock-years"

with DAG(
    dag_id="example_task_state",
    description="A task that is interrupted and goes on where it was (Airflow 3.3)",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["example", "objectstore"],
):
    create_store = AnypointCreateStoreOperator(task_id="create_store", store_id=STORE, default_ttl="P30D")
    create_state_store = AnypointCreateStoreOperator(
        task_id="create_state_store", store_id="airflow-state", default_ttl="P30D"
    )

    # [START work]
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def work(run_id: str, ti: Any = None, task_state_store: Any = None) -> dict[str, Any]:
        """Work through the years; write how often each was done, and its mean prices."""
        import csv
        import json
        from collections import defaultdict
        from pathlib import Path
        from statistics import mean

        from vega_datasets import local_data

        if task_state_store is None:
            raise AirflowFailException("task_state_store needs Airflow 3.3")
        years: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for row in csv.DictReader(Path(local_data.stocks.filepath).read_text().splitlines()):
            years[row["date"][-4:]][row["symbol"]].append(float(row["price"]))

        done = AnypointObjectStoreHook().partition(STORE, run_id)
        begin = task_state_store.get("done") or 0  # None where the store's time to live has passed
        for place, year in enumerate(sorted(years)[begin:], begin):
            if ti.try_number == 1 and place == len(years) // 2:
                raise RuntimeError(f"half-way: {place} of {len(years)} years are done")
            before = json.loads(str(done.get(year, '{"times": 0}')))
            means = {symbol: round(mean(prices), 2) for symbol, prices in years[year].items()}
            done[year] = json.dumps({"times": before["times"] + 1, "try": ti.try_number, "means": means})
            # A crash between these two lines repeats one year; this failure comes between two years.
            task_state_store.set("done", place + 1)
            print(f"{year}: {means}")
        return {"began_at": begin, "years": sorted(years)}

    # [END work]

    @task
    def verify(worked: dict[str, Any], run_id: str) -> None:
        """Each year was done once, the first half of them by the first try."""
        import json

        states = AnypointObjectStoreHook().partition(STORE, run_id)
        done = {year: json.loads(str(state)) for year, state in states.items()}
        if sorted(done) != worked["years"]:
            raise ValueError(f"{sorted(done)} were done, of {worked['years']}")
        if twice := [year for year, state in done.items() if state["times"] != 1]:
            raise ValueError(f"{twice} were done more than once")
        tries = [done[year]["try"] for year in worked["years"]]
        half = len(tries) // 2
        if tries != [1] * half + [2] * (len(tries) - half):
            raise ValueError(f"the second try began at {worked['began_at']}; the years were done by tries {tries}")
        print(f"{half} years by the first try, {len(tries) - half} by the second, none twice")

    worked = work()
    [create_store, create_state_store] >> worked
    verify(worked)
