"""What operators and sensors share: the connection they use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_objectstore.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
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
