"""Each engine writes and reads a table with what :class:`S3Options` returns for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import certifi
import pytest

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.xcom import NotForXCom
from tests.hooks.buckets import create
from tests.rgw.certificate import write_certificate
from tests.transport.stub import http, serving

ROWS = {"day": ["2026-11-25", "2026-11-26"], "orders": [3, 7]}
FOREIGN = {
    "AWS_ACCESS_KEY_ID": "OTHERKEY",
    "AWS_SECRET_ACCESS_KEY": "other-secret",
    "AWS_SESSION_TOKEN": "other-token",
    "AWS_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
}
"""What a worker on AWS may have in its environment."""


@pytest.fixture
def options(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> S3Options:
    monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
    create(CivoObjectStoreHook(), "photos")
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    return CivoObjectStoreHook().s3_options("photos")


def polars(options: S3Options) -> Any:
    pl = pytest.importorskip("polars")
    pl.DataFrame(ROWS).write_parquet("s3://photos/polars.parquet", storage_options=options.polars())
    return pl.scan_parquet("s3://photos/*.parquet", storage_options=options.polars()).collect().to_dict(as_series=False)


def deltalake(options: S3Options) -> Any:
    deltalake = pytest.importorskip("deltalake")
    pyarrow = pytest.importorskip("pyarrow")
    for orders in ROWS["orders"]:
        rows = pyarrow.table({"orders": [orders]})
        deltalake.write_deltalake("s3://photos/table", rows, mode="append", storage_options=options.deltalake())
    table = deltalake.DeltaTable("s3://photos/table", storage_options=options.deltalake())
    assert table.version() == 1
    found = pyarrow.table(table.to_pyarrow_table()).column("orders").to_pylist()
    return {**ROWS, "orders": sorted(found)}


def obstore(options: S3Options) -> Any:
    obstore = pytest.importorskip("obstore")
    store = obstore.store.S3Store(options.bucket, **options.obstore())
    obstore.put(store, "obstore.json", json.dumps(ROWS).encode())
    assert [found["path"] for found in obstore.list(store).collect()] == ["obstore.json"]
    return json.loads(bytes(obstore.get(store, "obstore.json").bytes()))


ARROW = """
import json, sys
import pyarrow, pyarrow.fs, pyarrow.parquet
files = pyarrow.fs.S3FileSystem(**json.loads(sys.argv[1]))
pyarrow.parquet.write_table(pyarrow.table(json.loads(sys.argv[2])), "photos/pyarrow.parquet", filesystem=files)
print(json.dumps(pyarrow.parquet.read_table("photos/pyarrow.parquet", filesystem=files).to_pydict()))
"""


def pyarrow(options: S3Options, checksums: str = "when_required") -> Any:
    """In a process of its own: the library reads the environment once."""
    pytest.importorskip("pyarrow")
    command = [sys.executable, "-c", ARROW, json.dumps(dict(options.pyarrow())), json.dumps(ROWS)]
    environment = {**os.environ, "AWS_REQUEST_CHECKSUM_CALCULATION": checksums}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    if done.returncode:
        raise OSError(done.stderr)
    return json.loads(done.stdout)


ENGINES: list[Callable[[S3Options], Any]] = [polars, deltalake, obstore, pyarrow]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_writes_and_reads(options: S3Options, engine: Callable[[S3Options], Any]) -> None:
    assert engine(options) == ROWS


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_a_wrong_secret_is_refused(options: S3Options, engine: Callable[[S3Options], Any]) -> None:
    with pytest.raises(Exception, match=r"403|SignatureDoesNotMatch|privileges|ACCESS_DENIED|SIGNATURE") as refused:
        engine(replace(options, secret_access_key="not-the-secret"))
    assert options.secret_access_key not in str(refused.value)


@pytest.mark.parametrize("engine", [polars, deltalake, obstore], ids=lambda engine: engine.__name__)
def test_sends_nothing_of_the_environment(options: S3Options, engine: Callable[[S3Options], Any]) -> None:
    requests: list[str] = []

    def refuse(request: bytes) -> bytes:
        requests.append(request.partition(b"\r\n\r\n")[0].decode())
        return http(b"<Error><Code>AccessDenied</Code></Error>", status="403 Forbidden", kind="application/xml")

    with serving(refuse) as url, pytest.raises(Exception, match=r"403|privileges"):
        engine(replace(options, endpoint_url=url))
    assert requests
    for request in requests:
        assert " /photos" in request.splitlines()[0], "the bucket is in the path"
        assert f"Credential={options.access_key_id}/" in request
        assert "/lon1/s3/" in request
        assert not any(value in request for name, value in FOREIGN.items() if name != "AWS_ENDPOINT_URL")


def test_certificates_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, key, server, bundle = (tmp_path / f"{name}.pem" for name in ("own", "key", "server", "bundle"))
    write_certificate(own, key, ca=False)
    server.write_text(own.read_text() + key.read_text())
    bundle.write_text(Path(certifi.where()).read_text() + own.read_text())
    with Emulator(Settings(creating_seconds=0), s3=MotoS3(certfile=str(server)), certfile=str(server)) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(emulator.connections()["civo_default"]))
        create(CivoObjectStoreHook(), "photos")
        options = replace(CivoObjectStoreHook().s3_options("photos"), verify=True)
        for engine, variable in (
            (obstore, "AWS_CA_BUNDLE"),
            (obstore, "REQUESTS_CA_BUNDLE"),
            (pyarrow, "REQUESTS_CA_BUNDLE"),
        ):
            with monkeypatch.context() as environment:
                for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
                    environment.delenv(name, raising=False)
                environment.setenv(variable, str(bundle))
                assert engine(options) == ROWS


def test_pyarrow_needs_the_variable_to_write(options: S3Options) -> None:
    with pytest.raises(OSError, match="411"):
        pyarrow(options, checksums="when_supported")


class TestDuckDB:
    def test_the_statement_is_one(self, options: S3Options) -> None:
        duckdb = pytest.importorskip("duckdb")
        statement, parameters = options.duckdb_secret('a "name"')
        (parsed,) = duckdb.extract_statements(statement)
        assert parsed.named_parameters == set(parameters)
        assert statement.startswith('CREATE OR REPLACE TEMPORARY SECRET "a ""name""" (TYPE s3, KEY_ID $key_id, ')
        assert options.secret_access_key not in statement
        assert parameters == {
            "key_id": options.access_key_id,
            "secret": options.secret_access_key,
            "region": "lon1",
            "endpoint": options.endpoint_url.removeprefix("http://"),
            "url_style": "path",
            "use_ssl": False,
            "scope": "s3://photos/",
        }

    def test_writes_and_reads(self, options: S3Options) -> None:
        duckdb = pytest.importorskip("duckdb")
        with duckdb.connect() as database:
            try:
                database.execute("LOAD httpfs")
            except duckdb.Error:
                pytest.skip("DuckDB downloads its extension httpfs: INSTALL httpfs")
            database.execute(*options.duckdb_secret())
            database.execute("COPY (SELECT range AS orders FROM range(5)) TO 's3://photos/duckdb.parquet'")
            assert database.execute("SELECT sum(orders) FROM 's3://photos/*.parquet'").fetchall() == [(10,)]
            database.execute(*replace(options, secret_access_key="not-the-secret").duckdb_secret())
            with pytest.raises(duckdb.Error, match="403"):
                database.execute("SELECT sum(orders) FROM 's3://photos/duckdb.parquet'")


OPTIONS = S3Options("photos", "https://objectstore.lon1.civo.com", "KEY", "my-secret", "lon1")
METHODS: dict[str, Callable[[S3Options], Any]] = {
    "polars": S3Options.polars,
    "deltalake": S3Options.deltalake,
    "obstore": S3Options.obstore,
    "pyarrow": S3Options.pyarrow,
    "duckdb_secret": S3Options.duckdb_secret,
}


@pytest.mark.parametrize("name", METHODS)
def test_empty_keys_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="has an empty secret") as refused:
        METHODS[name](replace(OPTIONS, secret_access_key=" "))
    assert "KEY" not in str(refused.value)


