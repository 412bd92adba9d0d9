"""
Take the screenshots of the documentation from a running demo: ``make screenshots``.

``docs/images/screenshots.json`` has a digest of what each picture shows. A test compares it with the code.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow_provider_objectstore.get_provider_info import get_provider_info
from airflow_provider_objectstore.plugins.page.views import CARDS

if TYPE_CHECKING:
    from dev.server import Airflow
    from tests.browser.airflow_pages import Pages

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
MANIFEST = IMAGES / "screenshots.json"
PAGE = ROOT / "airflow_provider_objectstore" / "plugins" / "page"
WIDTH = 1200
EXAMPLES = ("example_rotation", "example_waiting")
PLAN = [["example_rotation"], ["example_waiting", "example_waiting_event"]]


@dataclass(frozen=True)
class Screenshot:
    """
    A picture.

    :param name: its file, without the ending.
    :param height: its height in pixels.
    :param show: opens what it shows.
    :param inputs: what it depends on, beside the version of Airflow: text of this project.
    """

    name: str
    height: int
    show: Callable[[Pages, Airflow], None]
    inputs: Callable[[], Iterator[str]]

    def digest(self) -> str:
        """Return a digest of all that the picture depends on."""
        return hashlib.sha256("\n".join((airflow_version(), *self.inputs())).encode()).hexdigest()[:16]


def airflow_version() -> str:
    """Return the version of Airflow that the pictures show: the pinned one."""
    (version,) = re.findall(r"^apache-airflow==(.+)$", (ROOT / "constraints/dev.txt").read_text(), re.M)
    return str(version)


def log_lines(*modules: str) -> Iterator[str]:
    """Return the templates of the lines that modules of this package write into a task's log."""
    for module in modules:
        for node in ast.walk(ast.parse((ROOT / "airflow_provider_objectstore" / module).read_text())):
            if isinstance(node, ast.Call) and re.search(r"log(ger)?\.(info|warning)$", ast.unparse(node.func)):
                yield ast.unparse(node.args[0])


def example(name: str) -> str:
    """Return a DAG file."""
    return (ROOT / "example_dags" / f"{name}.py").read_text()


def copied(names: Iterable[str], folder: Path) -> Path:
    """Return a folder that has only these DAG files."""
    folder.mkdir()
    for name in names:
        (folder / f"{name}.py").write_text(example(name))
    return folder


def form(pages: Pages, _: Airflow) -> None:
    """Open the form of an ``anypoint`` connection."""
    pages.add_connection("anypoint_default", "Anypoint Object Store v2")
    pages.open_section("Extra Fields")


def grid(pages: Pages, airflow: Airflow) -> None:
    """Open a run with the grid of its tasks at the side, and their graph."""
    pages.open(f"/dags/example_waiting/runs/{run_id(airflow, 'example_waiting')}")
    pages.find("//*[contains(text(), 'all_delivered')]")


def log(pages: Pages, airflow: Airflow) -> None:
    """Open the log of a rotation."""
    pages.open(f"/dags/example_rotation/runs/{run_id(airflow, 'example_rotation')}/tasks/rotate")
    pages.find("//*[contains(text(), 'INFO')]")


def asset_graph(pages: Pages, airflow: Airflow) -> None:
    """Open the asset that a key is, with the DAGs that write and await it."""
    assets = airflow.call("GET", "/assets", params={"name_pattern": "deliveries_complete"})["assets"]
    pages.open(f"/assets/{assets[0]['id']}")
    pages.find("//*[contains(text(), 'example_waiting_event')]")


