"""A case: calls under faults, and what must hold after them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.run import Outcome, Run

BOTH = "sync", "async"
SYNC = ("sync",)


@dataclass(frozen=True)
class Case:
    """
    A case.

    :param name: unique.
    :param covers: what it calls, such as ``AnypointObjectStoreHook.get_key``.
    :param forms: how a hook's method is called.
    :param weight: its part of the time with ``CHAOS=all``.
    :param intensity: factor of all shares of faults; below 1 for calls that need many requests, so that some succeed.
    """

    name: str
    act: Callable[[Run], None]
    covers: tuple[str, ...]
    forms: tuple[str, ...] = BOTH
    weight: float = 1
    intensity: float = 1


CASES: dict[str, Case] = {}


def case(
    *covers: str, forms: tuple[str, ...] = BOTH, weight: float = 1, intensity: float = 1, name: str = ""
) -> Callable[[Callable[[Run], None]], Callable[[Run], None]]:
    """Register a function as a case."""

    def register(act: Callable[[Run], None]) -> Callable[[Run], None]:
        title = name or act.__name__.strip("_")
        assert title not in CASES, title
        CASES[title] = Case(title, act, covers, forms, weight, intensity)
        return act

    return register


def unknown(outcome: Outcome) -> bool:
    """Whether an error says that the outcome is not known."""
    return "not known" in str(outcome.error)
