"""
The link from a task to the page, at the store, partition, key or object store that the task works on.

Airflow stores the link of an operator's own ``operator_extra_links`` as an XCom at the end of each task. This one
belongs to the plugin instead: the API server works it out when somebody looks at a task. So it costs tasks nothing,
and is there while a task waits. Scheduler and workers import this module too, so it is light.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlencode

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_objectstore.plugins.connection_ids import has_address
from airflow_provider_objectstore.plugins.operator_uses import USES, Place, places_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

VIEWS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "anypoint": (
        ("connection", ()),
        ("partitions", ("store",)),
        ("keys", ("store", "partition")),
        ("keys", ("store", "partition", "prefix")),
    ),
    "civo": (("connection", ()), ("tasks", ("bucket",))),
}
"""Views of the page by service, with their parameters: for so many names of a place."""


class ObjectStoreLink(BaseOperatorLink):
    """Leads from a task to its place on the page."""

    name = "Object store"
    # Airflow compares names and modules only. The classes themselves would bring all their imports.
    operators: ClassVar[list[Any]] = [type(name, (), {"__module__": module}) for module, name in USES]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """
        Return the link, empty for none.

        :param operator: the task, as it is stored.
        :param ti_key: which instance of it.
        """
        from airflow_provider_objectstore.compat.metadata import stored_task_fields
        from airflow_provider_objectstore.plugins.object_stores import page_address

        task_class, fields = stored_task_fields(operator, ti_key)
        places = places_of(task_class, fields) if fields else []
        found = address(places[-1]) if places else ""
        return page_address() + found if found else ""


def address(place: Place) -> str:
    """
    Return the address of a place, below the page's, as far as the place is one and known. Empty for none.

    The page shows a connection's own region: it has no address for another one.

    :param place: the place.
    """
    # Airflow's UI decodes the path of its frame: a question mark would begin parameters.
    if place.region is not None or not has_address(place.connection_id) or set("?#") & set(place.connection_id):
        return ""
    names: list[str] = []
    for given in place.names:
        if not isinstance(given, tuple) or len(given) != 1:
            break
        names.append(given[0])
    view, parameters = VIEWS[place.service][len(names)]
    try:
        query = urlencode(dict(zip(parameters, names, strict=True)), quote_via=quote)
    except UnicodeEncodeError:
        return ""
    return f"/{view}/{quote(place.connection_id, safe='')}{'?' if query else ''}{query}"
