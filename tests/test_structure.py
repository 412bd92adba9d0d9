"""Things that belong together stay together: a part that was forgotten fails here. See ``docs/development.md``."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import airflow_provider_objectstore
from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.base import CheckedArguments

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_provider_objectstore"
# By module: the test that covers it, where it has none of its own name.
TESTED_ELSEWHERE = {
    "api/civo/models": "tests/api/civo/test_operations.py",
    "compat/api_server": "tests/plugins/page/test_access.py",
    "compat/command_line": "tests/cli/test_commands.py",
    "compat/metadata": "tests/plugins/page/test_airflow_metadata.py",
    "compat/paths": "tests/test_assets.py",
    "compat/tasks": "tests/test_retries.py",
    "emulator/anypoint/parsing": "tests/emulator/anypoint/test_operations.py",
    "emulator/anypoint/stores": "tests/emulator/anypoint/test_operations.py",
    "emulator/civo/parsing": "tests/emulator/civo/test_operations.py",
    "emulator/anypoint/state": "tests/emulator/test_state.py",
    "emulator/civo/state": "tests/emulator/test_state.py",
    "emulator/fields": "tests/emulator/test_state.py",
    "emulator/messages": "tests/emulator/test_app.py",
    "emulator/s3/moto_state": "tests/emulator/test_state.py",
    "emulator/s3/state": "tests/emulator/test_state.py",
    "emulator/s3/wsgi": "tests/emulator/s3/test_moto_server.py",
    "emulator/s3/sigv4": "tests/emulator/s3/test_moto_server.py",
    "emulator/settings": "tests/emulator/test_server.py",
    "export/attributes": "tests/operators/test_copy_store.py",
    "export/copier": "tests/operators/test_copy_store.py",
    "export/exporter": "tests/operators/test_transfer.py",
    "export/importer": "tests/operators/test_transfer.py",
    "export/runner": "tests/operators/test_transfer.py",
    "fs/anypoint_keys": "tests/fs/test_anypoint.py",
    "fs/created_folders": "tests/fs/test_anypoint.py",
    "fs/folder_sync": "tests/transfers/test_sync_folder.py",
    "fs/many_files": "tests/transfers/test_sync_folder.py",
    "fs/places": "tests/transfers/test_sync_folder.py",
    "fs/move": "tests/fs/test_literal_names.py",
    "get_provider_info": "tests/test_provider_info.py",
    "hooks/bucket_listing": "tests/triggers/test_civo_errors.py",
    "hooks/bulk_keys": "tests/hooks/test_anypoint.py",
    "hooks/s3_responses": "tests/hooks/test_s3_client.py",
    "operators/purge_runner": "tests/operators/test_purge.py",
    "operators/rotation": "tests/rotation/test_rotation_operator.py",
    "rotation/strategies/base": "tests/rotation/strategies",
    "plugins/page/task_places": "tests/plugins/page/test_airflow_metadata.py",
    "plugins/page/tasks": "tests/plugins/page/test_airflow_metadata.py",
    "plugins/page/views": "tests/plugins/page/test_app.py",
    "publishers/aws": "tests/publishers/test_secrets_manager.py",
    "publishers/stored_connection": "tests/publishers/test_secrets_manager.py",
    "triggers/bucket_objects": "tests/triggers/test_civo.py",
    "triggers/change_trigger": "tests/triggers/test_anypoint.py",
    "triggers/snapshots": "tests/triggers/test_anypoint_errors.py",
    "transport/steps": "tests/transport/test_execution_retries.py",
    "xcom": "tests/test_secrets.py",
}
MAX_LINES = 400


def modules(*folders: str) -> Iterator[ModuleType]:
    for folder in folders:
        package = importlib.import_module(f"{airflow_provider_objectstore.__name__}.{folder}")
        yield package
        for info in pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}."):
            yield importlib.import_module(info.name)


def operations(service: ModuleType) -> dict[str, Any]:
    """The functions that return a call."""
    functions = {name: getattr(service, name) for name in service.__all__}
    return {
        name: function
        for name, function in functions.items()
        if inspect.isfunction(function) and str(inspect.signature(function).return_annotation).startswith("Call[")
    }


def emulated(service: str) -> set[str]:
    found = [module for module in modules(f"emulator.{service}") if hasattr(module, "OPERATIONS")]
    entries = [entry for module in found for entry in module.OPERATIONS.values()]
    handlers = {entry[0] if isinstance(entry, tuple) else entry for entry in entries}
    return {handler.__name__ for handler in handlers} | {"list_regions"}


SERVICES = {
    "anypoint": (anypoint, AnypointObjectStoreHook),
    "civo": (civo, CivoObjectStoreHook),
}


class TestAnOperation:
    @pytest.mark.parametrize("name", SERVICES)
    def test_is_emulated(self, name: str) -> None:
        assert set(operations(SERVICES[name][0])) == emulated(name)

    @pytest.mark.parametrize("name", SERVICES)
    def test_is_a_method_of_the_hook_with_the_same_parameters(self, name: str) -> None:
        service, hook = SERVICES[name]
        for operation, function in operations(service).items():
            method = getattr(hook, operation, None)
            assert method is not None, f"{hook.__name__} has no {operation}"
            offered = set(inspect.signature(method).parameters) - {"self"}
            assert set(inspect.signature(function).parameters) - {"page", "per_page"} <= offered | {"page_size"}, (
                operation
            )

    @pytest.mark.parametrize("name", SERVICES)
    def test_is_named_like_its_function(self, name: str) -> None:
        service, _ = SERVICES[name]
        for operation, function in operations(service).items():
            assert f'"{operation}"' in inspect.getsource(function), f"{operation} names its call differently"


def public_classes(*folders: str) -> list[type]:
    found = {
        kind
        for module in modules(*folders)
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and not name.startswith("_")
    }
    return sorted(found, key=lambda kind: kind.__qualname__)


# Parameters of Airflow's own constructor that are read here to refuse wrong types early.
AIRFLOWS_OWN = {"silent_fail", "never_fail"}


def own_parameters(kind: type) -> set[str]:
    """The parameters of a class's constructor that this package declares, inherited ones included."""
    found: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.startswith(airflow_provider_objectstore.__name__) and "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            found |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return found - {"self", "conn_id", *AIRFLOWS_OWN}


