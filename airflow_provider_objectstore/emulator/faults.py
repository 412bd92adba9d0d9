"""Faults on demand."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Any

KINDS = ("status", "delay", "reset_before", "reset_after", "garbage")


@dataclass
class Fault:
    """
    Something that goes wrong with matching requests.

    :param operation: glob over operation names, such as ``anypoint.*_key``.
    :param kind: ``status`` and ``garbage`` answer instead of the operation, ``delay`` holds it up,
        ``reset_before`` and ``reset_after`` drop the connection before or after it was carried out.
    :param skip: how many matching requests it lets through first: with 1, a listing's first page.
    :param share: part of the matching requests that it hits, 0 to 1.
    :param times: how many requests it hits at most; ``None`` for no end.
    :param status: status of the answer: required for ``status``, 200 for ``garbage``.
    :param body: the answer's body; what is not a string is sent as JSON.
    :param seconds: length of a ``delay``.
    :raises ValueError: if a field is missing or does not fit.
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
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}: it is one of {', '.join(KINDS)}")
        if not isinstance(self.operation, str):
            raise ValueError("operation must be a string")
        if not _number(self.share) or self.share > 1:
            raise ValueError("share must be a number from 0 to 1")
        for name in ("skip", "times"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 0):
                raise ValueError(f"{name} must be an integer of 0 or more, or null")
        if self.kind == "garbage" and self.status is None:
            self.status = 200
        if self.kind in ("status", "garbage") and self.status not in range(200, 600):
            raise ValueError("status must be an integer from 200 to 599")
        if self.kind == "delay" and not _number(self.seconds):
            raise ValueError("a delay needs seconds, a number of 0 or more")
        if not isinstance(self.headers, dict | None):
            raise ValueError("headers must be an object or null")

    def payload(self) -> tuple[bytes, str]:
        """The answer's body and its media type, empty where there is no body."""
        if self.kind == "garbage" and self.body is None:
            return b"<html><body>This is not the service", "text/html"
        if self.body is None:
            return b"", ""
        if isinstance(self.body, str):
            return self.body.encode(), "text/plain"
        return json.dumps(self.body).encode(), "application/json"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e9


class Faults:
    """The faults that are set, in order."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = Random(seed)
        self.active: list[Fault] = []

    def set(self, wanted: Any) -> None:
        """
        Replace all faults; an empty list clears them.

        :raises ValueError: naming what is unknown or does not fit; the faults stay as they were.
        """
        if not isinstance(wanted, list):
            raise ValueError("faults are a list of objects")
        self.active = [_read(number, item) for number, item in enumerate(wanted)]
        self._random = Random(self._seed)

    def draw(self, operation: str) -> list[Fault]:
        """What hits this request: delays, and at most one fault of another kind, which is the last."""
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


_NAMES = [item.name for item in fields(Fault)]


def _read(number: int, item: Any) -> Fault:
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
