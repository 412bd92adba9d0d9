"""All cases."""

from __future__ import annotations

from tests.chaos import cases_anypoint, cases_civo, cases_files, cases_operators, cases_usage, cases_waits
from tests.chaos.case import CASES, Case

__all__ = [
    "CASES",
    "Case",
    "cases_anypoint",
    "cases_civo",
    "cases_files",
    "cases_operators",
    "cases_usage",
    "cases_waits",
]
