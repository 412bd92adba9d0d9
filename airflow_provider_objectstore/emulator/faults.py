"""Faults that a test or a user sets: errors, delays, dropped connections, garbage."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from airflow_provider_objectstore.emulator.operation_names import check_operation

KINDS = ("status", "delay", "reset_before", "reset_after", "garbage")


@dataclass
class Fault:
    """
    A fault that hits matching requests.

    :param operation: glob over operation names, such as ``anypoint.*_key``.
    :param kind: ``status`` and ``garbage`` replace the operation's response, ``delay`` delays the operation,
        ``reset_before`` and ``reset_after`` drop the connection before or after the operation is executed.
    :param share: fraction of the matching requests to hit, 0 to 1.
    :param times: how many requests to hit at most; ``None`` for no limit.
    :param status: status of the response: required for ``status``, by default 200 for ``garbage``.
    :param headers: headers of the response by name.
    :param body: the response's body. What is not a string is sent as JSON.
    :param seconds: length of a ``delay``.
    :param skip: how many matching requests to leave alone first: with 1, the first page of a listing.
    :raises ValueError: if a field is missing or invalid.
    """

    operation: str
    kind: str
    share: float = 1.0
    times: int | None = None
    status: int | None = None
    headers: dict[str, str] | None = None
    body: Any = None
    seconds: float | None = None
    skip: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.operation, str):
            raise ValueError("operation must be a string")
        if not _is_number(self.share) or self.share > 1:
            raise ValueError("share must be a number from 0 to 1")
        for name in ("skip", "times"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 0):
                raise ValueError(f"{name} must be an integer ≥ 0, or null")
        if not isinstance(self.headers, dict | None):
            raise ValueError("headers must be an object or null")
        self._check_kind()

    def _check_kind(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}: it must be one of {', '.join(KINDS)}")
        if self.kind == "garbage" and self.status is None:
            self.status = 200
        if self.kind in ("status", "garbage") and self.status not in range(200, 600):
            raise ValueError("status must be an integer from 200 to 599")
        if self.kind == "delay" and not _is_number(self.seconds):
            raise ValueError("a delay needs seconds, a number ≥ 0")

    def payload(self) -> tuple[bytes, str]:
        """Return the response's body and its media type, both empty if there is no body."""
        if self.kind == "garbage" and self.body is None:
            return b"<html><body>This is not the service", "text/html"
        if self.body is None:
            return b"", ""
        if isinstance(self.body, str):
            return self.body.encode(), "text/plain"
        return json.dumps(self.body).encode(), "application/json"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e9


class Faults:
    """
    The faults that are set, in order.

    :param seed: seed of the random numbers that decide each fault's ``share``.
    :param operations: the names of all operations.
    """

    def __init__(self, seed: int, operations: Collection[str]) -> None:
        self._seed = seed
        self._operations = operations
        self._random = Random(seed)  # noqa: S311 - repeatable on purpose
        self.active: list[Fault] = []

    def set(self, faults: Any) -> None:
        """
        Replace all faults. An empty list clears them.

        :param faults: a list of objects with the fields of :class:`Fault`, as parsed from JSON.
        :raises ValueError: naming the fault and the field that is unknown or invalid, such as an operation that no name
            matches. The faults stay as they were.
        """
        if not isinstance(faults, list):
            raise ValueError("faults are a list of objects")
        parsed = [_parse(number, item) for number, item in enumerate(faults)]
        for number, fault in enumerate(parsed):
            try:
                check_operation(fault.operation, self._operations)
            except ValueError as error:
                raise ValueError(f"fault {number}: {error}") from None
        self.active = parsed
        self._random = Random(self._seed)  # noqa: S311

    def draw(self, operation: str) -> list[Fault]:
        """Return the faults that hit this request: delays, then at most one fault of another kind."""
        hits: list[Fault] = []
        for fault in self.active:
            if fault.times == 0 or not fnmatchcase(operation, fault.operation):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if fault.share < 1 and self._random.random() >= fault.share:
                continue
            if fault.times is not None:
                fault.times -= 1
            hits.append(fault)
            if fault.kind != "delay":
                break
        return hits


_NAMES = [field.name for field in fields(Fault)]


def _parse(number: int, item: Any) -> Fault:
    if not isinstance(item, dict):
        raise ValueError(f"fault {number}: a fault is an object")
    if unknown := sorted(set(item) - set(_NAMES)):
        raise ValueError(f"fault {number}: unknown fields {', '.join(unknown)}; known are {', '.join(_NAMES)}")
    if missing := [name for name in ("operation", "kind") if name not in item]:
        raise ValueError(f"fault {number}: {' and '.join(missing)} missing")
    try:
        return Fault(**item)
    except ValueError as error:
        raise ValueError(f"fault {number}: {error}") from error
