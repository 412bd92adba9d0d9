"""The page "Object stores" as most installations have it: users and roles of FAB's auth manager, on PostgreSQL."""

from __future__ import annotations

import json
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from dev.server import Airflow
from tests.distributed.databases import Databases

pytestmark = pytest.mark.distributed

FRAGMENT = {"X-Objectstore-Fragment": "1"}
ROLES = {"ada": "Admin", "olga": "Op", "vic": "Viewer", "kim": "Keeper", "gus": "Public", "eve": "Admin"}
MAY_READ = {"ada", "olga", "kim", "eve"}
"""FAB has one right for all connections."""
KEEPER = {"Connections": "can_read", "DAG Runs": "can_read", "Task Instances": "can_read"}
"""What the role of our own may do. Of the DAGs it may read one, which the DAG says itself; assets it may not read."""
COMMANDS = """
import json, sys
from airflow.cli.cli_parser import get_parser

for command in json.loads(sys.argv[1]):
    arguments = get_parser().parse_args(command)
    arguments.func(arguments)
"""
ADDRESSES = (
    "/connection/mule",
    "/connection/worker_only",
    "/stores/mule",
    "/partitions/mule?store=orders",
    "/keys/mule?store=orders&partition=inbox&list=yes",
    "/value/mule?store=orders&partition=inbox&key=first",
    "/requests/mule",
    "/tasks/mule?store=orders",
    "/buckets/civo",
    "/quota/civo",
    "/credentials/civo",
)


class FabAirflow(Airflow):
    """An Airflow with FAB's auth manager, its metadata on PostgreSQL, and a user of each role in :data:`ROLES`."""

    def __init__(self, folder: Path, metadata: dict[str, str], service: Emulator) -> None:
        known = service.connections()
        self._stored = {"mule": known["anypoint_default"], "civo": known["civo_default"]}
        self._passwords: dict[str, str] = {}
        configuration = {
            **metadata,
            "CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "FAB__CACHE_TTL": "0",  # a user who is deleted is gone at once
        }
        dags = Path(__file__).with_name("page_dags")
        super().__init__(folder, dags, {"worker_only": known["anypoint_default"]}, configuration=configuration)
        self.environment["PYTHONPATH"] = str(Path.cwd())

    def store_connections(self) -> None:
        """Store the connections ``mule`` and ``civo`` in the metadata database."""
        for conn_id, connection in self._stored.items():
            body = {"connection_id": conn_id, **connection, "extra": json.dumps(connection["extra"])}
            self.call("POST", "/connections", json=body)

    def run(self, *commands: list[str]) -> None:
        """Run commands of Airflow's command line in one process, which needs long to start."""
        program = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
        done = subprocess.run(program, env=self.environment, capture_output=True, text=True)
        assert not done.returncode, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"

    def user(self, name: str, role: str) -> list[str]:
        """Return the command that creates a user."""
        self._passwords[name] = secrets.token_hex(16)  # none begins like an option
        names = ["--username", name, "--firstname", name, "--lastname", name, "--email", f"{name}@example.org"]
        return ["users", "create", *names, "--role", role, "--password", self._passwords[name]]

    def session(self, user: str | None) -> requests.Session:
        """Return what a browser has once somebody is signed in; nobody with None."""
        session = requests.Session()
        session.trust_env = False
        if user:
            session.cookies.set("_token", self.new_token(user))
        return session

    def new_token(self, user: str) -> str:
        """Return a token of a user."""
        body = {"username": user, "password": self._passwords[user]}
        token: str = self._session.post(f"{self.url}/auth/token", json=body, timeout=60).json()["access_token"]
        return token

    def sign_in(self, session: requests.Session, form: requests.Response, user: str) -> requests.Response:
        """Fill in FAB's form."""
        hidden = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form.text)
        assert hidden, form.text[:3000]
        fields = {"csrf_token": hidden[1], "username": user, "password": self._passwords[user]}
        return session.post(form.url, fields, headers={"Referer": form.url}, timeout=60)

    def _start(self) -> None:
        roles = self.home / "roles.json"
        roles.write_text(
            json.dumps([{"name": "Keeper", "resource": what, "action": action} for what, action in KEEPER.items()])
        )
        users = [self.user(name, role) for name, role in ROLES.items()]
        self.run(["sync-perm"], ["roles", "import", str(roles)], *users)
        super()._start()

    def _new_token(self) -> str:
        return self.new_token("ada")

    def _wait_until_healthy(self, seconds: float = 600) -> None:
        super()._wait_until_healthy(seconds)


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    """The services, with nothing that other tests have left."""
    with Emulator(Settings(), s3=MotoS3()) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def airflow(databases: Databases, service: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabAirflow]:
    """The running Airflow. Nothing listens on its port afterwards."""
    service.seed({"orders": {"inbox": {"first": "a secret value"}}}, {"invoices": {"a": b"1"}})
    with FabAirflow(tmp_path_factory.mktemp("fab"), databases.create("page"), service) as running:
        running.store_connections()
        yield running
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(running.url.rpartition(":")[2])))


@pytest.fixture(scope="module")
def get(airflow: FabAirflow) -> Callable[..., requests.Response]:
    """Requests a part of the page, as its script does for a user."""
    sessions = {user: airflow.session(user) for user in (*ROLES, None)}

    def get(path: str, user: str | None, headers: dict[str, str] = FRAGMENT) -> requests.Response:
        url = f"{airflow.url}/object-stores{path}"
        return sessions[user].get(url, headers=headers, timeout=60, allow_redirects=False)

    return get


