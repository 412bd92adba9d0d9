"""From what was read to HTML. Everything is escaped: names and values are other people's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from airflow_provider_objectstore.exceptions import printable
from airflow_provider_objectstore.plugins.connection_ids import has_address

FOLDER = Path(__file__).parent
MAX_SHOWN = 2048
"""Characters of a name that are shown. No service has longer names."""
MAX_ADDRESS = 16_000
"""Length of an address. Servers and proxies take no longer ones."""
FRAGMENT_HEADER = "X-Objectstore-Fragment"
"""The script sends it to get a part of a page, and the answer has it if it is one."""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(shown=shown, number=number, duration=duration, size=size, moment=moment)
    return environment


def render(
    request: Request, template: str, context: Mapping[str, Any], status: int = 200, *, fragment: bool = False
) -> HTMLResponse:
    """
    Return a page or a part of one.

    :param request: the request, for the addresses in it.
    :param template: the template's file name.
    :param context: its variables.
    :param status: the HTTP status.
    :param fragment: whether it is a part: the script inserts nothing that does not say so.
    """
    root: str = request.scope["root_path"]
    text = _environment().get_template(template).render(**context, link=Links(root))
    return HTMLResponse(text.encode(errors="replace"), status, {FRAGMENT_HEADER: "1"} if fragment else None)


class Links:
    """
    Addresses within the page, and of Airflow's own UI.

    :param root: the path under which the page is.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def __call__(self, name: str, connection_id: str | None = None, **parameters: str | None) -> str | None:
        """
        Return the address of a view; None for names that no address can hold.

        :param name: the view's name; empty for the start.
        :param connection_id: the connection that it shows.
        :param parameters: its parameters. Those that are None are left out.
        """
        if connection_id is not None and not has_address(connection_id):
            return None
        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            query = urlencode(given, quote_via=quote)
            of = "" if connection_id is None else f"/{quote(connection_id, safe='')}"
        except UnicodeEncodeError:
            return None
        address = f"{self._root}/{name}{of}{'?' if query else ''}{query}"
        return address if len(address) <= MAX_ADDRESS else None

    def airflow(self, path: str) -> str:
        """
        Return an address of Airflow's own UI. In a template, such a link needs the attribute ``data-airflow``.

        :param path: the path below Airflow's base path, such as ``/dags/orders``.
        """
        return f"{self._root.rpartition('/')[0]}{path}"


def shown(text: Any) -> str:
    """Return a name so that all of it can be seen: line ends and direction marks as escapes. What is huge is cut."""
    whole = str(text)
    return printable(whole[:MAX_SHOWN]) + (f"… ({number(len(whole))} characters)" if len(whole) > MAX_SHOWN else "")


def number(value: float) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def size(kilobytes: float) -> str:
    """Return a size in the unit that suits it, in powers of 1,000."""
    units = ["TB", "GB", "MB", "KB"]
    while kilobytes >= 1000 and len(units) > 1:
        kilobytes /= 1000
        units.pop()
    return f"{kilobytes:.3g} {units[-1]}"


def duration(seconds: float | None) -> str:
    """Return a duration in its largest whole unit."""
    if seconds is None:
        return "not told"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds} s"


def moment(time: datetime) -> str:
    """Return a time in UTC, to the minute."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
