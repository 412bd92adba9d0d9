"""Download Chromium's packages and unpack them without installing them: ``python -m tests.browser.prepare``."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.debian import Programs, Unavailable

HOME = Path(__file__).parents[2] / ".cache" / "chromium"
BROWSER = "usr/lib/chromium/chromium"
DRIVER = "usr/bin/chromedriver"
CHROMIUM = Programs(
    HOME,
    ("chromium", "chromium-driver", "fonts-liberation"),
    (BROWSER, DRIVER),
    "Chromium is downloaded with apt from a Debian archive. Elsewhere install chromium and chromium-driver, or skip "
    "the tests that need them: make test CHROMIUM=skip",
)

if __name__ == "__main__":
    if CHROMIUM.installation() is None:
        print(f"Downloading Chromium's packages into {HOME} (about 120 MB, more with libraries)", flush=True)
    try:
        CHROMIUM.prepare()
    except Unavailable as error:
        sys.exit(str(error))
