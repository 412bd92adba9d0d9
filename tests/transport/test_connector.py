"""Which connections are used again; sync and async."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.exceptions import ServerError
from tests.transport.drivers import ONCE, Connect, civo_connection
from tests.transport.stub import http, serving


class TestUnrequestedResponses:
    """A response that comes while a connection is idle is not the response to the next request."""

    DONE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n"

    def test_a_later_one(self, connect: Connect) -> None:
        requests = []

        def answer(request: bytes) -> Iterator[bytes]:
            requests.append(request)
            if b"quota" not in request:
                yield http(b'{"id": "i", "name": "n"}')
                return
            yield self.DONE.replace(b": 2", b": 54") + b'{"objectstore_gb_limit": 7, "objectstore_gb_usage": 1}'
            time.sleep(0.05)
            yield self.DONE.replace(b": 2", b": 31") + b'{"id": "i", "name": "of-nobody"}'
            time.sleep(1)

        with serving(answer) as url:
            driver = connect(civo_connection(url, retry=ONCE))
            assert driver.send(civo.get_quota()).objectstore_gb_limit == 7
            time.sleep(0.3)
            assert driver.send(civo.get_object_store("i")).name == "n"
        assert len(requests) == 2

    def test_after_a_response_that_makes_no_sense_comes_a_new_connection(self, connect: Connect) -> None:
        connections: list[bytes] = []

        def answer(request: bytes) -> Iterator[bytes]:
            connections.append(request)
            yield self.DONE + b"[]"
            time.sleep(3)  # and does not read

        with serving(answer) as url:
            driver = connect(civo_connection(url, timeout=2))
            with pytest.raises(ServerError):
                driver.send(civo.get_quota())
        assert len(connections) == driver.connection.retry.attempts
