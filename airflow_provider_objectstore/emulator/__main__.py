"""The command line: ``python -m airflow_provider_objectstore.emulator``."""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import signal
import sys
import threading
from collections.abc import Sequence

from airflow_provider_objectstore.emulator.s3.backend import S3Backend
from airflow_provider_objectstore.emulator.s3.moto import MotoS3
from airflow_provider_objectstore.emulator.server import Emulator
from airflow_provider_objectstore.emulator.settings import (
    CIVO_KEY,
    CLIENT_ID,
    CLIENT_SECRET,
    ENVIRONMENT,
    ORGANIZATION,
    REGION,
    Settings,
)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="objectstore-emulator",
        description="Object Store v2 and Civo object stores on 127.0.0.1. State is in memory, or in the file --state.",
    )
    parser.add_argument("--port", type=_port, default=8089, help="control planes' port (0: a free one)")
    parser.add_argument("--s3-port", type=_port, default=8090, help="S3's port (0: a free one)")
    parser.add_argument("--s3", default="moto", help="the S3 backend: moto, none, or module:Class")
    parser.add_argument("--state", help="keep the state in this file, over restarts")
    parser.add_argument("--certfile", help="serve over TLS with this certificate (PEM)")
    parser.add_argument("--keyfile", help="the certificate's private key (PEM)")
    parser.add_argument("--token-seconds", type=float, default=3600, help="lifetime of an access token")
    parser.add_argument("--creating-seconds", type=float, default=0.3, help="how long a new store is 'creating'")
    parser.add_argument("--requests-per-second", type=float, help="respond with 429 above this rate")
    return parser.parse_args(arguments)


def s3_backend(options: argparse.Namespace) -> S3Backend | None:
    """Return the S3 backend that ``--s3`` names."""
    if options.s3 == "none":
        return None
    if options.s3 == "moto":
        return MotoS3(certfile=options.certfile, keyfile=options.keyfile)
    module, _, name = options.s3.partition(":")
    backend: S3Backend = getattr(importlib.import_module(module), name)()
    return backend


def banner(emulator: Emulator, state_file: str | None) -> str:
    """Return what a user needs to know: addresses, credentials, connections."""
    keeps = "State is kept in memory and is gone when this stops (Ctrl+C)."
    if state_file is not None:
        keeps = f"State is kept in {state_file}."
    lines = [
        f"Object Store v2 and Civo on {emulator.url}",
        f"S3 on {emulator.s3_url}" if emulator.s3_url else "No S3: buckets exist in Civo's API only",
        keeps,
        "",
        f"Object Store v2: client id {CLIENT_ID}, secret {CLIENT_SECRET}",
        f"                 organization {ORGANIZATION}, environment {ENVIRONMENT}",
        f"Civo:            key {CIVO_KEY}, region {REGION}",
        "",
    ]
    for conn_id, connection in emulator.connections().items():
        lines.append(f"export AIRFLOW_CONN_{conn_id.upper()}={shlex.quote(json.dumps(connection))}")
    return "\n".join(lines)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    options = parse_arguments(arguments)
    settings = Settings(
        token_seconds=options.token_seconds,
        creating_seconds=options.creating_seconds,
        requests_per_second=options.requests_per_second,
    )
    stop = threading.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: stop.set())
    emulator = Emulator(
        settings,
        port=options.port,
        s3_port=options.s3_port,
        s3=s3_backend(options),
        certfile=options.certfile,
        keyfile=options.keyfile,
        state_file=options.state,
    )
    try:
        emulator.start()
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f"The emulator cannot start: {error}")
    print(banner(emulator, options.state), flush=True)
    stop.wait()
    try:
        emulator.stop()
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f"The state is not saved: {error}")


if __name__ == "__main__":
    main()
