"""
Read the arguments of operators, sensors, triggers and hooks, before the first request.

A reader takes the name of an argument and its value, given directly or rendered from a template. It returns the value
to use, or raises an ``InvalidArgumentError`` that names the argument, the value and what to give instead.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from airflow_provider_objectstore.exceptions import InvalidArgumentError

T = TypeVar("T")

Reader: TypeAlias = Callable[[str, Any], Any]
Duration: TypeAlias = float | str | timedelta
"""Seconds as a number or as text, a ``timedelta`` (so a ``pendulum.Duration``), or ISO 8601 such as ``PT5M``."""

MAX_SECONDS = 1e9
"""The longest duration, about 31 years: dates would overflow."""
_NUMBER = r"[0-9]{1,9}(?:[.,][0-9]{1,9})?"
_CONNECTION_ID = re.compile(r"[\w.-]{1,200}")
_ISO_DURATION = re.compile(
    r"P(?=.)(?:(?P<years>#)Y)?(?:(?P<months>#)M)?(?:(?P<weeks>#)W)?(?:(?P<days>#)D)?"
    r"(?:T(?=.)(?:(?P<hours>#)H)?(?:(?P<minutes>#)M)?(?:(?P<seconds>#)S)?)?".replace("#", _NUMBER)
)
_PYTHON = re.compile(r"LazyXComSequence|LazySelectSequence|dict_(keys|values|items)\(|frozenset\(|set\(|<.* at 0x")
"""How the text begins that a template makes of a collection."""
_TEXTS_OF_NOTHING = ("None", "null")
"""What a template makes of a missing value."""
OUTPUT = (
    "Give the output of the task itself (task.output) instead of a template, or set render_template_as_native_obj=True "
    "on the DAG"
)


def name(what: str, value: Any) -> str:
    """Read a name, such as that of a store, a partition or a key."""
    text = prefix(what, value)
    if text != text.strip():
        raise InvalidArgumentError(f"{what} must not begin or end with blanks, as {shown(value)} does")
    return text


def prefix(what: str, value: Any) -> str:
    """Read a prefix of names. Blanks at its ends belong to it."""
    if not isinstance(value, str):
        hint = f". {OUTPUT}" if _resolved_later(value) else ""
        raise InvalidArgumentError(f"{what} must be text, not {shown(value)}{hint}")
    if not value.strip():
        raise InvalidArgumentError(
            f"{what} must not be empty, as {shown(value)} is. If a template or a variable made it, check what that "
            "refers to"
        )
    if value.strip() in _TEXTS_OF_NOTHING:
        raise InvalidArgumentError(
            f"{what} must be a name, not the text {value.strip()!r}: that is what a template or an f-string makes "
            "of a missing value. Check what that refers to"
        )
    if "\n" in value or "\r" in value:
        raise InvalidArgumentError(f"{what} must be one name, not several lines: {shown(value)}. {OUTPUT}")
    if _is_text_of_collection(value):
        raise InvalidArgumentError(f"{what} must be a name, not the text of a list: {shown(value)}. {OUTPUT}")
    return value


def names(what: str, value: Any) -> list[str]:
    """Read a name, or a collection of at least one name such as a mapped task's output; drop duplicates."""
    result = names_or_empty(what, value)
    if not result:
        raise InvalidArgumentError(
            f"{what} must be a name or a list of at least one name, not {shown(value)}. If it is another task's "
            "output, that is empty"
        )
    return result


def names_or_empty(what: str, value: Any) -> list[str]:
    """Read a name, or a collection of names. An empty collection means no name, never all."""
    if isinstance(value, str):
        return [name(what, value)]
    if not isinstance(value, Iterable) or isinstance(value, (Mapping, bytes)) or _resolved_later(value):
        hint = f". {OUTPUT}" if _resolved_later(value) else ""
        raise InvalidArgumentError(f"{what} must be a name or a list of at least one name, not {shown(value)}{hint}")
    return list(dict.fromkeys(name(f"{what}[{number}]", item) for number, item in enumerate(value)))


def name_or_names(what: str, value: Any) -> str | list[str]:
    """Read names like :func:`names`, but return a single name as a name, so that the UI shows it as given."""
    result = names(what, value)
    return value if isinstance(value, str) else result


def patterns(what: str, value: Any) -> list[str]:
    """Read one or more patterns of names. Patterns joined by commas are refused: they would match nothing."""
    result = names(what, value)
    if joined := [pattern for pattern in result if "," in pattern]:
        raise InvalidArgumentError(f"{what} must be a list of patterns, not one text with commas: {shown(joined[0])}")
    return result


