from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import assumptions


@pytest.mark.parametrize(
    ("current", "operation", "result"),
    [
        (None, {"operation": "add", "value": 2}, "2"),
        (1, {"operation": "ADD", "value": Decimal("0.10")}, "1.10"),
        (10**40, {"operation": "add", "value": Decimal("0.1")}, "1" + "0" * 40 + ".1"),
        (5, {"operation": "subtract", "value": 7}, "-2"),
        (5, {"operation": "set", "value": 1}, "1"),
    ],
)
def test_numbers_are_altered_exactly(current: Any, operation: Any, result: str) -> None:
    assert str(assumptions.alter(current, operation)) == result


@pytest.mark.parametrize(
    "operation",
    [
        {},
        {"operation": "add"},
        {"operation": "add", "value": "1"},
        {"operation": "add", "value": True},
        {"operation": "square", "value": 1},
        {"operation": "add", "value": Decimal("1e-99999")},
        [],
    ],
)
def test_invalid_operations(operation: Any) -> None:
    with pytest.raises(ValueError, match=r"operation|exactly"):
        assumptions.alter(1, operation)


def test_the_name_of_a_stores_own_credential() -> None:
    assert assumptions.own_credential_name("demo-store").startswith("demo-store-")
    assert len(assumptions.own_credential_name("demo-store")) == len("demo-store-2785-8e1e6b")


def test_usage_is_rounded_up_to_units_of_1024_bytes_and_the_maximum_is_decimal() -> None:
    assert assumptions.usage_in_kilobytes(1025, 500) == (2, 500_000_000)