AUTHORS = [
    kind
    for kind in public_classes("operators", "transfers", "sensors", "hooks", "triggers", "publishers", "notifications")
    if kind.__name__.endswith(("Operator", "Sensor", "Hook", "EventTrigger", "Publisher", "Notifier"))
]


class TestAPublicClass:
    @pytest.mark.parametrize("kind", AUTHORS, ids=lambda kind: kind.__name__)
    def test_documents_every_parameter(self, kind: type) -> None:
        documented = set(re.findall(r":param (\w+):", kind.__doc__ or ""))
        assert own_parameters(kind) - documented == set()

    @pytest.mark.parametrize("kind", AUTHORS, ids=lambda kind: kind.__name__)
    def test_documents_no_other_parameter(self, kind: type) -> None:
        documented = set(re.findall(r":param (\w+):", kind.__doc__ or ""))
        assert documented - own_parameters(kind) <= {"conn_id", "kwargs", *AIRFLOWS_OWN}

    @pytest.mark.parametrize(
        "kind", [kind for kind in AUTHORS if issubclass(kind, CheckedArguments)], ids=lambda kind: kind.__name__
    )
    def test_checks_every_template_field(self, kind: Any) -> None:
        assert set(kind.template_fields) - {"default"} <= set(kind.arguments)  # a default may be anything

    @pytest.mark.parametrize("kind", AUTHORS, ids=lambda kind: kind.__name__)
    def test_shows_its_own_arguments(self, kind: type) -> None:
        """What a user types stands in the signature of the class that they type it for."""
        shown = set(inspect.signature(kind.__init__).parameters)
        assert own_parameters(kind) <= shown | {"kwargs"}, own_parameters(kind) - shown


def package_modules() -> list[str]:
    return sorted(
        path.relative_to(PACKAGE).with_suffix("").as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.stem not in ("__init__", "__main__")
    )


class TestAModule:
    @pytest.mark.parametrize("module", package_modules())
    def test_has_a_test_of_its_name(self, module: str) -> None:
        if module in TESTED_ELSEWHERE:
            assert (ROOT / TESTED_ELSEWHERE[module]).exists()
            return
        folder, _, name = module.rpartition("/")
        assert list((ROOT / "tests" / folder).glob(f"test_{name}*.py")), f"tests/{folder}/test_{name}.py is missing"

    @pytest.mark.parametrize("module", package_modules())
    def test_holds_one_thing(self, module: str) -> None:
        assert len((PACKAGE / f"{module}.py").read_text().splitlines()) <= MAX_LINES

    def test_exemptions_are_needed(self) -> None:
        assert set(TESTED_ELSEWHERE) <= set(package_modules())


class TestAnAirflowVersion:
    def test_is_pinned_tested_and_named(self) -> None:
        makefile, readme = (ROOT / "Makefile").read_text(), (ROOT / "README.md").read_text()
        for path in (ROOT / "constraints").glob("airflow-*.txt"):
            version = path.stem.removeprefix("airflow-")
            assert f"test-airflow-{version}:" in makefile, f"no make target tests Airflow {version}"
            assert version in readme, f"the README does not name Airflow {version}"


class TestThePins:
    @pytest.mark.parametrize("path", sorted((ROOT / "constraints").glob("*.txt")), ids=lambda path: path.stem)
    def test_have_hashes(self, path: Path) -> None:
        """What ``make setup`` installs is what ``make constraints`` has resolved, each file by its hash."""
        lock = path.with_suffix(".lock").read_text()
        entries = re.findall(
            r"^([^\s#=]+==[^\s;]+)(?: ; [^\\\n]+)? \\\n((?: {4}--hash=sha256:\w{64}(?: \\)?\n)+)", lock, re.M
        )
        assert len(entries) == lock.count("\n") - lock.count("--hash=")
        locked = {normalized(pin) for pin, _ in entries}
        pins = {normalized(pin) for pin in path.read_text().splitlines()}
        assert pins <= locked, f"make constraints PINS={path.stem}"
        assert len(locked) == len({pin.partition("==")[0] for pin in locked})


def normalized(pin: str) -> str:
    """Return a pin with the name in the one spelling that all have in common."""
    name, _, version = pin.partition("==")
    return f"{re.sub('[-_.]+', '-', name).lower()}=={version}"


# Words that mean something only to those who wrote them. The plain ones: docs/development.md.
PRIVATE_WORDS = re.compile(
    r"\b(both colou?rs|carriage|obstacle|in spite of|borne|is let in|without_protocol|tell_outlets|LAST_WORD)\b"
    r"|\bfor it in\b|\bfor \w+, it in\b",
    re.I,
)


def test_no_private_words() -> None:
    files = subprocess.run(["git", "ls-files", "*.py", "*.md"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    found = [
        f"{file}:{number}: {line.strip()}"
        for file in files
        if file != Path(__file__).relative_to(ROOT).as_posix()
        for number, line in enumerate((ROOT / file).read_text().splitlines(), 1)
        if PRIVATE_WORDS.search(line)
    ]
    assert found == []
