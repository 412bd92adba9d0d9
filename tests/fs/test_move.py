"""``mv`` moves all that is named, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("reports")]

BASE = "reports/p"
FILES = {f"{BASE}/f1": b"1", f"{BASE}/f2": b"2", f"{BASE}/d1/x": b"x"}


def is_as_it_was(fs: Any) -> bool:
    return bool(fs.cat(fs.find(BASE)) == FILES)


@pytest.mark.parametrize("wrong", ["typo", "d1"])
def test_one_of_a_list_is_no_file(fs: Any, wrong: str) -> None:
    fs.pipe(FILES)
    for target in (f"{BASE}/e/", [f"{BASE}/e1", f"{BASE}/e2"]):
        with pytest.raises(FileNotFoundError, match=f"{BASE}/{wrong} is no file"):
            fs.mv([f"{BASE}/f1", f"{BASE}/{wrong}"], target)
    with pytest.raises(FileNotFoundError, match="is no file"):
        fs.mv([f"{BASE}/{wrong}"], [f"{BASE}/e1"])
    assert is_as_it_was(fs)
    fs.mv((path for path in [f"{BASE}/f1"]), f"{BASE}/e/")
    assert fs.find(f"{BASE}/e") == [f"{BASE}/e/f1"]


def test_a_missing_file_onto_itself(fs: Any) -> None:
    fs.pipe(FILES)
    for recursive in (False, True):
        for target in (f"{BASE}/typo", f"{BASE}/"):
            with pytest.raises(FileNotFoundError):
                fs.mv(f"{BASE}/typo", target, recursive=recursive)
    fs.mv(f"{BASE}/f1", f"{BASE}/")
    fs.mv(f"{BASE}/d1", f"{BASE}/", recursive=True)
    assert is_as_it_was(fs)


@pytest.mark.parametrize(
    "act",
    [
        lambda fs, path: fs.rm(path, recursive=True),
        lambda fs, path: fs.rm(f"{path}*"),
        lambda fs, path: fs.mv(path, f"{BASE}/e"),
        lambda fs, path: fs.mv(path, f"{BASE}/e", recursive=True),
        lambda fs, path: fs.mv(f"{path}*", f"{BASE}/e"),
        lambda fs, path: fs.ls(path),
    ],
)
def test_what_is_missing_is_named_with_its_place(fs: Any, act: Any) -> None:
    fs.pipe(FILES)
    with pytest.raises(
        FileNotFoundError, match=rf"^{fs.protocol}://{BASE}/typo.*(not exist|no file).*\[connection .*, "
    ):
        act(fs, f"{BASE}/typo")
    assert is_as_it_was(fs)


def test_one_file_to_two_names(fs: Any) -> None:
    fs.pipe(FILES)
    for target in (f"{BASE}/f1", f"{BASE}/e2"):
        with pytest.raises(ValueError, match="onto each other"):
            fs.mv([f"{BASE}/f1", f"{BASE}/f1"], [f"{BASE}/e1", target])
    assert is_as_it_was(fs)


def test_a_pattern_leaves_folders_out(fs: Any) -> None:
    fs.pipe(FILES)
    with pytest.raises(FileNotFoundError):
        fs.mv(f"{BASE}/d*", f"{BASE}/e/")
    fs.mv(f"{BASE}/*", f"{BASE}/e/")
    assert fs.find(BASE) == [f"{BASE}/d1/x", f"{BASE}/e/f1", f"{BASE}/e/f2"]
