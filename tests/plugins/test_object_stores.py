from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from airflow.providers_manager import ProvidersManager

from airflow_provider_objectstore.get_provider_info import get_provider_info
from airflow_provider_objectstore.plugins import object_stores
from airflow_provider_objectstore.plugins.object_stores import ObjectStoresPlugin

ROOT = Path(__file__).parents[2]
CLASS = f"{object_stores.__name__}.ObjectStoresPlugin"


def test_loading_it_imports_nothing_heavy() -> None:
    """Scheduler, triggerer, DAG processor and workers load it, too."""
    code = (
        "import sys; from airflow.providers.common.compat.sdk import AirflowPlugin, conf; before = set(sys.modules)\n"
        f"from {object_stores.__name__} import ObjectStoresPlugin; ObjectStoresPlugin.on_load()\n"
        "assert ObjectStoresPlugin.fastapi_apps; print(sorted(set(sys.modules) - before), 'fastapi' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = eval(done.stdout.splitlines()[-1].rpartition("]")[0] + "]")
    assert done.stdout.endswith("] False\n")
    assert "airflow_provider_objectstore.plugins.object_stores" in loaded
    ours = {name for name in loaded if name.startswith("airflow_provider_objectstore")}
    light = {
        f"airflow_provider_objectstore.plugins.{name}"
        for name in ("object_stores", "connection_ids", "operator_links", "operator_uses")
    }
    assert ours <= {"airflow_provider_objectstore", "airflow_provider_objectstore.plugins", *light}


@pytest.mark.parametrize(("page", "shown"), [("True", True), ("False", False), ("perhaps", False)])
def test_one_setting_turns_it_off(page: str, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read counts as off, and no component fails because of it."""
    monkeypatch.setenv("AIRFLOW__OBJECTSTORE__PAGE", page)
    monkeypatch.setattr(ObjectStoresPlugin, "fastapi_apps", ["left over"])
    monkeypatch.setattr(ObjectStoresPlugin, "external_views", ["left over"])
    monkeypatch.setattr(ObjectStoresPlugin, "operator_extra_links", ["left over"])
    ObjectStoresPlugin.on_load()
    assert bool(ObjectStoresPlugin.fastapi_apps) is shown
    assert bool(ObjectStoresPlugin.operator_extra_links) is shown
    assert bool(ObjectStoresPlugin.external_views) is shown


@pytest.mark.parametrize(
    ("base_url", "href"),
    [("http://localhost:8080", "/object-stores/"), ("https://a.example/team/airflow/", "/team/airflow/object-stores/")],
)
def test_its_address_is_below_airflows_own(base_url: str, href: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    monkeypatch.setattr(ObjectStoresPlugin, "fastapi_apps", [])
    monkeypatch.setattr(ObjectStoresPlugin, "external_views", [])
    ObjectStoresPlugin.on_load()
    (view,) = ObjectStoresPlugin.external_views
    assert view["href"] == href
    assert view["url_route"] == "object-stores"


def test_airflow_finds_it() -> None:
    manager = ProvidersManager()
    manager.initialize_providers_plugins()
    assert CLASS in {plugin.plugin_class for plugin in manager.plugins}
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["airflow.plugins"]
    assert points == {
        plugin["name"]: plugin["plugin-class"].replace(".Obj", ":Obj") for plugin in get_provider_info()["plugins"]
    }
