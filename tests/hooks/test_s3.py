from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import s3fs
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from airflow_provider_objectstore.exceptions import (
    ConfigurationError,
    InvalidArgumentError,
    ObjectStoreError,
    TransportError,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.hooks.s3_client import find_contents

pytestmark = pytest.mark.slow

Configure = Callable[..., None]


@pytest.fixture
def configure(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Changes the extra of the Civo connection; None takes a field out."""

    def change(**extra: Any) -> None:
        connection = emulator.connections()["civo_default"]
        merged = {name: value for name, value in {**connection["extra"], **extra}.items() if value is not None}
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**connection, "extra": merged}))

    return change


@pytest.fixture
def hook(emulator: Emulator) -> CivoObjectStoreHook:
    """A hook to a service with the object store ``photos``, whose owner has keys already."""
    hook = CivoObjectStoreHook()
    create(hook, "photos", hook.create_credential("team"))
    return hook


def create(hook: CivoObjectStoreHook, name: str, owner: Credential) -> None:
    """Create an object store and wait until S3 has its bucket."""
    store = hook.create_object_store(name, access_key_id=owner.access_key_id)
    while not hook.get_object_store(store.id).ready:
        time.sleep(0.05)


def boto3_client(options: S3Options) -> Any:
    return boto3.client("s3", **options)


def client_of_aws_connection(options: S3Options) -> Any:
    """A client as the amazon provider makes it of such a connection."""
    connection = json.loads(json.dumps(options.aws_connection()))
    assert connection["conn_type"] == "aws"
    extra = connection["extra"]
    assert set(extra) <= {"endpoint_url", "region_name", "config_kwargs", "verify"}
    return boto3.client(
        "s3",
        aws_access_key_id=connection["login"],
        aws_secret_access_key=connection["password"],
        endpoint_url=extra["endpoint_url"],
        region_name=extra["region_name"],
        verify=extra.get("verify"),
        config=Config(**extra["config_kwargs"]),
    )


CLIENTS = {"boto3": boto3_client, "aws connection": client_of_aws_connection}
clients = pytest.mark.parametrize("connect", CLIENTS.values(), ids=CLIENTS)


@clients
def test_client(connect: Callable[[S3Options], Any], hook: CivoObjectStoreHook) -> None:
    options = hook.s3_options("photos")
    client = connect(options)
    client.put_object(Bucket=options.bucket, Key="a/ä b", Body=b"1")
    assert client.get_object(Bucket="photos", Key="a/ä b")["Body"].read() == b"1"
    client.upload_file(__file__, options.bucket, "file")
    assert {item["Key"] for item in client.list_objects_v2(Bucket="photos")["Contents"]} == {"a/ä b", "file"}


@clients
def test_client_is_the_owner(connect: Callable[[S3Options], Any], hook: CivoObjectStoreHook) -> None:
    other = hook.create_credential("other")
    create(hook, "theirs", other)
    client = connect(hook.s3_options("photos"))
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["photos"]
    with pytest.raises(ClientError, match=r"AccessDenied|403"):
        client.put_object(Bucket="theirs", Key="k", Body=b"")
    assert [b["Name"] for b in connect(hook.s3_options("theirs")).list_buckets()["Buckets"]] == ["theirs"]


def test_s3fs(hook: CivoObjectStoreHook) -> None:
    options = hook.s3_options("photos")
    files = s3fs.S3FileSystem(**options.s3fs(), skip_instance_cache=True)
    with files.open("photos/folder/a.txt", "wb") as file:
        file.write(b"hello")
    assert files.cat("photos/folder/a.txt") == b"hello"
    assert files.ls("photos/folder") == ["photos/folder/a.txt"]
    assert boto3_client(options).get_object(Bucket="photos", Key="folder/a.txt")["Body"].read() == b"hello"


@pytest.mark.parametrize("by", ["name", "id", "object"])
def test_names_of_a_store(by: str, hook: CivoObjectStoreHook) -> None:
    store = hook.find_object_store("photos")
    assert store is not None
    options = hook.s3_options({"name": store.name, "id": store.id, "object": store}[by])
    assert (options.bucket, options.access_key_id) == ("photos", store.owner_access_key_id)


def test_as_arguments_of_boto3(hook: CivoObjectStoreHook) -> None:
    options = hook.s3_options("photos")
    assert set(options.keys()) == {
        "endpoint_url",
        "aws_access_key_id",
        "aws_secret_access_key",
        "region_name",
        "verify",
        "config",
    }
    assert dict(options) == options.boto3()
    assert len(dict(options)) == 6
    assert dict(options)["aws_secret_access_key"] == options.secret_access_key
    assert options["config"] is options["config"], "built once"


def test_settings_that_the_backend_needs(hook: CivoObjectStoreHook) -> None:
    options = hook.s3_options("photos")
    config = options["config"]
    assert config.signature_version == "s3v4"
    assert config.s3 == {"addressing_style": "path"}
    assert config.request_checksum_calculation == "when_required"
    assert config.response_checksum_validation == "when_required"
    for settings in (options.s3fs()["config_kwargs"], options.aws_connection()["extra"]["config_kwargs"]):
        assert Config(**settings).s3 == config.s3
        assert settings["request_checksum_calculation"] == "when_required"


def test_secret_stays_out_of_representations(hook: CivoObjectStoreHook, configure: Configure) -> None:
    configure(proxy="http://user:proxy-pw@proxy")
    options = S3Options("b", "https://s3", "KEY", "hidden-secret", "lon1", proxy="http://user:proxy-pw@proxy")
    assert "KEY" in repr(options)
    assert "hidden-secret" not in f"{options!r} {options}"
    assert "proxy-pw" not in f"{options!r} {options}"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"s3_endpoint": "https://s3.example.com"}, "https://s3.example.com"),
        ({"s3_endpoint": "s3.example.com:8443"}, "https://s3.example.com:8443"),
        ({"s3_endpoint": " http://localhost:1/bucket "}, "http://localhost:1"),
    ],
    ids=repr,
)
def test_endpoint_of_the_connection(
    extra: dict[str, Any], expected: str, hook: CivoObjectStoreHook, configure: Configure
) -> None:
    configure(**extra)
    options = CivoObjectStoreHook().s3_options("photos")
    assert options.endpoint_url == expected
    assert options.s3fs()["endpoint_url"] == expected
    assert options.aws_connection()["extra"]["endpoint_url"] == expected


@pytest.mark.parametrize("empty", [None, "", " "], ids=repr)
def test_endpoint_of_the_service(empty: str | None, hook: CivoObjectStoreHook, configure: Configure) -> None:
    configure(s3_endpoint=empty)
    store = CivoObjectStoreHook().find_object_store("photos")
    assert store is not None
    assert store.endpoint
    host = CivoObjectStoreHook().s3_options("photos").endpoint_url
    assert host == f"https://{store.endpoint.rpartition('://')[2].partition('/')[0]}"


def test_region_of_the_hook(emulator: Emulator) -> None:
    hook = CivoObjectStoreHook(region="NYC1")
    owner = hook.create_credential("team")
    create(hook, "there", owner)
    assert hook.s3_options("there").region_name == "nyc1"


def test_verify_and_proxy_go_along(hook: CivoObjectStoreHook, tmp_path: Path) -> None:
    for verify in (False, "/ca.pem"):
        options = S3Options("b", "https://s3", "KEY", "s", "lon1", verify=verify, proxy="http://proxy:1")
        assert options["verify"] == verify
        assert options["config"].proxies == {"http": "http://proxy:1", "https": "http://proxy:1"}
        assert options.s3fs()["client_kwargs"]["verify"] == verify
        assert options.s3fs()["config_kwargs"]["proxies"]["https"] == "http://proxy:1"
        assert options.aws_connection()["extra"]["verify"] == verify
        assert options.aws_connection()["extra"]["config_kwargs"]["proxies"]["https"] == "http://proxy:1"


def test_missing_store(hook: CivoObjectStoreHook) -> None:
    with pytest.raises(ObjectStoreError, match="no object store with the exact name or id 'photo'"):
        hook.s3_options("photo")


@pytest.mark.parametrize("bad", ["", ".."])
def test_store_that_cannot_be(bad: str, hook: CivoObjectStoreHook) -> None:
    with pytest.raises(InvalidArgumentError):
        hook.s3_options(bad)


def test_owner_that_is_gone(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    page = {"page": 1, "pages": 1, "items": []}
    emulator.faults([{"operation": "civo.list_credentials", "kind": "status", "status": 200, "body": page}])
    with pytest.raises(ObjectStoreError, match=r"owner of object store photos .* is not among"):
        hook.s3_options("photos")


@pytest.fixture
def tls(certificate: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Both sides over TLS with a certificate that nobody knows, as the default connection."""
    settings = Settings(creating_seconds=0)
    with Emulator(settings, s3=MotoS3(certfile=certificate), certfile=certificate) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(emulator.connections()["civo_default"]))
        yield emulator


def test_certificates_over_the_wire(tls: Emulator, certificate: str) -> None:
    hook = CivoObjectStoreHook()
    owner = hook.create_credential("team")
    create(hook, "photos", owner)
    options = hook.s3_options("photos")
    assert (options.verify, options.endpoint_url[:8]) == (certificate, "https://")
    client: Any
    for number, connect in enumerate(CLIENTS.values()):
        client = connect(options)
        client.put_object(Bucket="photos", Key=f"k{number}", Body=b"1" * 100)
    files = s3fs.S3FileSystem(**options.s3fs(), skip_instance_cache=True)
    assert files.ls("photos") == ["photos/k0", "photos/k1"]
    once = options["config"].merge(Config(retries={"total_max_attempts": 1}))
    untrusting: Any = boto3.client("s3", **{**options, "verify": True, "config": once})
    with pytest.raises(SSLError):
        untrusting.list_buckets()


CA_VARIABLES = "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"


@pytest.fixture
def checked(tls: Emulator, monkeypatch: pytest.MonkeyPatch) -> S3Options:
    """A bucket whose certificate nobody knows, over a connection without ``verify``."""
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    hook = CivoObjectStoreHook()
    create(hook, "photos", hook.create_credential("team"))
    return replace(hook.s3_options("photos"), verify=True)


@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_certificates_of_the_environment(
    variable: str, checked: S3Options, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = checked
    with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
        find_contents(options)
    monkeypatch.setenv(variable, certificate)
    assert find_contents(options) is None
    for connect in CLIENTS.values():
        assert connect(options).list_objects_v2(Bucket="photos")["KeyCount"] == 0
    assert s3fs.S3FileSystem(**options.s3fs(), skip_instance_cache=True).ls("photos") == []


def test_certificates_are_of_no_account_over_plain_http(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))  # no file, which S3's clients need
    hook = CivoObjectStoreHook()
    create(hook, "photos", hook.create_credential("team"))
    options = hook.s3_options("photos")
    assert find_contents(options) is None
    for connect in CLIENTS.values():
        assert connect(options).list_objects_v2(Bucket="photos")["KeyCount"] == 0
    assert s3fs.S3FileSystem(**options.s3fs(), skip_instance_cache=True).ls("photos") == []


@pytest.mark.parametrize(("variable", "other"), [CA_VARIABLES, CA_VARIABLES[::-1]])
def test_an_empty_name_trusts_nobody(
    variable: str, other: str, checked: S3Options, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for empty, verify in (("", True), (" ", True), ("", ""), (None, " ")):
        if empty is not None:
            monkeypatch.setenv(variable, empty)
        else:
            monkeypatch.delenv(variable)
        options = replace(checked, verify=verify)
        with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
            find_contents(options)
        assert options.s3fs()["client_kwargs"].get("verify", True) is True
    options = checked
    monkeypatch.setenv(variable, "")
    monkeypatch.setenv(other, certificate)
    assert find_contents(options) is None
    assert s3fs.S3FileSystem(**options.s3fs(), skip_instance_cache=True).ls("photos") == []
    assert "verify" not in options.aws_connection()["extra"], "another process has its own environment"


@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_what_s3_clients_cannot_read_is_named(
    variable: str, tmp_path: Path, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    options = S3Options("photos", "https://127.0.0.1:1", "KEY", "secret", "lon1")
    problems = {tmp_path: "is the folder", tmp_path / "missing": "is .*, where no certificates can be read"}
    for path, problem in problems.items():
        monkeypatch.setenv(variable, str(path))
        for use in (options.boto3, options.s3fs, options.obstore, options.pyarrow):
            with pytest.raises(ConfigurationError, match=f"environment variable {variable} {problem}"):
                use()
        assert "verify" not in options.aws_connection()["extra"]
        for verify in (False, certificate):
            assert replace(options, verify=verify).boto3()["verify"] == verify, "the connection's own comes first"


def test_connection_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", "{}")
    with pytest.raises(ConfigurationError):
        CivoObjectStoreHook().s3_options("photos")
