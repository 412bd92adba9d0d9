"""
What the documentation site makes from the code, as a Sphinx extension: ``make docs``.

The functions down to :func:`setup` need no Sphinx: tests call them too.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev import howtos

ROOT = Path(__file__).parents[1]
PACKAGE = "airflow_provider_objectstore"
FOLDERS = (
    *("hooks", "operators", "transfers", "sensors", "triggers", "publishers", "fs", "exceptions"),
    *("notifications", "retries"),
)
ENDS = ("Hook", "Operator", "Sensor", "EventTrigger", "Publisher", "FileSystem", "Error", "Notifier", "RetryPolicy")
"""How the names of the classes end that are for authors of DAGs."""
NEEDS_AIRFLOW_3_3 = {f"{PACKAGE}.retries"}
NOT_FOR_AUTHORS = {"KeyHook", "ObjectStoreHook", "PollFailedError"}
FURTHER: dict[str, tuple[str, ...]] = {
    "hooks": ("hooks.partition.Partition", "hooks.s3.S3Options", "transport.bulk.BulkResult"),
    "models": (
        "api.anypoint.models.Store",
        "api.anypoint.models.Region",
        "api.anypoint.values.Entry",
        "api.anypoint.statistics.RequestCount",
        "api.civo.models.ObjectStore",
        "api.civo.models.Credential",
        "api.civo.models.ObjectStoreStats",
        "api.civo.models.Quota",
        "api.civo.models.Region",
        "hooks.civo.CredentialUse",
    ),
    "calls": ("api.anypoint.*", "api.civo.*"),
    "assets": tuple(f"assets.{name}" for name in ("anypoint_asset", "civo_asset")),
    "emulator": (
        "emulator.Emulator",
        "emulator.Settings",
        "emulator.MotoS3",
        "emulator.fixtures.objectstore",
        "emulator.fixtures.objectstore_emulator",
        "emulator.fixtures.objectstore_connections",
    ),
}
"""What the names do not tell; ``*`` stands for all functions of ``__all__``."""
SECTIONS = {
    "Learn": ("tutorial", "connections", "troubleshooting"),
    "How to": (),
    "Reference": ("reference/index", "compatibility"),
    "About": ("upgrade", "reliability", "benchmarks", "development", "decisions"),
}
"""The pages of the site's navigation. How-tos are those that are named nowhere else."""


@dataclass(frozen=True)
class Public:
    """A class or function for authors of DAGs."""

    area: str
    name: str
    value: Any


def public() -> Iterator[Public]:
    """Find what is for authors of DAGs, in the order of the modules."""
    for module in list(_modules(f"{PACKAGE}.{folder}" for folder in FOLDERS)):
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and kind.__module__ == module.__name__ and _is_for_authors(name):
                yield Public(module.__name__.split(".")[1], f"{module.__name__}.{name}", kind)
    for area, names in FURTHER.items():
        for module_name, _, member in (f"{PACKAGE}.{name}".rpartition(".") for name in names):
            found = importlib.import_module(module_name)
            for each in _functions(found) if member == "*" else [member]:
                yield Public(area, f"{module_name}.{each}", getattr(found, each))


def _modules(packages: Iterable[str]) -> Iterator[Any]:
    for name in packages:
        if importlib.util.find_spec(name):
            yield from _import(name)
            path = getattr(sys.modules.get(name), "__path__", [])
            for info in pkgutil.walk_packages(path, f"{name}."):
                if not info.name.endswith("__main__"):
                    yield from _import(info.name)


def _import(name: str) -> Iterator[Any]:
    try:
        yield importlib.import_module(name)
    except ImportError:
        if name not in NEEDS_AIRFLOW_3_3:
            raise


def _functions(module: Any) -> list[str]:
    return [name for name in module.__all__ if inspect.isfunction(getattr(module, name))]


def _is_for_authors(name: str) -> bool:
    return name.endswith(ENDS) and not name.startswith("_") and name not in NOT_FOR_AUTHORS


def split_xcom(lines: Sequence[str]) -> tuple[list[str], str]:
    """
    Take the paragraph about XCom out of a docstring.

    :param lines: the docstring's lines.
    :return: the other lines, and the paragraph as one line, which is empty where there is none.
    """
    text = "\n".join(lines)
    found = re.search(r"^XCom: (.*?)(?:\n\s*\n|\Z)", text, re.M | re.S)
    if not found:
        return list(lines), ""
    return (text[: found.start()] + text[found.end() :]).split("\n"), " ".join(found[1].split())


