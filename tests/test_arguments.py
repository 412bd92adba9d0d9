"""The readers of arguments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.fs import storage_paths

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.timedeltas()
    | st.sampled_from(
        ["None", "[]", "['a', 'b']", "('a',)", "{}", " ", "\n", "1e9999", "9" * 5000, "P1D", "PT", "true"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
READERS: dict[str, read.Reader] = {
    "name": read.name,
    "prefix": read.prefix,
    "names": read.names,
    "name_or_names": read.name_or_names,
    "identifier": read.identifier,
    "override": read.override,
    "path": storage_paths.path,
    "flag": read.flag,
    "strict_flag": read.strict_flag,
    "integer": read.integer(0),
    "positive": read.positive,
    "seconds": read.seconds,
    "positive_seconds": read.positive_seconds,
    "choice": read.choice("a", "b"),
    "mapping": read.mapping,
}
each_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


@each_reader
@given(value=ANYTHING)
def test_whatever_comes_is_read_or_refused_by_name(reader: read.Reader, value: Any) -> None:
    try:
        found = reader("my_argument", value)
    except InvalidArgumentError as error:
        assert str(error).startswith("my_argument")
        assert len(str(error)) < 600
    else:
        assert reader("my_argument", found) == found, "read twice, as by a second try"


NOTHING: list[Any] = [
    None,
    "",
    " ",
    "\t\n",
    "None",
    " None ",
    [],
    (),
    [""],
    [None],
    ["None"],
    [" "],
    "[]",
    "['a', 'b']",
]
BY_NAME = ("name", "prefix", "names", "name_or_names", "identifier")


@pytest.mark.parametrize("value", NOTHING, ids=repr)
@pytest.mark.parametrize("reader", [READERS[name] for name in BY_NAME], ids=BY_NAME)
def test_nothing_is_no_name(reader: read.Reader, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="my_argument"):
        reader("my_argument", value)


@pytest.mark.parametrize(
    "text", ["['a', 'b']", '["a"]', "('a',)", "{'a'}", "[]", " [1, 2] ", "LazyXComSequence([2 items])"]
)
def test_text_of_a_list_points_to_the_output(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"text of a list.*task\.output.*render_template_as_native_obj=True"):
        read.prefix("keys", text)


@pytest.mark.parametrize("name", ["[o]rders", "[a-z]*", "a[1]", "(draft)", "[", "None-1", "none", "{x}", "a b", "['a'"])
def test_names_that_look_odd_are_names(name: str) -> None:
    assert read.name("key", name) == name
    assert read.names("keys", [name, name]) == [name]


@pytest.mark.parametrize("name", [" a", "a ", "\ta"])
def test_blanks_around_a_name(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="key must not begin or end with blanks"):
        read.name("key", name)
    assert read.identifier("region", name) == read.override("region", name) == "a", "as a connection's fields"
    assert read.prefix("key_prefix", name) == name, "a blank may belong to a prefix"


def test_only_none_means_the_connections() -> None:
    assert read.override("region", None) is None
    for empty in ("", " ", "None", [], 0, False):
        with pytest.raises(InvalidArgumentError, match=r"^region must"):
            read.override("region", empty)


FIVE_MINUTES = [
    300,
    300.0,
    "300",
    " 300.0 ",
    "3e2",
    timedelta(minutes=5),
    pendulum.duration(minutes=5),
    "PT5M",
    "PT300S",
    "PT0,05H120S",
    " pt5m ",
]


@pytest.mark.parametrize("value", FIVE_MINUTES, ids=repr)
def test_durations(value: Any) -> None:
    assert read.seconds("timeout", value) == read.positive_seconds("timeout", value) == 300


@pytest.mark.parametrize(("value", "seconds"), [("P1W", 604_800), ("P1DT1H", 90_000), ("P1.5D", 129_600), ("PT0S", 0)])
def test_iso_durations(value: str, seconds: float) -> None:
    assert read.seconds("timeout", value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -1,
        "-1",
        timedelta(seconds=-1),
        float("nan"),
        "inf",
        "1_000",
        1e12,
        10**400,
        "9" * 400,
        timedelta.max,
        "",
        "5 minutes",
        "0:05:00",
        "P",
        "PT",
        "P1DT",
        "P1M",
        "P1Y",
        "P1D/P2D",
        "P99999999999999D",
        "2026-01-01",
        Decimal(5),
        [5],
    ],
    ids=repr,
)
def test_no_durations(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^timeout "):
        read.seconds("timeout", value)


@given(st.integers(0, 10**8))
def test_durations_agree(seconds: int) -> None:
    forms: list[Any] = [seconds, float(seconds), str(seconds), timedelta(seconds=seconds), f"PT{seconds}S"]
    assert {read.seconds("ttl", form) for form in forms} == {seconds}


@pytest.mark.parametrize(("value", "flag"), [(True, True), ("True", True), (" TRUE ", True), ("false", False)])
def test_flags(value: Any, flag: bool) -> None:
    assert read.flag("force", value) is flag


@pytest.mark.parametrize("value", [None, "", "None", 0, 1, "1", "yes", [], "[True]"], ids=repr)
def test_no_flags(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^force must be True or False, not "):
        read.flag("force", value)


@pytest.mark.parametrize("value", ["True", "false", None, 1], ids=repr)
def test_a_strict_flag_is_no_text(value: Any) -> None:
    assert read.strict_flag("confirmable", True) is True
    with pytest.raises(InvalidArgumentError, match=r"^confirmable must be True or False, not "):
        read.strict_flag("confirmable", value)


@pytest.mark.parametrize("value", [5, "5", 5.0, "5.0", " 5 "], ids=repr)
def test_integers(value: Any) -> None:
    assert repr(read.integer(5)("size", value)) == "5"


@pytest.mark.parametrize(
    "value", [None, True, 4, "4", 5.5, "5.5", "five", "", "\u0665.5", float("inf"), "9" * 5000, [5]], ids=str
)
def test_no_integers(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^size must be an integer ≥ 5, not "):
        read.integer(5)("size", value)


class Output:
    """Has what Airflow resolves before a task runs."""

    def __repr__(self) -> str:
        return "output"

    def resolve(self, context: Any) -> Any: ...

    def iter_references(self) -> Any: ...


@pytest.mark.parametrize(
    ("value", "constant"),
    [
        ("a", True),
        ("{{ x }}", False),
        ("{% if x %}", False),
        (None, True),
        (["a", 1], True),
        (["a", "{{ x }}"], False),
        ({"{{ x }}": 1}, False),
        ({"a": {"b": [Output()]}}, False),
        (Output(), False),
        (timedelta(1), True),
        pytest.param((name for name in "ab"), False, id="generator"),
    ],
    ids=str,
)
def test_what_is_known_when_a_dag_is_parsed(value: Any, constant: bool) -> None:
    assert read.is_constant(value) is constant


@pytest.mark.parametrize("reader", [read.name, read.names, read.prefix], ids=lambda reader: reader.__name__)
def test_an_output_that_nothing_resolves(reader: Callable[[str, Any], Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^key"):
        reader("key", Output())


@pytest.mark.parametrize(
    "text",
    [
        "{'keep': 1}",
        "dict_keys(['keep'])",
        "frozenset({'keep'})",
        "set()",
        "<generator object do_map at 0x7f0>",
        "['keep', nan]",
        "['keep', datetime.date(2024, 1, 1)]",
        "null",
        "keep\ntmp",
    ],
)
def test_the_text_of_any_collection_is_no_name(text: str) -> None:
    for reader in (read.name, read.names, read.prefix, read.patterns):
        with pytest.raises(InvalidArgumentError, match=r"^exclude must be"):
            reader("exclude", text)


def test_patterns_are_not_joined() -> None:
    assert read.patterns("exclude", ["keep", "tmp*"]) == ["keep", "tmp*"]
    with pytest.raises(InvalidArgumentError, match="a list of patterns, not one text with commas: 'keep,tmp2'"):
        read.patterns("exclude", "keep,tmp2")
