from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_objectstore.assets import (
    anypoint_asset,
    civo_asset,
    emit_asset_events,
    normalize_civo,
    normalize_osv2,
)
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import AnypointPutKeyOperator
from tests.features import PATHS_WITH_CONTAINER

ORGANIZATION = "b9f1c1f6-0f5e-4b9e-9d3c-2f1f0a7c9d11"
ENVIRONMENT = "0d3c6f7a-1b2c-4d5e-8f90-a1b2c3d4e5f6"
PLACE = {"organization_id": ORGANIZATION, "environment_id": ENVIRONMENT, "region": "us-east-1"}
OSV2 = f"osv2://{ORGANIZATION}.{ENVIRONMENT}.us-east-1"

WITH_CONTAINER = pytest.mark.skipif(not PATHS_WITH_CONTAINER, reason="before 3.2 a path is written like this")

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda name: name not in (".", "..")
)
pieces = names.filter(lambda name: "/" not in name)


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        (f"{OSV2}/s/p", f"{OSV2}/s/p"),
        (f"{OSV2}/s/p/", f"{OSV2}/s/p"),
        (f"{OSV2}/s/p/done%2f2026", f"{OSV2}/s/p/done%2F2026"),
        (f"{OSV2}/s/p/%61b", f"{OSV2}/s/p/ab"),
        (f"{OSV2}/s/p/a b", f"{OSV2}/s/p/a%20b"),
        (f"{OSV2}/s/p/a%3Ab=c@d", f"{OSV2}/s/p/a:b=c@d"),
        (f"{OSV2}/s/p/é", f"{OSV2}/s/p/%C3%A9"),
        (f"OSV2://{ORGANIZATION.upper()}.{ENVIRONMENT}.US-East-1/S/p", f"{OSV2}/S/p"),
        ("osv2://emulator-org.emulator-env.us-east-1/s/p/k", "osv2://emulator-org.emulator-env.us-east-1/s/p/k"),
        ("civo://lon1/photos", "civo://LON1/photos"),
        ("civo://LON1/photos/2026%2Fjan/a.jpg", "civo://LON1/photos/2026/jan/a.jpg"),
        ("civo://LON1/photos/year=2026/a%20b", "civo://LON1/photos/year=2026/a%20b"),
    ],
)
def test_equal_things_have_equal_uris(spelled: str, expected: str) -> None:
    assert Asset(uri=spelled).uri == expected
    assert Asset(uri=expected).uri == expected


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        (OSV2, "less than a partition"),
        (f"{OSV2}/s", "less than a partition"),
        (f"{OSV2}/s/p/a/b", "more than a key"),
        (f"{OSV2}/s//k", "must not be ''"),
        (f"{OSV2}//p/k", "must not be ''|more than a key"),
        (f"{OSV2}/s/..", r"must not be '\.\.'"),
        (f"{OSV2}/s/p/%2E", r"must not be '\.'"),
        (f"{OSV2}/s/p/%ff", "UTF-8"),
        (f"{OSV2}/s/p/k?token=secret", "query"),
        pytest.param("osv2:///s/p", "does not say where", marks=WITH_CONTAINER),
        ("civo://LON1", "must not be ''"),
        ("civo://LON1/photos/a//b", "must not be ''"),
        ("civo://LON1/photos/../b", r"must not be '\.\.'"),
        ("civo://LON1/photos/a%2F%2E%2E", r"must not be '\.\.'"),
        ("civo://LON1/photos?a=secret", "query"),
        pytest.param("civo:///photos", "does not say where", marks=WITH_CONTAINER),
    ],
)
def test_invalid_uris_are_refused(uri: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        Asset(uri=uri)
    assert isinstance(caught.value, InvalidArgumentError)
    assert f"{uri.partition(':')[0]}://{{" in str(caught.value), "the expected format"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("osv2://conn_id@store/partition/key", None),
        ("osv2://conn_id@my.old.store/partition/a/b/c", None),
        ("osv2://store/partition/key", None),
        ("osv2://org.env/store/partition/key", None),
        ("civo://conn_id@bucket/path", None),
        ("civo://conn_id@bucket//path", None),
        ("civo://my.bucket/path", None),
        ("civo://bucket", "civo://bucket/"),
        ("civo://bucket/path?a=1", None),
        ("osv2://my.old.store/partition/a/b/c", None),
        ("osv2://my.old.store/partition", None),
        (f"osv2://conn_id@{OSV2.removeprefix('osv2://')}/s/p", f"{OSV2}/s/p"),
        ("civo://conn_id@LON1/bucket/path", "civo://LON1/bucket/path"),
    ],
)
def test_paths_of_a_filesystem_stay_as_they_are(path: str, uri: str | None) -> None:
    """Airflow's lineage creates an asset of each path that is opened, which must not fail."""
    with pytest.warns(UserWarning, match=r"has no connection; expected \w+://\{") as warned:
        assert Asset(uri=path).uri == (uri or path)
    assert [one.filename for one in warned] == [__file__]
    assert "conn_id" not in str(warned[0].message)


@pytest.mark.filterwarnings("ignore:osv2|civo:UserWarning")
@given(st.text(max_size=20), st.text(max_size=20))
def test_no_other_error(authority: str, path: str) -> None:
    for scheme, normalize in (("osv2", normalize_osv2), ("civo", normalize_civo)):
        for text in (f"{scheme}://{authority}/{path}", f"{scheme}://a.b.c/{path}"):
            try:
                uri = urlsplit(text)
            except ValueError:
                continue
            try:
                once = normalize(uri)
            except InvalidArgumentError:
                continue
            assert normalize(once) == once


