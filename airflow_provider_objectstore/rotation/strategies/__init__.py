"""
How the stores get new keys: one module a strategy.

A new strategy is a module with a class that satisfies :class:`.base.Strategy`, and its place in :data:`STRATEGIES` and
in :data:`CHOICES`.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_objectstore.rotation.strategies.base import Strategy, StrategyUnsupportedError
from airflow_provider_objectstore.rotation.strategies.in_place import InPlace
from airflow_provider_objectstore.rotation.strategies.overlap import Overlap
from airflow_provider_objectstore.rotation.strategies.replace import Replace

STRATEGIES: tuple[type[Strategy], ...] = (Overlap, Replace, InPlace)
CHOICES: Mapping[str, tuple[str, ...]] = {
    "auto": (Overlap.name, Replace.name, InPlace.name),
    "overlap": (Overlap.name,),
    "replace": (Replace.name,),
    "in_place": (InPlace.name,),
}
"""By the operator's argument ``strategy``: which to try. If the service cannot do one, the next one is tried."""

__all__ = ["CHOICES", "STRATEGIES", "Strategy", "StrategyUnsupportedError"]
