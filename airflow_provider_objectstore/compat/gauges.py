"""Gauges of Airflow's metrics."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping


def gauge(name: str, value: float, tags: Mapping[str, str]) -> None:
    """
    Set a gauge of Airflow's metrics, where Airflow sends any. A failure is logged and fails no task.

    The import can be direct when Airflow >= 3.3 is required: earlier versions have ``Stats`` in other modules.

    :param name: the gauge's name below ``objectstore.``; characters that a name cannot hold become ``_``.
    :param value: its value.
    :param tags: what it is about, for the kinds of metrics that have tags.
    """
    name = "objectstore." + re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
    try:
        from airflow.providers.common.compat.sdk import Stats

        Stats.gauge(name, value, tags=dict(tags))
    except Exception as error:
        logging.getLogger(__name__).warning("The gauge %s was not sent: %s: %s", name, type(error).__name__, error)
