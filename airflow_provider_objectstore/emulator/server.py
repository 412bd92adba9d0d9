"""Run the emulator in a thread."""

from __future__ import annotations

import asyncio
import copy
import socket
import threading
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from airflow_provider_objectstore.emulator import contents
from airflow_provider_objectstore.emulator.app import App
from airflow_provider_objectstore.emulator.messages import dumps
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
from airflow_provider_objectstore.emulator.state import State, parse
from airflow_provider_objectstore.emulator.state_file import StateFile, StateKeeper

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
    :param state_file: file that keeps the state: read at the start if it exists, written two seconds after a change
        and at the stop. Without one, the state is in memory only.
    :raises OSError: on start, if a port is in use or the file cannot be written.
    :raises ValueError: on start, if the file holds no state of this version. It is left as it is.
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
        state_file: str | Path | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.url = ""
        self.s3_url: str | None = None
        self._port = port
        self._s3_port = s3_port
        self._s3 = s3
        self._certfile = certfile
        self._keyfile = keyfile
        self._state_file = None if state_file is None else StateFile(state_file)
        self._error: BaseException | None = None

    def start(self) -> None:
        """Start serving. Return once requests are accepted."""
        import uvicorn

        self._error = None
        state = None if self._state_file is None else self._state_file.read()
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
            self._thread = threading.Thread(target=self._run, args=(listener, state), name="emulator", daemon=True)
            self._thread.start()
            self._ready.wait()
            if self._error is not None:
                self._thread.join()
                raise self._error
            self._cleanup = cleanup.pop_all()

    def _run(self, listener: socket.socket, state: State | None) -> None:
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            try:
                runner.run(self._serve(listener, state))
            except BaseException as error:
                self._error = error
            finally:
                self._ready.set()

    async def _serve(self, listener: socket.socket, state: State | None) -> None:
        self._loop = asyncio.get_running_loop()
        if state is not None:
            await self._app.load(state)
        if self._state_file is None:
            self._loop.call_soon(self._ready.set)
            await self._server.serve([listener])
            return
        keeper = StateKeeper(self._app, self._state_file)
        await keeper.save()  # if that is not possible, nothing is served
        self._loop.call_soon(self._ready.set)
        saving = asyncio.create_task(keeper.save_changes())
        await self._server.serve([listener])
        await keeper.stop(saving)

    def stop(self) -> None:
        """
        Stop serving and release the ports.

        :raises OSError: if the state file cannot be written.
        """
        self._server.should_exit = True
        self._thread.join()
        self._cleanup.close()
        if self._error is not None:
            raise self._error

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

    def log(self, operation: str = "*", *, since: int = 0) -> list[dict[str, Any]]:
        """
        Return the last 10,000 requests since the start or the last reset, the oldest first. S3's are not in it.

        :param operation: glob over operation names, such as ``anypoint.*_key``.
        :param since: the id after which to begin.
        :return: objects with ``id``, ``time``, ``operation``, ``method``, ``path`` (without the query) and ``status``.
        :raises ValueError: if no operation matches, with those that are close: an empty log would be taken for none.
        """

        async def read() -> list[dict[str, Any]]:
            return self._app.log.read(operation, since)

        return self._call(read())

    def advance(self, time: float | timedelta) -> None:
        """
        Let time pass: for times to live, tokens, confirmations, ``creating`` and ``pending``, statistics, rate limits.

        A reset takes it back. S3 goes by its own clock.

        :param time: seconds or a ``timedelta``, 0 or more.
        :raises ValueError: if it is less, or the clock would be more than 100 years ahead.
        """
        seconds = time.total_seconds() if isinstance(time, timedelta) else time

        async def change() -> None:
            self._app.advance(seconds)

        self._call(change())

    def reset(self) -> None:
        """
        Delete all state, on S3 too, clear faults, counters and log, and take back what :meth:`advance` did.

        Access tokens stay valid.
        """
        self._call(self._app.reset())

    def dump(self) -> dict[str, Any]:
        """
        Return the whole state, as ``GET /_emulator/state`` does. It holds the keys of credentials.

        :return: what :meth:`load` takes. Numbers that are no integers are :class:`~decimal.Decimal`.
        """
        return copy.deepcopy(self._call(self._app.dump()))

    def load(self, state: Mapping[str, Any]) -> None:
        """
        Replace the whole state. Times to live go on from here, and the clock is only ever advanced.

        :param state: what :meth:`dump` or ``GET /_emulator/state`` returned.
        :raises ValueError: saying what is wrong with it, and where. Nothing is changed then.
        """
        self._call(self._app.load(parse(dumps(dict(state)).encode())))

    def seed(
        self,
        stores: Mapping[str, contents.Values] | None = None,
        buckets: Mapping[str, contents.Objects] | None = None,
    ) -> None:
        """
        Write values and objects, beside those that are there. It is no request: no fault hits it, and nobody counts it.

        :param stores: by store, partition and key, a string, a number or bytes. A store that is missing is created.
        :param buckets: by bucket and key, an object's bytes. A bucket that is missing is created in LON1, and ready.
        :raises ValueError: if the services would not take it, or there is no S3 for the objects.
        """
        self._call(contents.seed(self._app, stores or {}, buckets or {}))

    def values(self, store_id: str) -> dict[str, dict[str, contents.Value]]:
        """
        Return a store's values by partition and key. It is no request, and restarts no time to live.

        :raises ValueError: if there is no such store.
        """

        async def read() -> dict[str, dict[str, contents.Value]]:
            return contents.values(self._app, store_id)

        return self._call(read())

    def objects(self, bucket: str) -> dict[str, bytes]:
        """
        Return a bucket's objects by key.

        :raises ValueError: if there is no such bucket, or no S3.
        """
        return self._call(contents.objects(self._app, bucket))

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
