"""A 404 counts only while the store that contains the object exists; sync and async."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    StoreNotFoundError,
)
from tests.transport.drivers import Connect, Driver, anypoint_connection, count
from tests.transport.test_execution_absence import IN_A_STORE, fault, name


class TestMissingStore:
    """A 404 counts only while the store is known to be there."""

    @pytest.mark.parametrize("call", IN_A_STORE, ids=name)
    def test_is_an_error_with_its_name(self, call: Call[Any], connect: Connect, emulator: Emulator) -> None:
        with pytest.raises(StoreNotFoundError, match="store s") as caught:
            connect(anypoint_connection(emulator.url)).send(call)
        assert isinstance(caught.value, NotFoundError)
        assert name(call) in str(caught.value)

    def test_is_asked_about_once_a_minute(self, stores: Driver, emulator: Emulator) -> None:
        outcomes = stores.send_all([anypoint.get_key("s", "p", f"k{number}") for number in range(40)])
        assert {type(outcome) for outcome in outcomes} == {NotFoundError}
        assert stores.send(anypoint.key_exists("s", "p", "k")) is False
        assert count(emulator, "anypoint.get_store") == 1

    def test_costs_nothing_where_there_is_no_404(self, stores: Driver, emulator: Emulator) -> None:
        stores.send(anypoint.put_key("s", "p", "k", 1))
        stores.send(anypoint.get_key("s", "p", "k"))
        assert count(emulator, "anypoint.get_store") == 0

    def test_is_not_remembered_for_long(
        self, stores: Driver, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("airflow_provider_objectstore.transport.state.EXISTS_SECONDS", 0)
        for asked in (1, 2):
            assert stores.send(anypoint.key_exists("s", "p", "k")) is False
            assert count(emulator, "anypoint.get_store") == asked
        stores.send(anypoint.delete_store("s"))
        with pytest.raises(StoreNotFoundError, match="create it, or check its name and where the connection leads"):
            stores.send(anypoint.key_exists("s", "p", "k"))
        stores.send(anypoint.create_store("s"))
        assert stores.send(anypoint.key_exists("s", "p", "k")) is False

    def test_what_cannot_be_told_is_no_absence(self, stores: Driver, emulator: Emulator) -> None:
        fault(emulator, "anypoint.get_store", status=403)
        with pytest.raises(PermissionDeniedError, match="get_store"):
            stores.send(anypoint.key_exists("s", "p", "k"))
        fault(emulator, "anypoint.get_store", status=500)
        with pytest.raises(ServerError, match="get_store"):
            stores.send(anypoint.get_key("s", "p", "k"))

    def test_a_404_for_the_partitions_of_a_store_that_is_there_is_none(
        self, stores: Driver, emulator: Emulator
    ) -> None:
        fault(emulator, "anypoint.list_partitions", status=404)
        with pytest.raises(ServerError, match="although store s exists"):
            stores.items(anypoint.list_partitions("s"))

    def test_a_lost_deletion_of_the_store_itself_is_done(self, stores: Driver, emulator: Emulator) -> None:
        fault(emulator, "anypoint.delete_store", "reset_after", times=1)
        stores.send(anypoint.delete_store("s"))
