"""How a value is shown: as text, JSON, a number, or hexadecimal where it is binary. What is long is cut."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from airflow_provider_objectstore.api.anypoint.values import Value
from airflow_provider_objectstore.exceptions import printable

MAX_BYTES = 64 * 1024
"""Bytes of a value that are shown."""
_LINE = 16
_MAX_DEPTH = 50
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')


@dataclass(frozen=True, slots=True)
class ShownValue:
    """
    A value as it is shown.

    :param kind: ``text``, ``JSON``, ``number`` or ``binary``.
    :param text: what is shown.
    :param size: the whole value's size in bytes.
    :param cut: whether only its beginning is shown.
    """

    kind: str
    text: str
    size: int
    cut: bool


def shown_value(value: Value | None) -> ShownValue:
    """
    Return a value as it is shown.

    :param value: the value.
    """
    if isinstance(value, bytes):
        return ShownValue("binary", "\n".join(_hexadecimal(value[:MAX_BYTES])), len(value), len(value) > MAX_BYTES)
    if isinstance(value, (int, float, Decimal)):
        return _text("number", str(value))
    text = value or ""
    if len(text) <= MAX_BYTES and (formatted := _formatted_json(text)) is not None:
        return _text("JSON", formatted, len(text.encode(errors="replace")))
    return _text("text", text)


def _text(kind: str, text: str, size: int | None = None) -> ShownValue:
    encoded = text.encode(errors="replace")
    beginning = encoded[:MAX_BYTES].decode(errors="ignore")
    # Line ends and tabs stay; a direction mark could make the text look like another.
    lines = ("\t".join(map(printable, line.split("\t"))) for line in beginning.split("\n"))
    return ShownValue(kind, "\n".join(lines), len(encoded) if size is None else size, len(encoded) > MAX_BYTES)


def _formatted_json(text: str) -> str | None:
    """Return an object or a list with a line for each member, its numbers as they are; None for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _indented(_PART.findall(text))


def _indented(parts: Sequence[str]) -> str | None:
    lines, depth = [""], 0
    for part, following in zip(parts, (*parts[1:], ""), strict=True):
        opens, closes = part in "[{", part in "]}"
        if closes and not lines[-1].endswith(("[", "{")):
            lines.append("")
        depth -= closes
        lines[-1] = (lines[-1] or "  " * depth) + part + " " * (part == ":")
        depth += opens
        if depth > _MAX_DEPTH:
            return None
        if part == "," or (opens and following not in "]}"):
            lines.append("")
    return "\n".join(lines)


def _hexadecimal(value: bytes) -> Iterator[str]:
    for at in range(0, len(value), _LINE):
        part = value[at : at + _LINE]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{at:08x}  {part.hex(' '):<47}  {text}"
