"""A real Airflow API server, and a gateway in front of it that makes faults which the server itself cannot make."""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import requests
from cryptography.fernet import Fernet

from dev.database import create_database
from dev.processes import Processes
from dev.server import free_port

PASSWORDS = {"admin": "admin-api-password", "viewer": "viewer-api-password"}


class ApiServer:
    """Airflow's API server on SQLite, with users who log in by password. Runs as long as the ``with`` block."""

    def __init__(self, home: Path) -> None:
        self.port = free_port(0)
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = f"sqlite:///{home}/airflow.db"
        self.fernet_key = Fernet.generate_key().decode()
        self._logs = home
        passwords = home / "passwords.json"
        passwords.write_text(json.dumps(PASSWORDS))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
            "AIRFLOW__CORE__FERNET_KEY": self.fernet_key,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database,
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        }

    def __enter__(self) -> Self:
        create_database(self.environment)
        command = [sys.executable, "-m", "airflow", "api-server", "--host", "127.0.0.1", "--port", str(self.port)]
        self._processes = Processes({"api-server": command}, self.environment, self._logs)
        with ExitStack() as undo:
            undo.callback(self._processes.stop)
            self._wait()
            self.token = self.new_token("admin")
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.stop()

    def new_token(self, user: str) -> str:
        body = {"username": user, "password": PASSWORDS[user]}
        token: str = requests.post(f"{self.url}/auth/token", json=body, timeout=30).json()["access_token"]
        return token

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request to the REST API as an administrator."""
        headers = {"Authorization": f"Bearer {self.token}"}
        response = requests.request(method, f"{self.url}/api/v2{path}", headers=headers, timeout=30, **arguments)
        response.raise_for_status()
        return response.json() if response.content else None

    def _wait(self, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._processes.running():
            try:
                if requests.get(f"{self.url}/api/v2/version", timeout=10).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.2)
        raise RuntimeError((self._logs / "api-server.log").read_text()[-3000:])


class Gateway(ThreadingHTTPServer):
    """
    Forwards requests and records them.

    :param server: the URL to forward to.
    """

    daemon_threads = True

    def __init__(self, server: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server = server
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[str] = []
        self.faults: dict[str, Mapping[str, Any]] = {}
        """By method, for its next request: ``status`` and ``body`` of the response, ``lose`` it, or ``hang``."""
        self.released = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(f"{self.command} {self.path.partition('?')[0]}")
        fault = self.server.faults.pop(self.command, {})
        if fault.get("hang"):
            self.server.released.wait()
            return
        if "status" in fault:
            self._respond(fault["status"], json.dumps(fault.get("body", {})).encode(), "application/json")
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        target = f"{self.server.server}{self.path}"
        response = requests.request(self.command, target, data=body, headers=headers, timeout=30)
        if not fault.get("lose"):
            self._respond(response.status_code, response.content, response.headers.get("Content-Type", ""))

    do_GET = do_POST = do_PATCH = do_PUT = _handle

    def _respond(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass
