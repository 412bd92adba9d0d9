"""An argument and the path that Airflow makes of it lead to the same place, or the argument is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from upath import UPath

from airflow_provider_objectstore.compat.paths import path_conn_id
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.fs.storage_paths import path, path_text, storage_path


@pytest.mark.parametrize(
    "text",
    ["osv2://anypoint_default@s/lang/C#", "osv2://s/why?", "osv2://s#", "civo://b/a?#b", "file:///data/C#", "/data/C?",
     "/data/a\tb", "/data/x/."],
)  # fmt: skip
def test_another_place(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"target is .*, of which Airflow makes .*, another place"):
        storage_path("target", text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("osv2://dev@s/lang/C#/x", ["s", "lang", "C#", "x"]),
        ("osv2://s#1/p?q/k@l", ["s#1", "p?q", "k@l"]),
        ("civo://b/a b+c%20|&;=/[x]*", ["b", "a b+c%20|&;=", "[x]*"]),
        ("osv2://s", ["s"]),
        ("file:///data/a@b:c#d?e", ["data", "a@b:c#d?e"]),
        ("/data/é/~", ["data", "é", "~"]),
        ("file://conn@/data/x", ["data", "x"]),
    ],
)
def test_the_same_place(text: str, names: list[str]) -> None:
    found = storage_path("target", text)
    assert found.path.strip("/").split("/") == names
    assert path_conn_id(found) == ("dev" if "dev@" in text else "conn" if "conn@" in text else None)
    assert storage_path("target", path_text("target", found)) == found, "as it is written"


@pytest.mark.parametrize("text", ["osv2:///s/p", "osv2://anypoint_default@/s/p", "civo:///b/x"])
def test_an_empty_store(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="target has an empty bucket or store"):
        storage_path("target", text)


@pytest.mark.parametrize(
    "text",
    ["/", "//", "/data/", "/data//in", "//in", "/data/in//", "file:///", "file:///data/", "file://conn@/data//in",
     "s3://bucket/", "s3://bucket//in", "osv2://conn@store/p/", "/data/a://b"],
)  # fmt: skip
def test_a_segment_that_came_out_empty(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"source has an empty segment, or ends in '/'"):
        path("source", text)


@pytest.mark.parametrize("text", ["/data", "/data/a:b", "file:///data/in", "s3://bucket", "s3://conn@bucket/a b"])
def test_paths(text: str) -> None:
    assert path("source", text) == text


@pytest.mark.parametrize("text", ["osv2://@s/p", "civo://@b/x", "s3://@b/x", "osv2://@{{ x }}/p"])
def test_an_empty_connection_is_not_the_default_one(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="target has an empty connection before its '@'"):
        path("target", text)


@pytest.mark.parametrize(
    "text", ["s3://my_aws@bucket", "s3://bucket", "s3://my_aws@{{ x }}", "s3://bucket/x/y", "civo://c@b/x", "civo://b",
             "osv2://a@s", "osv2://a@{{ x }}/p", "osv2://s/p", "file:///data/x"],
)  # fmt: skip
def test_the_text_of_a_path_object_is_as_it_was_written(text: str) -> None:
    assert path_text("source", ObjectStoragePath(text)) == text
    assert path("source", ObjectStoragePath(text)) == ObjectStoragePath(text)


def test_an_option_that_is_none_is_no_option() -> None:
    for given in (UPath("osv2://s/p", conn_id=None), ObjectStoragePath("osv2://s/p", conn_id=None)):
        assert path_text("source", given) == "osv2://s/p"


def test_the_folder_above_may_be_a_bucket() -> None:
    assert path_text("source", ObjectStoragePath("s3://my_aws@bucket/x").parent) == "s3://my_aws@bucket"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (lambda: UPath("osv2://s/p", conn_id="prod"), "conn_id"),
        (lambda: UPath("s3://b/x", key="AKIA", secret="hidden"), "key, secret"),
        (lambda: ObjectStoragePath("civo://c@b/x", region="FRA1"), "region"),
    ],
)
def test_options_that_the_text_does_not_have(given: Any, named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"target is .* does not have: {named}. Name the") as caught:
        path("target", given())
    assert "hidden" not in str(caught.value)


def test_path_objects() -> None:
    path = ObjectStoragePath("osv2://s/lang") / "C#"
    assert storage_path("target", path) is path
    local: Any = Path("/data/x")
    assert storage_path("target", local).path == "/data/x"
    with pytest.raises(InvalidArgumentError, match="another place"):
        storage_path("target", path, "dev")
    assert path_conn_id(storage_path("target", ObjectStoragePath("osv2://s/p"), "dev")) == "dev"
