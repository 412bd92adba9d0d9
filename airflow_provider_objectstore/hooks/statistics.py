"""How much Object Store v2 was used: requests by organization, environment, region and store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.anypoint.statistics import RequestCount


class StatisticsMixin(ObjectStoreHook):
    """
    The methods of the hook that ask the Statistics API.

    Times are a ``datetime`` or ISO 8601 text, with an offset from UTC. Counts are as the service returns them, one for
    each period; how long it keeps them, and whether it answers with zero or with nothing for what it does not know, is
    not documented. The connected app needs the scope *Store Metrics Viewer*.
    """

    def get_organization_usage(
        self,
        start: datetime | str,
        end: datetime | str,
        period: api.Period = "1day",
        *,
        include_suborganizations: bool = False,
    ) -> tuple[RequestCount, ...]:
        """
        Count an organization's requests.

        :param start: the beginning of the time to count in.
        :param end: its end.
        :param period: what one count is about: ``1hour``, ``1day`` or ``1month``.
        :param include_suborganizations: count the organizations below it, too.
        :return: the counts in the order of time.
        """
        call = api.get_organization_usage(start, end, period, include_suborganizations=include_suborganizations)
        return self.send(call)

    def list_used_environments(
        self, start: datetime | str, end: datetime | str, period: api.Period = "1day"
    ) -> tuple[str, ...]:
        """
        List the environments that were used, deleted ones included.

        :param start: the beginning of the time to look at.
        :param end: its end.
        :param period: as for :meth:`get_organization_usage`.
        """
        return self.send(api.list_used_environments(start, end, period))

    def get_environment_usage(
        self,
        start: datetime | str,
        end: datetime | str,
        period: api.Period = "1day",
        *,
        environment_id: str | None = None,
    ) -> tuple[RequestCount, ...]:
        """
        Count an environment's requests.

        :param start: the beginning of the time to count in.
        :param end: its end.
        :param period: as for :meth:`get_organization_usage`.
        :param environment_id: the environment, which may be deleted; None for this hook's.
        :return: the counts in the order of time.
        """
        return self.send(api.get_environment_usage(self._place("environment_id", environment_id), start, end, period))

    def list_used_regions(
        self,
        start: datetime | str,
        end: datetime | str,
        period: api.Period = "1day",
        *,
        environment_id: str | None = None,
    ) -> tuple[str, ...]:
        """
        List the regions in which an environment was used.

        :param start: the beginning of the time to look at.
        :param end: its end.
        :param period: as for :meth:`get_organization_usage`.
        :param environment_id: the environment; None for this hook's.
        """
        return self.send(api.list_used_regions(self._place("environment_id", environment_id), start, end, period))

    def get_region_usage(
        self,
        start: datetime | str,
        end: datetime | str,
        period: api.Period = "1day",
        *,
        environment_id: str | None = None,
        region: str | None = None,
    ) -> tuple[RequestCount, ...]:
        """
        Count an environment's requests in a region.

        :param start: the beginning of the time to count in.
        :param end: its end.
        :param period: as for :meth:`get_organization_usage`.
        :param environment_id: the environment; None for this hook's.
        :param region: the region's id; None for this hook's.
        :return: the counts in the order of time.
        """
        environment_id, region = self._place("environment_id", environment_id), self._place("region", region)
        return self.send(api.get_region_usage(environment_id, region, start, end, period))

    def list_used_stores(
        self,
        start: datetime | str,
        end: datetime | str,
        period: api.Period = "1day",
        *,
        environment_id: str | None = None,
        region: str | None = None,
    ) -> tuple[str, ...]:
        """
        List the stores that were used, deleted ones included.

        :param start: the beginning of the time to look at.
        :param end: its end.
        :param period: as for :meth:`get_organization_usage`.
        :param environment_id: the environment; None for this hook's.
        :param region: the region's id; None for this hook's.
        """
        environment_id, region = self._place("environment_id", environment_id), self._place("region", region)
        return self.send(api.list_used_stores(environment_id, region, start, end, period))

    def get_store_usage(
        self,
        store_id: str,
        start: datetime | str,
        end: datetime | str,
        period: api.Period = "1day",
        *,
        environment_id: str | None = None,
        region: str | None = None,
    ) -> tuple[RequestCount, ...]:
        """
        Count a store's requests.

        :param store_id: the store, which may be deleted.
        :param start: the beginning of the time to count in.
        :param end: its end.
        :param period: as for :meth:`get_organization_usage`.
        :param environment_id: the environment; None for this hook's.
        :param region: the region's id; None for this hook's.
        :return: the counts in the order of time.
        """
        environment_id, region = self._place("environment_id", environment_id), self._place("region", region)
        return self.send(api.get_store_usage(environment_id, region, store_id, start, end, period))

    def _place(self, label: str, given: str | None) -> str:
        return self._connection.labels[label] if given is None else given