def page(theme: str, path: str, text: str) -> Callable[[Pages, Airflow], None]:
    """
    Return what opens the page *Object stores*.

    :param theme: ``light`` or ``dark``.
    :param path: the path below Airflow's own, in its frame.
    :param text: what is there when all is loaded.
    """

    def show(pages: Pages, _: Airflow) -> None:
        pages.browser.execute_script("localStorage.setItem('theme', arguments[0])", theme)
        pages.open(f"/plugin/object-stores{path}")
        pages.browser.switch_to.frame(pages.find("//iframe"))
        pages.find(f"//*[contains(text(), '{text}')]")
        pages.settle()
        pages.browser.switch_to.default_content()

    return show


def looks_of(*names: str) -> Iterator[str]:
    """Return how views of the page *Object stores* look: their templates, those that these use, style and script."""
    from jinja2 import Environment
    from jinja2.meta import find_referenced_templates

    left, used = {f"{name}.html" for name in (*names, "shell")}, dict[str, str]()
    while left:
        name = left.pop()
        used[name] = (PAGE / "templates" / name).read_text()
        left |= {other for other in find_referenced_templates(Environment().parse(used[name])) if other} - used.keys()
    yield from (text for _, text in sorted(used.items()))
    yield from (path.read_text() for path in sorted((PAGE / "static").iterdir()))


def run_id(airflow: Airflow, dag_id: str) -> str:
    """Return the id of a DAG's first run, for a URL."""
    runs = airflow.call("GET", f"/dags/{dag_id}/dagRuns", params={"order_by": "run_after"})["dag_runs"]
    return quote(runs[0]["dag_run_id"], safe="")


SCREENSHOTS = (
    Screenshot("connection-form", 1180, form, lambda: iter([json.dumps(get_provider_info()["connection-types"])])),
    Screenshot("grid", 700, grid, lambda: iter([example("example_waiting")])),
    Screenshot(
        "rotation-log",
        1050,
        log,
        lambda: iter([example("example_rotation"), *log_lines("operators/rotation.py", "rotation/rotation.py")]),
    ),
    Screenshot("asset-graph", 700, asset_graph, lambda: iter([example("example_waiting")])),
    Screenshot(
        "page-light",
        1000,
        page("light", "", "Grow a bucket"),
        lambda: looks_of("start", *(view for card in CARDS.values() for view in card)),
    ),
    Screenshot(
        "page-dark",
        1000,
        page(
            "dark",
            "/object-stores/keys/anypoint_default?store=deliveries&partition=regions&list=yes",
            "example_waiting_event",
        ),
        lambda: iter([*looks_of("keys", "tasks"), example("example_waiting")]),
    ),
)


def main() -> int:
    """Run a demo and take all pictures. Return the exit code."""
    from rich.console import Console

    from dev.demo import POOLS, emulator, list_connections, run_plan
    from dev.processes import AirflowError
    from dev.report import Progress
    from dev.server import Airflow
    from tests.browser.airflow_pages import Pages
    from tests.browser.chromium import chromium

    progress = Progress(Console(width=110))
    IMAGES.mkdir(exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory() as home,
            emulator("moto") as services,
            Airflow(Path(home), copied(EXAMPLES, Path(home, "dags")), services.connections(), POOLS) as airflow,
        ):
            progress.log(f"Airflow is on {airflow.url}")
            list_connections(airflow, services)
            runs, _ = run_plan(airflow, PLAN, progress, timeout=300)
            if failed := [run.dag_id for run in runs if run.state != "success"]:
                raise AirflowError(f"failed: {', '.join(failed)}")
            with chromium(WIDTH, 1000) as browser:
                pages = Pages(browser, airflow.url)
                for picture in SCREENSHOTS:
                    browser.set_window_size(WIDTH, picture.height)
                    picture.show(pages, airflow)
                    pages.settle()
                    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 85})
                    (IMAGES / f"{picture.name}.webp").write_bytes(base64.b64decode(taken["data"]))
                    progress.log(f"docs/images/{picture.name}.webp")
    except AirflowError as error:
        print(error, file=sys.stderr)
        return 1
    MANIFEST.write_text(json.dumps({picture.name: picture.digest() for picture in SCREENSHOTS}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