def any_value(what: str, value: Any) -> Any:
    """Read any value. A value that was given must not become None; the caller checks that."""
    return value


def identifier(what: str, value: Any) -> str:
    """Read the id of a connection, region, organization or environment. Blanks at its ends are removed."""
    return name(what, value.strip() if isinstance(value, str) else value)


def connection_id(what: str, value: Any) -> str:
    """Read the id of a connection that is created or changed through Airflow's API."""
    text = name(what, value)
    if not _CONNECTION_ID.fullmatch(text) or not text.strip("."):
        raise InvalidArgumentError(
            f"{what} must be 1 to 200 letters, digits, '_', '-' or '.', and not only dots, not {shown(value)}"
        )
    return text


def override(what: str, value: Any) -> str | None:
    """Read a value that overrides the connection's. None means the connection's; an empty value is refused."""
    if isinstance(value, str) and not value.strip():
        raise InvalidArgumentError(
            f"{what} must not be empty, as {shown(value)} is: leave it out, or give None, for the connection's"
        )
    return None if value is None else identifier(what, value)


def boolean(value: Any) -> bool:
    """Return a boolean, also from the text true or false in any case; raise ``ValueError`` for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError(f"not a boolean: {value!r}")


def flag(what: str, value: Any) -> bool:
    """Read True or False, which a template may have made text of."""
    try:
        return boolean(value)
    except ValueError:
        return strict_flag(what, value)


def strict_flag(what: str, value: Any) -> bool:
    """Read True or False, but no text: a hook's arguments come from Python code, where it is a mistake."""
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"{what} must be True or False, not {shown(value)}")
    return value


def integer(minimum: int) -> Reader:
    """Return a reader of integers from ``minimum``, which a template may have made text of."""

    def read(what: str, value: Any) -> int:
        number = _number(value)
        if number is None or not number.is_integer() or number < minimum:
            raise InvalidArgumentError(f"{what} must be an integer ≥ {minimum}, not {shown(value)}")
        return int(number)

    return read


def positive(what: str, value: Any) -> float:
    """Read a number above 0, which a template may have made text of."""
    number = _number(value)
    if number is None or number <= 0:
        raise InvalidArgumentError(f"{what} must be above 0, not {shown(value)}")
    return number


def share(what: str, value: Any) -> float:
    """Read a share, a number above 0 and at most 1, which a template may have made text of."""
    number = positive(what, value)
    if number > 1:
        raise InvalidArgumentError(f"{what} must be at most 1, which is 100 %, not {shown(value)}: give 0.8 for 80 %")
    return number


def seconds(what: str, value: Any) -> float:
    """Read a duration, see :data:`Duration`, and return its seconds: 0 or more."""
    number = value.total_seconds() if isinstance(value, timedelta) else _number(value)
    if isinstance(value, str) and number is None:
        number = _iso_duration(what, value).total_seconds()
    if number is None:
        raise InvalidArgumentError(
            f"{what} must be seconds, a timedelta or an ISO 8601 duration such as 'PT5M', not {shown(value)}"
        )
    if not 0 <= number < MAX_SECONDS:
        raise InvalidArgumentError(
            f"{what} must be 0 seconds or more, and less than {MAX_SECONDS:,.0f}, not {shown(value)}"
        )
    return value if isinstance(value, int) else number


def positive_seconds(what: str, value: Any) -> float:
    """Read a duration of more than 0 seconds."""
    result = seconds(what, value)
    if not result:
        raise InvalidArgumentError(f"{what} must be more than 0 seconds, not {shown(value)}")
    return result


