"""Uses that leave something behind more easily than a call does: forks, threads, event loops, pickles."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint_keys import AnypointGetKeyOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from airflow_provider_objectstore.triggers.conditions import AnypointKeyTrigger

STORE, PARTITION, KEY = "s", "odd", "k"
THREADS, LOOPS = 32, 10
CHILD_SECONDS = 60


def all_of_them(hook: AnypointObjectStoreHook) -> None:
    """Do all of them once."""
    hook.put_key(STORE, PARTITION, KEY, 1)
    forks(hook)
    threads()
    for _ in range(LOOPS):
        asyncio.run(loop(hook))
    asyncio.run(pickles(hook))


def _reads(hook: AnypointObjectStoreHook) -> None:
    assert hook.get_key(STORE, PARTITION, KEY).value == 1


def forks(hook: AnypointObjectStoreHook) -> None:
    """
    Use a hook in a child that was forked after the hook's use, and one in a child that was forked before.

    Not with an event loop: where the parent has used one, Airflow's look-up of a connection never ends in a child,
    because asgiref's thread for it is left behind.
    """
    _reads(hook)
    in_child(lambda: _reads(hook))
    unused = AnypointObjectStoreHook()
    in_child(lambda: _reads(unused))
    _reads(unused)


def in_child(act: Callable[[], None]) -> None:
    """Run in a forked child; an error there is one here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, about forks of processes with threads
        child = os.fork()
    if not child:
        try:
            act()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    ends = time.monotonic() + CHILD_SECONDS
    while (status := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > ends:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    assert status[1] == 0, "the child failed, or did not end"


def threads() -> None:
    """
    Use one hook in many threads at once.

    Every response takes a while, so that each thread needs a connection: the pool is full after the first round.
    """
    connection = json.loads(os.environ["AIRFLOW_CONN_ANYPOINT_DEFAULT"])
    connection["extra"]["timeout"] = 61  # so that it is another connection, with its own pool, which no edit replaces
    os.environ["AIRFLOW_CONN_ANYPOINT_THREADS"] = json.dumps(connection)
    hook = AnypointObjectStoreHook("anypoint_threads")
    control = f"{connection['host']}/_emulator/faults"
    together = threading.Barrier(THREADS)

    def use(number: int) -> None:
        together.wait(CHILD_SECONDS)
        _reads(hook)
        if number % 8 == 0:
            asyncio.run(loop(hook))

    slow = {"operation": "anypoint.get_key", "kind": "delay", "seconds": 0.5}
    requests.post(control, json=[slow], timeout=60).raise_for_status()
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(use, range(THREADS)))
    finally:
        requests.post(control, json=[], timeout=60).raise_for_status()


async def loop(hook: AnypointObjectStoreHook) -> None:
    """Use a client of this event loop."""
    async with hook.async_client() as client:
        assert (await client.send(api.get_key(STORE, PARTITION, KEY))).value == 1


async def pickles(hook: AnypointObjectStoreHook) -> None:
    """Revive what is in use from its pickle, and use that."""
    _reads(pickle.loads(pickle.dumps(hook)))
    operator = AnypointGetKeyOperator(task_id="get", store_id=STORE, partition=PARTITION, key=KEY)
    assert pickle.loads(pickle.dumps(operator)).execute({})["value"] == 1  # Airflow's logger is no pickle after a use
    sensor = AnypointKeySensor(task_id="wait", store_id=STORE, partition=PARTITION, keys=KEY, deferrable=False)
    assert pickle.loads(pickle.dumps(sensor)).execute({}) == [KEY]
    where: dict[str, Any] = {"store_id": STORE, "partition": PARTITION, "poke_interval": 0.1}
    waiting = AnypointKeyTrigger(anypoint_conn_id="anypoint_default", keys="never", **where)
    found = AnypointKeyTrigger(anypoint_conn_id="anypoint_default", keys=KEY, **where)
    watching = AnypointKeyEventTrigger(**where)
    tasks = [asyncio.create_task(_first(trigger)) for trigger in (waiting, watching)]
    await asyncio.sleep(0.2)
    tasks += [asyncio.create_task(_first(_revived(trigger))) for trigger in (waiting, watching)]
    assert (await _first(pickle.loads(pickle.dumps(found))))["result"] == [KEY]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _revived(trigger: Any) -> Any:
    """Return a trigger in use as a triggerer revives it: its logger, which is Airflow's, is no pickle after a use."""
    _, arguments = pickle.loads(pickle.dumps(trigger.serialize()))
    return type(trigger)(**arguments)


async def _first(trigger: Any) -> Any:
    stream = trigger.run()
    try:
        return (await anext(stream)).payload
    finally:
        await stream.aclose()
