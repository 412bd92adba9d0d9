"""What an event trigger sees of a partition, and what it remembers of it. Private: use the trigger."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.call import Flow, every
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    ServerError,
    StoreNotFoundError,
    UnreadableValueError,
)
from airflow_provider_objectstore.triggers.poll import passing

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

    from airflow_provider_objectstore.api.values import Entry
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

log = logging.getLogger(__name__)

MAX_EVENTS = 1000
"""Events of one look; what is beyond stays a change and fires after the next."""
MAX_UNREAD = 10
"""After so many keys that cannot be read, and none that can, it is not for the keys."""
BATCH, BREATH = 100, 2.0
"""After so many events a pause of so many seconds: a triggerer stores them one by one, without a heartbeat between."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The keys that a trigger is about: these, or else all with a prefix."""

    keys: frozenset[str] | None
    begins_with: str = ""

    def takes(self, key: str) -> bool:
        return key.startswith(self.begins_with) if self.keys is None else key in self.keys


@dataclass(frozen=True, slots=True)
class Seen:
    """A key that is there."""

    value_type: str | None
    digest: str


@dataclass(slots=True)
class Look:
    """
    What was there at one look.

    :param selections: what was looked for.
    :param seen: by key, in order.
    :param unread: keys that are there, or may be, and could not be read.
    :param store: whether the store itself is there; without it nothing can be said of its keys.
    :param when_stored: what to do once the events of this look are in Airflow's database; None if nobody will tell.
    """

    selections: frozenset[Selection]
    seen: Mapping[str, Seen]
    unread: frozenset[str] = frozenset()
    store: bool = True
    when_stored: list[Callable[[], Awaitable[None]]] | None = None


async def in_batches(keys: Sequence[str]) -> AsyncIterator[str]:
    """Go through keys with pauses."""
    for number, key in enumerate(keys):
        if number and number % BATCH == 0:
            await asyncio.sleep(BREATH)
        yield key


def digest(*parts: bytes) -> str:
    """A short digest: 64 bits, so that many fit into one entry of the state store."""
    whole = blake2b(digest_size=8)
    for part in parts:
        whole.update(b"%d:" % len(part))
        whole.update(part)
    return whole.hexdigest()


def look(store_id: str, partition: str, selections: frozenset[Selection]) -> Flow[Look]:
    """Read every key that one of the selections takes."""
    keys: set[str] = set()
    prefixes = {selection.begins_with for selection in selections if selection.keys is None}
    for prefix in prefixes:
        if any(prefix != other and prefix.startswith(other) for other in prefixes):
            continue
        try:
            keys.update((yield from every(api.list_keys(store_id, partition, prefix or None))))
        except StoreNotFoundError:
            raise
        except NotFoundError:  # a partition appears with its first key
            continue
    keys.update(*(selection.keys for selection in selections if selection.keys is not None))
    seen: dict[str, Seen] = {}
    unread: set[str] = set()
    for key in sorted(keys):
        try:
            entry: Entry = yield api.get_key(store_id, partition, key)
        except StoreNotFoundError:
            raise
        except NotFoundError:
            continue
        except (UnreadableValueError, ServerError) as error:
            if error.status is None or error.status >= 500 or (len(unread) >= MAX_UNREAD and not seen):
                raise
            # Of an unknown type, for one.
            log.warning("%s. This key cannot be read: what was known of it is kept", error)
            unread.add(key)
            continue
        except InvalidArgumentError as error:  # a name that the service lists and that cannot be put into a URL
            log.warning("%s. This key is not watched", error)
            continue
        value = entry.value if isinstance(entry.value, bytes) else str(entry.value).encode(errors="surrogatepass")
        rest = json.dumps([entry.value_type, entry.metadata], sort_keys=True, default=str).encode()
        seen[key] = Seen(entry.value_type, digest(value, rest))
    return Look(selections, seen, frozenset(unread))


