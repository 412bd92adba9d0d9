"""How much is used, and growing what is nearly full, under faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.civo.usage import KB_PER_GB
from airflow_provider_objectstore.emulator.settings import ANYPOINT_REGION, ENVIRONMENT
from airflow_provider_objectstore.exceptions import NotFoundError
from airflow_provider_objectstore.operators.anypoint_usage import AnypointUsageOperator
from airflow_provider_objectstore.operators.civo_usage import CivoGrowObjectStoreOperator, CivoUsageOperator
from airflow_provider_objectstore.sensors.civo import CivoUsageSensor
from tests.chaos.case import SYNC, case
from tests.chaos.cases_operators import TRIES
from tests.chaos.cases_waits import Waiting, waits
from tests.chaos.run import FEW_ATTEMPTS, Run, quick_retries
from tests.chaos.world import BUCKET, Anypoint, Civo
from tests.triggers.waiting import run as run_task

START = datetime(2026, 3, 1, tzinfo=UTC)
FRAME = START, START + timedelta(days=3), "1day"
REQUESTS = {"orders": 7, "other": 5}
"""How many requests stores got on the second day."""
BY_DAY = {"orders": [0, 7, 0], "other": [0, 5, 0], "all": [0, 12, 0]}
PLACES: dict[str, tuple[str, ...]] = {
    "organization": (),
    "environment": (ENVIRONMENT,),
    "region": (ENVIRONMENT, ANYPOINT_REGION),
    "store": (ENVIRONMENT, ANYPOINT_REGION, "orders"),
}
"""What the async form of a call is told, and the hook's method knows by itself, but for the store."""
NAMES: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "environments": ((), [ENVIRONMENT]),
    "regions": ((ENVIRONMENT,), [ANYPOINT_REGION]),
    "stores": ((ENVIRONMENT, ANYPOINT_REGION), sorted(REQUESTS)),
}


def _used(run: Run) -> Anypoint:
    anypoint = Anypoint(run)
    counts = run.emulator.app.anypoint.statistics.counts
    for store, requests in REQUESTS.items():
        counts[store, START + timedelta(days=1, hours=4)] = requests
    return anypoint


def _reads(name: str, places: tuple[str, ...], right: Callable[[Any], bool]) -> None:
    """Register a case of a method of the statistics: it reads what was counted, and an absent count is no zero."""

    def act(run: Run) -> None:
        hook = _used(run).hook
        arguments = (*(places if run.form == "async" else places[2:]), *FRAME)
        outcome = run.call(lambda: run.method(hook, api, name, *arguments), *places)
        run.check("read right", right(outcome.result) if outcome.ok else not _absent(outcome.error), outcome)

    case(f"AnypointObjectStoreHook.{name}", name=name)(act)


def _absent(error: BaseException | None) -> bool:
    return isinstance(error, NotFoundError)


def _counts(expected: list[int]) -> Callable[[Any], bool]:
    times = [START + timedelta(days=day) for day in range(3)]
    return lambda found: [(each.time, each.requests) for each in found] == list(zip(times, expected, strict=True))


for _of, _places in PLACES.items():
    _reads(f"get_{_of}_usage", _places, _counts(BY_DAY["orders" if _of == "store" else "all"]))
for _of, (_places, _expected) in NAMES.items():
    _reads(f"list_used_{_of}", _places, lambda found, expected=_expected: sorted(found) == expected)


@case("AnypointUsageOperator", forms=SYNC, weight=2, intensity=0.6)
def anypoint_usage_operator(run: Run) -> None:
    """The counts of all stores, or an error: nothing is left out."""
    _used(run)
    task = AnypointUsageOperator(task_id="usage", start=FRAME[0], end=FRAME[1], monthly_allowance=120)
    outcome = run.call(lambda: run_task(task))
    if outcome.ok:
        found = {
            store: [day["requests"] for day in told["periods"]] for store, told in outcome.result["stores"].items()
        }
        run.check("read right", found == {store: BY_DAY[store] for store in REQUESTS}, outcome)
        run.check("read right", (outcome.result["requests"], outcome.result["share"]) == (12, 0.1), outcome)
    else:
        run.check("read right", not _absent(outcome.error), outcome)


