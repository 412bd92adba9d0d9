"""The pages say what is there: their code is checked, every public class has its mention, links lead somewhere."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_objectstore
from airflow_provider_objectstore.emulator import Emulator
from dev.howtos import anchor, normal, snippets
from tests.features import RETRY_POLICIES

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
}
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")
PUBLIC = ("Hook", "Operator", "Sensor", "EventTrigger", "Publisher", "Notifier", "Error")
FILE = re.compile(r"(?<![\w/.])(?:airflow_provider_objectstore|benchmarks|dev|example_\w+|tests)/[\w./*-]*\w")
NOT_FOR_AUTHORS = {
    "KeyHook",
    "AnypointBulkOperator",
    "AnypointOperator",
    "BasePollingSensor",
    "BasePublisher",
    "CivoOperator",
    "CivoWaitingOperator",
    "ObjectStoreHook",
    "ObjectStoreOperator",
    "PollFailedError",
}


def blocks() -> Iterator[tuple[str, str, str]]:
    """Page, code and the code above it on the page."""
    for page, text in PAGES.items():
        found = [code.strip() for code in BLOCK.findall(text)]
        for at, code in enumerate(found):
            yield page, code, "\n".join(found[:at])


def public_classes() -> set[str]:
    """Classes for DAG authors, which are told by the ends of their names."""
    found = set()
    folders = ("hooks", "operators", "transfers", "sensors", "triggers", "publishers", "notifications", "exceptions")
    for folder in folders:
        package = importlib.import_module(f"{airflow_provider_objectstore.__name__}.{folder}")
        below = pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}.")
        for module in [package, *(importlib.import_module(info.name) for info in below)]:
            for name, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ == module.__name__ and name.endswith(PUBLIC) and not name.startswith("_"):
                    found.add(name)
    return found - NOT_FOR_AUTHORS


@pytest.mark.parametrize(("page", "code", "above"), [pytest.param(*block, id=block[0]) for block in blocks()])
def test_code_is_run_or_complete(page: str, code: str, above: str) -> None:
    if normal(code) in snippets():
        return
    if "ObjectStoreRetryPolicy" in f"{above}\n{code}" and not RETRY_POLICIES:
        pytest.skip("Airflow 3.3")
    compile(code, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    missing = used - names_defined(f"{above}\n{code}") - set(dir(builtins))
    assert not missing, f"{missing}: this is not what a file holds between its markers, so it must be complete"


def test_the_tutorial_is_run() -> None:
    """Its code is all of files that are run. Airflow's commands: tests/example_dags."""
    page = PAGES["docs/tutorial.md"]
    fences = re.findall(r"^```(\w*)\n(.*?)^```", page, re.M | re.S)
    assert {language for language, _ in fences} == {"python", "console"}
    assert [code for language, code in fences if language == "python" and normal(code) not in snippets()] == []
    install, emulator, airflow = (code.strip() for language, code in fences if language == "console")
    assert airflow.startswith("airflow dags test example_")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    form = r"pip install -c ([\w/.]+) '\.\[([\w,]+)\]' (\w+)"
    pins, wanted, data = re.fullmatch(form, install).groups()  # type: ignore[union-attr]
    assert (ROOT / pins).exists()
    assert set(wanted.split(",")) <= set(extras)
    importlib.import_module(data)
    python, module, *arguments = emulator.removeprefix("python ").split()
    assert python == "-m"
    importlib.import_module(f"{module}.__main__").parse_arguments(arguments)