async def looks(
    hook: AnypointObjectStoreHook,
    store_id: str,
    partition: str,
    poke_interval: float,
    selections: Callable[[], Iterable[Selection]],
) -> AsyncIterator[Look]:
    """
    Look again and again. Never ends and never raises: Airflow would start the trigger anew within a second, for ever.

    :param selections: asked before each look.
    """
    missing_store_told = False
    while True:
        found, wanted = None, frozenset(selections())
        try:
            async with hook.async_client() as client:
                found = await client.run(look(store_id, partition, wanted))
                missing_store_told = False
        except StoreNotFoundError as error:
            found = Look(wanted, {}, store=False)
            if not missing_store_told:
                missing_store_told = True
                log.warning(
                    "%s. The store itself is missing: partition %s is watched through connection %s until it is there",
                    error,
                    partition,
                    hook.anypoint_conn_id,
                )
        except Exception as error:
            log.log(
                logging.WARNING if isinstance(error, ObjectStoreError) and passing(error) else logging.ERROR,
                "Could not look at store %s, partition %s through connection %s: %s. Changes are noticed when a look "
                "succeeds; the next one is in %g s",
                store_id,
                partition,
                hook.anypoint_conn_id,
                error,
                poke_interval,
                exc_info=not isinstance(error, AirflowException),
            )
        if found is not None:
            yield found
        await asyncio.sleep(poke_interval)


UNREAD = ""
"""Instead of a digest: the key could not be read at the first look, so there is nothing to compare with."""


class Memory:
    """
    The digests of the keys as they were, by digests of their names.

    :param state: the assets' state store, which Airflow has from 3.3 on.
    :param name: under which this trigger's memory is there.
    """

    def __init__(self, state: Any, name: str) -> None:
        # One trigger may serve several assets; there is no public way to reach each of them.
        by_name = getattr(state, "_by_name", {})
        self._stores = [by_name[asset] for asset in sorted(by_name)]
        if len(by_name) < 2:
            self._stores = [] if state is None else [state]
        self._name = name
        self._loaded = False
        self._stored: dict[str, str] | None = None
        self.known: dict[str, str] | None = None

    async def load(self) -> bool:
        """Recall what is stored, once; tell whether that has worked."""
        if not self._loaded:
            try:
                for store in self._stores:
                    stored = await store.aget(self._name)
                    if isinstance(stored, dict):
                        self.known = self._stored = stored
                        break
            except Exception:
                log.exception("The state store cannot be read; changes are noticed when it can")
                return False
            self._loaded = True
        return True

    def changes(self, found: Look, selection: Selection) -> list[str]:
        """Take in what a look has found; return the keys that have appeared or changed."""
        now = {key: (digest(key.encode()), seen.digest) for key, seen in found.seen.items() if selection.takes(key)}
        unread = {digest(key.encode()) for key in found.unread if selection.takes(key)}
        if self.known is None:
            log.info("First look: %d keys are there. What appears or changes from now on fires", len(now) + len(unread))
            self.known = {**dict(now.values()), **dict.fromkeys(unread, UNREAD)}
            return []
        if not found.store:
            return []
        before, self.known = self.known, dict(now.values())
        self.known.update({name: before[name] for name in unread if name in before})
        changed = [key for key, (name, content) in now.items() if before.get(name) not in (content, UNREAD)]
        for key in changed[MAX_EVENTS:]:
            name, _ = now[key]
            del self.known[name]
            if name in before:
                self.known[name] = before[name]
        return changed[:MAX_EVENTS]

    async def store(self, known: dict[str, str]) -> None:
        """Keep this over a restart."""
        if known == self._stored:
            return
        try:
            for store in self._stores:
                await store.aset(self._name, known)
        except Exception:
            log.exception("The state store cannot be written; after a restart, events of this look may come again")
        else:
            self._stored = known


def confirmed(source: AsyncIterator[Look]) -> SharedStreamProducer:
    """Make a stream whose looks learn when their events are stored (Airflow 3.3)."""
    from airflow.triggers.shared_stream import SharedStreamProducer

    class Looks(SharedStreamProducer):
        async def open_stream(self) -> AsyncIterator[tuple[Look, Look]]:
            async for found in source:
                found.when_stored = []
                yield found, found

        async def advance(self, batch: Sequence[AdvanceItem]) -> None:
            for found, outcome in batch:
                if outcome.is_clean:
                    for act in found.when_stored:
                        await act()

    return Looks()


_watched: dict[Hashable, list[Selection]] = {}


class Watched:
    """In a ``with`` block, lets the shared look at ``stream`` include a selection."""

    def __init__(self, stream: Hashable, selection: Selection) -> None:
        self._stream = stream
        self._selection = selection

    def __enter__(self) -> None:
        _watched.setdefault(self._stream, []).append(self._selection)

    def __exit__(self, *_: object) -> None:
        others = _watched[self._stream]
        others.remove(self._selection)
        if not others:
            del _watched[self._stream]

    @staticmethod
    def on(stream: Hashable) -> frozenset[Selection]:
        """Everything that is included now."""
        return frozenset(_watched.get(stream, ()))
