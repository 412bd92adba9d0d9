"""An argument and the path that Airflow makes of it lead to the same place, or the argument is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_objectstore.compat.paths import path_conn_id, paths_lack_container
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.fs.storage_paths import storage_path


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
    assert storage_path("target", str(found)) == found, "as it is written"


@pytest.mark.skipif(paths_lack_container(), reason="3.1 writes a path of ours so")
@pytest.mark.parametrize("text", ["osv2:///s/p", "osv2://anypoint_default@/s/p", "civo:///b/x"])
def test_an_empty_store(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="target has an empty bucket or store"):
        storage_path("target", text)


def test_path_objects() -> None:
    path = ObjectStoragePath("osv2://s/lang") / "C#"
    assert storage_path("target", path) is path
    local: Any = Path("/data/x")
    assert storage_path("target", local).path == "/data/x"
    with pytest.raises(InvalidArgumentError, match="another place"):
        storage_path("target", path, "dev")
    assert path_conn_id(storage_path("target", ObjectStoragePath("osv2://s/p"), "dev")) == "dev"