def choice(*allowed: str) -> Reader:
    """Return a reader of one of a few words."""

    def read(what: str, value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise InvalidArgumentError(f"{what} must be one of {', '.join(map(repr, allowed))}, not {shown(value)}")
        return value

    return read


def mapping(what: str, value: Any) -> Mapping[str, Any]:
    """Read a mapping with text as its keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        hint = f". {OUTPUT}" if isinstance(value, str) else ""
        raise InvalidArgumentError(f"{what} must be a mapping, not {shown(value)}{hint}")
    return value


def optional(reader: Callable[[str, Any], T]) -> Callable[[str, Any], T | None]:
    """Return a reader that also accepts None, for an argument that was not given."""
    return lambda what, value: None if value is None else reader(what, value)


def checked(reader: Callable[[str, Any], T], check: Callable[[T], object]) -> Callable[[str, Any], T]:
    """Return a reader that also runs a check of the service; the check's error then names the argument."""

    def read(what: str, value: Any) -> T:
        found = reader(what, value)
        try:
            check(found)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{what}: {error}") from None
        return found

    return read


def exactly_one(**values: Any) -> None:
    """Refuse arguments of which not exactly one is given; what is None is left out."""
    if sum(value is not None for value in values.values()) != 1:
        raise InvalidArgumentError(f"give {' or '.join(values)}, and not both")


def something_to_change(**values: Any) -> None:
    """Refuse arguments none of which is given; what is None is left out."""
    if all(value is None for value in values.values()):
        raise InvalidArgumentError(f"nothing to change: give {' or '.join(values)}")


def is_constant(value: Any) -> bool:
    """Tell whether a value is known when the DAG is parsed: no part is a template or the output of a task."""
    if isinstance(value, str):
        return "{" not in value
    if isinstance(value, Mapping):
        return all(is_constant(item) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(is_constant, value))
    return value is None or isinstance(value, (bool, int, float, Decimal, bytes, timedelta))


def check_untemplated(what: str, value: Any, why: str) -> None:
    """
    Refuse a template, or the output of a task, where Airflow renders nothing.

    :param what: the argument's name, for the error.
    :param value: the argument, or a collection of them.
    :param why: what is not templated, for the error.
    :raises InvalidArgumentError: naming the argument.
    """
    if isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            check_untemplated(what, each, why)
    elif hasattr(value, "iter_references") or (isinstance(value, str) and ("{{" in value or "{%" in value)):
        raise InvalidArgumentError(
            f"{what} is {value!r}, but {why} are not templated: build the value in Python, or give ids that need no "
            "template"
        )


def check_rendered(what: str, template: Any, value: Any, *, lacking: bool = False) -> None:
    """
    Refuse the text that a template makes of a missing value, also within a collection.

    A constant, and text that comes from a task's output, may be anything: there it is what was meant.

    :param what: the argument's name, for the error.
    :param template: the value as it was given.
    :param value: what it was rendered to.
    :param lacking: whether one of its expressions came out as None. A value that is None as a whole may be meant.
    :raises InvalidArgumentError: naming the argument, and where in it.
    """
    parts = _parts(what, template, value)
    for part, inner, item in parts:
        check_rendered(part, inner, item, lacking=lacking)
    if parts or value is None or is_constant(template) or _resolved_later(template):
        return
    if lacking and "None" in str(value) and str(value).strip() not in _TEXTS_OF_NOTHING:
        raise InvalidArgumentError(
            f"{what} has a part that came out as None: {shown(template)}. Check what it refers to. If nothing is meant "
            "there, say so: {{ … or '' }}"
        )
    if isinstance(template, str) and isinstance(value, str) and value.strip() in ("", *_TEXTS_OF_NOTHING):
        raise InvalidArgumentError(
            f"{what} was rendered to {shown(value)}, which is what a template makes of a missing value. Check what "
            "the template refers to. If this text is meant, give it as a constant, or as the output of a task "
            "(task.output)"
        )


def _parts(what: str, template: Any, value: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(template, Mapping) and isinstance(value, Mapping):
        return [(f"{what}[{key!r}]", template[key], item) for key, item in value.items() if key in template]
    if isinstance(template, (list, tuple)) and isinstance(value, (list, tuple)):
        return [(f"{what}[{number}]", *pair) for number, pair in enumerate(zip(template, value, strict=False))]
    return []


def _resolved_later(value: Any) -> bool:
    # Airflow's protocol of values that it replaces before a task runs: XComArg, DagParam.
    return hasattr(value, "iter_references") and hasattr(value, "resolve")


def _is_text_of_collection(text: str) -> bool:
    text = text.strip()
    if _PYTHON.match(text):
        return True
    if not text.startswith(("[", "(", "{")) or not text.endswith(("]", ")", "}")):
        return False
    try:
        return isinstance(ast.literal_eval(text), (list, tuple, set, dict))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return "'" in text or '"' in text  # of values that literal_eval does not know, such as dates


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)) or (isinstance(value, str) and "_" in value):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _iso_duration(what: str, text: str) -> timedelta:
    match = _ISO_DURATION.fullmatch(text.strip().upper())
    if not match:
        raise InvalidArgumentError(
            f"{what} is {shown(text)}, which is no number of seconds and no ISO 8601 duration such as 'PT1H' or 'P7D'"
        )
    if match["years"] or match["months"]:
        raise InvalidArgumentError(f"{what} is {shown(text)}: years and months have no fixed length, use days")
    parts = {unit: float(number.replace(",", ".")) for unit, number in match.groupdict().items() if number}
    return timedelta(**parts)


def shortened(value: Any, limit: int) -> str:
    """Return a value's text for a log or an error: its beginning, however long it and its words are."""
    text = str(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def shown(value: Any) -> str:
    return shortened(repr(value), 200)