@pytest.fixture(scope="module")
def ran(airflow: FabAirflow) -> str:
    """The id of a run that has told an asset, after the run that this has started."""
    body: dict[str, Any] = {"logical_date": None}

    def runs(dag_id: str) -> list[Any]:
        found: list[Any] = airflow.call("GET", f"/dags/{dag_id}/dagRuns")["dag_runs"]
        return found

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 600
        while not condition():
            airflow.check()
            assert time.monotonic() < deadline, airflow.component_logs()
            time.sleep(1)

    wait(lambda: airflow.call("GET", "/dags")["total_entries"] == 2)
    run_id: str = airflow.call("POST", "/dags/takes_orders/dagRuns", json=body)["dag_run_id"]
    wait(lambda: any(run["state"] == "success" for run in runs("ships_orders")))
    return run_id


def text_of(answer: requests.Response) -> str:
    """Return what a part shows, without its tags."""
    text = re.sub(r"</?(a|wbr)\b[^>]*>", "", answer.text)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.mark.parametrize("user", ROLES)
def test_only_those_who_may_read_connections_see_any(user: str, get: Any, airflow: FabAirflow) -> None:
    start = get("/", user, {})
    assert start.status_code == 200
    assert re.findall(r'data-fragment="/object-stores/stores/([^"]*)"', start.text) == ["mule"] * (user in MAY_READ)
    listed = airflow.session(user).get(f"{airflow.url}/api/v2/connections", timeout=60)
    assert listed.status_code == (200 if user in MAY_READ else 403), "the page shows what Airflow's own list shows"
    for address in ADDRESSES:
        # What somebody with the right has just loaded is kept for some time, and not for others.
        assert get(address, "ada").status_code == 200
        for headers in (FRAGMENT, {}):
            answer = get(address, user, headers)
            assert answer.status_code == (200 if user in MAY_READ else 403), address
            if user not in MAY_READ:
                shown = ("orders", "inbox", "invoices", "a secret value", "emulator")
                assert not [name for name in shown if name in text_of(answer)]


def test_who_may_read_connections_sees_what_the_services_show(get: Any) -> None:
    for user in sorted(MAY_READ):
        assert "orders" in get("/stores/mule", user).text
        assert "inbox" in get("/partitions/mule?store=orders", user).text
        assert "first" in get("/keys/mule?store=orders&partition=inbox&list=yes", user).text
        assert "a secret value" in get("/value/mule?store=orders&partition=inbox&key=first", user).text
        assert "invoices" in get("/buckets/civo", user).text
        assert "orders" in get("/stores/worker_only", user).text


def test_without_session_the_page_leads_to_the_form_and_back(airflow: FabAirflow, get: Any) -> None:
    for address in ("/", "/open?id=mule", "/static/page.css", *ADDRESSES):
        refused = get(address, None)
        assert refused.status_code == 401, address
        assert "/api/v2/auth/login" in refused.text
        assert get(address, None, {}).status_code == (401 if "/static/" in address else 303), address
    session = airflow.session(None)
    form = session.get(f"{airflow.url}/object-stores/stores/mule", timeout=60)
    assert form.url.startswith(f"{airflow.url}/auth/login/?next=")
    start = airflow.sign_in(session, form, "kim")
    assert start.url == f"{airflow.url}/object-stores/"
    assert "/object-stores/stores/mule" in start.text
    cookie = next(cookie for cookie in session.cookies if cookie.name == "_token")
    refused = requests.get(
        f"{airflow.url}/object-stores/stores/mule",
        cookies={"_token": f"{cookie.value}x"},
        headers=FRAGMENT,
        timeout=60,
    )
    assert refused.status_code == 401


def test_tasks_assets_and_runs_of_postgresql(get: Any, ran: str) -> None:
    known = get("/tasks/mule?store=orders&partition=inbox", "ada")
    assert known.status_code == 200
    tasks, _, assets = text_of(known).partition("Assets here")
    assert "takes_orders.put writes orders / inbox / last success" in tasks
    assert "ships_orders.get reads orders / inbox / last success" in tasks
    assert re.search(r"inbox osv2://\S+/orders/inbox ", assets), assets
    assert "written by takes_orders.put: success" in assets
    assert "starts ships_orders: success" in assets
    assert re.search(r"\d\d:\d\d UTC takes_orders", assets), "the run that the event is of"
    run = f"/dags/takes_orders/runs/{quote(ran, safe='')}/tasks/put"
    assert run in known.text.partition("Assets here")[2]


def test_of_tasks_and_assets_each_sees_what_the_role_may_read(get: Any, ran: str) -> None:
    """This role reads one DAG, which the DAG itself says, and no assets."""
    text = text_of(get("/tasks/mule?store=orders&partition=inbox", "kim"))
    assert "takes_orders.put writes orders / inbox / last success" in text
    assert "ships_orders" not in text
    assert "You may not read assets in Airflow." in text
    assert "osv2://" not in text


def test_a_session_ends_with_its_user(airflow: FabAirflow) -> None:
    session, url = airflow.session("eve"), f"{airflow.url}/object-stores/stores/mule"
    assert session.get(url, headers=FRAGMENT, timeout=60).status_code == 200
    admin = {"Authorization": f"Bearer {airflow.new_token('ada')}"}
    assert requests.delete(f"{airflow.url}/auth/fab/v1/users/eve", headers=admin, timeout=60).ok
    assert session.get(url, headers=FRAGMENT, timeout=60).status_code == 401
    assert session.get(url, timeout=60).url.startswith(f"{airflow.url}/auth/login/?next=")
