"""No call takes longer than its deadline, however slow the service is and however often a call may be tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.exceptions import ObjectStoreError
from tests.chaos.faults import Seen
from tests.chaos.run import ALL, CALL_SECONDS, MARGIN_SECONDS, Figures, Run, quick_retries
from tests.chaos.services import ChaosEmulator
from tests.chaos.world import Anypoint, Civo

pytestmark = pytest.mark.slow

MANY_ATTEMPTS = 30
"""So many that only the deadline ends a call."""
Act = Callable[[Run, Any], Any]
CALLS: dict[str, tuple[Any, Act]] = {
    "get_key": (Anypoint, lambda run, at: run.method(at.hook, anypoint, "get_key", "orders", "eu", "key-0")),
    "put_key": (Anypoint, lambda run, at: run.method(at.hook, anypoint, "put_key", "orders", "eu", "key-0", "x")),
    "list_partitions": (Anypoint, lambda run, at: run.method(at.hook, anypoint, "list_partitions", "orders")),
    "get_object_store": (Civo, lambda run, at: run.method(at.hook, civo, "get_object_store", at.id)),
    "get_quota": (Civo, lambda run, at: run.method(at.hook, civo, "get_quota")),
}


@pytest.mark.parametrize("form", ["sync", "async"])
@pytest.mark.parametrize("kind", ["stall before the effect", "body that drips", "429 with Retry-After"])
@pytest.mark.parametrize("call", list(CALLS) if ALL else ["get_key"])
def test_a_call_ends(call: str, kind: str, form: str, chaos: ChaosEmulator) -> None:
    def slow(seen: Seen) -> str | None:
        return None if "/accounts/" in seen.path else kind

    chaos.mix.intensity = 1
    chaos.reset()
    run = Run(chaos, Figures(), call, 1, form)
    world, act = CALLS[call]
    with quick_retries(attempts=MANY_ATTEMPTS, max_retry_after=60):
        service = world(run)
        chaos.mix.begin("deadline")
        chaos.mix.only = slow
        started = time.monotonic()
        try:
            with pytest.raises(ObjectStoreError):
                act(run, service)
        finally:
            taken = time.monotonic() - started
            chaos.mix.only = None
            chaos.mix.begin(None)
            chaos.wait_until_quiet()
    assert taken <= CALL_SECONDS + MARGIN_SECONDS