def returns_something(operator: type) -> bool:
    """
    Tell whether a task of this class may leave something in XCom.

    :param operator: class of an operator or a sensor.
    """
    methods = (getattr(operator, name, None) for name in ("execute", "execute_complete"))
    results = [inspect.signature(method).return_annotation for method in methods if method]
    return any(result not in ("None", None, type(None)) for result in results)


def task_table(areas: Sequence[str]) -> str:
    """
    Describe operators and sensors: their template fields, what goes into XCom, and where their how-to is.

    :param areas: the folders whose classes to describe.
    :return: a table in reStructuredText.
    """
    rows = [".. list-table::", "   :header-rows: 1", "   :widths: 25 30 30 15", ""]
    rows += _row("class", "template fields", "XCom", "how to")
    for item in public():
        if item.area in areas and not _is_base(item.value):
            xcom = split_xcom((inspect.getdoc(item.value) or "").split("\n"))[1]
            fields = ", ".join(f"``{field}``" for field in item.value.template_fields)
            howto = next(iter(howtos.of(item.value.__name__)), None)
            link = f":doc:`{howto.heading.replace('`', '')} </{howto.page}>`" if howto else ""
            rows += _row(f":py:class:`~{item.name}`", fields, xcom or "nothing", link)
    return "\n".join(rows)


def _row(*cells: str) -> list[str]:
    return [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(cells)]


def _is_base(value: Any) -> bool:
    """Tell whether a class is there for others of this package to build on."""
    if not inspect.isclass(value) or issubclass(value, Exception):
        return False
    return any(other.__module__.startswith(PACKAGE) for other in type.__subclasses__(value))


def describe_area(area: str) -> str:
    """
    Ask autodoc for everything of an area.

    :param area: its name.
    :return: reStructuredText.
    """
    found = []
    for item in public():
        if item.area == area and not _is_base(item.value):
            found += [f".. auto{'class' if inspect.isclass(item.value) else 'function'}:: {item.name}"]
            found += [f"   {option}" for option in _options(item)] + [""]
    return "\n".join(found)


def _options(item: Public) -> list[str]:
    if item.name.endswith(".Region"):
        return [":no-index:"]  # both services have one, and signatures name it without its module
    if item.area == "hooks":
        return [":inherited-members: BaseHook"]
    if item.area == "publishers":
        return [":inherited-members:"]
    return {"fs": [":no-members:"], "exceptions": [":show-inheritance:"]}.get(item.area, [])


@dataclass(frozen=True)
class Message:
    """An error that the code raises: its class, its text with ``…`` for what differs, and the module."""

    kind: str
    text: str
    module: str


def messages(errors: Iterable[str]) -> Iterator[Message]:
    """
    Find the errors that the package's code makes.

    :param errors: names of their classes.
    """
    wanted = set(errors)
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        module = path.relative_to(ROOT / PACKAGE)
        for node in ast.walk(ast.parse(path.read_text())) if module.parts[0] != "emulator" else ():
            if isinstance(node, ast.Call) and node.args and (kind := _kind(node.func)) in wanted:
                text = _text(node.args[0])
                if text.strip("… :"):
                    yield Message(kind, text, module.as_posix())


@dataclass(frozen=True)
class Explanation:
    """A row of docs/troubleshooting.md: a message with ``…``, its cause, and what to do."""

    message: str
    cause: str
    remedy: str

    def matches(self, text: str) -> bool:
        """
        Tell whether this row is about a message.

        :param text: the message, with ``…`` or with what stood there.
        """
        return bool(re.fullmatch(".*".join(map(re.escape, self.message.split("…"))), text, re.S))


def explanations() -> list[Explanation]:
    """Read the rows of docs/troubleshooting.md that explain a message."""
    page = (ROOT / "docs/troubleshooting.md").read_text()
    page = page[page.index("## By the message") :]
    rows: list[Explanation] = []
    for message, *cells in re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \|$", page, re.M):
        above = (rows[-1].cause, rows[-1].remedy) if rows else ()
        rows.append(Explanation(message, *(above[at] if cell == "likewise" else cell for at, cell in enumerate(cells))))
    return rows


_SAYS_ITSELF = re.compile(
    r"\b(must|needs?|accepts|at most|check|create|delete|export|give|leave|narrow|pip install|publish under|rename|"
    r"run (it|this)|serialize|set|take|use|wait|(call|name|open|read|restore|stop) (it|its|that|the|them)|"
    r"\w+='?\w+'? (accepts|deletes|sets|also))\b",
    re.I,
)


def says_what_to_do(message: str) -> bool:
    """
    Tell whether a message states what is allowed, or what to do.

    :param message: the message.
    """
    return bool(_SAYS_ITSELF.search(message))


