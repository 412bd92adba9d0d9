"""What both hooks share: from a connection id to clients."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_objectstore.api.call import Call, Flow, Page
from airflow_provider_objectstore.exceptions import ObjectStoreError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_objectstore.hooks.bulk import Bulk
    from airflow_provider_objectstore.transport import AsyncClient, Client, Target

T = TypeVar("T")
Item = TypeVar("Item")


class ObjectStoreHook(BaseHook):
    """
    Base of both hooks. The connection is looked up when it is first needed, never when a DAG is parsed.

    :param conn_id: id of the Airflow connection.
    """

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self._conn_id = conn_id
        self._kept_client: Client | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept_client": None}  # a client belongs to its process

    @abstractmethod
    def resolve(self, connection: Connection, extra: Mapping[str, Any]) -> Target:
        """
        Resolve a connection.

        :raises ConfigurationError: naming everything that is missing or wrong.
        """

    @abstractmethod
    def _probe(self) -> str:
        """Ask the service something small; return what it said, in words."""

    @contextmanager
    def client(self) -> Iterator[Client]:
        """
        Give a blocking client: ``client.send(call)`` with any call of :mod:`airflow_provider_objectstore.api`.

        Clients of one resolved connection share session, token and pace, so opening one costs nothing.
        """
        yield self._new_client()

    @asynccontextmanager
    async def async_client(self) -> AsyncIterator[AsyncClient]:
        """Give an async client: ``await client.send(call)``. All on one event loop share session, token and pace."""
        from airflow_provider_objectstore.transport import AsyncClient

        client = AsyncClient(await self._resolve_async(), mask=_amask, renew=self._resolve_async)
        async with client:
            yield client

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection: whether it works, and what the service said."""
        try:
            return True, self._probe()
        except ObjectStoreError as error:
            return False, str(error)

    def bulk(self, **settings: Any) -> Bulk:
        """Return what carries many calls at once; settings are those of :class:`.bulk.Bulk`."""
        from airflow_provider_objectstore.hooks.bulk import Bulk

        return Bulk(self._resolve(), renew=self._resolve, **settings)

    def _send(self, call: Call[T]) -> T:
        answer = self._client.send(call)
        self._report(call, answer)
        return answer

    def _report(self, call: Call[Any], answer: Any) -> None:
        """Tell Airflow's lineage collector what a call read or wrote."""

    def _run(self, flow: Flow[T]) -> T:
        return self._client.run(flow)

    def _items(self, call: Call[Page[Item]]) -> Iterator[Item]:
        for page in self._client.pages(call):
            self._report(call, page)
            yield from page.items

    @property
    def _client(self) -> Client:
        if self._kept_client is None:
            self._kept_client = self._new_client()
        return self._kept_client

    def _new_client(self) -> Client:
        from airflow.providers.common.compat.sdk import mask_secret

        from airflow_provider_objectstore.transport import Client

        return Client(self._resolve(), mask=mask_secret, renew=self._resolve)

    def _resolve(self) -> Target:
        from airflow.providers.common.compat.sdk import mask_secret

        from airflow_provider_objectstore.hooks.triggerer import refuse_in_triggerer

        refuse_in_triggerer()
        connection = self.get_connection(self._conn_id)
        target = self.resolve(connection, connection.extra_dejson)
        for secret in target.secrets:
            mask_secret(secret)
        return target

    async def _resolve_async(self) -> Target:
        from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson

        connection = await get_async_connection(self._conn_id, hook=self)
        target = self.resolve(connection, await get_async_extra_dejson(connection))
        for secret in target.secrets:
            await _amask(secret)
        return target


async def _amask(secret: str) -> None:
    """Mask a secret on an event loop."""
    try:
        from airflow.sdk.log import amask_secret
    except ImportError:
        from airflow.providers.common.compat.sdk import mask_secret
        from asgiref.sync import sync_to_async

        # Before Airflow 3.2 this asks the supervisor. Only from asgiref's thread does it do so on this loop; from any
        # other it reads answers that are meant for the loop, and the triggerer ends.
        await sync_to_async(mask_secret)(secret)
    else:
        await amask_secret(secret)
