"""Pages of Airflow's web interface, read and filled in as people do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

STANDARD, EXTRA = "Standard Fields", "Extra Fields"

# What a person sees of the fields that are open: a drop-down has choices, a field with a list makes proposals.
READ_FIELDS = r"""
const open = button => button.getAttribute("aria-expanded") === "true";
const text = element => element ? element.innerText.replaceAll("\n", " ").trim() : "";
return [...document.querySelectorAll('[role="dialog"] [data-scope="field"][data-part="root"]')]
  .filter(field => {
    const section = field.closest('[data-part="item-content"]');
    return !section || open(document.getElementById(section.getAttribute("aria-labelledby")));
  })
  .map(field => {
    const input = field.querySelector("input, textarea");
    const list = input && input.getAttribute("list");
    return {
      label: text(field.querySelector('[data-part="label"]')),
      help: text(field.querySelector('[data-part="helper-text"]')),
      problem: text(field.querySelector('[data-part="error-text"]')),
      placeholder: input && input.type !== "hidden" ? input.placeholder : "",
      kind: field.querySelector('[role="combobox"]') ? "choice" : input && input.type,
      proposals: list ? [...document.getElementById(list).options].map(option => option.value) : [],
    };
  });
"""

NOT_YET = [StaleElementReferenceException, ElementNotInteractableException, ElementClickInterceptedException]

IS_OPEN = """
const section = document.getElementById(arguments[0].getAttribute("aria-controls"));
return arguments[0].getAttribute("aria-expanded") === "true" && section.offsetHeight > 0
  && section.getAnimations().every(animation => animation.playState === "finished");
"""


@dataclass(frozen=True)
class Field:
    """A field of a form, as it is shown. ``choice`` is the kind of a drop-down."""

    label: str
    help: str
    problem: str
    placeholder: str
    kind: str
    proposals: list[str]


class Pages:
    """
    Airflow in a browser.

    :param browser: the browser.
    :param url: address of an Airflow that asks for no login.
    """

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self.url = url
        # Airflow 3.1 forgets the page that was wanted first.
        browser.get(url)
        self.find("//*[text()='Admin']")

    def open(self, path: str) -> None:
        """Open a page."""
        self.browser.get(f"{self.url}{path}")

    def settle(self, seconds: float = 1.5, at_most: float = 15) -> None:
        """Wait until nothing on the page has changed for a while; a clock may go on."""
        seen, since, ends = "", time.monotonic(), time.monotonic() + at_most
        while time.monotonic() - since < seconds and time.monotonic() < ends:
            now = self.browser.page_source
            if now != seen:
                seen, since = now, time.monotonic()
            time.sleep(0.2)

    def until(self, condition: Callable[[], Any], seconds: float = 60) -> Any:
        """Wait until a condition is true, and return its value. The page may change meanwhile."""
        wait = WebDriverWait(self.browser, seconds, 0.1, NOT_YET)
        return wait.until(lambda _: condition(), self.browser.current_url)

    def find(self, xpath: str) -> WebElement:
        """Wait for an element that is visible."""
        found: WebElement = self.until(lambda: self.visible(xpath))
        return found

    def visible(self, xpath: str) -> WebElement | None:
        """Return the first such element that is visible."""
        elements = self.browser.find_elements(By.XPATH, xpath)
        return next((element for element in elements if element.is_displayed()), None)

    def click(self, xpath: str) -> None:
        """Click on an element as soon as nothing covers it."""
        self.until(lambda: self.find(xpath).click() or True)

    # The form of a connection

    def add_connection(self, conn_id: str, type_name: str) -> None:
        """Open an empty form and choose the connection's id and type."""
        self.open("/connections")
        self.click("//button[contains(., 'Add Connection')]")
        self._type("Connection ID", conn_id)
        self._type("Connection Type", type_name, Keys.ENTER)
        self.find(f"//button[contains(., '{STANDARD}')]")

    def open_section(self, name: str) -> None:
        """Show a part of the form; the others close."""
        button = f"//button[normalize-space()='{name}']"
        if self.find(button).get_attribute("aria-expanded") != "true":
            self.click(button)
        self.until(lambda: self.browser.execute_script(IS_OPEN, self.find(button)))

    def fields(self) -> list[Field]:
        """Return the form's visible fields, those of the open section after connection id and type."""
        return [Field(**found) for found in self.browser.execute_script(READ_FIELDS)]

    def fill(self, values: dict[str, str]) -> None:
        """Type into fields by label, or choose if a field is a drop-down."""
        kinds = {field.label.rstrip(" *"): field.kind for field in self.fields()}
        for label, value in values.items():
            if kinds[label] == "choice":
                self._choose(label, value)
            else:
                self._type(label, value)
                assert self._box(label).get_attribute("value") == value, label

    def choices(self, label: str) -> list[str]:
        """Open a drop-down, read its choices and close it."""
        found = [option.text for option in self._open(label)]
        box = self._box(label)  # Escape would close the form
        self.browser.execute_script("arguments[0].blur()", box) if box.tag_name == "input" else box.click()
        self.until(lambda: not self.visible("//*[@role='option']"))
        return found

    def can_save(self) -> bool:
        """Return whether the form's button is enabled."""
        return self.find("//button[contains(., 'Save')]").is_enabled()

    def save(self) -> None:
        """Save the form, which closes then."""
        self.until(self.can_save)
        self.click("//button[contains(., 'Save')]")
        self.until(lambda: not self.browser.find_elements(By.XPATH, "//*[@role='dialog']"))

    def test_connection(self, conn_id: str) -> tuple[str, str]:
        """Press a connection's **Test** button. Return title and text of what is shown then."""
        self.open("/connections")
        self.click(f"//tr[contains(., '{conn_id}')]//button[@aria-label='Test Connection']")
        title = "//*[@data-scope='toast' and @data-part='title']"
        shown = self.find(title).text
        return shown, self.find(title.replace("title", "description")).text

    def _box(self, label: str) -> WebElement:
        """Return the input of a field, or what opens its drop-down, which counts as invisible if it has a value."""
        field = f"//*[@data-scope='field' and @data-part='root'][.//label[starts-with(normalize-space(), '{label}')]]"
        boxes = f"{field}//*[@role='combobox'] | {field}//input[not(@type='hidden')] | {field}//textarea"
        found: WebElement = self.until(lambda: self.browser.find_elements(By.XPATH, boxes))[0]
        return found

    def _type(self, label: str, *keys: str) -> None:
        """Type into a field as soon as it accepts that: Airflow still loads the types when the form opens."""
        self.until(lambda: self._box(label).send_keys(*keys) or True)

    def _open(self, label: str) -> list[WebElement]:
        """Open a drop-down: an input that filters its choices, or a button in Airflow 3.1."""
        box = self._box(label)
        if box.tag_name == "input":
            self.browser.execute_script("arguments[0].focus()", box)
            ActionChains(self.browser).send_keys(Keys.ARROW_DOWN).perform()  # it may have no size
        else:
            box.click()
        self.find("//*[@role='option']")
        return [
            option for option in self.browser.find_elements(By.XPATH, "//*[@role='option']") if option.is_displayed()
        ]

    def _choose(self, label: str, choice: str) -> None:
        next(option for option in self._open(label) if option.text == choice).click()
