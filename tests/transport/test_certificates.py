"""Which certificates are trusted, and that they are read again after they were renewed; sync and async."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ConfigurationError, TransportError
from airflow_provider_objectstore.transport import AsyncClient, Client
from airflow_provider_objectstore.transport.certificates import Certificates, create_context, find_certificates
from tests.rgw.certificate import write_certificate
from tests.transport.drivers import ONCE, Connect, anypoint_connection, civo_connection

VARIABLES = "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"
variables = pytest.mark.parametrize("variable", VARIABLES)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def tls(certificate: str) -> Iterator[Emulator]:
    """The services over TLS, with a certificate that nobody knows."""
    with Emulator(certfile=certificate) as emulator:
        yield emulator


@pytest.fixture
def folder(certificate: str, tmp_path: Path) -> Path:
    """A folder with the certificate, under the name by which OpenSSL finds it."""
    pem = Path(certificate).read_bytes()
    subject = x509.load_pem_x509_certificate(pem).subject.public_bytes()[2:]  # without the tag and the length
    digest = hashlib.sha1(subject, usedforsecurity=False).digest()
    (tmp_path / f"{int.from_bytes(digest[:4], 'little'):08x}.0").write_bytes(pem)
    return tmp_path


@variables
def test_a_folder_of_the_environment(
    variable: str, folder: Path, tls: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(folder))
    assert connect(anypoint_connection(tls.url)).items(anypoint.list_stores()) == []


def test_the_error_says_what_to_check(tls: Emulator, connect: Connect, emulator: Emulator) -> None:
    with pytest.raises(TransportError, match=r"verify failed.*\. Check the host, and which certificates are trusted: "):
        connect(anypoint_connection(tls.url)).send(anypoint.list_stores())
    plain = emulator.url.replace("http://", "https://")
    with pytest.raises(TransportError, match=r"\. Check scheme and port of the host, and of the proxy: "):
        connect(anypoint_connection(plain)).send(anypoint.list_stores())


def test_a_folder_without_the_certificate(tls: Emulator, connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="certificate verify failed"):
        connect(anypoint_connection(tls.url, verify=str(tmp_path))).send(anypoint.list_stores())


@pytest.mark.parametrize("empty", ["", " "], ids=repr)
@pytest.mark.parametrize("where", ["variable", "verify"])
def test_an_empty_name_trusts_nobody(
    where: str, empty: str, tls: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "variable":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", empty)
    connection = anypoint_connection(tls.url, verify=True if where == "variable" else empty)
    with pytest.raises(TransportError, match="certificate verify failed") as caught:
        connect(connection).send(anypoint.list_stores())
    assert caught.value.permanent


def test_an_empty_variable_does_not_hide_the_other(
    certificate: str, tls: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    monkeypatch.setenv("CURL_CA_BUNDLE", certificate)
    assert connect(anypoint_connection(tls.url)).items(anypoint.list_stores()) == []


@pytest.mark.parametrize("what", ["missing", "empty", "other text", "broken"])
@pytest.mark.parametrize("where", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "verify of the connection"])
def test_what_cannot_be_read_is_named(
    where: str, what: str, tls: Emulator, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    texts = {
        "empty": "",
        "other text": "no certificate",
        "broken": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    }
    if what in texts:
        file.write_text(texts[what])
    if where in VARIABLES:
        monkeypatch.setenv(where, str(file))
    connection = anypoint_connection(
        tls.url, verify=True if where in VARIABLES else str(file), labels={"conn_id": "prod"}
    )
    with pytest.raises(ConfigurationError, match=rf"{where} is .*ca\.pem, where no certificates .*\[connection prod\]"):
        connect(connection).send(anypoint.list_stores())


def test_without_a_check_no_variable_is_read(
    tls: Emulator, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing"))
    assert connect(anypoint_connection(tls.url, verify=False)).items(anypoint.list_stores()) == []


@pytest.fixture
def renewed(tmp_path: Path) -> list[Path]:
    """Two certificates with their keys, the second of which replaces the first."""
    files = []
    for name in ("first", "second"):
        file, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        write_certificate(file, key)
        file.write_text(file.read_text() + key.read_text())
        files.append(file)
    return files


async def test_a_renewed_file_is_read_while_a_client_is_open(renewed: list[Path], tmp_path: Path) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(renewed[0].read_text())
    with Emulator(certfile=str(renewed[0])) as before, Emulator(certfile=str(renewed[1])) as after:

        def client(emulator: Emulator) -> AsyncClient:
            bases = {"base_urls": {"api": f"{emulator.url}/v2"}, "retry": ONCE, "verify": str(trusted)}
            return AsyncClient(civo_connection(emulator.url, **bases))

        async with client(before) as first:
            await first.send(civo.get_quota())
            async with client(after) as second:
                with pytest.raises(TransportError, match="certificate verify failed"):
                    await second.send(civo.get_quota())
                trusted.write_text(renewed[1].read_text())
                async with client(after) as third:
                    await third.send(civo.get_quota())
        Client(civo_connection(after.url, verify=str(trusted))).send(civo.get_quota())


def test_renewed_certificates_make_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digest() -> str:
        return civo_connection("https://example.com").digest

    digests = [digest()]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "folder"))
    digests.append(digest())
    (tmp_path / "folder").mkdir()
    digests.append(digest())
    (tmp_path / "new").write_text("")
    (tmp_path / "new").rename(tmp_path / "folder" / "new")
    os.utime(tmp_path / "folder", (1, 1))
    digests.append(digest())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "folder" / "new"))
    digests.append(digest())
    (tmp_path / "folder" / "new").write_text("more")
    digests.append(digest())
    assert len(set(digests)) == 6
    assert digest() == digests[-1]


def test_the_connections_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/environment")
    assert find_certificates("/own", "REQUESTS_CA_BUNDLE") == Certificates("/own", "verify of the connection")
    found = find_certificates(True, "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
    assert found == Certificates("/environment", "the environment variable REQUESTS_CA_BUNDLE")
    assert find_certificates(False, "REQUESTS_CA_BUNDLE") is None


def test_s3_clients_take_a_file_only(certificate: str, tmp_path: Path) -> None:
    Certificates(certificate, "it").require_file()
    with pytest.raises(ConfigurationError, match=r"it is the folder .*AWS_CA_BUNDLE"):
        Certificates(str(tmp_path), "it").require_file()


def test_no_path_is_no_check(certificate: str) -> None:
    assert create_context(None).verify_mode is ssl.CERT_NONE
    assert create_context(certificate).verify_mode is ssl.CERT_REQUIRED
    assert create_context(certificate).check_hostname
