"""Of a list, all is copied or read, or it is an error: fsspec would leave out what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("reports")]

BASE = "reports/p"
FILES = {f"{BASE}/f1": b"1", f"{BASE}/d1/x": b"x", f"{BASE}/d2/x": b"y", f"{BASE}/d2/z": b"z"}
Act = Callable[..., Any]


@pytest.fixture
def acts(fs: Any, tmp_path: Path) -> dict[str, tuple[Act, str, str]]:
    """Each copy with where it copies from and to. The files are at both sources."""
    fs.pipe(FILES)
    for path, value in FILES.items():
        local = tmp_path / path.removeprefix("reports/")
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(value)
    here = str(tmp_path)
    return {
        "copy": (fs.copy, BASE, "reports/copied"),
        "get": (fs.get, BASE, f"{here}/got"),
        "put": (fs.put, f"{here}/p", "reports/put"),
    }


def written(fs: Any, tmp_path: Path) -> list[str]:
    local = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    return [path for path in [*fs.find("reports"), *local] if not path.startswith((f"{BASE}/", "p/"))]


NAMES = ["copy", "get", "put"]


@pytest.mark.parametrize("name", NAMES)
class TestACopy:
    def test_of_what_is_missing(self, fs: Any, acts: Any, name: str, tmp_path: Path) -> None:
        act, source, target = acts[name]
        for wrong in ("typo", "typo*"):
            with pytest.raises(FileNotFoundError):
                act([f"{source}/d1", f"{source}/{wrong}"], f"{target}/", recursive=True)
        with pytest.raises(FileNotFoundError):
            act([f"{source}/f1", f"{source}/typo*"], f"{target}/")
        assert written(fs, tmp_path) == []
        for recursive in (False, True):
            with pytest.raises(FileNotFoundError):
                act([f"{source}/typo"], [f"{target}/a"], recursive=recursive)
        with pytest.raises(FileNotFoundError):
            act([f"{source}/f1", f"{source}/typo"], f"{target}/")

    def test_of_what_is_missing_and_has_the_name_of_a_file(self, fs: Any, acts: Any, name: str, tmp_path: Path) -> None:
        act, source, target = acts[name]
        with pytest.raises(ValueError, match="onto each other"):
            act([f"{source}/d1/x", f"{source}/typo/x"], f"{target}/")
        assert written(fs, tmp_path) == []

    def test_of_a_folder_in_a_list(self, acts: Any, name: str, tmp_path: Path) -> None:
        act, source, target = acts[name]
        (tmp_path / "there").mkdir()
        targets = [f"{target}/a", *([str(tmp_path / "there")] if name == "get" else [])]
        for each in targets:
            for recursive in (False, True):
                with pytest.raises(OSError, match="is a folder, which is copied by itself"):
                    act([f"{source}/d1"], [each], recursive=recursive)
        with pytest.raises(OSError, match="is a folder, which is copied by itself"):
            act([f"{source}/d1"], f"{target}/")

    def test_to_too_few_names(self, fs: Any, acts: Any, name: str, tmp_path: Path) -> None:
        act, source, target = acts[name]
        for names in ([f"{target}/a"], [f"{target}/{number}" for number in range(3)]):
            with pytest.raises(ValueError, match=r"2 files cannot be copied to \d names"):
                act([f"{source}/f1", f"{source}/d1/x"], names)
        assert written(fs, tmp_path) == []

    def test_of_two_files_to_one_name(self, fs: Any, acts: Any, name: str, tmp_path: Path) -> None:
        act, source, target = acts[name]
        for files, to, recursive in (
            (["d1/x", "d2/x"], f"{target}/", False),
            (["d1/x", "d2/x"], [f"{target}/a", f"{target}/a"], False),
            (["d1", "d2"], f"{target}/", True),
        ):
            with pytest.raises(ValueError, match="onto each other"):
                act([f"{source}/{file}" for file in files], to, recursive=recursive)
        assert written(fs, tmp_path) == []

    def test_of_all_that_a_list_stands_for(self, fs: Any, acts: Any, name: str, tmp_path: Path) -> None:
        act, source, target = acts[name]
        act([f"{source}/*", f"{source}/d2/z"], f"{target}/flat/")
        act((f"{source}/{file}" for file in ("f1", "d2")), f"{target}/all/", recursive=True)
        act([f"{source}/f1"], [f"{target}/one"])
        expected = ["all/f1", "all/x", "all/z", "flat/f1", "flat/z", "one"]
        assert sorted(path.rpartition(f"{Path(target).name}/")[2] for path in written(fs, tmp_path)) == expected


class TestLocalLinks:
    """fsspec lists a link as neither file nor folder; all files of a mounted ConfigMap are links."""

    @pytest.fixture
    def mount(self, tmp_path: Path) -> Path:
        (tmp_path / "..2026").mkdir()
        (tmp_path / "..data").symlink_to("..2026")
        for name in ("a.csv", "b.csv"):
            (tmp_path / "..2026" / name).write_text(name)
            (tmp_path / name).symlink_to(f"..data/{name}")
        (tmp_path / "plain.csv").write_text("plain")
        return tmp_path

    @pytest.mark.parametrize("pattern", ["*.csv", "*"])
    def test_to_files(self, fs: Any, mount: Path, pattern: str) -> None:
        fs.put([f"{mount}/{pattern}"], f"{BASE}/")
        assert fs.cat(fs.find(BASE)) == {
            f"{BASE}/a.csv": b"a.csv",
            f"{BASE}/b.csv": b"b.csv",
            f"{BASE}/plain.csv": b"plain",
        }

    def test_to_nothing(self, fs: Any, mount: Path) -> None:
        (mount / "..2026" / "b.csv").unlink()
        with pytest.raises(FileNotFoundError, match=r"b\.csv"):
            fs.put([f"{mount}/*.csv"], f"{BASE}/")
        with pytest.raises(ValueError, match="onto each other"):
            fs.put([f"{mount}/b.csv", f"{mount}/missing/b.csv"], f"{BASE}/")


def test_a_file_onto_a_local_folder(fs: Any, tmp_path: Path) -> None:
    fs.pipe({**FILES, f"{BASE}/d1": b"a file, and a folder"})
    (tmp_path / "there").mkdir()
    for act in (fs.get_file, lambda path, local: fs.get([path], [local])):
        with pytest.raises(IsADirectoryError):
            act(f"{BASE}/f1", str(tmp_path / "there"))
    with pytest.raises(OSError, match="there"):
        fs.get(f"{BASE}/d1", str(tmp_path / "there" / "d1"), recursive=True)


def test_reading_what_is_missing(fs: Any) -> None:
    fs.pipe(FILES)
    assert fs.cat([f"{BASE}/d1", f"{BASE}/f1"], recursive=True) == {f"{BASE}/d1/x": b"x", f"{BASE}/f1": b"1"}
    for wrong in ("typo", "typo*", "typo/"):
        with pytest.raises(FileNotFoundError, match="typo"):
            fs.cat([f"{BASE}/d1", f"{BASE}/{wrong}"], recursive=True)
    with pytest.raises(FileNotFoundError, match="typo"):
        fs.cat([f"{BASE}/f1", f"{BASE}/typo*"])


def test_expanding_and_deleting_what_is_missing(fs: Any) -> None:
    fs.pipe(FILES)
    for wrong, recursive in (("typo*", False), ("typo*", True), ("typo", True)):
        for act in (fs.expand_path, fs.rm):
            with pytest.raises(FileNotFoundError):
                act([f"{BASE}/f1", f"{BASE}/{wrong}"], recursive=recursive)
    assert fs.cat(fs.find(BASE)) == FILES


def test_a_missing_partition_is_not_copied(osv2: Any) -> None:
    with pytest.raises(FileNotFoundError):
        osv2.copy("store/typo", "store/q")
