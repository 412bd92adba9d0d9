"""The page in Airflow's own API server."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_objectstore.emulator import Emulator, Settings
from tests.publishers.servers import ApiServer

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

FRAGMENT = {"X-Objectstore-Fragment": "1"}


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """The address of a service that accepts connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, silent: str) -> Iterator[ApiServer]:
    """The API server with connections to both services, and one to a service that is dead."""
    with Emulator(Settings()) as emulator, ApiServer(tmp_path_factory.mktemp("airflow")) as running:
        known = emulator.connections()
        dead = {**known["civo_default"], "host": silent}
        for conn_id, connection in {
            "mule": known["anypoint_default"],
            "civo": known["civo_default"],
            "dead": dead,
        }.items():
            body = {"connection_id": conn_id, **connection, "extra": json.dumps(connection["extra"])}
            running.call("POST", "/connections", json=body)
        yield running


def get(server: ApiServer, path: str, user: str | None, headers: dict[str, str] | None = None, **options: Any) -> Any:
    cookies = {"_token": server.new_token(user)} if user else {}
    url = path if path.startswith("http") else f"{server.url}/object-stores{path}"
    return requests.get(url, cookies=cookies, headers=headers, timeout=60, **options)


def test_it_is_in_the_navigation(server: ApiServer) -> None:
    (found,) = (plugin for plugin in server.call("GET", "/plugins")["plugins"] if plugin["name"] == "object_stores")
    (view,) = found["external_views"]
    assert (view["name"], view["url_route"], view["destination"]) == ("Object stores", "object-stores", "nav")
    assert get(server, f"{server.url}{view['href']}", "admin").status_code == 200
    assert get(server, f"{server.url}{view['icon']}", "admin").headers["content-type"] == "image/svg+xml"
    assert not server.call("GET", "/plugins/importErrors")["import_errors"]


def test_roles(server: ApiServer) -> None:
    start = get(server, "/", "admin")
    assert re.findall(r'data-fragment="([^"]*)"', start.text)[:1] == ["/object-stores/buckets/civo"]
    assert "organization" in get(server, "/stores/mule", "admin", FRAGMENT).text
    assert "data-fragment" not in get(server, "/", "viewer").text
    assert get(server, "/stores/mule", "viewer", FRAGMENT).status_code == 403
    assert get(server, "/stores/mule", None, FRAGMENT).status_code == 401
    sign_in = get(server, "/stores/mule", None)
    assert sign_in.url.partition("?")[0] == f"{server.url}/auth/login"
    assert get(server, "/stores/mule", None, allow_redirects=False).status_code == 303
    forged = requests.get(
        f"{server.url}/object-stores/stores/mule", headers={**FRAGMENT, "Authorization": "Bearer x.y.z"}
    )
    assert forged.status_code == 401


def test_a_dead_service_delays_its_own_card_only(server: ApiServer) -> None:
    waiting = threading.Barrier(6)
    ended: list[str] = []

    def card() -> None:
        token = server.new_token("admin")
        waiting.wait(30)
        answer = requests.get(
            f"{server.url}/object-stores/buckets/dead", cookies={"_token": token}, headers=FRAGMENT, timeout=60
        )
        assert "timed out" in answer.text
        ended.append("dead")

    cards = [threading.Thread(target=card) for _ in range(5)]
    for thread in cards:
        thread.start()
    token = {"_token": server.new_token("admin")}
    waiting.wait(30)
    for _ in range(5):
        answer = requests.get(f"{server.url}/object-stores/buckets/civo", cookies=token, headers=FRAGMENT, timeout=60)
        assert answer.ok
        assert requests.get(f"{server.url}/api/v2/connections", cookies=token, timeout=60).ok
        ended.append("alive")
    for thread in cards:
        thread.join(60)
    assert ended[0] == "alive"
    assert len(ended) == 10, "each of the five got its answer"
