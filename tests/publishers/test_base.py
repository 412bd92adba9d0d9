from __future__ import annotations

import pickle
from dataclasses import fields
from typing import Any

import pytest

from airflow_provider_objectstore import publishers
from airflow_provider_objectstore.publishers.base import BasePublisher, PublishedPlace

OURS: list[Any] = [
    publishers.AirflowConnectionPublisher("s3_civo", "airflow_api"),
    publishers.AnypointKeyPublisher("store", "partition", "key"),
    publishers.SecretsManagerPublisher("airflow/connections/s3_civo"),
    publishers.SsmParameterPublisher("/airflow/connections/s3_civo"),
    publishers.VaultPublisher("connections/s3_civo"),
]


@pytest.mark.parametrize("publisher", OURS, ids=lambda publisher: type(publisher).__name__)
class TestAPublisher:
    def test_is_one_and_its_place_is_one(self, publisher: Any) -> None:
        place = publisher._place()
        assert isinstance(publisher, BasePublisher)
        assert isinstance(publisher, publishers.Publisher)
        assert isinstance(place, PublishedPlace)
        assert isinstance(place, publishers.Publisher)

    def test_holds_its_fields_only(self, publisher: Any) -> None:
        """Airflow stores it with the DAG: nothing of a place may stay in it."""
        publisher._place()
        assert set(vars(publisher)) == {field.name for field in fields(publisher)}
        assert pickle.loads(pickle.dumps(publisher)) == publisher


def test_all_are_tested() -> None:
    package = publishers.__name__
    found = {kind for kind in BasePublisher.__subclasses__() if kind.__module__.startswith(package)}
    assert {type(publisher) for publisher in OURS} == found


def test_what_is_prepared_was_looked_at() -> None:
    calls = []

    class Place(PublishedPlace):
        def resolve(self) -> None:
            calls.append("resolve")

        def look(self) -> None:
            calls.append("look")

        def publish(self, credential: Any) -> None:
            calls.append(f"publish {credential}")

        def verify(self, credential: Any) -> None:
            calls.append(f"verify {credential}")

    class AnyPublisher(BasePublisher):
        def _place(self) -> Place:
            return Place()

    publisher: Any = AnyPublisher()
    publisher.check()
    prepared = publisher.prepare()
    prepared.publish("one")
    publisher.verify("one")
    assert calls == ["resolve", "look", "publish one", "verify one"]
