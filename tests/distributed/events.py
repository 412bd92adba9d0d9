"""What Airflow's database says about events and their runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.distributed.databases import Databases

_EVENTS = """
SELECT event.extra, count(link.dag_run_id) FROM asset_event event
JOIN asset ON asset.id = event.asset_id
LEFT JOIN dagrun_asset_event link ON link.event_id = event.id
WHERE asset.name = ANY(%s) AND event.id > %s GROUP BY event.id ORDER BY event.id
"""


@dataclass(frozen=True)
class Event:
    """An event: its payload, and how many runs have it."""

    payload: Any
    runs: int


class Events:
    """
    Events of assets since this was created.

    :param assets: names of the assets.
    """

    def __init__(self, databases: Databases, *assets: str) -> None:
        self._databases = databases
        self._assets = list(assets)
        ((self._last,),) = databases.query("SELECT coalesce(max(id), 0) FROM asset_event")

    def all(self) -> list[Event]:
        """Return the events in order."""
        rows = self._databases.query(_EVENTS, self._assets, self._last)
        return [Event(extra.get("payload"), runs) for extra, runs in rows]

    def without_run(self) -> int:
        """Return how many events no run has."""
        return sum(not event.runs for event in self.all())

    def keys(self, events: Iterable[Event] | None = None) -> list[str]:
        """Return the keys in the payloads of the events that a run has."""
        found = self.all() if events is None else events
        return [key for event in found if event.runs and event.payload for key in event.payload["keys"]]
