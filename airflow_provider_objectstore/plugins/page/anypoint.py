"""What the page shows of Object Store v2."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.exceptions import PermissionDeniedError
from airflow_provider_objectstore.plugins.object_stores import is_on
from airflow_provider_objectstore.plugins.page import snippets
from airflow_provider_objectstore.plugins.page.plot import bars_of
from airflow_provider_objectstore.plugins.page.services import PageAnypointHook, read_page
from airflow_provider_objectstore.plugins.page.values import shown_value
from airflow_provider_objectstore.plugins.page.views import Context, Parameters, View, first_rows

DAYS = 14
"""Days of which the requests are shown."""


def _stores(hook: PageAnypointHook, parameters: Parameters) -> Context:
    page = read_page(hook, api.list_stores(), parameters.get("page"))
    return {"where": hook.labels, **first_rows("stores", page.items), "next": page.next}


def _partitions(hook: PageAnypointHook, parameters: Parameters) -> Context:
    page = read_page(hook, api.list_partitions(parameters["store"]), parameters.get("page"))
    return {"where": hook.labels, **first_rows("partitions", page.items), "next": page.next}


def _keys(hook: PageAnypointHook, parameters: Parameters) -> Context:
    """List keys only when asked to: the vendor bills a listing by the values' size."""
    store, partition, prefix = parameters["store"], parameters["partition"], parameters.get("prefix")
    found: Context = {"listed": False, "keys": (), "rows": 0, "next": None}
    if parameters.get("list"):
        page = read_page(hook, api.list_keys(store, partition, prefix), parameters.get("page"))
        found = {"listed": True, **first_rows("keys", page.items), "next": page.next}
    purge = snippets.purge(hook.anypoint_conn_id, store, partition, prefix)
    return {"where": hook.labels, "values": is_on("page_values"), "purge": purge, **found}


def _value(hook: PageAnypointHook, parameters: Parameters) -> Context:
    if not is_on("page_values"):
        raise PermissionDeniedError("values are not shown: [objectstore] page_values is off", status=403)
    entry = hook.get_key(parameters["store"], parameters["partition"], parameters["key"])
    remove = snippets.delete_key(hook.anypoint_conn_id, parameters["store"], parameters["partition"], parameters["key"])
    return {"where": hook.labels, "entry": entry, "value": shown_value(entry.value), "remove": remove}


def _requests(hook: PageAnypointHook, parameters: Parameters) -> Context:
    now = datetime.now(UTC)
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    if store := parameters.get("store"):
        counts = hook.get_store_usage(store, start, now, "1day")
    else:
        counts = hook.get_region_usage(start, now, "1day")
    return {"where": hook.labels, "bars": bars_of(counts, start.date(), DAYS), "days": DAYS}


VIEWS = (
    View("stores", "Stores", "anypoint", _stores, optional=("page",)),
    View("partitions", "Partitions", "anypoint", _partitions, required=("store",), optional=("page",)),
    View(
        "keys", "Keys", "anypoint", _keys, required=("store", "partition"), optional=("list", "prefix", "page"), keep=15
    ),
    View("value", "Value", "anypoint", _value, required=("store", "partition", "key"), keep=0),
    View("requests", "Requests", "anypoint", _requests, optional=("store",), keep=300),
)
