"""The pictures of the documentation are current, small and used. ``make screenshots`` takes the screenshots anew."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from dev import screenshots
from dev.screenshots import IMAGES, MANIFEST, SCREENSHOTS, Screenshot

ROOT = Path(__file__).parents[1]
PAGES = {path: path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"))}


@pytest.mark.parametrize("picture", SCREENSHOTS, ids=lambda picture: picture.name)
def test_screenshot_is_current(picture: Screenshot) -> None:
    taken = json.loads(MANIFEST.read_text())
    assert taken.keys() == {one.name for one in SCREENSHOTS}
    assert taken[picture.name] == picture.digest(), "what it shows has changed: run make screenshots and look at them"


@pytest.mark.parametrize("picture", ["page-light", "page-dark"])
@pytest.mark.parametrize("file", ["static/page.css", "static/page.js", "templates/parts.html", "templates/page.html"])
def test_a_change_of_how_the_page_looks_is_noticed(
    picture: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shown,) = (one for one in SCREENSHOTS if one.name == picture)
    changed = shutil.copytree(screenshots.PAGE, tmp_path / "page")
    monkeypatch.setattr(screenshots, "PAGE", changed)
    before = shown.digest()
    with (changed / file).open("a") as text:
        text.write("/* another colour */")
    assert shown.digest() != before


@pytest.mark.parametrize("path", sorted({*IMAGES.iterdir()} - {MANIFEST}), ids=lambda path: path.name)
def test_picture_is_small_and_described(path: Path) -> None:
    assert path.stat().st_size < 150_000
    found = [
        (page, text)
        for page, content in PAGES.items()
        for text, target in re.findall(r"!\[(.*?)\]\((.+?)\)", content, re.S)
        if (page.parent / target).resolve() == path
    ]
    assert found, "no page shows it"
    assert all(len(text) > 20 for _, text in found), "it has no description for those who do not see it"


def test_there_are_pictures() -> None:
    assert {path.stem for path in IMAGES.glob("*.webp")} == {picture.name for picture in SCREENSHOTS}
    assert {"pieces.svg", "rotation.svg"} <= {path.name for path in IMAGES.iterdir()}