@contextmanager
def _holding(civo: Civo, gb: dict[str, int]) -> Iterator[None]:
    """Let object stores hold so much, by name; the others hold nothing."""

    async def usage(store: Any) -> tuple[int, int]:
        return gb.get(store.name, 0) * KB_PER_GB * 1024, 3

    with mock.patch.object(civo.state, "usage", usage):
        yield


@case("CivoUsageOperator", forms=SYNC, weight=2, intensity=0.6)
def civo_usage_operator(run: Run) -> None:
    """The use of each object store, of the quota, and every credential."""
    civo = Civo(run, 1)
    task = CivoUsageOperator(task_id="usage")
    with _holding(civo, {BUCKET: 100}):
        outcome = run.call(lambda: run_task(task))
    if outcome.ok:
        shares = {store["object_store"]: store["share"] for store in outcome.result["object_stores"]}
        run.check("read right", shares == {BUCKET: 0.2, "more-0": 0}, outcome)
        run.check("read right", outcome.result["quota"]["objectstore_gb_usage"] == 1000, outcome)
        owners = [(each["name"], sorted(each["object_stores"])) for each in outcome.result["credentials"]]
        run.check("read right", owners == [("owner", ["more-0", BUCKET])], outcome)
    else:
        run.check("read right", not _absent(outcome.error), outcome)


def _stores(run: Run) -> Waiting:
    civo, gb = Civo(run, 1), {BUCKET: 450}
    little = {"object_store": "more-0", "share": 0.1}
    names = (f"{BUCKET}|more-0|{civo.id}|{civo.store('more-0').id}",)
    there = {"object_store": BUCKET, "share": 0.8}
    return Waiting(there, little, little, lambda: gb.update({"more-0": 50}), names, _holding(civo, gb))


def _quota(run: Run) -> Waiting:
    civo = Civo(run)
    one = 500 / run.emulator.settings.quota_gb
    shares: list[dict[str, Any]] = [{"share": share} for share in (one, 0.9, 2 * one)]
    return Waiting(*shares, lambda: civo.add_store("later", civo.owner))


waits("store_usage_sensor", CivoUsageSensor, _stores, "CivoUsageSensor", "CivoUsageTrigger")
waits("quota_usage_sensor", CivoUsageSensor, _quota, "CivoUsageSensor", "CivoUsageTrigger")


def _grow(run: Run, civo: Civo, wanted: int, **arguments: Any) -> None:
    """Run the task until it succeeds, as Airflow would: the object store has 500 GB, and then what is wanted."""
    for deferrable in [False, True] * (TRIES // 2):
        task = CivoGrowObjectStoreOperator(
            task_id="grow", object_store=BUCKET, poke_interval=0.02, timeout=20, deferrable=deferrable, **arguments
        )
        with quick_retries(**FEW_ATTEMPTS):
            outcome = run.call(
                lambda task=task: run_task(task),
                f"{BUCKET}|{civo.id}|quota",
                allowed=(AirflowFailException,),
                seconds=20,
            )
        size = civo.store(BUCKET).max_size_gb
        run.check("altered once or unknown", size in (500, wanted), (size, outcome))
        run.check("done as asked", not outcome.ok or size == outcome.result["max_size_gb"] == wanted, outcome)
        run.check("done as asked", civo.store("more-0").max_size_gb == 500, "another object store has grown")
        if outcome.ok:
            return


@case("CivoGrowObjectStoreOperator", forms=SYNC, weight=4, intensity=0.6)
def grow(run: Run) -> None:
    """It grows by one step for one cause, however often the task is tried."""
    civo = Civo(run, 1)
    with _holding(civo, {BUCKET: 450}):
        _grow(run, civo, 1000, limit_gb=2000)


@case("CivoGrowObjectStoreOperator", forms=SYNC, weight=2, intensity=0.6)
def grow_beyond_its_limit(run: Run) -> None:
    """It does not."""
    civo = Civo(run, 1)
    with _holding(civo, {BUCKET: 450}):
        outcome = run.call(
            lambda: run_task(CivoGrowObjectStoreOperator(task_id="grow", object_store=BUCKET, limit_gb=500)),
            f"{BUCKET}|{civo.id}",
        )
    run.check("done as asked", not outcome.ok and civo.store(BUCKET).max_size_gb == 500, outcome)
