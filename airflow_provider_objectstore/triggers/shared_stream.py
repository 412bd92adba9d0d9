"""Event triggers of one partition share their snapshots (Airflow 3.3). Private: use the trigger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Sequence
from typing import TYPE_CHECKING

from airflow_provider_objectstore.compat.triggerer import shared_stream_producer

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

    from airflow_provider_objectstore.triggers.snapshots import KeyFilter, Snapshot


def acknowledged_stream(source: AsyncIterator[Snapshot]) -> SharedStreamProducer:
    """Return a stream that calls ``on_resolved`` of each snapshot once Airflow has stored its events, or failed to."""

    class SnapshotProducer(shared_stream_producer()):  # type: ignore[misc]
        async def open_stream(self) -> AsyncIterator[tuple[Snapshot, Snapshot]]:
            async for snapshot in source:
                snapshot.on_resolved = []
                yield snapshot, snapshot

        async def advance(self, batch: Sequence[AdvanceItem]) -> None:
            for snapshot, outcome in batch:
                for callback in snapshot.on_resolved:
                    await callback(outcome.is_clean)

    return SnapshotProducer()


_watched: dict[Hashable, list[KeyFilter]] = {}


class WatchRegistry:
    """
    A ``with`` block in which the snapshots of a shared stream include a trigger's keys.

    :param stream: the shared stream's key.
    :param key_filter: the trigger's keys.
    """

    def __init__(self, stream: Hashable, key_filter: KeyFilter) -> None:
        self._stream = stream
        self._key_filter = key_filter

    def __enter__(self) -> None:
        _watched.setdefault(self._stream, []).append(self._key_filter)

    def __exit__(self, *_: object) -> None:
        key_filters = _watched[self._stream]
        key_filters.remove(self._key_filter)
        if not key_filters:
            del _watched[self._stream]

    @staticmethod
    def watched(stream: Hashable) -> frozenset[KeyFilter]:
        """Return the keys of all triggers that use a stream now."""
        return frozenset(_watched.get(stream, ()))
