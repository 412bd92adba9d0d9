"""A name that exists is itself, whatever it looks like; on both filesystems, and between them and local files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("reports")
ON_ONE_EMULATOR = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.text("[]*?!-a1 +", min_size=1, max_size=6).filter(lambda name: name.strip() == name)


class TestEveryWay:
    @ON_ONE_EMULATOR
    @given(NAMES, NAMES)
    @example("sales[1].csv", "sales1.csv")
    @example("a*", "ab")
    @example("a?", "ab")
    @example("d[1]", "d1")
    @example("[", "]")
    @pytest.mark.slow
    def test_files(self, fs: Any, name: str, other: str) -> None:
        if name == other:
            return
        right, wrong = f"reports/in/{name}", f"reports/in/{other}"
        fs.pipe({right: b"RIGHT", wrong: b"another"})
        with TemporaryDirectory(prefix="local[1]-") as folder:
            here = Path(folder)
            assert fs.cat(right) == b"RIGHT"
            assert fs.cat([right]) == {right: b"RIGHT"}
            assert (fs.isfile(right), fs.info(right)["size"], fs.du(right)) == (True, 5, 5)
            assert fs.expand_path(right) == fs.find(right) == fs.ls(right, detail=False) == [right]
            fs.copy(right, "reports/copied/to")
            fs.copy(right, "reports/copied/")
            fs.copy([right], "reports/many/")
            fs.get(right, f"{here}/to")
            fs.get(right, f"{here}/in/")
            fs.get([right], f"{here}/many/")
            fs.put(f"{here}/in/{name}", "reports/put/to")
            fs.put(f"{here}/in/{name}", "reports/put/")
            fs.put([f"{here}/in/{name}"], "reports/put/many/")
            fs.mv(right, "reports/moved/to")
            with fs.open(right, "ab") as file:
                file.write(b"new")
            fs.rm(right)
        assert {path: fs.cat(path) for path in fs.find("reports")} == {
            wrong: b"another",
            **dict.fromkeys(
                [
                    f"reports/copied/{name}",
                    "reports/copied/to",
                    f"reports/many/{name}",
                    "reports/moved/to",
                    f"reports/put/{name}",
                    f"reports/put/many/{name}",
                    "reports/put/to",
                ],
                b"RIGHT",
            ),
        }
        for folder in ("in", "copied", "many", "moved", "put"):
            fs.rm(f"reports/{folder}", recursive=True)

    @ON_ONE_EMULATOR
    @given(NAMES, NAMES)
    @example("day[1]", "day1")
    @example("d*", "day")
    @example("day?", "day1")
    @pytest.mark.slow
    def test_folders(self, fs: Any, name: str, other: str) -> None:
        if name == other:
            return
        right = f"reports/in/{name}"
        fs.pipe({f"{right}/x": b"RIGHT", f"{right}/[y]/z": b"RIGHT", f"reports/in/{other}/x": b"another"})
        below = [f"{right}/[y]/z", f"{right}/x"]
        with TemporaryDirectory(prefix="local[1]-") as folder:
            here = Path(folder)
            assert sorted(fs.find(right)) == below
            assert fs.isdir(right)
            assert sorted(path for path in fs.glob(f"{right}/**") if fs.isfile(path)) == below
            assert fs.glob(f"{right}/x") == [f"{right}/x"]
            assert fs.cat(right, recursive=True) == dict.fromkeys(below, b"RIGHT")
            fs.copy(right, "reports/copied", recursive=True)
            fs.get(right, f"{here}/{name}", recursive=True)
            fs.put(f"{here}/{name}", "reports/put", recursive=True)
            assert fs.find("reports/copied") == ["reports/copied/[y]/z", "reports/copied/x"]
            assert fs.find("reports/put") == ["reports/put/[y]/z", "reports/put/x"]
            fs.mv(right, "reports/moved", recursive=True)
            assert fs.find("reports/in") == [f"reports/in/{other}/x"]
            fs.mv("reports/moved", right, recursive=True)
            fs.rm(right, recursive=True)
            assert fs.find("reports/in") == [f"reports/in/{other}/x"]
        for path in ("reports/in", "reports/copied", "reports/put"):
            fs.rm(path, recursive=True)

    def test_patterns_are_patterns_where_there_is_no_such_name(self, fs: Any, local: Path) -> None:
        fs.pipe({f"reports/in/{name}": name.encode() for name in ("a1", "a2", "b1", "c/a1")})
        assert fs.glob("reports/in/a[12]") == fs.glob("reports/in/a?") == ["reports/in/a1", "reports/in/a2"]
        assert fs.glob("reports/in/[!b]/a*") == ["reports/in/c/a1"]
        assert fs.cat("reports/in/[b]1") == {"reports/in/b1": b"b1"}
        fs.get("reports/in/a*", f"{local}/")
        assert sorted(path.name for path in local.iterdir()) == ["a1", "a2"]
        fs.put(f"{local}/a?", "reports/put/")
        fs.rm("reports/in/a[1]")
        assert fs.find("reports") == [
            "reports/in/a2",
            "reports/in/b1",
            "reports/in/c/a1",
            "reports/put/a1",
            "reports/put/a2",
        ]
        for act in (fs.cat, fs.rm, lambda path: fs.copy(path, "reports/x/y"), lambda path: fs.get(path, f"{local}/")):
            with pytest.raises(FileNotFoundError):
                act("reports/in/z[1]")

    @pytest.mark.parametrize("names", [["sales[1].csv"], ["a*", "d?/x", "plain"]])
    def test_what_a_pattern_matches_is_no_pattern(self, fs: Any, local: Path, names: list[str]) -> None:
        fs.pipe({f"reports/in/{name}": name.encode() for name in names})
        assert set(names) <= {path.removeprefix("reports/in/") for path in fs.expand_path("reports/in/*", True)}
        for source, folder in (("reports/in/*", "one"), (["reports/in/*"], "many")):
            fs.get(source, f"{local}/{folder}/", recursive=True)
            fs.copy(source, f"reports/copied/{folder}/", recursive=True)
            fs.put(f"{local}/{folder}/*", f"reports/put/{folder}/", recursive=True)
            fs.put([f"{local}/{folder}/*"], f"reports/put/many {folder}/", recursive=True)
        flat = [name.rpartition("/")[2] for name in names]
        for base in ("copied/one", "put/one"):
            assert fs.find(f"reports/{base}") == sorted(f"reports/{base}/{name}" for name in names)
        for base in ("copied/many", "put/many", "put/many one", "put/many many"):
            assert fs.find(f"reports/{base}") == sorted(f"reports/{base}/{name}" for name in flat)
        fs.rm("reports/in/*", recursive=True)
        fs.rm(["reports/put/*"], recursive=True)
        assert {path.split("/")[1] for path in fs.find("reports")} == {"copied"}

    def test_a_name_with_dots_is_not_written_beside_the_folder(self, fs: Any, local: Path) -> None:
        fs.pipe("reports/in/d[1]/../../../up", b"1")
        with pytest.raises(ValueError, match=r"'\.\.'|outside"):
            fs.get("reports/in/d[1]", f"{local}/to", recursive=True)
        assert list(local.iterdir()) == []


class TestObjectStoragePath:
    @pytest.mark.parametrize("act", ["copy", "move"])
    @pytest.mark.parametrize("direction", ["within", "to local", "from local"])
    def test_copy_and_move(self, base: str, local: Path, act: str, direction: str) -> None:
        ours, here = ObjectStoragePath(f"{base}/in"), ObjectStoragePath(f"file://{local}")
        source = (here if direction == "from local" else ours) / "sales[1].csv"
        target = (here if direction == "to local" else ours) / "to[1].csv"
        source.write_bytes(b"RIGHT")
        (source.parent / "sales1.csv").write_bytes(b"another")
        getattr(source, act)(target)
        assert target.read_bytes() == b"RIGHT"
        assert source.exists() == (act == "copy")
        assert (source.parent / "sales1.csv").read_bytes() == b"another"

    def test_folders(self, base: str) -> None:
        folder = ObjectStoragePath(f"{base}/in/day[1]")
        (folder / "x").write_bytes(b"RIGHT")
        ObjectStoragePath(f"{base}/in/day1/x").write_bytes(b"another")
        folder.copy(ObjectStoragePath(f"{base}/copied"), recursive=True)
        assert [path.read_bytes() for path in ObjectStoragePath(f"{base}/copied").iterdir()] == [b"RIGHT"]
        assert [path.read_bytes() for path in folder.glob("*")] == [b"RIGHT"]
        assert [path.read_bytes() for path in folder.iterdir()] == [b"RIGHT"]


class TestSpaces:
    def test_listing_and_globbing(self, fs: Any) -> None:
        names = [f"reports/in/{name}" for name in ("daily load/1", "daily load/2", "daily loads", "daily+load/3")]
        fs.pipe({name: name.encode() for name in names})
        assert fs.find("reports/in/daily load") == fs.ls("reports/in/daily load", detail=False) == names[:2]
        assert fs.glob("reports/in/daily load/*") == names[:2]
        assert fs.glob("reports/in/daily loa?s") == names[2:3]
        assert sorted(fs.ls("reports/in", detail=False)) == [
            "reports/in/daily load",
            "reports/in/daily loads",
            "reports/in/daily+load",
        ]
        fs.rm("reports/in/daily load", recursive=True)
        assert fs.find("reports") == sorted(names[2:])
