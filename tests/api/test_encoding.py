"""Numbers in JSON are exact and bounded; a name is one path segment."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api.encoding import MAX_DIGITS, fits, integer, number, parse_json, segment
from airflow_provider_objectstore.exceptions import InvalidArgumentError


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.floats(allow_nan=False, allow_infinity=False))
def test_what_fits_is_read_as_it_is(written: Any) -> None:
    if fits(written):
        assert Decimal(str(number(str(written)))) == Decimal(str(written))


@pytest.mark.parametrize("value", [1, "1", 1.0, "+1", " 1 "])
def test_integers(value: Any) -> None:
    assert integer(value) == 1


@given(st.floats() | st.text() | st.booleans() | st.none() | st.lists(st.integers()) | st.decimals())
def test_integers_or_an_error_of_value(value: Any) -> None:
    with suppress(ValueError):
        assert integer(value) == int(value)


@pytest.mark.parametrize("digits", [MAX_DIGITS, 18])
def test_a_long_integer_is_a_value_and_no_count(digits: int) -> None:
    assert parse_json("9" * digits) == 10**digits - 1
    if digits > 18:
        with pytest.raises(ValueError, match="not an integer"):
            integer(10**digits - 1)


@given(st.text(min_size=1).filter(lambda text: text not in (".", "..")))
def test_a_segment_is_one_segment(text: str) -> None:
    try:
        encoded = segment("key", text)
    except InvalidArgumentError:
        with pytest.raises(UnicodeEncodeError):
            text.encode()
        return
    assert "/" not in encoded
    assert unquote(encoded) == text
