"""The base of the event triggers, which fire when keys appear or change. Private: use the triggers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_objectstore.arguments import check_untemplated
from airflow_provider_objectstore.compat.triggerer import asset_state_stores
from airflow_provider_objectstore.exceptions import InvalidArgumentError, InvalidTriggerError
from airflow_provider_objectstore.triggers.change_tracker import ChangeTracker
from airflow_provider_objectstore.triggers.dataclass_trigger import DataclassTrigger
from airflow_provider_objectstore.triggers.shared_stream import WatchRegistry, acknowledged_stream
from airflow_provider_objectstore.triggers.snapshots import KeyFilter, Snapshot, Source, digest, poll_snapshots

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import SharedStreamProducer

log = logging.getLogger(__name__)

EVENT_DISTANCE = 10.0
"""
The least time in seconds between two events of a trigger.

An event that Airflow stores while an earlier one of the asset still waits for its run gets no run of its own: it is
left to the run of a later event, which may never come (``docs/event-driven.md``).
"""


STATE_RETRY = 10.0
"""Seconds after which the state store is tried again."""


class ChangeTrigger(DataclassTrigger, BaseEventTrigger):
    """Polls a source, and fires one event for all changes that a poll finds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            for name, value in self.serialize()[1].items():
                check_untemplated(name, value, "event triggers, which have no run,")
            self._read_arguments()
        except InvalidArgumentError as error:
            raise InvalidTriggerError(f"{type(self).__name__}: {error}") from None

    # What each trigger adds

    @abstractmethod
    def _read_arguments(self) -> None:
        """Replace each argument by what it means: triggers that watch the same are stored alike."""

    @property
    @abstractmethod
    def _key_filter(self) -> KeyFilter:
        """The keys that this trigger watches."""

    @property
    @abstractmethod
    def _watched(self) -> tuple[str, tuple[object, ...]]:
        """The kind of what is watched, and the arguments that the stored state belongs to."""

    @abstractmethod
    def _source(self) -> tuple[Source, float]:
        """Return what to poll, and the seconds between two polls."""

    @abstractmethod
    def _payload(self, details: Mapping[str, Any], pending: int) -> dict[str, Any]:
        """Return the payload of an event for these keys, by what snapshots tell of them."""

    @abstractmethod
    def shared_stream_key(self) -> Hashable:
        """Return what triggers have in common that share their polls."""

    # Running

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Snapshot]:
        """
        Poll for all triggers that share a stream.

        :param kwargs: the stored arguments of one of them.
        """
        trigger = cls(**kwargs)
        stream = trigger.shared_stream_key()
        async for snapshot in trigger._poll(lambda: WatchRegistry.watched(stream) or {trigger._key_filter}):
            yield snapshot

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """
        Poll for all triggers that share a stream, and learn when Airflow has stored their events.

        :param kwargs: the stored arguments of one of them.
        """
        return acknowledged_stream(cls.open_shared_stream(kwargs))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Snapshot]) -> AsyncIterator[TriggerEvent]:
        """
        Fire once for all of this trigger's keys that changed since the last event.

        :param shared_stream: the snapshots.
        """
        with WatchRegistry(self.shared_stream_key(), self._key_filter):
            source, interval = self._source()
            tracker = ChangeTracker(asset_state_stores(self), self._state_name, source)
            next_event = time.monotonic() + EVENT_DISTANCE  # there may have been one just before a restart
            async for snapshot in shared_stream:
                tracker.on_received()
                if self._key_filter not in snapshot.key_filters:
                    continue
                if not await _wait_for_turn(tracker, snapshot, next_event, interval):
                    continue
                # In a thread: of 100,000 keys it takes longer than a triggerer's event loop may wait.
                keys, pending = await asyncio.to_thread(tracker.changes, snapshot, self._key_filter)
                if keys:
                    log.info("%d of the keys of %s appeared or changed: an event", len(keys), source)
                    details = {key: snapshot.keys[key].details for key in sorted(keys)}
                    yield TriggerEvent(self._payload(details, pending))  # type: ignore[no-untyped-call]
                    next_event = time.monotonic() + EVENT_DISTANCE
                assert tracker.known is not None
                on_resolved = partial(tracker.on_resolved, tracker.known, bool(keys))
                if snapshot.on_resolved is None:
                    await on_resolved(True)
                else:
                    snapshot.on_resolved.append(on_resolved)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll and fire, where Airflow shares no streams (before 3.3)."""
        async for event in self.filter_shared_stream(self._poll(lambda: {self._key_filter})):
            yield event

    def _poll(self, key_filters: Callable[[], Iterable[KeyFilter]]) -> AsyncIterator[Snapshot]:
        source, interval = self._source()
        return poll_snapshots(source, interval, key_filters)

    @property
    def _state_name(self) -> str:
        kind, arguments = self._watched
        return f"{kind}_{digest(json.dumps(arguments).encode())}"


async def _wait_for_turn(tracker: ChangeTracker, snapshot: Snapshot, next_event: float, interval: float) -> bool:
    """
    Wait until a snapshot may be used. What is known stays as it is until then: whoever ends the wait loses nothing.

    :param next_event: when an event may follow the last one, by the monotonic clock.
    :param interval: seconds until the next snapshot.
    :return: False, at once, if that comes before.
    """
    while True:
        if not await tracker.load():
            left = STATE_RETRY
        elif tracker.is_first(snapshot):
            return True
        else:
            left = next_event - time.monotonic()
        if left <= 0:
            return True
        if interval < left:
            return False
        await asyncio.sleep(left)
