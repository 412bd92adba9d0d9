from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_objectstore.plugins.page.values import MAX_BYTES, shown_value


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("plain", "text", "plain"),
        ("", "text", ""),
        ("two\n\tlines", "text", "two\n\tlines"),
        ("evil\u202egnp.exe\x00", "text", r"evil\u202egnp.exe\x00"),
        (17, "number", "17"),
        (Decimal("0.10"), "number", "0.10"),
        (b"\x00ab\xff", "binary", "00000000  00 61 62 ff                                      .ab."),
        ('"text"', "text", '"text"'),
        ('{"a"', "text", '{"a"'),
        ("[" * 5000 + "]" * 5000, "text", "[" * 5000 + "]" * 5000),
        ('{"a":[1,2.50,{}],"b":"x, [y]","a":1e400}', "JSON", None),
    ],
)
def test_each_kind(value: Any, kind: str, text: str | None) -> None:
    shown = shown_value(value)
    assert (shown.kind, shown.cut) == (kind, False)
    if text is not None:
        assert shown.text == text


def test_json_keeps_what_is_stored() -> None:
    """Numbers as they are written, members that are there twice, commas within texts."""
    shown = shown_value('{"a":[1,2.50,{}],"b":"x, [y]","a":1e400}')
    assert shown.text == '{\n  "a": [\n    1,\n    2.50,\n    {}\n  ],\n  "b": "x, [y]",\n  "a": 1e400\n}'


@pytest.mark.parametrize("value", ["é" * MAX_BYTES, b"x" * (MAX_BYTES + 1), "[" + "1," * MAX_BYTES + "1]"])
def test_what_is_long_is_cut(value: Any) -> None:
    shown = shown_value(value)
    assert shown.cut
    assert shown.size == len(value if isinstance(value, bytes) else value.encode())
    assert len(shown.text.encode()) <= (MAX_BYTES if isinstance(value, str) else 5 * MAX_BYTES)
