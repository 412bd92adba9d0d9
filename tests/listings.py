"""Changes of a store while it is being listed, at a service whose page tokens are positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.anypoint import operations as service

LISTINGS = {"stores": 0, "partitions": 2, "keys": 4}


def after_pages(
    monkeypatch: pytest.MonkeyPatch, emulator: Emulator, listing: str, changes: Mapping[int, Callable[[Any], None]]
) -> None:
    """
    Change what the service holds after some pages.

    :param listing: ``stores``, ``partitions`` or ``keys``.
    :param changes: functions that get the stores, by the number of the page, from 1 on.
    """
    monkeypatch.setattr(emulator.settings, "positional_tokens", True)
    operation = (LISTINGS[listing], "GET")
    handler, scopes = service.OPERATIONS[operation]
    pages = count(1)

    def list_and_change(state: Any, request: Any) -> Any:
        response = handler(state, request)
        changes.get(next(pages), lambda data: None)(state.data)
        return response

    monkeypatch.setitem(service.OPERATIONS, operation, (list_and_change, scopes))


def delete(store: str, partition: str, *keys: str) -> Callable[[Any], None]:
    """Return what deletes keys."""

    def change(data: Any) -> None:
        for key in keys:
            data.remove(data.stores[store], partition, key)

    return change
