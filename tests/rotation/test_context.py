"""The clock of an outage, and when two readings show the same keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.rotation import context
from airflow_provider_objectstore.rotation.context import Outage, same_keys


class TestOutage:
    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ticks = iter(range(100, 200, 10))
        monkeypatch.setattr(context.time, "monotonic", lambda: next(ticks))

    def test_from_the_first_change_to_the_first_end(self) -> None:
        outage = Outage()
        for step in (outage.end, outage.begin, outage.begin, outage.end, outage.end):
            step()
        assert outage.seconds == 10

    def test_a_change_that_was_undone_is_not_measured(self) -> None:
        outage = Outage()
        for step in (outage.begin, outage.cancel, outage.end):
            step()
        assert outage.seconds is None


@pytest.mark.parametrize("change", [{"id": "2"}, {"access_key_id": "L"}, {"secret_access_key": "t"}], ids=str)
def test_same_keys(change: dict[str, Any]) -> None:
    one = Credential("1", "n", "K", "s")
    assert same_keys(one, replace(one, name="other", suspended=True))
    assert not same_keys(one, replace(one, **change))
