"""What the page shows of Civo's object stores."""

from __future__ import annotations

from airflow_provider_objectstore.api import civo as api
from airflow_provider_objectstore.plugins.page.services import PageCivoHook, read_page
from airflow_provider_objectstore.plugins.page.views import Context, Parameters, View


def _buckets(hook: PageCivoHook, parameters: Parameters) -> Context:
    page = read_page(hook, api.list_object_stores(), parameters.get("page"))
    return {"where": hook.labels, "buckets": page.items, "next": page.next}


VIEWS = (View("buckets", "Buckets", "civo", _buckets, optional=("page",)),)
