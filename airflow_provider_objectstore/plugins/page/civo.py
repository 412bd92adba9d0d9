"""What the page shows of Civo's object stores."""

from __future__ import annotations

from typing import Any

from airflow_provider_objectstore.api import civo as api
from airflow_provider_objectstore.api.civo.models import ObjectStore
from airflow_provider_objectstore.api.civo.usage import use_of_quota, use_of_store
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CredentialUse
from airflow_provider_objectstore.plugins.page import snippets
from airflow_provider_objectstore.plugins.page.services import Budget, PageCivoHook, read_page
from airflow_provider_objectstore.plugins.page.views import MAX_ROWS, Context, Parameters, View, first_rows

BUCKETS = 20
"""How many buckets a page has. How full each one is takes a request."""
DUE_DAYS = 90
"""Age in days from which a credential is shown as due. Which age is too old is for each DAG to say."""


def _buckets(hook: PageCivoHook, parameters: Parameters) -> Context:
    """Read a page of buckets and how full each is: one request for each, as long as the time for a card lasts."""
    budget = Budget(hook)
    page = read_page(hook, api.list_object_stores(per_page=BUCKETS), parameters.get("page"))
    if not (page.next or parameters.get("page")):
        hook.all_stores = page.items
    rows = [{"store": store, **_use(hook, store, budget)} for store in page.items[:MAX_ROWS]]
    shown = {"buckets": rows, "rows": len(page.items), "grow": snippets.grow(hook.civo_conn_id)}
    return {"where": hook.labels, "next": page.next, **shown}


def _use(hook: PageCivoHook, store: ObjectStore, budget: Budget) -> dict[str, Any]:
    """Return how full a bucket is, or why that is not known."""
    if budget.is_spent:
        return {"use": None, "problem": f"not read: {budget.reason}"}
    try:
        return {"use": use_of_store(store, hook.get_object_store_stats(store.id)), "problem": None}
    except ObjectStoreError as error:
        return {"use": None, "problem": str(error)}


def _quota(hook: PageCivoHook, parameters: Parameters) -> Context:
    return {"where": hook.labels, "quota": use_of_quota(hook.get_quota())}


def _credentials(hook: PageCivoHook, parameters: Parameters) -> Context:
    rows = [_row(use) for use in hook.credential_inventory()]
    return {
        "where": hook.labels,
        **first_rows("credentials", rows),
        "due_days": DUE_DAYS,
        "rotate": snippets.rotate(hook.civo_conn_id),
    }


def _row(use: CredentialUse) -> dict[str, Any]:
    """Return what is shown of a credential. Its secret is not kept."""
    days = None if use.age is None else use.age.days
    return {
        "name": use.credential.name,
        "access_key_id": use.credential.access_key_id,
        "status": "suspended" if use.credential.suspended else use.credential.status,
        "stores": use.stores,
        "shared": use.shared,
        "orphan": use.orphan,
        "rotated": use.rotated,
        "days": days,
        "due": not use.orphan and (days is None or days >= DUE_DAYS),
    }


VIEWS = (
    View("buckets", "Buckets", "civo", _buckets, optional=("page",), keep=30),
    View("quota", "Quota", "civo", _quota, keep=30),
    View("credentials", "Credentials", "civo", _credentials, keep=30),
)
