"""The wheel that users install, built from the sdist, in its own environment without extras."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "wheel"
CONSTRAINTS = ROOT / "constraints" / "dev.txt"
PACKAGE = "airflow_provider_objectstore"
README = (ROOT / "README.md").read_text()


def run(*command: object, **environment: str) -> str:
    result = subprocess.run(
        [str(part) for part in command], env={**os.environ, **environment}, cwd="/", capture_output=True, text=True
    )
    assert result.returncode == 0, f"{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
    return result.stdout


def build(source: Path, folder: Path, **environment: str) -> tuple[Path, Path]:
    """Build sdist and wheel with the pinned backend, into an empty folder. Return their paths."""
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source, **environment)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="session")
def distributions() -> tuple[Path, Path]:
    """Build sdist and wheel. Return their paths."""
    return build(ROOT, CACHE / "dist")


@pytest.fixture(scope="session")
def python(distributions: tuple[Path, Path]) -> Path:
    """Return the Python of an environment with the wheel. Its dependencies stay installed between runs."""
    _, wheel = distributions
    folder, pins = CACHE / "venv", CACHE / "venv" / "constraints.txt"
    python = folder / "bin" / "python"
    if not pins.exists() or pins.read_text() != CONSTRAINTS.read_text():
        run(sys.executable, "-m", "venv", "--clear", folder)
    install: tuple[object, ...] = (python, "-m", "pip", "install", "-qq")
    if uv := os.environ.get("UV") or shutil.which("uv"):
        install = (uv, "pip", "install", "-q", "--python", python)
    run(*install, "-c", CONSTRAINTS, wheel)
    run(*install, "--no-deps", "--force-reinstall", wheel)
    shutil.copy(CONSTRAINTS, pins)
    return python


@pytest.fixture
def airflow(python: Path, tmp_path: Path) -> Any:
    """Runs an ``airflow`` command and returns its parsed JSON."""

    def command(*arguments: str) -> list[dict[str, Any]]:
        output = run(python.with_name("airflow"), *arguments, "--output", "json", AIRFLOW_HOME=str(tmp_path))
        items: list[dict[str, Any]] = json.loads(output.splitlines()[-1])
        return items

    return command


@pytest.fixture
def provider_info(python: Path) -> dict[str, Any]:
    """Return what the installed wheel's entry point returns, loaded without importing Airflow."""
    script = (
        "import json, sys; from importlib.metadata import entry_points\n"
        "(entry,) = [e for e in entry_points(group='apache_airflow_provider') if e.value.startswith(sys.argv[1])]\n"
        "info = entry.load()(); assert 'airflow' not in sys.modules; print(json.dumps(info))"
    )
    info: dict[str, Any] = json.loads(run(python, "-c", script, PACKAGE))
    return info


def test_contents(distributions: tuple[Path, Path]) -> None:
    sdist, wheel = distributions
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    (metadata,) = {name.split("/")[0] for name in names} - {PACKAGE}
    assert metadata.endswith(".dist-info")
    assert f"{PACKAGE}/py.typed" in names
    assert f"{metadata}/licenses/LICENSE" in names
    with zipfile.ZipFile(wheel) as archive:
        points = archive.read(f"{metadata}/entry_points.txt").decode()
    assert f"[pytest11]\n{PACKAGE}.emulator.fixtures" in points
    assert f"[airflow.plugins]\nobject_stores = {PACKAGE}.plugins.object_stores:ObjectStoresPlugin" in points
    page = f"{PACKAGE}/plugins/page/"
    assert {f"{page}templates/page.html", f"{page}static/page.css", f"{page}static/page.js"} <= set(names)
    others = {name for name in names if name.startswith(f"{PACKAGE}/") and not name.startswith(page)}
    assert {Path(name).suffix for name in others} <= {".py", ".typed"}

    with tarfile.open(sdist) as packed:
        members = {name.partition("/")[2] for name in packed.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "Makefile", "tests/wheel/test_wheel.py"} <= members
    assert {"docs/index.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} <= members
    assert not [name for name in members if name.startswith((".cache", ".venv", "build")) or name.endswith(".pyc")]


def test_an_index_would_take_both(distributions: tuple[Path, Path]) -> None:
    shown = run(sys.executable, "-m", "twine", "check", "--strict", *distributions)
    assert shown.count("PASSED") == 2, shown


def test_the_readme_renders_on_an_index(distributions: tuple[Path, Path]) -> None:
    from readme_renderer import markdown

    with zipfile.ZipFile(distributions[1]) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        message = email.message_from_bytes(archive.read(metadata))
    assert message.get_content_type() == "text/plain"
    assert message["Description-Content-Type"] == "text/markdown"
    html = markdown.render(message.get_payload(), variant="GFM")
    assert html is not None
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", README, flags=re.M | re.S), re.M)
    assert re.findall(r"<h[12][^>]*>(.+?)<", html) == headings
    assert html.count("<table>") == README.count("|---|---|---|")
    assert "```" not in html


def test_another_build_has_the_same_bytes(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    """Elsewhere, later, by a user with other permissions, from what the sdist holds."""
    with tarfile.open(distributions[0]) as packed:
        packed.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    for path in source.rglob("*"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
        if path.is_file():
            path.chmod(0o600)
    again = build(source, tmp_path / "dist", TZ="Asia/Tokyo", PYTHONHASHSEED="1")
    for before, after in zip(distributions, again, strict=True):
        assert (after.name, after.read_bytes()) == (before.name, before.read_bytes())


def test_every_module_imports_without_extras(python: Path, tmp_path: Path) -> None:
    script = (
        f"import importlib, pkgutil, {PACKAGE} as package\n"
        "names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + '.')"
        # s3fs is in an extra.
        " if '.emulator' not in m.name and not m.name.endswith(('.fs.civo_s3fs', '.fs.bucket_clients'))]\n"
        "[importlib.import_module(name) for name in names]; print(len(names), package.__file__)"
    )
    count, file = run(python, "-W", "ignore", "-c", script, AIRFLOW_HOME=str(tmp_path)).split()[-2:]
    assert int(count) > 10
    assert Path(file).is_relative_to(python.parents[1])


def test_airflow_lists_provider_and_hooks(airflow: Any, provider_info: dict[str, Any]) -> None:
    (provider,) = airflow("providers", "get", "airflow-provider-objectstore")
    assert provider["Provider"] == provider_info["package-name"]
    hooks = {hook["connection_type"]: hook["class"] for hook in airflow("providers", "hooks")}
    assert hooks["anypoint"] == f"{PACKAGE}.hooks.anypoint.AnypointObjectStoreHook"
    assert hooks["civo"] == f"{PACKAGE}.hooks.civo.CivoObjectStoreHook"


def test_airflow_shows_the_form_fields(airflow: Any, provider_info: dict[str, Any]) -> None:
    shown = {field["connection_parameter_name"] for field in airflow("providers", "widgets")}
    for connection in provider_info["connection-types"]:
        assert connection["conn-fields"]
        for name in connection["conn-fields"]:
            assert f"extra__{connection['connection-type']}__{name}" in shown


@pytest.mark.parametrize("schema", ["provider_info", "provider.yaml"])
def test_provider_info_is_valid(python: Path, provider_info: dict[str, Any], schema: str) -> None:
    (file,) = python.parents[1].glob(f"lib/python*/site-packages/airflow/{schema}.schema.json")
    rules = json.loads(file.read_text())
    # Keys that only the release tools of Airflow's own providers use may be missing. Unknown keys are errors.
    rules["required"] = ["name", "package-name", "description"]
    jsonschema.validate(provider_info, rules)
