"""The base of both hooks: from a connection id to clients."""

from __future__ import annotations

import asyncio
import re
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_objectstore.api.call import Call, Flow, Page
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.missing_connections import explaining_missing_connection

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, Connection

    from airflow_provider_objectstore.transport import AsyncClient, Client, ResolvedConnection
    from airflow_provider_objectstore.transport.bulk import BulkRunner

TEST_SECONDS = 10
"""For how long a connection is tried when somebody waits for its test."""
T = TypeVar("T")
Item = TypeVar("Item")


class ObjectStoreHook(BaseHook):
    """
    Base of both hooks.

    The connection is looked up when a request needs it, never when a DAG is parsed. The hook keeps it, and looks it up
    again when its credentials are refused, and for each client and bulk runner. What is found then must lead where the
    first one did: one hook works in one place.

    :param conn_id: id of the Airflow connection.
    """

    conn_type: str
    lineage_directions: ClassVar[Mapping[str, Literal["input", "output"]]] = {}
    """The operations that read data (``input``) and that write data (``output``), for Airflow's lineage collector."""

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self._conn_id = conn_id
        self._cached_client: Client | None = None
        self._cached_connection: ResolvedConnection | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A client belongs to its process, and a connection holds secrets.
        return {**self.__dict__, "_cached_client": None, "_cached_connection": None}

    def resolve(self) -> ResolvedConnection:
        """
        Look up the connection, check it and mask its secrets. No request is sent to the service.

        The hook uses what it has found from then on, also where it has sent requests before.

        :raises AirflowNotFoundException: if Airflow does not find it.
        :raises ConfigurationError: naming everything that is missing or wrong in it.
        :raises AuthenticationError: if this hook has looked it up before, and it was edited meanwhile and leads
            elsewhere. The hook stays where it was.
        """
        from airflow_provider_objectstore.compat.triggerer import forbid_blocking_in_triggerer

        forbid_blocking_in_triggerer()
        with explaining_missing_connection(self._conn_id, self.conn_type):
            connection = self.get_connection(self._conn_id)
        return self._adopt(connection)

    def _adopt(self, connection: Connection) -> ResolvedConnection:
        """Check a connection, mask its secrets, and use it from then on."""
        from airflow.providers.common.compat.sdk import mask_secret

        resolved = self._parse_connection(connection, connection.extra_dejson)
        for secret in resolved.secrets:
            mask_secret(secret)
        return self._switch_to(resolved)

    def _switch_to(self, resolved: ResolvedConnection) -> ResolvedConnection:
        """Use a connection that was looked up from then on, unless it leads elsewhere than the one before."""
        if self._cached_connection is not None:
            self._cached_connection.require_same_place(resolved)
        self._cached_connection, self._cached_client = resolved, None
        return resolved

    async def aresolve(self) -> ResolvedConnection:
        """
        Look up the connection as :meth:`resolve` does, on an event loop.

        Look-ups of the same connection within a second are one.

        :raises ConfigurationError: naming everything that is missing or wrong in it.
        :raises AuthenticationError: as :meth:`resolve` does.
        """
        from airflow_provider_objectstore.hooks.shared_lookups import share_lookup

        return self._switch_to(await share_lookup(self._identity, self._resolve_async))

    def get_conn(self) -> Client:
        """
        Return the hook's blocking client, which all its methods use: ``get_conn().send(call)``.

        :raises ConfigurationError: naming everything that is missing or wrong in the connection.
        """
        from airflow_provider_objectstore.compat.triggerer import forbid_blocking_in_triggerer

        forbid_blocking_in_triggerer()
        return self._client

    def send(self, call: Call[T]) -> T:
        """
        Send any call of :mod:`airflow_provider_objectstore.api` and return its result.

        :param call: the call.
        :raises ObjectStoreError: one of its subclasses, as the service answered or did not.
        """
        result = self._client.send(call)
        self._report_lineage(call.operation, call.about)
        return result

    @contextmanager
    def client(self, *, ends: float = float("inf")) -> Iterator[Client]:
        """
        Open a blocking client: ``client.send(call)`` with any call of :mod:`airflow_provider_objectstore.api`.

        Clients of one resolved connection share session, token and pace, so opening one costs nothing.

        :param ends: when the last attempt of any call may start, by the monotonic clock, if the connection allows more.
        :return: a context manager.
        :raises AuthenticationError: as :meth:`resolve` does.
        """
        yield self._new_client(self.resolve(), ends)

    @asynccontextmanager
    async def async_client(self) -> AsyncIterator[AsyncClient]:
        """
        Open an async client: ``await client.send(call)``.

        All clients of one resolved connection on one event loop share session, token and pace. Those that are opened
        within a second share one look-up of the connection.

        :return: an async context manager.
        :raises AuthenticationError: as :meth:`resolve` does.
        """
        from airflow_provider_objectstore.compat.triggerer import amask_secret
        from airflow_provider_objectstore.transport import AsyncClient

        client = AsyncClient(await self.aresolve(), mask=amask_secret, refresh_connection=self._refresh_async)
        async with client:
            yield client

    def test_connection(self) -> tuple[bool, str]:
        """
        Try the connection with a small request, for ten seconds and the connection's ``timeout`` at most.

        :return: whether it works, and what was found or what is wrong.
        """
        try:
            with self.client(ends=time.monotonic() + TEST_SECONDS) as client:
                return True, self._ping(client)
        except ObjectStoreError as error:
            # Airflow's command line prints this as Rich's markup, which takes [region …] for a tag and drops it.
            message, found = str(error), 1
            while found:  # from the inside to the outside
                message, found = re.subn(r"\[([a-z#/@][^\[\]]*)\]", r"(\1)", message)
            return False, message

    def bulk(
        self,
        *,
        concurrency: int = 32,
        requests_per_second: float | None = None,
        report: Callable[[], None] | None = None,
        interval: float = 30,
    ) -> BulkRunner:
        """
        Return a runner that sends many calls at once.

        :param concurrency: at most this many requests at a time.
        :param requests_per_second: pace instead of the connection's.
        :param report: called about every ``interval`` seconds while calls are sent.
        :param interval: seconds.
        :raises InvalidArgumentError: for a concurrency or a pace that cannot be.
        :raises AuthenticationError: as :meth:`resolve` does.
        """
        from airflow_provider_objectstore.compat.triggerer import forbid_blocking_in_triggerer
        from airflow_provider_objectstore.transport.bulk import BulkRunner

        return BulkRunner(
            self.resolve(),
            mask=_mask_in_thread,
            check_caller=partial(forbid_blocking_in_triggerer, own_threads=True),
            refresh_connection=self.resolve,
            concurrency=concurrency,
            requests_per_second=requests_per_second,
            report=report,
            interval=interval,
        )

    @property
    def where(self) -> str:
        """The connection's id, the environment where the service has any, and the region, for messages."""
        return self._connection.where

    @property
    def labels(self) -> Mapping[str, str]:
        """Where the connection leads: organization, environment and region, or the region; with the connection's id."""
        return self._connection.labels

    # What each hook adds

    @abstractmethod
    def _parse_connection(self, connection: Connection, extra: Mapping[str, Any]) -> ResolvedConnection:
        """
        Turn an Airflow connection into a resolved one.

        :param connection: the Airflow connection.
        :param extra: its extra, parsed.
        :raises ConfigurationError: naming everything that is missing or wrong.
        """

    @abstractmethod
    def _ping(self, client: Client) -> str:
        """
        Send a small request; return what was found, in words.

        :param client: sends it.
        """

    @abstractmethod
    def _asset_of(self, names: tuple[str, ...]) -> Asset:
        """Return the asset of an object by its names, the outermost first."""

    # Sending

    def _run(self, flow: Flow[T]) -> T:
        return self._client.run(flow)

    def _items(self, call: Call[Page[Item]]) -> Iterator[Item]:
        for page in self._client.pages(call):
            self._report_lineage(call.operation, call.about)
            yield from page.items

    def _report_lineage(self, operation: str, names: tuple[str, ...]) -> None:
        """Report to Airflow's lineage collector, if one is active, what an operation has read or written."""
        if direction := self.lineage_directions.get(operation):
            from airflow_provider_objectstore.assets import report_lineage

            report_lineage(self, direction, lambda: self._asset_of(names))

    @property
    def _client(self) -> Client:
        client = self._cached_client or self._new_client(self._connection)
        self._cached_client = client
        return client

    def _new_client(self, connection: ResolvedConnection, ends: float = float("inf")) -> Client:
        from airflow.providers.common.compat.sdk import mask_secret

        from airflow_provider_objectstore.transport import Client

        return Client(connection, mask_secret, self.resolve, ends)

    # The connection

    @property
    def _identity(self) -> Hashable:
        """What the resolved connection depends on, beside the Airflow connection."""
        overrides = (getattr(self, name, None) for name in ("region", "organization_id", "environment_id"))
        return type(self), self._conn_id, *overrides

    @property
    def last_connection(self) -> ResolvedConnection:
        """The connection as it was looked up last."""
        return self._connection

    @property
    def _connection(self) -> ResolvedConnection:
        """The connection as it was looked up last; a hook that has not used it yet looks it up."""
        return self._cached_connection or self.resolve()

    async def _refresh_async(self) -> ResolvedConnection:
        return self._switch_to(await self._resolve_async())

    async def _resolve_async(self) -> ResolvedConnection:
        """Look up the connection, parse it and mask its secrets, on an event loop."""
        from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson

        from airflow_provider_objectstore.compat.triggerer import amask_secret

        with explaining_missing_connection(self._conn_id, self.conn_type):
            connection = await get_async_connection(self._conn_id, hook=self)
        resolved = self._parse_connection(connection, await get_async_extra_dejson(connection))
        for secret in resolved.secrets:
            await amask_secret(secret)
        return resolved


async def _mask_in_thread(secret: str) -> None:
    """Mask a secret on a bulk runner's event loop. Masking may block, so it runs in a thread."""
    from airflow.providers.common.compat.sdk import mask_secret

    await asyncio.to_thread(mask_secret, secret)
