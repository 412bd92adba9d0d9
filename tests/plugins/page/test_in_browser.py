"""The page in a real browser, in Airflow's own frame and without it, before a real API server."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from airflow.sdk import DAG

from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.operators.anypoint_keys import AnypointPutKeyOperator
from airflow_provider_objectstore.plugins.object_stores import page_address
from tests.browser.chromium import chromium
from tests.browser.prepare import CHROMIUM
from tests.publishers.servers import ApiServer

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

# Without spaces, which the service replaces by + in keys.
TAGS = [
    "<script>window.attacked=1</script>",
    '"><img/src=x/onerror="window.attacked=1">',
    "'></td></table><style>*{display:none}</style>",
    "{{7*7}}",
    "javascript:attack()",
]
NAMES = [
    *TAGS,
    "a\N{RIGHT-TO-LEFT OVERRIDE}b",
    "\N{ARABIC LETTER ALEF}\N{HEBREW LETTER ALEF}",
    "x" * 1024,
    "../..%2F?&#",
]
VALUE = f"{TAGS[0]}{TAGS[1]}\N{RIGHT-TO-LEFT OVERRIDE}{'y' * 4096}"
VIEWS = [
    "/",
    "/connection/mule",
    "/partitions/mule?store=hostile",
    "/keys/mule?store=hostile&partition=names&list=yes",
    "/value/mule?store=hostile&partition=names&key=" + quote(TAGS[1], safe=""),
    "/connection/civo",
    "/tasks/mule?store=orders",
]


@pytest.fixture(scope="module")
def services() -> Iterator[Emulator]:
    with Emulator(Settings()) as emulator:
        stores: dict[str, Any] = {f"store-{number:02}": {"p": {"k": "v"}} for number in range(98)}
        many = {f"key-{number:05}": "v" for number in range(10_000)}
        hostile = {"names": dict.fromkeys(NAMES, VALUE), TAGS[1]: {"k": "v"}}
        emulator.seed(stores={**stores, "orders": {"inbox": many}, "hostile": hostile})
        yield emulator


@pytest.fixture(scope="module")
def server(services: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API server with connections to living services and to a dead one, and a DAG that has run."""
    if os.environ.get("CHROMIUM") == "skip":
        pytest.skip("CHROMIUM=skip")
    if CHROMIUM.installation() is None:
        pytest.skip("Chromium is not here: make chromium unpacks it")
    with socket.socket() as silent, ApiServer(tmp_path_factory.mktemp("airflow")) as running:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        known = services.connections()
        dead = {**known["civo_default"], "host": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        found = {"mule": known["anypoint_default"], "civo": known["civo_default"], "a-dead": dead}
        for conn_id, connection in found.items():
            extra = {**connection["extra"], "requests_per_second": 1000}
            body = {"connection_id": conn_id, **connection, "extra": json.dumps(extra)}
            running.call("POST", "/connections", json=body)
        with DAG("delivers", schedule=None) as dag:
            AnypointPutKeyOperator(
                task_id="put", store_id="orders", partition="inbox", key="key-00001", value=1, anypoint_conn_id="mule"
            )
        with metadata_database_of(running):
            from tests.plugins.page import airflow_records as records

            records.save(dag)
            records.run("delivers", "success", {"put": "success"})
        yield running


@contextmanager
def metadata_database_of(server: ApiServer) -> Iterator[None]:
    """Let this process use the metadata database of an API server."""
    settings = import_module("airflow.settings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", server.database)
        settings.configure_vars()
        settings.configure_orm()
        yield
        settings.dispose_orm()
    settings.configure_vars()
    settings.configure_orm()


@pytest.fixture(scope="module")
def started() -> Iterator[Chrome]:
    with chromium() as browser:
        yield browser


class Visitor:
    """
    Somebody with a browser.

    :param browser: the browser.
    :param server: Airflow's API server.
    """

    def __init__(self, browser: Chrome, server: ApiServer) -> None:
        self.browser = browser
        self._server = server
        self.url = server.url

    def sign_in(self, user: str) -> None:
        """Be this user from now on."""
        self.browser.get(f"{self.url}/api/v2/version")
        self.browser.delete_all_cookies()
        self.browser.execute_script("localStorage.clear()")
        self.browser.add_cookie({"name": "_token", "value": self._server.new_token(user), "path": "/"})

    def open(self, view: str) -> str:
        """Open a view in a window of its own. Return all text, when all of it has loaded."""
        self.browser.get(f"{self.url}/object-stores{view}")
        return self.loaded()

    def loaded(self) -> str:
        """Scroll to what is not loaded yet until nothing is left; return the page's text."""

        def nothing_left() -> bool:
            # Without scrollIntoView, from which Chromium would also take where the next Tab starts.
            script = (
                "const left = document.querySelector('[aria-busy]');"
                "if (left) scrollTo(0, scrollY + left.getBoundingClientRect().top); return !left"
            )
            return bool(self.run(f"if (document.readyState !== 'complete') return false; {script}"))

        self.until(nothing_left)
        return str(self.run("return document.body.innerText"))

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page."""
        return self.browser.execute_script(script, *arguments)

    def until(self, condition: Any, seconds: float = 60) -> Any:
        """Wait until a condition is true, and return its value."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.browser, seconds, 0.1, [WebDriverException])
        return wait.until(lambda _: condition(), self.browser.current_url)

    def find(self, selector: str) -> Any:
        """Wait for an element."""
        return self.until(lambda: self.browser.find_element("css selector", selector))

    def complaints(self) -> list[str]:
        """Return what the console has of the page since the last call."""
        entries = self.browser.get_log("browser")
        ours = [entry for entry in entries if "/object-stores" in entry["message"] or entry["source"] == "security"]
        # Airflow chooses what its frame allows.
        return [entry["message"] for entry in ours if "can escape its sandboxing" not in entry["message"]]


@pytest.fixture
def visitor(started: Chrome, server: ApiServer) -> Iterator[Visitor]:
    """An administrator with a browser."""
    visiting = Visitor(started, server)
    visiting.sign_in("admin")
    visiting.complaints()
    yield visiting
    started.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    started.switch_to.default_content()


def test_a_dead_service_leaves_the_others_alone(visitor: Visitor, server: ApiServer) -> None:
    visitor.browser.get(f"{visitor.url}/object-stores/")
    living = visitor.find("[data-fragment='/object-stores/stores/mule']")
    dead = visitor.find("[data-fragment='/object-stores/buckets/a-dead']")
    visitor.run("arguments[0].scrollIntoView()", living)
    visitor.until(lambda: "store-00" in living.text)
    assert dead.get_attribute("aria-busy")
    visitor.loaded()
    assert "timed out" in dead.text
    server.call("DELETE", "/connections/a-dead")  # the other tests need not wait for it


def test_in_airflows_frame(visitor: Visitor) -> None:
    """From the navigation's address into the frame, without a word in the console; dark as Airflow is."""
    visitor.run("localStorage.setItem('theme', 'dark')")
    visitor.browser.get(f"{visitor.url}/plugin/object-stores")
    visitor.browser.switch_to.frame(visitor.find("iframe"))
    text = visitor.loaded()
    assert "mule" in text
    assert "store-00" in text
    assert visitor.complaints() == []
    assert visitor.run("return document.documentElement.dataset.theme") == "dark"
    assert brightness(visitor, "backgroundColor") < 0.2 < 0.7 < brightness(visitor, "color")


def brightness(visitor: Visitor, property: str) -> float:
    colour = visitor.run(f"return getComputedStyle(document.body).{property}")
    return sum(map(int, colour.strip("rgb()").split(","))) / 3 / 255


def test_from_a_task_to_its_key_and_back(visitor: Visitor, server: ApiServer) -> None:
    """The link is there before the task has stored anything, and the page's links leave the frame."""
    links = server.call("GET", "/dags/delivers/dagRuns/r1/taskInstances/put/links")["extra_links"]
    assert links == {"Object store": f"{page_address()}/keys/mule?store=orders&partition=inbox&prefix=key-00001"}
    visitor.browser.get(f"{visitor.url}{links['Object store']}")
    if page_address().startswith("/plugin"):
        visitor.browser.switch_to.frame(visitor.find("iframe"))
    text = visitor.loaded()
    assert "delivers.put" in text.replace("\n", "")
    assert visitor.complaints() == []
    visitor.find("a[data-airflow][href='/dags/delivers/tasks/put']").click()
    visitor.browser.switch_to.default_content()
    visitor.until(lambda: visitor.browser.current_url == f"{visitor.url}/dags/delivers/tasks/put")


def test_names_and_values_are_text(visitor: Visitor) -> None:
    keys = visitor.open(VIEWS[3])
    for name in TAGS:
        assert name in keys
    assert "x" * 1024 in keys
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in keys
    for view in VIEWS:
        visitor.open(view)
        assert visitor.run("return window.attacked") is None
        assert visitor.run("return document.querySelectorAll('main img, main script, main style').length") == 0
        assert visitor.run("return getComputedStyle(document.querySelector('main')).display") != "none"
    assert VALUE[:60] in visitor.open(VIEWS[4])
    assert visitor.complaints() == []


HOSTILE = """<a data-airflow href='javascript:parent.attacked=1'>a</a><b onclick='attacked=1'>b</b><script>1</script>
<iframe src='/'></iframe><form action='https://example.com/'></form><a href='//a.example'>c</a><a href='/dags'>d</a>"""


def test_what_is_not_the_pages_gets_neither_in_nor_out(visitor: Visitor) -> None:
    """Neither another answer of Airflow's, nor a script into Airflow's own window, which has no content policy."""
    visitor.browser.get(f"{visitor.url}/plugin/object-stores")
    visitor.browser.switch_to.frame(visitor.find("iframe"))
    visitor.loaded()
    for address in ("/api/v2/version", "/object-stores/../api/v2/version", "/object-stores/", "https://example.com/"):
        visitor.run("const p = document.createElement('p'); p.id = 'odd'; document.querySelector('main').append(p)")
        visitor.run("const p = document.getElementById('odd'); p.dataset.fragment = arguments[0]; load(p)", address)
        assert (
            visitor.until(lambda: visitor.find("#odd").text)
            == "Airflow's API server did not answer. Load the page again."
        )
        visitor.run("document.getElementById('odd').remove()")
    cleaned = "clean(new DOMParser().parseFromString(arguments[0], 'text/html').body).innerHTML"
    assert visitor.run(f"return {cleaned}", HOSTILE).replace("\n", "") == (
        '<a data-airflow="">a</a><b>b</b><form></form><a>c</a><a href="/dags">d</a>'
    )
    visitor.run("document.querySelector('main').innerHTML = arguments[0]", HOSTILE)
    visitor.find("a[data-airflow]").click()
    assert visitor.run("return parent.attacked") is None
    visitor.complaints()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_is_enough_in_both_schemes(theme: str, visitor: Visitor) -> None:
    """WCAG AA: 4.5 between text and what is behind it."""
    visitor.run("localStorage.setItem('theme', arguments[0])", theme)
    for view in (VIEWS[3], VIEWS[5], VIEWS[6]):
        visitor.open(view)
        assert visitor.run(CONTRASTS) == []


CONTRASTS = """
const channels = colour => colour.match(/[\\d.]+/g).map(Number);
const luminance = colour => {
  const [r, g, b] = channels(colour).map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const behind = element => {
  for (; element; element = element.parentElement) {
    const colour = getComputedStyle(element).backgroundColor;
    if (channels(colour)[3] !== 0) return colour;
  }
  return "rgb(255, 255, 255)";
};
const found = [];
for (const element of document.querySelectorAll("main *")) {
  if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()) || !element.offsetParent) continue;
  const pair = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => b - a);
  const ratio = (pair[0] + .05) / (pair[1] + .05);
  if (ratio < 4.5) found.push(`${element.outerHTML.slice(0, 80)}: ${ratio.toFixed(2)}`);
}
return found;
"""


def test_the_keyboard_reaches_everything_in_order(visitor: Visitor) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    for view in ("/partitions/mule?store=hostile", "/tasks/mule?store=orders"):
        visitor.open(view)
        expected = visitor.run(
            "return [...document.querySelectorAll('a[href], button, summary, input:not([type=hidden]), pre[tabindex]')]"
            ".filter(element => element.checkVisibility()).map(element => element.outerHTML)"
        )
        reached = []
        for _ in expected:
            ActionChains(visitor.browser).send_keys(Keys.TAB).perform()
            reached.append(visitor.run("return document.activeElement.outerHTML"))
            style = "getComputedStyle(document.activeElement)"
            assert visitor.run(f"return {style}.outlineStyle") != "none", reached[-1]
            assert visitor.run(f"return parseFloat({style}.outlineWidth)") >= 2, reached[-1]
        assert reached == expected
        assert len(reached) > 2


def test_a_narrow_window_scrolls_down_only(visitor: Visitor) -> None:
    narrow = {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    visitor.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    for view in VIEWS:
        visitor.open(view)
        assert visitor.run("return innerWidth") == 360
        assert visitor.run("return document.documentElement.scrollWidth") <= 360, view


def test_no_other_host_is_asked(visitor: Visitor) -> None:
    for view in VIEWS:
        visitor.open(view)
        asked = visitor.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
        assert len(asked) > 2
        assert [address for address in asked if not address.startswith(f"{visitor.url}/")] == []


def test_who_may_read_no_connection_sees_none(visitor: Visitor) -> None:
    visitor.sign_in("viewer")
    assert "There is no connection" in (text := visitor.open("/"))
    assert "mule" not in text
    for view in VIEWS[1:]:
        text = visitor.open(view)
        assert "You may not read this connection" in text
        assert "store-00" not in text


def test_time_to_the_first_paint(visitor: Visitor, capsys: pytest.CaptureFixture[str]) -> None:
    """With 100 stores and 10,000 keys; a figure to read."""
    figures = {}
    for view in (VIEWS[0], "/keys/mule?store=orders&partition=inbox&list=yes"):
        visitor.open(view)
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        figures[view] = visitor.run(f"return [{paint}, performance.now()]")
    with capsys.disabled():
        for view, (paint, loaded) in figures.items():
            print(f"\n{view}: first paint after {paint:.0f} ms, all of it after {loaded:.0f} ms", end="")