@pytest.mark.parametrize("name", METHODS)
def test_goes_into_no_xcom(name: str) -> None:
    from airflow.sdk.bases.xcom import BaseXCom

    assert issubclass(S3Options, NotForXCom)
    with pytest.raises(InvalidArgumentError, match="must not return the arguments of an S3 client into XCom"):
        BaseXCom.serialize_value(METHODS[name](OPTIONS))


def test_tls_is_the_endpoints() -> None:
    plain = replace(OPTIONS, endpoint_url="http://127.0.0.1:9000")
    assert [each.polars()["allow_http"] for each in (OPTIONS, plain)] == ["false", "true"]
    assert [each.obstore()["client_options"]["allow_http"] for each in (OPTIONS, plain)] == [False, True]
    assert [each.pyarrow()["scheme"] for each in (OPTIONS, plain)] == ["https", "http"]
    assert [each.pyarrow()["endpoint_override"] for each in (OPTIONS, plain)] == [
        "objectstore.lon1.civo.com",
        "127.0.0.1:9000",
    ]
    assert [each.duckdb_secret()[1]["use_ssl"] for each in (OPTIONS, plain)] == [True, False]


def test_certificates_and_proxies(certificate: str) -> None:
    own, unchecked = replace(OPTIONS, verify=certificate), replace(OPTIONS, verify=False)
    for name in ("polars", "deltalake"):
        with pytest.raises(InvalidArgumentError, match="SSL_CERT_FILE"):
            METHODS[name](own)
        assert METHODS[name](unchecked)["allow_invalid_certificates"] == "true"
        assert "allow_invalid_certificates" not in METHODS[name](OPTIONS)
    assert "BEGIN CERTIFICATE" in own.obstore()["client_options"]["root_certificate"]
    assert unchecked.obstore()["client_options"]["allow_invalid_certificates"] is True
    assert own.pyarrow()["tls_ca_file_path"] == certificate
    with pytest.raises(InvalidArgumentError, match="always checks certificates"):
        unchecked.pyarrow()
    proxied = replace(OPTIONS, proxy="http://proxy:8080")
    assert proxied.polars()["proxy_url"] == proxied.deltalake()["proxy_url"] == "http://proxy:8080"
    assert proxied.obstore()["client_options"]["proxy_url"] == "http://proxy:8080"
    assert proxied.pyarrow()["proxy_options"] == "http://proxy:8080"
    for each in (own, unchecked, proxied):
        with pytest.raises(InvalidArgumentError, match="a secret of DuckDB has no proxy and no certificates"):
            each.duckdb_secret()