def _kind(call: ast.expr) -> str:
    match call:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="exceptions"), attr=name):
            return name
        case ast.Attribute(value=ast.Name(id="problems") | ast.Attribute(attr="problems"), attr="append"):
            return "ConfigurationError"  # what is wrong in a connection is collected, and raised in one error
    return ""


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_text, parts))
        case ast.BinOp(left=left, right=right):
            return _text(left) + _text(right)
    return "…"


def error_classes() -> dict[str, type]:
    """Return this package's errors by name: those that are not private."""
    from airflow_provider_objectstore.exceptions import ObjectStoreError

    for _ in _modules([PACKAGE]):
        """Imported, its errors are subclasses."""
    found: dict[str, type] = {}
    waiting: list[type] = [ObjectStoreError]
    while waiting:
        kind = waiting.pop()
        if not kind.__name__.startswith("_") and kind.__module__.startswith(PACKAGE):
            found[kind.__name__] = kind
        waiting += kind.__subclasses__()
    return dict(sorted(found.items()))


def error_table(errors: dict[str, type]) -> str:
    """
    List what the code's errors say.

    :param errors: the classes by name.
    :return: Markdown: a heading for each class, and a table below.
    """
    found: dict[str, dict[str, set[str]]] = {name: {} for name in errors}
    for message in messages(errors):
        found[message.kind].setdefault(message.text, set()).add(message.module)
    explained = explanations()
    parts = []
    for name, texts in found.items():
        if texts:
            parts += [f"## {name}", "", "| message | cause | what to do | raised in |", "|---|---|---|---|"]
            for text, modules in texts.items():
                row = next((row for row in explained if row.matches(text) and not says_what_to_do(text)), None)
                cells = (row.cause, row.remedy) if row else ("", "as the message says")
                parts += [
                    f"| {_cell(text)} | {' | '.join(cells).replace('](', '](../')} | {', '.join(sorted(modules))} |"
                ]
            parts += [""]
    return "\n".join(parts)


def _cell(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>{}|#$])", r"\\\1", text)


_PLACE = re.compile(r"^```\{(task-table|everything-of|error-messages)\} ?(.*)\n```$", re.M)


def fill(page: str) -> str:
    """
    Replace the places of a page that the code fills.

    :param page: the page's Markdown.
    """

    def made(place: re.Match[str]) -> str:
        kind, words = place[1], place[2].split()
        if kind == "error-messages":
            return error_table(error_classes())
        text = task_table(words) if kind == "task-table" else "\n".join(map(describe_area, words))
        return f"```{{eval-rst}}\n{text}\n```"

    return _PLACE.sub(made, page)


def setup(app: Any) -> dict[str, bool]:
    """
    Fill the pages when Sphinx reads them, and turn what a docstring says about XCom into a field.

    :param app: Sphinx.
    """
    app.connect("source-read", _fill_source)
    app.connect("autodoc-process-docstring", _add_facts)
    return {"parallel_read_safe": True}


def _fill_source(app: Any, docname: str, source: list[str]) -> None:
    source[0] = fill(source[0])
    if "/" not in docname:
        source[0] = _with_downloads(source[0])
    if docname == app.config.root_doc:
        source[0] += navigation(app.env.found_docs)


def _with_downloads(page: str) -> str:
    """Let links to files outside of docs/ be downloads, which have no anchors; MyST would look for pages."""
    return re.sub(r"\]\((\.\./[^)#]*)(#[^)]*)?\)", r"](path:\1)", page)


def navigation(pages: Iterable[str]) -> str:
    """
    Arrange all pages.

    :param pages: their names.
    :return: Markdown, a hidden table of contents for each section.
    """
    named = [name for names in SECTIONS.values() for name in names]
    rest = sorted(page for page in pages if "/" not in page and page not in (*named, "index"))
    parts = []
    for section, names in SECTIONS.items():
        shown = [name for name in names if name in pages] or rest
        parts += ["", "```{toctree}", ":hidden:", f":caption: {section}", *shown, "```"]
    return "\n".join(parts)


def _add_facts(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    if what != "class" or not (fields := getattr(value, "template_fields", None)):
        return
    rest, xcom = split_xcom(lines)
    facts = [
        f"**Template fields:** {', '.join(f'``{field}``' for field in fields)}",
        "",
        f"**XCom:** {xcom or 'nothing'}",
    ]
    before = next((at for at, line in enumerate(rest) if line.startswith(":param")), len(rest))
    lines[:] = [*rest[:before], *facts, "", *rest[before:]]
