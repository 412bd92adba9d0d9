"""The servers are for this machine only, and end with the tests."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.distributed.cluster import Cluster
from tests.distributed.databases import Databases

pytestmark = pytest.mark.distributed

PROGRAM = """
import time
from tests.distributed.databases import Databases
from tests.distributed.prepare import POSTGRES, REDIS

with Databases(POSTGRES.prepare(), REDIS.prepare()) as databases:
    print(databases.postgres_port, databases.redis_port, databases.folder, flush=True)
    time.sleep(600)
"""


def listening() -> dict[int, str]:
    """The address that each port of this machine listens on."""
    found = psutil.net_connections("tcp")
    return {socket.laddr.port: socket.laddr.ip for socket in found if socket.status == psutil.CONN_LISTEN}


def test_servers_listen_on_the_loopback_only(cluster: Cluster, databases: Databases) -> None:
    mine = {process.pid for process in psutil.Process().children(recursive=True)}
    sockets = [socket for socket in psutil.net_connections("tcp") if socket.pid in mine]
    listens = {socket.laddr for socket in sockets if socket.status == psutil.CONN_LISTEN}
    assert {databases.postgres_port, databases.redis_port} <= {address.port for address in listens}
    assert {address.ip for address in listens} == {"127.0.0.1"}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_databases_end_with_the_process(how: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    postgres, redis, folder = process.stdout.readline().decode().split()
    assert listening()[int(postgres)] == listening()[int(redis)] == "127.0.0.1"
    assert Path(folder).exists()
    process.send_signal(how)
    process.wait()
    deadline = time.monotonic() + 20
    while Path(folder).exists() or {int(postgres), int(redis)} & set(listening()):
        assert time.monotonic() < deadline, "something is left"
        time.sleep(0.1)
