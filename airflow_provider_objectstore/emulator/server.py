"""Run the emulator in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from airflow_provider_objectstore.emulator.app import App
from airflow_provider_objectstore.emulator.s3.backend import S3Backend, S3Worker
from airflow_provider_objectstore.emulator.settings import (
    CIVO_KEY,
    CLIENT_ID,
    CLIENT_SECRET,
    ENVIRONMENT,
    ORGANIZATION,
    REGION,
    Settings,
)

T = TypeVar("T")


class Emulator:
    """
    Serve both control planes on one port of 127.0.0.1, and S3 on another, until the ``with`` block ends.

    :param settings: how the services behave; by default as :class:`Settings` says.
    :param port: port of the control planes; 0 chooses a free one.
    :param s3_port: port of S3; 0 chooses a free one.
    :param s3: the S3 backend, such as :class:`MotoS3`. Without one, buckets exist in Civo's API only.
    :param certfile: certificate in PEM to serve the control planes over TLS; it may contain the private key.
    :param keyfile: the certificate's private key in PEM.
    :raises OSError: on start, if a port is in use.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        port: int = 0,
        s3_port: int = 0,
        s3: S3Backend | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.url = ""
        self.s3_url: str | None = None
        self._port = port
        self._s3_port = s3_port
        self._s3 = s3
        self._certfile = certfile
        self._keyfile = keyfile

    def start(self) -> None:
        """Start serving. Return once requests are accepted."""
        import uvicorn

        with ExitStack() as cleanup:
            listener = cleanup.enter_context(socket.create_server(("127.0.0.1", self._port)))
            self.url = f"{'https' if self._certfile else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
            worker = None
            if self._s3 is not None:
                self.s3_url = self._s3.start(self._s3_port)
                worker = S3Worker(self._s3)
                cleanup.callback(worker.stop)
            self._app = App(self.settings, worker, self.s3_url)
            config = uvicorn.Config(
                self._app,
                lifespan="off",
                ws="none",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                log_level="critical",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
                ssl_certfile=self._certfile,
                ssl_keyfile=self._keyfile,
            )
            config.load()
            self._server = uvicorn.Server(config)
            self._ready = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(listener,), name="emulator", daemon=True)
            self._thread.start()
            self._ready.wait()
            self._cleanup = cleanup.pop_all()

    def _run(self, listener: socket.socket) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._ready.set)
            await self._server.serve([listener])

        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            runner.run(serve())

    def stop(self) -> None:
        """Stop serving and release the ports."""
        self._server.should_exit = True
        self._thread.join()
        self._cleanup.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def connections(self) -> dict[str, dict[str, Any]]:
        """Return Airflow connections to the emulator by id, each in the JSON form of ``AIRFLOW_CONN_…``."""
        verify = {"verify": self._certfile} if self._certfile else {}
        anypoint = {
            "organization_id": ORGANIZATION,
            "environment_id": ENVIRONMENT,
            "region": "us-east-1",
            "requests_per_second": 1000,
        }
        civo = {"region": REGION, "requests_per_second": 1000}
        if self.s3_url is not None:
            civo["s3_endpoint"] = self.s3_url
        return {
            "anypoint_default": {
                "conn_type": "anypoint",
                "host": self.url,
                "login": CLIENT_ID,
                "password": CLIENT_SECRET,
                "extra": anypoint | verify,
            },
            "civo_default": {
                "conn_type": "civo",
                "host": self.url,
                "password": CIVO_KEY,
                "extra": civo | verify,
            },
        }

    def faults(self, faults: list[dict[str, Any]]) -> None:
        """
        Replace all faults. An empty list clears them.

        :param faults: objects with the fields of ``faults.Fault``.
        :raises ValueError: naming the fault and the field that is unknown or invalid.
        """

        async def change() -> None:
            self._app.faults.set(faults)

        self._call(change())

    def requests(self) -> dict[str, Any]:
        """
        Return how many requests there were since the start or the last reset.

        :return: ``{"total": n, "by_operation": {operation: {status: n}}}``.
        """

        async def read() -> dict[str, Any]:
            return self._app.requests()

        return self._call(read())

    def reset(self) -> None:
        """Delete all state, on S3 too, and clear faults and counters. Access tokens stay valid."""
        self._call(self._app.reset())

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
