"""Gauges of Airflow's metrics, which are a courtesy: they never fail a task."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Any

import pytest
from airflow.providers.common.compat import sdk

from airflow_provider_objectstore.compat.gauges import gauge


def test_name_and_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(sdk.Stats, "gauge", lambda name, value, tags: sent.append((name, value, tags)))
    gauge("civo.store_share.a b/ä|c", 0.5, {"object_store": "a b/ä|c"})
    assert sent == [("objectstore.civo.store_share.a_b___c", 0.5, {"object_store": "a b/ä|c"})]


def test_a_failure_fails_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*arguments: Any, **more: Any) -> None:
        raise OSError("no StatsD")

    monkeypatch.setattr(sdk.Stats, "gauge", fail)
    gauge("civo.quota_share", 0.5, {})
    assert "objectstore.civo.quota_share was not sent: OSError: no StatsD" in caplog.text


def test_airflow_without_metrics() -> None:
    gauge("civo.quota_share", 0.5, {})


SEND = """
import airflow

if airflow.__version__.startswith("3.2."):  # there the task runner does this for its process
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory
    from airflow.sdk.observability.stats import Stats

    Stats.initialize(factory=get_stats_factory(Stats))

from airflow_provider_objectstore.compat.gauges import gauge
gauge("civo.quota_share", 0.25, {"a": "b"})
"""


@pytest.mark.slow
def test_it_arrives(tmp_path: Any) -> None:
    pytest.importorskip("statsd", reason="statsd comes with apache-airflow[statsd]")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        environment = {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(server.getsockname()[1]),
        }
        subprocess.run([sys.executable, "-c", SEND], env=environment, check=True, timeout=120)
        while b"airflow.objectstore.civo.quota_share:0.25|g" not in server.recv(1000):
            pass  # a metric of Airflow's own; the time-out ends this
