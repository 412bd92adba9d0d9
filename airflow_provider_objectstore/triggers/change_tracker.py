"""What the event trigger remembers of a partition, to find changes. Private: use the trigger."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.triggers.snapshots import digest

if TYPE_CHECKING:
    from airflow_provider_objectstore.triggers.snapshots import KeyFilter, Snapshot

log = logging.getLogger(__name__)

MAX_EVENTS = 1000
"""The most events of one snapshot; further changes fire after the next one."""
UNREADABLE = ""
"""Instead of a digest: the first snapshot could not read the key, so there is nothing to compare with."""


class ChangeTracker:
    """
    Compares snapshots, and keeps the last one in the state store: a digest of each key by a digest of its name.

    :param stores: the state store of each asset, see :func:`.compat.asset_state_stores`.
    :param name: the entry of the state store that belongs to this trigger.
    """

    def __init__(self, stores: Sequence[Any], name: str) -> None:
        self._stores = stores
        self._name = name
        self._loaded = False
        self._stored: dict[str, str] | None = None
        self.known: dict[str, str] | None = None

    async def load(self) -> bool:
        """Load the stored state, once; return whether it is loaded."""
        if not self._loaded:
            try:
                for store in self._stores:
                    stored = await store.aget(self._name)
                    if isinstance(stored, dict):
                        self.known = self._stored = stored
                        break
            except Exception:
                log.exception("The state store cannot be read; changes fire once it can")
                return False
            self._loaded = True
        return True

    def changes(self, snapshot: Snapshot, key_filter: KeyFilter) -> list[str]:
        """Remember a snapshot; return the keys that appeared or changed since the last one."""
        current = {
            key: (digest(key.encode()), state.digest) for key, state in snapshot.keys.items() if key_filter.matches(key)
        }
        unreadable = {digest(key.encode()) for key in snapshot.unreadable if key_filter.matches(key)}
        if self.known is None:
            log.info(
                "First snapshot: %d keys exist. Keys that appear or change from now on fire",
                len(current) + len(unreadable),
            )
            self.known = {**dict(current.values()), **dict.fromkeys(unreadable, UNREADABLE)}
            return []
        if not snapshot.store_exists:
            return []
        previous, self.known = self.known, dict(current.values())
        self.known.update({name: previous[name] for name in unreadable if name in previous})
        changed = [key for key, (name, state) in current.items() if previous.get(name) not in (state, UNREADABLE)]
        for key in changed[MAX_EVENTS:]:
            name, _ = current[key]
            del self.known[name]
            if name in previous:
                self.known[name] = previous[name]
        return changed[:MAX_EVENTS]

    async def store(self, known: dict[str, str]) -> None:
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
