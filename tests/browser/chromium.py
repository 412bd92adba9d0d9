"""A headless Chromium, driven by Selenium."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from tests.browser.prepare import BROWSER, CHROMIUM, DRIVER
from tests.debian import Unavailable, environment

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SWITCHES = (
    "--headless",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--lang=en-US",
)
# The packages may be unpacked below another root than the one that fontconfig reads.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{root}/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{cache}</cachedir>
  {preferred}
</fontconfig>
"""
PREFERRED = {
    "sans-serif": "Liberation Sans",
    "Helvetica": "Liberation Sans",
    "Arial": "Liberation Sans",
    "system-ui": "Liberation Sans",
    "monospace": "Liberation Mono",
}


@contextmanager
def chromium(width: int = 1280, height: int = 1000) -> Iterator[Chrome]:
    """
    Start a browser with an empty profile.

    :param width: the page's width, in pixels.
    :param height: the page's height.
    :return: the browser, until the ``with`` block ends.
    :raises Unavailable: if Chromium is not here.
    """
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    root = CHROMIUM.installation()
    if root is None:
        raise Unavailable(f"Chromium is not here: run make chromium. {CHROMIUM.hint}")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as scratch:
        options = ChromeOptions()
        options.binary_location = str(root / BROWSER)
        switches = (*SWITCHES, f"--user-data-dir={scratch}/profile", f"--window-size={width},{height}")
        for switch in switches:
            options.add_argument(switch)
        service = ChromeService(str(root / DRIVER), env=_environment(root, Path(scratch)))
        # Selenium talks to the driver on localhost, which no proxy reaches.
        with patch.dict(os.environ, {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}):
            browser = Chrome(options, service)
        try:
            browser.set_page_load_timeout(60)
            yield browser
        finally:
            browser.quit()


def _environment(root: Path, scratch: Path) -> dict[str, str]:
    fonts = scratch / "fonts.conf"
    preferred = "\n  ".join(
        f"<alias binding='same'><family>{name}</family><prefer><family>{font}</family></prefer></alias>"
        for name, font in PREFERRED.items()
    )
    fonts.write_text(FONTS.format(root=root, cache=scratch / "fontconfig", preferred=preferred))
    return {**environment(root), "FONTCONFIG_FILE": str(fonts), "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch)}
