"""
The plugin that adds the page "Object stores" to Airflow's UI.

Scheduler, triggerer, DAG processor and workers import it too, so it is light: the page itself is built when the API
server gets the first request for it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowConfigException, AirflowPlugin, conf

if TYPE_CHECKING:
    from airflow_provider_objectstore.plugins.page.app import SafePage

log = logging.getLogger(__name__)

URL_PREFIX = "/object-stores"
"""Where the API server serves the page, below its own base path."""
URL_ROUTE = "object-stores"
"""Where Airflow's UI shows it, below ``/plugin/``."""

Message = MutableMapping[str, Any]


class LazyPage:
    """The page as an ASGI application, which is built at its first request."""

    def __init__(self) -> None:
        self._app: SafePage | None = None

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if self._app is None:
            from asyncio import to_thread

            from airflow_provider_objectstore.plugins.page.app import page_app

            self._app = await to_thread(page_app)
        await self._app(scope, receive, send)


def is_on(option: str) -> bool:
    """
    Return an option of the section ``[objectstore]``. What cannot be read counts as off, and is logged.

    :param option: its name.
    """
    try:
        return bool(conf.getboolean("objectstore", option, fallback=True))
    except AirflowConfigException as error:
        log.error("The option %s of [objectstore] counts as off: %s", option, error)
        return False


class ObjectStoresPlugin(AirflowPlugin):
    """Adds the page to Airflow's navigation, unless ``[objectstore] page`` is off."""

    name = "object_stores"
    fastapi_apps: list[Any] = []  # noqa: RUF012 - as Airflow declares it
    external_views: list[Any] = []  # noqa: RUF012
    operator_extra_links: list[Any] = []  # noqa: RUF012

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Read the setting. Airflow calls this once, when it loads its plugins."""
        shown = is_on("page")
        cls.fastapi_apps = [{"app": LazyPage(), "url_prefix": URL_PREFIX, "name": "Object stores"}] if shown else []
        cls.external_views = [_view()] if shown else []
        cls.operator_extra_links = [_link()] if shown else []


def _base() -> str:
    """Return the path below which the API server is reached, without a slash at its end."""
    return str(urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/"))


def _link() -> Any:
    from airflow_provider_objectstore.plugins.operator_links import ObjectStoreLink

    return ObjectStoreLink()


def page_address() -> str:
    """Return the page's address without a slash at its end: in Airflow's frame, where that shows a part of a page."""
    from airflow_provider_objectstore.compat.api_server import frames_follow_addresses

    base = _base()
    frame = f"{base}/plugin/{URL_ROUTE}" if frames_follow_addresses() else ""
    return f"{frame}{base}{URL_PREFIX}"


def _view() -> dict[str, str]:
    href = f"{_base()}{URL_PREFIX}/"
    return {
        "name": "Object stores",
        "href": href,
        "url_route": URL_ROUTE,
        "destination": "nav",
        "category": "browse",
        "icon": f"{href}static/icon.svg",
        "icon_dark_mode": f"{href}static/icon-dark.svg",
    }
