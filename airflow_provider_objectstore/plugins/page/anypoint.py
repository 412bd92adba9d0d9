"""What the page shows of Object Store v2."""

from __future__ import annotations

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.plugins.page.services import PageAnypointHook, read_page
from airflow_provider_objectstore.plugins.page.views import Context, Parameters, View


def _stores(hook: PageAnypointHook, parameters: Parameters) -> Context:
    page = read_page(hook, api.list_stores(), parameters.get("page"))
    return {"where": hook.labels, "stores": page.items, "next": page.next}


VIEWS = (View("stores", "Stores", "anypoint", _stores, optional=("page",)),)
