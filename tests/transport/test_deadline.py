"""A response that drips, breaks off or never ends does not hold a worker; sync and async."""

from __future__ import annotations

import pytest

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    OutcomeUnknownError,
    TransportError,
)
from tests.transport.drivers import ONCE, Connect, anypoint_connection, civo_connection, get_quota_from
from tests.transport.stub import Answer, dripping, http, serving
from tests.transport.tls import serving_over_tls, tunnelling

pytestmark = pytest.mark.slow


class TestTime:
    @pytest.mark.parametrize(
        "begin",
        [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nx-a: ", b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"],
        ids=["status", "headers", "body"],
    )
    def test_a_byte_now_and_then_ends(self, begin: bytes, connect: Connect) -> None:
        with (
            serving(lambda request: dripping(begin)) as url,
            pytest.raises(TransportError, match=r"timed out") as caught,
        ):
            connect(civo_connection(url, timeout=0.5, retry=ONCE)).send(civo.get_quota())
        assert caught.value.request_sent

    def test_a_call_ends_with_the_attempt_under_way(self, connect: Connect) -> None:
        asked = []

        def answer(request: bytes) -> Answer:
            asked.append(request)
            return dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")

        with serving(answer) as url, pytest.raises(TransportError, match="timed out"):
            connect(civo_connection(url, timeout=0.3)).send(civo.get_quota())
        assert len(asked) == 1  # it had the time of the whole call

    def test_a_proxy_that_drips(self, connect: Connect) -> None:
        drips = serving(lambda request: dripping(b"HTTP/1.1 200 "))
        with drips as proxy, pytest.raises(TransportError, match="timed out"):
            connection = civo_connection("https://nowhere.invalid", proxy=proxy, timeout=0.5, retry=ONCE)
            connect(connection).send(civo.get_quota())


class TestWhole:
    """An answer that breaks off, or comes before the answer, is none."""

    @pytest.mark.parametrize(
        "cut", [b"HTTP/1.1 404", b"HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Ty", b"HTTP/1.1 200 OK\r\n"]
    )
    def test_headers_cut_off(self, cut: bytes, connect: Connect) -> None:
        with pytest.raises(TransportError) as caught:
            get_quota_from(connect, b"HTTP/1.1 404" + cut)
        assert caught.value.request_sent

    def test_interim_answers_are_passed_over(self, connect: Connect) -> None:
        hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        body = b'{"objectstore_gb_limit": 7, "objectstore_gb_usage": 1}'
        assert get_quota_from(connect, [hints, http(body)]).objectstore_gb_limit == 7

    def test_a_reset_behind_a_proxy_is_not_unsent(self, connect: Connect) -> None:
        asked = []

        def answer(request: bytes) -> Answer:
            asked.append(request)
            return b""

        with serving(answer) as proxy, pytest.raises(OutcomeUnknownError):
            driver = connect(
                anypoint_connection("http://nowhere.invalid", proxy=proxy, token_call=None, bearer="a-token")
            )
            driver.send(anypoint.alter_number("s", "p", "k", {"operation": "add", "value": 1}))
        assert len(asked) == 1


class TestTLSWithinTLS:
    """A proxy that is spoken to over TLS, with a service over TLS behind it."""

    def test_calls_and_their_connection(self, certificate: str, connect: Connect) -> None:
        with Emulator(certfile=certificate) as emulator, tunnelling(certificate) as (proxy, asked):
            driver = connect(anypoint_connection(emulator.url, verify=certificate, proxy=proxy))
            driver.send(anypoint.create_store("s"))
            for number in range(5):
                driver.send(anypoint.put_key("s", "p", f"k{number}", "x" * 100_000))
            assert len(driver.items(anypoint.list_keys("s", "p"))) == 5
            assert driver.send(anypoint.get_key("s", "p", "k1")).value == "x" * 100_000
            assert emulator.requests()["by_operation"]["anypoint.create_store"] == {"200": 1}
        assert asked == [emulator.url.removeprefix("https://")], "the connection is kept"

    @pytest.mark.parametrize("answer", [b"HTTP/1.1 404", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"], ids=repr)
    def test_what_breaks_off(self, answer: bytes, certificate: str, connect: Connect) -> None:
        server = serving_over_tls(certificate, lambda request: answer)
        with server as url, tunnelling(certificate) as (proxy, _), pytest.raises(TransportError) as caught:
            connect(civo_connection(url, verify=certificate, proxy=proxy, retry=ONCE)).send(civo.get_quota())
        assert caught.value.request_sent

    @pytest.mark.parametrize(
        "begin", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"], ids=repr
    )
    def test_what_drips(self, begin: bytes, certificate: str, connect: Connect) -> None:
        server = serving_over_tls(certificate, lambda request: dripping(begin))
        with server as url, tunnelling(certificate) as (proxy, _), pytest.raises(TransportError, match="timed out"):
            connection = civo_connection(url, verify=certificate, proxy=proxy, retry=ONCE, timeout=2)
            connect(connection).send(civo.get_quota())

    def test_a_proxy_that_nobody_trusts(self, certificate: str, connect: Connect) -> None:
        with Emulator(certfile=certificate) as emulator, tunnelling(certificate) as (proxy, asked):
            with pytest.raises(TransportError, match="certificate verify failed") as caught:
                connect(civo_connection(emulator.url, proxy=proxy)).send(civo.get_quota())
            assert emulator.requests()["total"] == 0
        assert asked == []
        assert not caught.value.request_sent
