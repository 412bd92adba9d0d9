from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from itertools import chain
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers.common.compat.sdk import Connection
from airflow.providers_manager import ProvidersManager

from airflow_provider_objectstore import __version__
from airflow_provider_objectstore.api.anypoint.access import CONTROL_PLANES, REGIONS
from airflow_provider_objectstore.exceptions import ConfigurationError
from airflow_provider_objectstore.get_provider_info import get_provider_info
from airflow_provider_objectstore.hooks.connections import resolve_anypoint

pytestmark = pytest.mark.smoke

PACKAGE = Path(__file__).parents[1] / "airflow_provider_objectstore"
RELEASE_FIELDS = {"versions": [__version__], "state": "ready", "source-date-epoch": 0, "lifecycle": "production"}


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(airflow.__file__).parent / name).read_text())
    return found


def problems(instance: Any, rules: dict[str, Any]) -> list[str]:
    checker = jsonschema.validators.validator_for(rules)(rules)
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(instance)]


def values(key: str, node: Any) -> Iterator[Any]:
    """All values of a key, however deep."""
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from values(key, item)


def modules() -> list[str]:
    several = {name for names in values("python-modules", get_provider_info()) for name in names}
    return sorted(several | set(values("python-module", get_provider_info())))


def test_follows_the_schema_of_installed_providers() -> None:
    assert problems(get_provider_info(), schema("provider_info.schema.json")) == []


def test_follows_the_schema_of_airflows_own_providers() -> None:
    """It refuses unknown keys, which the other takes: snake_case for one. Its release fields are not ours to give."""
    rules = schema("provider.yaml.schema.json")
    assert rules["additionalProperties"] is False
    given = {name: value for name, value in RELEASE_FIELDS.items() if name in rules["properties"]}
    info = get_provider_info()
    if "cli" not in rules["properties"]:
        del info["cli"]  # came with Airflow 3.2
    assert problems({**info, **given}, rules) == []
    assert problems({**get_provider_info(), **given, "connection_types": []}, rules), "the check can fail"


def test_fields_follow_what_forms_understand() -> None:
    for field in values("conn-fields", get_provider_info()):
        for name, declared in field.items():
            assert set(declared) == {"label", "schema", "description"}, name
            jsonschema.Draft7Validator.check_schema(declared["schema"])


def test_choices_are_those_that_a_connection_may_have() -> None:
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    assert fields["control_plane"]["schema"]["enum"] == [*CONTROL_PLANES]
    assert fields["region"]["schema"]["examples"] == list(dict.fromkeys(chain.from_iterable(REGIONS.values())))
    for auth in fields["auth"]["schema"]["enum"]:
        connection = Connection(
            conn_id="a", conn_type="anypoint", login="a", password="b", extra=json.dumps({"auth": auth})
        )
        with pytest.raises(ConfigurationError) as caught:  # there is no organization
            resolve_anypoint(
                connection, connection.extra_dejson, region=None, organization_id=None, environment_id=None
            )
        assert "auth" not in str(caught.value)


@pytest.mark.parametrize("name", modules())
def test_modules_are_there(name: str) -> None:
    assert import_module(name)


@pytest.mark.parametrize("kind", ["operators", "sensors", "transfers"])
def test_no_module_is_forgotten(kind: str) -> None:
    there = {
        f"airflow_provider_objectstore.{kind}.{path.stem}"
        for path in (PACKAGE / kind).glob("*.py")
        if path.stem
        not in ("__init__", "base", "civo_waiting", "polling", "purge_runner", "rendering", "start_from_trigger")
    }
    assert set(modules()) >= there


def test_integrations_are_declared() -> None:
    info = get_provider_info()
    known = {one["integration-name"] for one in info["integrations"]}
    assert set(values("integration-name", info)) == known


def test_classes_are_there() -> None:
    info = get_provider_info()
    names = list(values("hook-class-name", info))
    assert len(names) == 2
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert isinstance(getattr(import_module(module), attribute), type)


def test_hooks_match_their_connection_types() -> None:
    for declared in get_provider_info()["connection-types"]:
        module, _, attribute = declared["hook-class-name"].rpartition(".")
        hook = getattr(import_module(module), attribute)
        assert hook.conn_type == declared["connection-type"]
        assert hook.hook_name == declared["hook-name"]
        assert hook.default_conn_name == f"{hook.conn_type}_default"
        assert hook.conn_name_attr == f"{hook.conn_type}_conn_id"
        hidden = set(declared["ui-field-behaviour"]["hidden-fields"])
        assert not hidden & set(declared["ui-field-behaviour"]["relabeling"])


def test_airflow_finds_it() -> None:
    provider = ProvidersManager().providers["airflow-provider-objectstore"]
    assert provider.version == __version__
    assert provider.data["name"] == get_provider_info()["name"]


@pytest.mark.parametrize("conn_type", ["anypoint", "civo"])
def test_airflow_makes_the_hook_of_a_connection(conn_type: str) -> None:
    try:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as Manager
    except ImportError:
        Manager = ProvidersManager
    found = Manager().hooks[conn_type]
    assert found is not None
    assert found.package_name == "airflow-provider-objectstore"
    assert found.connection_id_attribute_name == f"{conn_type}_conn_id"
    assert found.connection_testable


@pytest.mark.parametrize("kind", ["handler", "factory", "to_openlineage_converter"])
def test_airflow_knows_the_asset_uris(kind: str) -> None:
    try:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as Manager
    except ImportError:
        Manager = ProvidersManager
    registered: dict[str, Any] = {
        "handler": Manager().asset_uri_handlers,
        "factory": Manager().asset_factories,
        "to_openlineage_converter": Manager().asset_to_openlineage_converters,
    }[kind]
    declared = get_provider_info()["asset-uris"]
    assert [scheme for one in declared for scheme in one["schemes"]] == ["osv2", "civo"]
    for one in declared:
        module, _, attribute = one[kind].rpartition(".")
        for scheme in one["schemes"]:
            assert registered[scheme] is getattr(import_module(module), attribute)


def test_entry_point() -> None:
    (found,) = (
        point
        for point in entry_points(group="apache_airflow_provider")
        if point.dist and point.dist.name == "airflow-provider-objectstore"
    )
    assert found.load() is get_provider_info


def test_needs_the_standard_library_only() -> None:
    """Airflow calls it while its configuration loads: importing Airflow from here would go in circles."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from airflow_provider_objectstore.get_provider_info import get_provider_info; get_provider_info()\n"
        "roots = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(roots - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "['airflow_provider_objectstore']"


def test_every_call_gives_a_fresh_dict() -> None:
    first = get_provider_info()
    first["connection-types"][0]["conn-fields"].clear()
    assert get_provider_info()["connection-types"][0]["conn-fields"]
