from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_provider_objectstore.emulator.__main__ import parse_arguments, s3_backend
from tests.emulator.conftest import Api

pytestmark = pytest.mark.slow

MODULE = [sys.executable, "-m", "airflow_provider_objectstore.emulator"]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run the command; yield its process and the lines that it printed at its start."""
    with subprocess.Popen(
        [*MODULE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line.rstrip())
                if "AIRFLOW_CONN_CIVO_DEFAULT" in line:
                    break
            yield process, lines
        finally:
            process.kill()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_what_a_user_needs_and_stops_cleanly(signal_number: signal.Signals) -> None:
    with running("--port", "0", "--s3-port", "0") as (process, lines):
        text = "\n".join(lines)
        for expected in (
            "emulator-client",
            "emulator-secret",
            "emulator-org",
            "emulator-env",
            "emulator-key",
            "LON1",
            "in memory",
        ):
            assert expected in text
        exports = [shlex.split(line)[1].partition("=") for line in lines if line.startswith("export ")]
        connections = {name: json.loads(value) for name, _, value in exports}
        assert set(connections) == {"AIRFLOW_CONN_ANYPOINT_DEFAULT", "AIRFLOW_CONN_CIVO_DEFAULT"}
        civo = connections["AIRFLOW_CONN_CIVO_DEFAULT"]
        assert civo["extra"]["s3_endpoint"] in text
        assert Api(civo["host"])("GET", "/_emulator/health").status_code == 200
        process.send_signal(signal_number)
        rest, _ = process.communicate(timeout=10)
        assert (process.returncode, rest) == (0, "")


def test_a_port_in_use_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*MODULE, "--port", str(taken.getsockname()[1]), "--s3", "none"]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("The emulator cannot start: ")
    assert len(ended.stderr.splitlines()) == 1


def test_without_s3() -> None:
    with running("--port", "0", "--s3", "none") as (_, lines):
        assert "s3_endpoint" not in "\n".join(lines)


def test_another_backend_is_named_by_module_and_class() -> None:
    assert isinstance(s3_backend(parse_arguments(["--s3", "threading:Event"])), type(__import__("threading").Event()))
    assert s3_backend(parse_arguments(["--s3", "none"])) is None


def test_help_names_the_ports(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    assert "--s3-port" in capsys.readouterr().out
    assert (parse_arguments([]).port, parse_arguments([]).s3_port) == (8089, 8090)


@pytest.mark.parametrize("port", ["99999", "65536", "-1", "abc", ""])
def test_a_port_that_is_none_is_explained(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--s3-port", port])
    assert f"argument --s3-port: a port is a number from 0 to 65535, not {port!r}" in capsys.readouterr().err
