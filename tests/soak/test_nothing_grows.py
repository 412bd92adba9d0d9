"""Nothing grows: a few rounds of what ``make soak`` does for ten minutes."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_nothing_grows() -> None:
    command = [sys.executable, "-m", "tests.soak", "--seconds", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
