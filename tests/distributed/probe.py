"""What a service holds, read without the package's client."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.settings import (
    CIVO_KEY,
    CLIENT_ID,
    CLIENT_SECRET,
    ENVIRONMENT,
    ORGANIZATION,
    REGION,
)


class Probe:
    """
    Reads stores and credentials over HTTP.

    :param service: the service.
    """

    def __init__(self, service: Emulator) -> None:
        self._session = requests.Session()
        self._session.trust_env = False  # never through a proxy
        self._url = service.url
        login = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials"}
        token = self._session.post(f"{self._url}/accounts/api/v2/oauth2/token", json=login, timeout=30)
        self._anypoint = {"Authorization": f"Bearer {token.json()['access_token']}"}

    def keys(self, store: str, partition: str) -> list[str]:
        """Return the keys of a partition, sorted; none where it does not exist."""
        found: list[str] = []
        query: dict[str, str] = {}
        while True:
            response = self._key(store, partition, "", params=query)
            if response.status_code == 404:
                return found
            page = response.json()
            found += [entry["keyId"] for entry in page["values"]]
            if not page.get("nextPageToken"):
                return sorted(found)
            query = {"nextPageToken": page["nextPageToken"]}

    def value(self, store: str, partition: str, key: str) -> Any:
        """Return a value as the service responds with it."""
        response = self._key(store, partition, f"/{quote(key, safe='')}")
        response.raise_for_status()
        return response.json()

    def credentials(self, lineage: str) -> list[dict[str, Any]]:
        """Return the credentials that rotations of one name have left, and the first of that name."""
        items = self._civo("/objectstore/credentials")
        return [item for item in items if item["name"] == lineage or item["name"].startswith(f"{lineage}-r")]

    def owner(self, bucket: str) -> str:
        """Return the access key that owns an object store."""
        (store,) = [item for item in self._civo("/objectstores") if item["name"] == bucket]
        return str(store["owner_info"]["access_key_id"])

    def _key(self, store: str, partition: str, key: str, **arguments: Any) -> requests.Response:
        path = f"/api/v1/organizations/{ORGANIZATION}/environments/{ENVIRONMENT}/stores/{store}"
        url = f"{self._url}{path}/partitions/{partition}/keys{key}"
        return self._session.get(url, headers=self._anypoint, timeout=90, **arguments)

    def _civo(self, path: str) -> list[dict[str, Any]]:
        headers, query = {"Authorization": f"Bearer {CIVO_KEY}"}, {"region": REGION, "per_page": "100"}
        response = self._session.get(f"{self._url}/v2{path}", headers=headers, params=query, timeout=90)
        items: list[dict[str, Any]] = response.json()["items"]
        return items