def names_defined(code: str) -> set[str]:
    """The names that code defines; its imports must succeed."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    importlib.import_module(alias.name)
                    names.add(alias.asname or alias.name.partition(".")[0])
            case ast.ImportFrom(module=str(module), names=aliases):
                for alias in aliases:
                    assert hasattr(importlib.import_module(module), alias.name), (module, alias.name)
                    names.add(alias.asname or alias.name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
    return names


@pytest.mark.parametrize("name", sorted(public_classes()))
def test_every_public_class_is_mentioned(name: str) -> None:
    assert any(re.search(rf"\b{name}\b", text) for text in PAGES.values()), f"no page mentions {name}"


def test_relative_links_lead_somewhere() -> None:
    dangling = [
        (page, target)
        for page, text in PAGES.items()
        for target, anchor in LINK.findall(text)
        if not ((place := ROOT / page).parent / (target or place.name)).exists()
        or (anchor and anchor[1:] not in anchors(((place.parent / target) if target else place).read_text()))
    ]
    assert dangling == []


def test_files_of_this_repository_are_there() -> None:
    texts = {
        **PAGES,
        **{page: (ROOT / page).read_text() for page in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")},
    }
    named = [(page, path) for page, text in texts.items() for path in FILE.findall(text)]
    assert len(named) > 50
    assert [(page, path) for page, path in named if not any(ROOT.glob(path))] == []


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return set(map(anchor, headings))


def test_many_keys_at_once(emulator: Emulator) -> None:
    # [START many]
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

    hook = AnypointObjectStoreHook()
    hook.create_store("orders", default_ttl="P7D")

    hook.put_many("orders", "2026-11", {f"order-{number}": number * 10 for number in range(100)}).raise_failed()

    found = hook.get_many("orders", "2026-11", ["order-7", "order-1000"])
    values = {key: entry.value for key, entry in found.succeeded.items()}
    missing = list(found.failed)
    # [END many]
    assert values == {"order-7": 70}
    assert missing == ["order-1000"]


def test_a_bucket_over_s3(emulator: Emulator) -> None:
    import time

    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

    civo = CivoObjectStoreHook()
    store = civo.create_object_store("reports")
    while not civo.get_object_store(store.id).ready:
        time.sleep(0.05)

    # [START s3]
    import boto3
    import s3fs

    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

    options = CivoObjectStoreHook().s3_options("reports")

    s3 = boto3.client("s3", **options)
    s3.put_object(Bucket=options.bucket, Key="2026/11.csv", Body=b"day,orders\n")

    files = s3fs.S3FileSystem(**options.s3fs())
    text = files.cat("reports/2026/11.csv")
    # [END s3]
    assert text == b"day,orders\n"


async def test_on_an_event_loop(emulator: Emulator) -> None:
    # [START async]
    from airflow_provider_objectstore.api import anypoint
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

    async with AnypointObjectStoreHook().async_client() as client:
        await client.send(anypoint.create_store("orders"))
        await client.send(anypoint.put_key("orders", "2026-11", "order-1", "open"))
        entry = await client.send(anypoint.get_key("orders", "2026-11", "order-1"))
    # [END async]
    assert entry.value == "open"


def test_numbers_and_times(emulator: Emulator) -> None:
    # [START values]
    from datetime import timedelta
    from decimal import Decimal

    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

    hook = AnypointObjectStoreHook()
    hook.create_store("prices", default_ttl=timedelta(days=30), default_confirmation_ttl="PT10M")

    prices = hook.partition("prices", "eur")
    prices["net"] = Decimal("19.99")
    prices["image"] = b"\x89PNG"
    prices["currency"] = "EUR"
    # [END values]
    assert dict(prices) == {"currency": "EUR", "image": b"\x89PNG", "net": 19.99}


def test_going_back(emulator: Emulator) -> None:
    from datetime import UTC, datetime
    from types import SimpleNamespace
    from typing import Any

    import boto3
    from airflow.sdk import DAG

    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
    from airflow_provider_objectstore.operators.civo import (
        CivoCreateObjectStoreOperator,
        CivoUpdateCredentialOperator,
        CivoUpdateObjectStoreOperator,
    )
    from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
    from airflow_provider_objectstore.publishers import AnypointKeyPublisher

    civo, anypoint = CivoObjectStoreHook(), AnypointObjectStoreHook()
    anypoint.create_store("mule")
    publishers = [AnypointKeyPublisher("mule", "credentials", "s3")]
    run: Any = {"dag_run": SimpleNamespace(run_after=datetime.now(UTC), dag_id="rotation", run_id="run")}
    with DAG("back", schedule=None):
        CivoCreateObjectStoreOperator(task_id="create", name="reports", poke_interval=0.1).execute({})
        old_access_key = civo.s3_options("reports").access_key_id
        rotate = CivoRotateCredentialOperator(
            task_id="rotate", object_store="reports", publishers=publishers, retire="keep"
        )
        assert rotate.execute(run)["strategy"] == "overlap"

        # [START back]
        back = CivoUpdateObjectStoreOperator(task_id="back", object_store="reports", access_key_id=old_access_key)
        publish = CivoUpdateCredentialOperator(
            task_id="publish", credential=old_access_key, suspended=False, publishers=publishers
        )
        back >> publish
        # [END back]
        back.execute({})
        publish.execute({})

    options = civo.s3_options("reports")
    assert options.access_key_id == old_access_key
    assert old_access_key in str(anypoint.get_key("mule", "credentials", "s3").value)
    assert boto3.client("s3", **options).list_objects_v2(Bucket="reports")["KeyCount"] == 0


def test_nobody_reads_during_the_switch(emulator: Emulator) -> None:
    from datetime import UTC, datetime, timedelta
    from types import SimpleNamespace
    from typing import Any

    from airflow.sdk import DAG

    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
    from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
    from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
    from airflow_provider_objectstore.publishers import AnypointKeyPublisher

    BUCKET, GRACE_PERIOD = "reports", timedelta()
    civo, anypoint = CivoObjectStoreHook(), AnypointObjectStoreHook()
    anypoint.create_store("mule")
    publishers = [AnypointKeyPublisher("mule", "credentials", "s3")]
    run: Any = {"dag_run": SimpleNamespace(run_after=datetime.now(UTC), dag_id="rotation", run_id="run")}
    with DAG("recipe", schedule=None):
        CivoCreateObjectStoreOperator(task_id="create", name=BUCKET, poke_interval=0.1).execute({})
        (old,) = civo.list_credentials()

        # [START pool]
        switch = CivoRotateCredentialOperator(
            task_id="switch",
            object_store=BUCKET,
            strategy="replace",
            publishers=publishers,
            retire="keep",
            pool="s3_consumers",
            pool_slots=4,
            priority_weight=100,
        )
        retire = CivoRotateCredentialOperator(
            task_id="retire",
            object_store=BUCKET,
            strategy="replace",
            publishers=publishers,
            grace_period=GRACE_PERIOD,
        )
        switch >> retire
        # [END pool]
        switched = switch.execute(run)
        assert old.id in {credential.id for credential in civo.list_credentials()}
        retired = retire.execute(run)

    assert (switched["strategy"], retired["strategy"]) == ("replace", "replace")
    (new,) = civo.list_credentials()
    assert new.id == switched["credential"]["id"] == retired["credential"]["id"] != old.id
