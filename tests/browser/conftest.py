from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import chromium
from tests.browser.prepare import CHROMIUM
from tests.publishers.servers import ApiServer

if TYPE_CHECKING:
    from tests.browser.airflow_pages import Pages


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Airflow's API server, which asks for no login and tests connections."""
    if os.environ.get("CHROMIUM") == "skip":
        pytest.skip("CHROMIUM=skip")
    if CHROMIUM.installation() is None:
        pytest.skip("Chromium is not here: make chromium unpacks it")
    server = ApiServer(tmp_path_factory.mktemp("airflow"))
    server.environment |= {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    }
    with server:
        yield server


@pytest.fixture(scope="module")
def pages(server: ApiServer) -> Iterator[Pages]:
    """Airflow in a browser."""
    from tests.browser.airflow_pages import Pages

    with chromium() as browser:
        yield Pages(browser, server.url)
