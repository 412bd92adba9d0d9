from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from dataclasses import field
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_objectstore.triggers import conditions
from airflow_provider_objectstore.triggers.dataclass_trigger import DataclassTrigger


class Base(DataclassTrigger):
    interval: float = 60
    _errors: list[str] = field(default_factory=list, init=False)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield TriggerEvent(None)  # type: ignore[no-untyped-call]


class Waiting(Base):
    name: str
    interval: float = 5


def test_fields_are_keyword_only_parameters() -> None:
    parameters = inspect.signature(Waiting).parameters
    assert set(parameters) == {"interval", "name"}
    assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}


def test_fields_are_stored_and_state_is_not() -> None:
    trigger = Waiting(name="a")
    assert trigger.serialize() == (f"{__name__}.Waiting", {"interval": 5, "name": "a"})
    trigger.name = "rendered"
    assert trigger.serialize()[1]["name"] == "rendered"
    assert trigger._errors is not Waiting(name="b")._errors


def test_airflows_constructor_runs() -> None:
    assert vars(Waiting(name="a"))["trigger_id"] is None


def test_two_triggers_are_equal_only_if_they_are_the_same() -> None:
    assert Waiting(name="a") != Waiting(name="a")
    assert hash(Waiting(name="a"))


def declare(annotations: dict[str, Any], **body: Any) -> type[Base]:
    return type("Wrong", (Base,), {"__annotations__": annotations, **body})


@pytest.mark.parametrize(
    ("annotations", "body", "reason"),
    [
        ({}, {"__init__": lambda self: None}, "defines __init__: declare its arguments as fields"),
        ({"task_id": "str"}, {}, r"Wrong\.task_id has the name of an attribute of Airflow's BaseTrigger"),
        ({"log": "str"}, {}, r"Wrong\.log has the name of an attribute of Airflow's BaseTrigger"),
        ({}, {"interval": 7}, r"Wrong\.interval has a new default without a type"),
        ({"_found": "str"}, {}, r"Wrong\._found would be a parameter that Airflow stores"),
        ({"found": "str"}, {"found": field(default="", init=False)}, r"Wrong\.found is not stored"),
        ({"api_key": "str"}, {}, r"Wrong\.api_key would be stored in the database as plain text"),
        ({"access_token": "str"}, {}, r"Wrong\.access_token would be stored in the database as plain text"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_declaration_fails_at_import(annotations: dict[str, Any], body: dict[str, Any], reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        declare(annotations, **body)


def test_every_polling_trigger_is_declared_so() -> None:
    triggers = [
        value for value in vars(conditions).values() if isinstance(value, type) and issubclass(value, BaseTrigger)
    ]
    assert len(triggers) > 3
    assert all(issubclass(trigger, DataclassTrigger) for trigger in triggers)