@given(pieces, names, st.none() | names, st.data())
def test_every_key_has_one_uri(store_id: str, partition: str, key: str | None, data: st.DataObject) -> None:
    asset = anypoint_asset(**PLACE, store_id=store_id, partition=partition, key=key)
    assume(len(asset.uri) <= 1500)
    assert asset.name == asset.uri
    assert asset.uri.isascii()
    parts = [name for name in (store_id, partition, key) if name is not None]
    assert [unquote(part) for part in urlsplit(asset.uri).path.split("/")[1:]] == parts
    wasteful = "".join(f"%{byte:02x}" for byte in parts[-1].encode())
    assert Asset(uri=f"{asset.uri.rpartition('/')[0]}/{wasteful}").uri == asset.uri
    assert Asset(uri=asset.uri).uri == asset.uri == asset.normalized_uri
    other = data.draw(pieces)
    assume(other != parts[-1])
    assert Asset(uri=f"{asset.uri.rpartition('/')[0]}/{quote(other)}").uri != asset.uri


@given(pieces, st.none() | st.lists(pieces, min_size=1, max_size=4).map("/".join))
def test_every_object_has_one_uri(bucket: str, path: str | None) -> None:
    asset = civo_asset(region="LON1", bucket=bucket, path=path)
    assert civo_asset(region="lon1", bucket=bucket, path=path) == asset
    assert unquote(urlsplit(asset.uri).path) == f"/{bucket}" + (f"/{path}" if path is not None else "")
    assert Asset(uri=asset.uri).uri == asset.uri == asset.normalized_uri


def test_an_asset_takes_what_airflows_takes() -> None:
    asset = anypoint_asset(**PLACE, store_id="s", partition="p", name="orders", group="g", extra={"a": 1})
    assert (asset.name, asset.uri, asset.group, asset.extra) == ("orders", f"{OSV2}/s/p", "g", {"a": 1})


@pytest.mark.parametrize(
    "wrong",
    [{"organization_id": "a.b"}, {"environment_id": ""}, {"region": "us east"}, {"partition": ".."}, {"key": ""}],
)
def test_arguments_are_checked(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidArgumentError):
        anypoint_asset(**{**PLACE, "store_id": "s", "partition": "p", **wrong})


def test_hooks_give_assets_of_their_connection(emulator: Emulator) -> None:
    where = "osv2://emulator-org.emulator-env"
    assert AnypointObjectStoreHook().asset("s", "p", "a/b").uri == f"{where}.us-east-1/s/p/a%2Fb"
    other = AnypointObjectStoreHook(region="us-east-1", organization_id="o", environment_id="e")
    assert other.asset("s", "p").uri == "osv2://o.e.us-east-1/s/p"
    with pytest.raises(InvalidArgumentError, match="cannot take effect"):
        AnypointObjectStoreHook(region="eu-west-1").asset("s", "p")
    assert CivoObjectStoreHook(region="nyc1").asset("photos", "a").uri == "civo://NYC1/photos/a"


def put(outlets: list[Any], events: OutletEventAccessors, key: str = "k") -> None:
    AnypointObjectStoreHook().create_store("s")
    task = AnypointPutKeyOperator(task_id="t", store_id="s", partition="p", key=key, value="v", outlets=outlets)
    context: Any = {"outlet_events": events}
    task.execute(context)


def test_an_outlet_needs_no_supervisor(emulator: Emulator) -> None:
    """As in a test that calls ``execute``."""
    events = OutletEventAccessors()
    put([AssetAlias("a")], events)
    (event,) = events[AssetAlias("a")].asset_alias_events
    assert event.dest_asset_key.uri == "osv2://emulator-org.emulator-env.us-east-1/s/p/k"
    assert event.extra["key"] == "k"


def test_a_task_that_wrote_does_not_fail(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Airflow allows URIs of up to 1,500 characters; a key may need more."""
    events = OutletEventAccessors()
    key = "é" * 512
    put([AssetAlias("a")], events, key)
    assert AnypointObjectStoreHook().get_key("s", "p", key).value == "v"
    assert not events[AssetAlias("a")].asset_alias_events
    assert "1500" in caplog.text


def test_other_outlets_cost_nothing() -> None:
    def refuse() -> Asset:
        raise AssertionError("the connection was looked up")

    context: Any = {}
    emit_asset_events([Asset("other"), Asset(uri="s3://bucket/key"), object()], context, refuse, {})


@pytest.mark.slow
def test_loading_is_cheap() -> None:
    """Airflow imports it while DAGs are parsed."""
    code = (
        "import sys, airflow.sdk; airflow.sdk.Asset; before = set(sys.modules)\n"
        "import airflow_provider_objectstore.assets\n"
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert "airflow_provider_objectstore" in loaded
    assert not [heavy for heavy in ("aiohttp", "requests", "tenacity", "openlineage", "boto3") if heavy in loaded]


def test_the_code_in_the_docs() -> None:
    page = (Path(__file__).parents[1] / "docs" / "assets.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    there: dict[str, Any] = {}
    exec("\n".join(blocks), there)
    assert there["watermark"].uri in page
