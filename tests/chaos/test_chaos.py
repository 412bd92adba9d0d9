"""
Every hook method, operator, sensor, trigger and filesystem operation, behind faults.

``make test`` runs each case with one seed. ``make chaos`` (``CHAOS=all``) runs each with many seeds, in five minutes.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.cases import CASES, Case

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("name", "form"), [(each.name, form) for each in CASES.values() for form in each.forms])
def test_holds(name: str, form: str, run_case: Callable[[Case, str], None]) -> None:
    run_case(CASES[name], form)
