"""The how-tos of ``docs/``: their code stands between ``[START …]`` and ``[END …]`` of a file that tests run."""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("example_dags", "example_project", "tests")
SNIPPET = re.compile(r"^ *# \[START (\w+)\]\n(.*?)^ *# \[END \1\]", re.M | re.S)
SCHEMES = {"AnypointFileSystem": "osv2://", "CivoFileSystem": "civo://"}
"""Filesystems are used by their paths."""


@dataclass(frozen=True)
class Howto:
    """Code of a page: the page's name, the heading above the code, and the code."""

    page: str
    heading: str
    code: str

    def shows(self, name: str) -> bool:
        """
        Tell whether the code uses a class.

        :param name: the class's name.
        """
        if name in SCHEMES:
            return SCHEMES[name] in self.code
        return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(ast.parse(self.code)))


def sources() -> Iterator[tuple[Path, str]]:
    """Find the files that have code between markers: their paths and texts."""
    for path in sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/**/*.py")):
        if SNIPPET.search(text := path.read_text()):
            yield path, text


@functools.cache
def snippets() -> dict[str, str]:
    """Return what stands between markers, as :func:`normal` has it, and the name of each."""
    return {normal(textwrap.dedent(code)): name for _, text in sources() for name, code in SNIPPET.findall(text)}


def normal(code: str) -> str:
    """
    Return code without what ruff changes when it stands on a page: empty lines before functions.

    :param code: the code.
    """
    return re.sub(r"\n{3,}", "\n\n", code.strip())


@functools.cache
def howtos() -> tuple[Howto, ...]:
    """Find the code on the pages that is run; one-page tours such as the tutorial come last."""
    pages = sorted((ROOT / "docs").glob("*.md"), key=lambda path: (path.stem in ("tutorial", "index"), path.stem))
    return tuple(found for page in pages for found in _on_page(page.stem, page.read_text()))


def _on_page(page: str, text: str) -> Iterator[Howto]:
    heading = ""
    for title, code in re.findall(r"^(?:#+ ([^\n]+)|```python\n(.*?)^```)", _without_others(text), re.M | re.S):
        heading = title or heading
        if code and normal(code) in snippets():
            yield Howto(page, heading, code)


def _without_others(text: str) -> str:
    """Leave out code of other languages, whose comments look like headings."""
    return re.sub(r"^```(?!python\n)\w+\n.*?^```$", "", text, flags=re.M | re.S)


def of(name: str) -> list[Howto]:
    """
    Find the how-tos of a class.

    :param name: the class's name.
    """
    return [found for found in howtos() if found.shows(name)]


def anchor(heading: str) -> str:
    """
    Return the anchor of a heading, as GitHub makes it.

    :param heading: the heading.
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
