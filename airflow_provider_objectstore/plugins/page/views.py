"""What the page can show of a connection: one view for each thing that is read from a service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Parameters: TypeAlias = Mapping[str, str]
Context: TypeAlias = Mapping[str, Any]

NO_PARAMETERS: Mapping[str, str | None] = dict.fromkeys(
    ("store", "partition", "list", "prefix", "key", "page", "bucket")
)
"""All parameters that views have, for templates: those that are not given are None."""


MAX_ROWS = 500
"""How many rows of a listing's page are shown at most."""


def first_rows(name: str, items: Sequence[Any]) -> Context:
    """
    Return what a template shows of a listing's page: its first rows, and how many there were.

    :param name: the template's name for them.
    :param items: what the service has listed.
    """
    return {name: items[:MAX_ROWS], "rows": len(items)}


@dataclass(frozen=True, slots=True)
class View:
    """
    One thing that is read and shown, such as the keys of a partition.

    Its address is ``/<name>/<connection id>?<parameters>``, its template ``<name>.html``. A browser gets a shell
    at once, which then fetches the content from the same address.

    :param name: its name.
    :param title: its heading.
    :param service: the type of connection that it is about; None for each.
    :param read: reads what the template shows: from a hook and the parameters to the template's variables. It blocks.
        None if it is no service that is asked.
    :param required: the names of the parameters that it needs.
    :param optional: the names of those that it takes as well.
    :param keep: seconds for which what was read is shown again.
    """

    name: str
    title: str
    service: str | None = None
    read: Callable[[Any, Parameters], Context] | None = None
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    keep: float = 5


def all_views() -> tuple[View, ...]:
    """Return all views."""
    from airflow_provider_objectstore.plugins.page import anypoint, civo

    return (*anypoint.VIEWS, *civo.VIEWS)


CARDS: Mapping[str, tuple[str, ...]] = {"anypoint": ("stores", "requests"), "civo": ("buckets", "quota", "credentials")}
"""The views in a connection's card, by its type."""
