"""What the event trigger remembers of a partition, to find changes. Private: use the trigger."""

from __future__ import annotations

import logging
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.triggers.snapshots import digest

if TYPE_CHECKING:
    from airflow_provider_objectstore.triggers.snapshots import KeyFilter, KeyState, Snapshot

log = logging.getLogger(__name__)

MAX_KEYS, MAX_CHARACTERS = 1000, 200_000
"""The most keys of one event, and the most characters of their names; further changes fire after a later snapshot."""
PLACE = "place"
"""The entry of a state that is no key: where it was taken. One of an earlier version has none: it is of any place."""
UNREADABLE = ""
"""Instead of a digest: the first snapshot could not read the key, so there is nothing to compare with."""


class ChangeTracker:
    """
    Compares snapshots, and keeps the last one in the state store: a digest of each key by a digest of its name.

    :param stores: the state store of each asset, see :func:`.compat.triggerer.asset_state_stores`.
    :param name: the entry of the state store that belongs to this trigger.
    :param watched: what is watched, for the log.
    """

    def __init__(self, stores: Sequence[Any], name: str, watched: object) -> None:
        self._stores = stores
        self._name = name
        self._watched = watched
        self._loaded = False
        self._stored: dict[str, str] | None = None
        self._last_key = ""
        self._may_lack_event = False
        self.known: dict[str, str] | None = None

    async def load(self) -> bool:
        """Load the stored state, once; return whether it is loaded."""
        if not self._loaded:
            try:
                for store in self._stores:
                    stored = await store.aget(self._name)
                    if isinstance(stored, dict):
                        self.known, self._stored = dict(stored), stored
                        break
            except Exception:
                log.exception("The state store cannot be read; changes fire once it can")
                return False
            self._loaded = True
        return True

    def is_first(self, snapshot: Snapshot) -> bool:
        """Return whether there is nothing to compare a snapshot with: no state, or that of another place."""
        return self.known is None or self.known.get(PLACE, snapshot.place) != snapshot.place

    def changes(self, snapshot: Snapshot, key_filter: KeyFilter) -> tuple[list[str], int]:
        """
        Remember a snapshot.

        :return: keys that appeared or changed since the last one, and how many more did, which come next time.
        """
        current = {
            key: (digest(key.encode()), state) for key, state in snapshot.keys.items() if key_filter.matches(key)
        }
        states = {name: state.digest for name, state in current.values()}
        unreadable = {digest(key.encode()) for key in snapshot.unreadable if key_filter.matches(key)}
        if self.known is None or self.is_first(snapshot):
            log.info(
                "First snapshot of %s%s: %d keys exist. Keys that appear or change from now on fire",
                self._watched,
                "" if self.known is None else ", which was edited and leads elsewhere",
                len(current) + len(unreadable),
            )
            self.known = {PLACE: snapshot.place, **states, **dict.fromkeys(unreadable, UNREADABLE)}
            return [], 0
        self.known[PLACE] = snapshot.place
        if not snapshot.store_exists:
            return [], 0
        previous, self.known = self.known, {PLACE: snapshot.place, **states}
        self.known.update({name: previous[name] for name in unreadable if name in previous})
        changed = [key for key, (name, state) in current.items() if _is_change(state, previous.get(name))]
        # Where not all fit, keys that change all the time must not hold back those behind them for ever.
        first = bisect(changed, self._last_key) if _fitting(changed) < len(changed) else 0
        changed = changed[first:] + changed[:first]
        number = _fitting(changed)
        self._last_key = changed[number - 1] if number else ""
        for key in changed[number:]:
            name, _ = current[key]
            del self.known[name]
            if name in previous:
                self.known[name] = previous[name]
        return changed[:number], len(changed) - number

    def on_received(self) -> None:
        """Trust that Airflow has the events of all that is resolved: else it would send this trigger no snapshot."""
        self._may_lack_event = False

    async def on_resolved(self, known: dict[str, str], fired: bool, is_persisted: bool) -> None:
        """
        Store the state after a snapshot, unless Airflow may lack an event of this trigger: a restart must repeat that.

        :param known: the state.
        :param fired: whether this trigger fired.
        :param is_persisted: whether Airflow has all events of the snapshot, those of other triggers included.
        """
        if is_persisted and not self._may_lack_event:
            await self._store(known)
        elif fired:
            self._may_lack_event = True

    async def _store(self, known: dict[str, str]) -> None:
        """Write a state to the state store, unless that is what it has."""
        if known == self._stored:
            return
        try:
            for store in self._stores:
                await store.aset(self._name, known)
        except Exception:
            log.exception("The state store cannot be written; after a restart, the last events may come again")
        else:
            self._stored = known


def _is_change(state: KeyState, previous: str | None) -> bool:
    return previous is None or (previous != UNREADABLE and state.is_change(previous))


def _fitting(keys: Sequence[str]) -> int:
    """Return how many of the keys fit into one event."""
    sizes = accumulate(len(key) for key in keys[:MAX_KEYS])
    return sum(size <= MAX_CHARACTERS for size in sizes)
