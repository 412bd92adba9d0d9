"""Reads the objects of a state field by field. Errors say where in the state they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, TypeVar

T = TypeVar("T")

MAX_NUMBER = 1e12
"""Every number is nearer to 0: seconds, mostly."""
_KINDS = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


class StateError(ValueError):
    """
    A state that cannot be loaded.

    :param message: what is wrong with it, and where.
    :param status: the HTTP status of the response.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Fields:
    """
    An object of a state.

    :param value: the object, as parsed from JSON.
    :param place: where in the state it is, for errors.
    :param names: the names that it may have.
    :raises StateError: if it is not an object, or has another name.
    """

    def __init__(self, value: Any, place: str, names: Iterable[str]) -> None:
        if not isinstance(value, dict):
            raise StateError(f"{place} must be an object")
        known = sorted(names)
        if unknown := sorted(set(value) - set(known)):
            raise StateError(f"{place}: unknown fields {', '.join(unknown)}; known are {', '.join(known)}")
        self._value = value
        self.place = place

    def get(self, name: str, kind: type[T], default: T | None = None) -> T:
        """
        Return a field.

        :param kind: its type; ``float`` for any number.
        :param default: what to return if it is missing or null; without one, that is an error.
        """
        value = self.optional(name, kind)
        if value is None:
            value = default
        if value is None:
            raise StateError(f"{self.place}: {name} must be {_KINDS[kind]}")
        return value

    def optional(self, name: str, kind: type[T]) -> T | None:
        """Return a field, ``None`` if it is missing or null."""
        value: Any = self._value.get(name)
        if kind is float and type(value) in (int, Decimal):
            value = _float(value)
        if kind is int and type(value) is int and abs(value) >= MAX_NUMBER:
            raise StateError(f"{self.place}: {name} must be nearer to 0 than {MAX_NUMBER:.0e}")
        if value is not None and type(value) is not kind:
            raise StateError(f"{self.place}: {name} must be {_KINDS[kind]}")
        return value

    def text(self, name: str) -> str:
        """Return a string that is not empty."""
        value = self.get(name, str)
        if not value:
            raise StateError(f"{self.place}: {name} must not be empty")
        return value

    def items(self, name: str) -> Iterator[tuple[Any, str]]:
        """Return a list's items, each with its place. A list that is missing has none."""
        for number, item in enumerate(self.get(name, list, [])):
            yield item, f"{self.place}.{name}[{number}]"

    def members(self, name: str) -> Iterator[tuple[str, Any, str]]:
        """Return an object's names and values, each with its place. An object that is missing has none."""
        for key, item in self.get(name, dict, {}).items():
            if not key:
                raise StateError(f"{self.place}.{name}: a name must not be empty")
            yield key, item, f"{self.place}.{name}.{key}"


def _float(value: Any) -> Any:
    """Return a number as a float, unchanged if it is too large."""
    return float(value) if abs(value) < MAX_NUMBER else value
