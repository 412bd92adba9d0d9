"""What ``osv2://`` does where the store is missing."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.exceptions import (
    ObjectStoreError,
    StoreNotFoundError,
)


class TestAMissingStore:
    """It says nothing about what would be in it, so that is neither missing nor empty."""

    @pytest.mark.parametrize(
        "act",
        [
            "exists",
            "isfile",
            "isdir",
            "info",
            "cat",
            "open",
            "ls",
            "find",
            "glob",
            "rm",
            "rm_file",
            "modified",
            "ukey",
            "expand_path",
            "walk",
        ],
    )
    @pytest.mark.parametrize("path", ["none/p", "none/p/k", "none/p/k[1]"])
    def test_is_an_error_for_what_is_in_it(self, osv2: Any, act: str, path: str) -> None:
        if path == "none/p" and act in ("isfile", "info", "cat", "open", "rm", "rm_file", "modified", "ukey"):
            pytest.skip("no partition is read as a file")
        if act == "expand_path" and path != "none/p/k[1]":
            pytest.skip("a plain path is not looked for")
        with pytest.raises(StoreNotFoundError, match="none"):
            done = getattr(osv2, act)(f"{path}/*" if act == "glob" else path)
            list(done)

    def test_is_an_error_for_many(self, osv2: Any) -> None:
        paths = ["none/p/a", "none/p/b"]
        for act in (osv2.cat, osv2.rm):
            with pytest.raises(ObjectStoreError, match="none") as caught:
                act(paths)
            assert not isinstance(caught.value, FileNotFoundError)
        assert isinstance(osv2.cat(paths, on_error="return")["none/p/a"], StoreNotFoundError)
        for act in (osv2.copy, osv2.mv):
            with pytest.raises(StoreNotFoundError):
                act("none/p", "store/q", recursive=True)
        for act in (osv2.rm, osv2.find, osv2.ls):
            with pytest.raises(StoreNotFoundError):
                act("none/p", recursive=True) if act == osv2.rm else act("none")

    def test_is_an_answer_about_itself(self, osv2: Any) -> None:
        assert (osv2.exists("none"), osv2.isdir("none"), osv2.isfile("none")) == (False, False, False)
        with pytest.raises(FileNotFoundError):
            osv2.info("none")
        osv2.mkdir("none")
        assert osv2.exists("none")
