"""What operators and sensors share: the connection they use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_objectstore.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.bulk import Bulk
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook


def default_deferrable() -> bool:
    """Return Airflow's setting ``[operators] default_deferrable``."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def one_of(name: str, value: str, *allowed: str) -> None:
    """
    Refuse an argument that is not one of a few words.

    :raises InvalidArgumentError: naming them.
    """
    if value not in allowed:
        raise InvalidArgumentError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


class AnypointOperator(BaseOperator):
    """
    Base of what works with Anypoint Object Store v2.

    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: region instead of the connection's.
    """

    template_fields: Sequence[str] = ("anypoint_conn_id", "region")
    ui_color = "#cfe8f5"

    def __init__(
        self,
        *,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    @property
    def hook(self) -> AnypointObjectStoreHook:
        """The hook with this task's connection."""
        from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

        return AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)


class AnypointBulkOperator(AnypointOperator):
    """
    Base of what makes many requests at once.

    :param store_id: the store.
    :param max_concurrency: requests at a time.
    :param requests_per_second: pace instead of the connection's.
    """

    template_fields: Sequence[str] = (*AnypointOperator.template_fields, "store_id")

    def __init__(
        self,
        *,
        store_id: str,
        max_concurrency: int = 32,
        requests_per_second: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.max_concurrency = max_concurrency
        self.requests_per_second = requests_per_second
        self._bulk: Bulk | None = None
        self._killed = False

    def on_kill(self) -> None:
        """Start no further request; what is under way finishes."""
        self._killed = True
        if self._bulk:
            self._bulk.stop()

    def _begin(self, report: Callable[[], None]) -> Bulk:
        """Return what carries the requests; it calls ``report`` at a steady interval."""
        bulk = self._bulk = self.hook.bulk(
            concurrency=self.max_concurrency, requests_per_second=self.requests_per_second, report=report
        )
        if self._killed:
            bulk.stop()
        return bulk


class CivoOperator(BaseOperator):
    """
    Base of what works with Civo object stores.

    :param civo_conn_id: id of a ``civo`` connection.
    :param region: region code instead of the connection's.
    """

    template_fields: Sequence[str] = ("civo_conn_id", "region")
    ui_color = "#d9f0dd"

    def __init__(
        self,
        *,
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.civo_conn_id = civo_conn_id
        self.region = region

    @property
    def hook(self) -> CivoObjectStoreHook:
        """The hook with this task's connection."""
        from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

        return CivoObjectStoreHook(self.civo_conn_id, region=self.region)
