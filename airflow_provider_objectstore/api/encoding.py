"""JSON with exact numbers, and the encoding of names, queries and bodies in requests."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from airflow_provider_objectstore.exceptions import InvalidArgumentError

_INTEGER = re.compile(r"[+-]?[0-9]+")
MAX_DIGITS = 350
"""Most digits and largest exponent of a number, positive or negative: more than a float has, and fast."""
_TOO_LARGE = 10**MAX_DIGITS


def number(text: str) -> float | Decimal:
    """
    Read a JSON number with a fraction or an exponent: a float if that is exact, else a Decimal.

    :raises ValueError: beyond :data:`MAX_DIGITS`.
    """
    try:
        exact = Decimal(text) if len(text) <= 2 * MAX_DIGITS else None
    except InvalidOperation:
        exact = None
    if exact is None or not fits(exact):
        raise ValueError(f"the number {text[:20]}… is out of range")
    rounded = float(text)
    return rounded if Decimal(repr(rounded)) == exact else exact


def parse_integer(text: str) -> int:
    """
    Read a JSON number without fraction and exponent.

    :raises ValueError: beyond :data:`MAX_DIGITS`.
    """
    if len(text) > MAX_DIGITS:
        raise ValueError(f"the number {text[:20]}… is out of range")
    return int(text)


def fits(number: int | float | Decimal) -> bool:
    """Tell whether a number is finite and within :data:`MAX_DIGITS`, so that it can be written and read back."""
    if isinstance(number, Decimal):
        in_range = number.is_finite() and abs(number.adjusted()) <= MAX_DIGITS
        return in_range and len(number.as_tuple().digits) <= MAX_DIGITS
    return math.isfinite(number) if isinstance(number, float) else bool(-_TOO_LARGE < number < _TOO_LARGE)


def parse_json(text: bytes | str) -> Any:
    """
    Parse JSON, exact in numbers.

    :raises ValueError: if it is not JSON, contains NaN or Infinity, or a number beyond :data:`MAX_DIGITS`.
    :raises RecursionError: if it is nested too deeply.
    """
    return json.loads(text, parse_float=number, parse_int=parse_integer, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def segment(kind: str, value: str) -> str:
    """
    Percent-encode one path segment.

    :param kind: what it identifies, for the message.
    :raises InvalidArgumentError: if it is not text, empty, ``.`` or ``..``: HTTP libraries would normalize the
        path to one of another object.
    """
    if not isinstance(value, str):
        raise InvalidArgumentError(f"the {kind} must be text, not {type(value).__name__}: {value!r}")
    if value in ("", ".", ".."):
        raise InvalidArgumentError(f"the {kind} must not be {value!r}: it would address something else")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"the {kind} is not valid Unicode text: {value!r}") from None


def query_string(query: tuple[tuple[str, str], ...]) -> str:
    """Encode query parameters, with ``%20`` for a space and ``%2F`` for a slash."""
    return urlencode(query, quote_via=quote, safe="")


def dump(value: Any) -> str:
    """Return JSON without spaces; raise ``TypeError`` or ``ValueError`` for a value that JSON cannot represent."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(body: Mapping[str, Any]) -> bytes:
    """Encode a JSON object; a Decimal at the top level is written exactly."""
    members = [
        f"{json.dumps(name)}:{value if isinstance(value, Decimal) else dump(value)}" for name, value in body.items()
    ]
    return f"{{{','.join(members)}}}".encode()


def integer(value: Any) -> int:
    """
    Read an integer of at most 18 digits, which may come as text or as a number with a zero fraction.

    :raises ValueError: for anything else.
    """
    if isinstance(value, str) and len(value) <= MAX_DIGITS and _INTEGER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or not fits(value):
        raise ValueError(f"not an integer: {str(value)[:20]!r}")
    whole = int(value)
    if whole != value or not -(10**18) < whole < 10**18:
        raise ValueError("not an integer, or a very large one")
    return whole
