"""A connection that Airflow does not find, or whose environment variable it cannot read."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.publishers import AnypointKeyPublisher

SECRET = "a-Secret-0f-mine"
HOOKS = {"anypoint": AnypointObjectStoreHook, "civo": CivoObjectStoreHook}
LOOK_UP: dict[str, Callable[[Any], Any]] = {
    "sync": lambda hook: hook.resolve(),
    "async": lambda hook: asyncio.run(hook.aresolve()),
    "bulk": lambda hook: hook.bulk(),
    "request": lambda hook: hook.list_regions(),
}
UNREADABLE = {
    "JSON": f'{{"conn_type": "anypoint", "password": "{SECRET}"',
    "URI": f"anypoint://id:{SECRET}@host:port/",
    "empty": "",
}


@pytest.mark.parametrize("look_up", LOOK_UP)
@pytest.mark.parametrize("service", HOOKS)
def test_the_error_says_what_to_do(service: str, look_up: str) -> None:
    with pytest.raises(AirflowNotFoundException) as caught:
        LOOK_UP[look_up](HOOKS[service]("orders_prod"))
    advice = f"Create it with the type {service}, or give the id of one that exists"
    assert str(caught.value) == f"Airflow finds no connection 'orders_prod'. {advice}"
    assert "isn't defined" not in "".join(traceback.format_exception(caught.value)), "nothing is said twice"


@pytest.mark.parametrize("look_up", LOOK_UP)
@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_variable_that_airflow_cannot_read(kind: str, look_up: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS_PROD", UNREADABLE[kind])
    with pytest.raises(AirflowNotFoundException) as caught:
        LOOK_UP[look_up](AnypointObjectStoreHook("orders_prod"))
    assert str(caught.value).endswith(
        ". The environment variable AIRFLOW_CONN_ORDERS_PROD is set, but is no JSON and no URI that Airflow can read"
    )
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_publishers_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS_PROD", UNREADABLE["JSON"])
    publisher = AnypointKeyPublisher("store", "partition", "key", anypoint_conn_id="orders_prod")
    with pytest.raises(
        AirflowNotFoundException, match="cannot publish: Airflow finds no connection 'orders_prod'"
    ) as caught:
        publisher.check()
    assert "AIRFLOW_CONN_ORDERS_PROD is set, but is no JSON and no URI" in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
