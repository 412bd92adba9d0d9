from __future__ import annotations

import subprocess
import sys

from airflow_provider_objectstore.get_provider_info import get_provider_info


def test_loading_the_definition_imports_nothing_heavy() -> None:
    (name,) = get_provider_info()["cli"]
    module = name.rpartition(".")[0]
    code = f"import sys, {module}; print([m for m in ('airflow', 'requests', 'aiohttp', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
