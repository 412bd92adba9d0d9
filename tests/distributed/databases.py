"""PostgreSQL and Redis on 127.0.0.1, empty, until a ``with`` block or this process ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from dev.processes import Processes
from dev.server import free_port
from tests.debian import environment

_NOBODY = 65534  # PostgreSQL refuses to run as root
_USER = "airflow"

# Deletes the state when its input closes: at the end, or because our process ended. The programs end at the same time
# and may still write.
_WATCH = """\
cat >/dev/null
for _ in 1 2 3 4 5 6 7 8 9; do rm -rf "$0" && exit; sleep 1; done
"""


class Databases:
    """
    Both servers. They accept every connection from this machine: nothing here is worth a password.

    :param postgres: root folder of PostgreSQL's files.
    :param redis: root folder of Redis' files.
    """

    def __init__(self, postgres: Path, redis: Path) -> None:
        self._postgres, self._redis = postgres, redis
        self.postgres_port, self.redis_port = free_port(0), free_port(0)
        metadata = self._metadata(_USER)
        self.configuration = {
            **metadata,
            "CELERY__RESULT_BACKEND": f"db+{metadata['DATABASE__SQL_ALCHEMY_CONN']}",
            "CELERY__BROKER_URL": f"redis://127.0.0.1:{self.redis_port}/0",
        }

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="databases-"))
        self._watch = subprocess.Popen(
            ["sh", "-c", _WATCH, str(self.folder)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process
        )
        self._servers: list[Processes] = []
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.stop()
        assert self._watch.stdin is not None
        self._watch.stdin.close()
        self._watch.wait()

    def query(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Return the rows that a query of Airflow's database finds."""
        with contextlib.closing(self._connect(_USER)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def create(self, name: str) -> dict[str, str]:
        """
        Create a further database, and return the configuration of an Airflow that has its metadata there.

        :param name: its name.
        """
        with contextlib.closing(self._connect("postgres")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}")
        return self._metadata(name)

    def _metadata(self, name: str) -> dict[str, str]:
        address = f"{_USER}@127.0.0.1:{self.postgres_port}/{name}"
        return {
            "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{address}",
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{address}",
        }

    def _start(self) -> None:
        logs = self.folder / "logs"
        logs.mkdir()
        redis = [str(self._redis / "usr/bin/redis-server"), "--bind", "127.0.0.1", "--port", str(self.redis_port)]
        redis += ["--save", "", "--dir", str(self.folder)]
        self._servers.append(Processes({"redis": redis}, environment(self._redis), logs))
        root, data = self._postgres, self.folder / "postgres"
        data.mkdir()
        as_user: list[str] = []
        if os.geteuid() == 0:
            as_user = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
            if root != Path("/"):  # it may lie below a folder that only root can enter
                root = self.folder / "root"
                shutil.copytree(self._postgres, root, symlinks=True, ignore=shutil.ignore_patterns("libLLVM*", "doc"))
            self.folder.chmod(0o755)
            os.chown(data, _NOBODY, _NOBODY)
        variables = environment(root)
        programs = next(root.glob("usr/lib/postgresql/*/bin/postgres")).parent
        initdb = [*as_user, str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", _USER, "-E", "UTF8"]
        subprocess.run([*initdb, "--locale=C", "--no-sync"], env=variables, cwd="/", check=True, capture_output=True)
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "300",
            "jit": "off",
        }
        postgres = [*as_user, str(programs / "postgres"), "-D", str(data), "-p", str(self.postgres_port)]
        postgres += [f"--{name}={value}" for name, value in options.items()]
        self._servers.append(Processes({"postgres": postgres}, variables, logs))
        self._wait(logs)
        self.create(_USER)

    def _wait(self, logs: Path, seconds: float = 60) -> None:
        import psycopg2

        deadline = time.monotonic() + seconds
        while True:
            try:
                self._connect("postgres").close()
                return
            except psycopg2.OperationalError:
                if time.monotonic() > deadline or not self._servers[-1].running():
                    output = "\n".join(path.read_text(errors="replace")[-2000:] for path in logs.glob("*.log"))
                    raise RuntimeError(f"PostgreSQL does not accept connections:\n{output}") from None
                time.sleep(0.1)

    def _connect(self, database: str) -> Any:
        import psycopg2

        return psycopg2.connect(host="127.0.0.1", port=self.postgres_port, user=_USER, dbname=database)
