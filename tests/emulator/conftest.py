from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_provider_objectstore.emulator import Emulator, S3Backend, Settings

S3_BACKENDS = [
    pytest.param("airflow_provider_objectstore.emulator:MotoS3", id="moto"),
    pytest.param("tests.rgw.backend:RgwS3", id="rgw", marks=pytest.mark.rgw),
]
STORES = "/api/v1/organizations/emulator-org/environments/emulator-env/stores"
CREDENTIALS = "objectstore/credentials"
WHEN_REQUIRED = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}


def civo_error(response: requests.Response) -> tuple[int, str]:
    """Return status and code of Civo's error response."""
    body = response.json()
    assert body["reason"]
    assert body["result"] == "failed"
    return response.status_code, body["code"]


def s3_error(call: Any, **arguments: Any) -> str:
    """Return status and code of the error that an S3 call raises."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return f"{caught.value.response['ResponseMetadata']['HTTPStatusCode']} {caught.value.response['Error']['Code']}"


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Api:
    """An HTTP client of a service. ``path`` is sent unchanged."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        if token:
            self.session.headers["Authorization"] = f"bearer {token}"

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=10, **options)


class Anypoint(Api):
    """A client of Object Store v2 with an access token."""

    def __init__(self, url: str, client_id: str = "emulator-client") -> None:
        super().__init__(url)
        form = {"client_id": client_id, "client_secret": "emulator-secret", "grant_type": "client_credentials"}
        token = self("POST", "/accounts/api/v2/oauth2/token", json=form).json()["access_token"]
        super().__init__(url, token)

    def store(self, method: str, *segments: str, **options: Any) -> requests.Response:
        """Send a request to a path below ``/stores``, with each segment encoded on its own."""
        path = "".join("/" + quote(segment, safe="") for segment in segments)
        return self(method, STORES + path, **options)

    def key(
        self, method: str, key: str, value: Any = None, *, store: str = "s", partition: str = "p", confirm: Any = False
    ) -> requests.Response:
        """Send a request to a key."""
        params = {} if confirm is None else {"confirmable": str(confirm).lower()}
        return self.store(method, store, "partitions", partition, "keys", key, params=params, json=value)

    def pages(self, *segments: str, **params: Any) -> list[list[Any]]:
        """Return all pages of a listing."""
        pages: list[list[Any]] = []
        token = None
        while True:
            response = self.store("GET", *segments, params=params | ({"nextPageToken": token} if token else {}))
            assert response.status_code == 200, response.text
            pages.append(response.json()["values"])
            token = response.json()["nextPageToken"]
            if token is None:
                return pages


class Civo(Api):
    """A client of Civo with its key. The region is sent in the query."""

    def __init__(self, url: str, key: str = "emulator-key") -> None:
        super().__init__(url, key)

    def __call__(self, method: str, path: str, region: str | None = "LON1", **options: Any) -> requests.Response:
        params = options.pop("params", {}) | ({"region": region} if region else {})
        return super().__call__(method, f"/v2/{path}", params=params, **options)

    def create(self, name: str, **body: Any) -> dict[str, Any]:
        """Create a store."""
        response = self("POST", "objectstores", json={"name": name, **body})
        assert response.status_code == 200, response.text
        created: dict[str, Any] = response.json()
        return created

    def create_credential(self, name: str, **body: Any) -> dict[str, Any]:
        """Create a credential."""
        response = self("POST", "objectstore/credentials", json={"name": name, **body})
        assert response.status_code == 200, response.text
        created: dict[str, Any] = response.json()
        return created


@pytest.fixture(scope="session")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def session_emulator(clock: Clock) -> Iterator[Emulator]:
    with Emulator(Settings(clock=clock, creating_seconds=5)) as emulator:
        yield emulator


@pytest.fixture
def emulator(session_emulator: Emulator) -> Emulator:
    """An empty emulator without S3, whose time only a test moves."""
    session_emulator.reset()
    return session_emulator


@pytest.fixture
def anypoint(emulator: Emulator) -> Anypoint:
    """A client of Object Store v2, with the store ``s``."""
    client = Anypoint(emulator.url)
    assert client.store("PUT", "s").status_code == 200
    return client


@pytest.fixture
def civo(emulator: Emulator) -> Civo:
    return Civo(emulator.url)


@pytest.fixture(scope="session", params=S3_BACKENDS)
def session_s3(request: pytest.FixtureRequest) -> Iterator[tuple[Emulator, S3Backend]]:
    module, _, name = request.param.partition(":")
    backend = getattr(importlib.import_module(module), name)()
    with Emulator(Settings(creating_seconds=0), s3=backend) as emulator:
        yield emulator, backend


@pytest.fixture
def s3_emulator(session_s3: tuple[Emulator, S3Backend]) -> Emulator:
    """An empty emulator with S3. New stores are ready as soon as S3 is."""
    session_s3[0].reset()
    return session_s3[0]


@pytest.fixture
def s3_backend(session_s3: tuple[Emulator, S3Backend], s3_emulator: Emulator) -> S3Backend:
    """An empty S3 backend, serving."""
    return session_s3[1]


class Connect:
    """Makes boto3 clients for an endpoint."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, access_key: str = "KEY-A", secret_key: str = "secret-a", **config: Any) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name="lon1",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **config),
        )


@pytest.fixture
def connect(s3_emulator: Emulator) -> Connect:
    """Makes boto3 clients of the emulator's S3."""
    assert s3_emulator.s3_url is not None
    return Connect(s3_emulator.s3_url)


@pytest.fixture
def two_users(s3_backend: S3Backend) -> SimpleNamespace:
    """Create users ``a`` (KEY-A, secret-a) and ``b`` (KEY-B, secret-b) with a bucket each."""
    s3_backend.put_user("a", "KEY-A", "secret-a")
    s3_backend.put_user("b", "KEY-B", "secret-b")
    s3_backend.create_bucket("bucket-a", "a")
    s3_backend.create_bucket("bucket-b", "b")
    return SimpleNamespace(own_bucket="bucket-a", other_bucket="bucket-b")
