from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from tests.emulator.conftest import Anypoint, Api, Civo

pytestmark = pytest.mark.slow


def port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def test_ports_are_bound_and_released() -> None:
    with Emulator(s3=MotoS3()) as emulator:
        assert emulator.s3_url is not None
        ports = port(emulator.url), port(emulator.s3_url)
        with pytest.raises(OSError, match="in use"):
            Emulator(port=ports[0]).start()
        with pytest.raises(OSError, match="in use"):
            Emulator(s3_port=ports[1], s3=MotoS3()).start()
        session = requests.Session()
        session.get(f"{emulator.url}/_emulator/health")
        session.get(emulator.s3_url)
    for number in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", number))
    for url in (f"{emulator.url}/_emulator/health", emulator.s3_url):
        with pytest.raises(requests.ConnectionError):
            session.get(url)
    with Emulator(port=ports[0]) as again:
        assert port(again.url) == ports[0]


def test_only_loopback_is_served() -> None:
    with Emulator() as emulator, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address = probe.getsockname()[0]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, port(emulator.url)), timeout=5)


def test_connections_point_at_the_emulator() -> None:
    with Emulator(s3=MotoS3()) as emulator:
        connections = emulator.connections()
        assert connections == {
            "anypoint_default": {
                "conn_type": "anypoint",
                "host": emulator.url,
                "login": "emulator-client",
                "password": "emulator-secret",
                "extra": {
                    "organization_id": "emulator-org",
                    "environment_id": "emulator-env",
                    "region": "us-east-1",
                    "requests_per_second": 1000,
                },
            },
            "civo_default": {
                "conn_type": "civo",
                "host": emulator.url,
                "password": "emulator-key",
                "extra": {"region": "LON1", "s3_endpoint": emulator.s3_url, "requests_per_second": 1000},
            },
        }
        assert Api(emulator.url)("GET", "/_emulator/health").json()["s3_endpoint"] == emulator.s3_url


def test_stopping_does_not_wait_for_a_request_that_hangs() -> None:
    emulator = Emulator(Settings())
    emulator.start()
    emulator.faults([{"operation": "*", "kind": "delay", "seconds": 60}])
    with socket.create_connection(("127.0.0.1", port(emulator.url))) as connection:
        connection.sendall(b"GET /v2/quota HTTP/1.1\r\nHost: localhost\r\n\r\n")
        emulator.stop()


def test_everything_over_tls(certificate: str) -> None:
    with Emulator(certfile=certificate) as emulator:
        assert emulator.url.startswith("https://127.0.0.1:")
        connections = emulator.connections()
        assert {connection["extra"]["verify"] for connection in connections.values()} == {certificate}
        context = ssl.create_default_context(cafile=certificate)
        with urllib.request.urlopen(f"{emulator.url}/_emulator/health", context=context) as response:
            assert json.load(response)["status"] == "ok"
        emulator.faults([{"operation": "*", "kind": "reset_before"}])
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{emulator.url}/v2/quota", verify=certificate)


def test_two_emulators_share_nothing() -> None:
    with Emulator(Settings(creating_seconds=0)) as first, Emulator() as second:
        Civo(first.url).create("store")
        Anypoint(first.url).store("PUT", "s")
        assert Civo(second.url)("GET", "objectstores").json()["items"] == []
        assert Anypoint(second.url).store("GET").json()["values"] == []


def test_importing_is_light_and_independent() -> None:
    code = (
        "import sys, airflow_provider_objectstore.emulator\n"
        "ours = [n for n in sys.modules if n.startswith('airflow_provider_objectstore.')]\n"
        "assert all(n.startswith('airflow_provider_objectstore.emulator') for n in ours), ours\n"
        "heavy = {'airflow', 'moto', 'flask', 'boto3', 'botocore', 'aiohttp', 'requests'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
