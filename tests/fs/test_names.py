"""A name that exists is itself, whatever it looks like; on both filesystems, and between them and local files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import fsspec
import pytest
from airflow.sdk import ObjectStoragePath
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.fs.conftest import DEFAULT

pytestmark = pytest.mark.usefixtures("reports")
ON_ONE_EMULATOR = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.text("[]*?!-a1 +", min_size=1, max_size=6).filter(lambda name: name.strip() == name)


@pytest.fixture(params=DEFAULT)
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fs(scheme: str) -> Any:
    return fsspec.filesystem(scheme, skip_instance_cache=True)


@pytest.fixture
def base(scheme: str) -> str:
    return f"{scheme}://{DEFAULT[scheme]}@reports"


@pytest.fixture
def local() -> Iterator[Path]:
    with TemporaryDirectory(prefix="local[1]-") as folder:
        yield Path(folder)


class TestEveryWay:
    @ON_ONE_EMULATOR
    @given(NAMES, NAMES)
    @example("sales[1].csv", "sales1.csv")
    @example("a*", "ab")
    @example("a?", "ab")
    @example("d[1]", "d1")
    @example("[", "]")
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
            assert sorted(it for it in fs.glob(f"{right}/**") if fs.isfile(it)) == below
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
        assert sorted(it.name for it in local.iterdir()) == ["a1", "a2"]
        fs.put(f"{local}/a?", "reports/put/")
        fs.rm("reports/in/a[1]")
        assert fs.find("reports") == [
            "reports/in/a2",
            "reports/in/b1",
            "reports/in/c/a1",
            "reports/put/a1",
            "reports/put/a2",
        ]
        for act in (fs.cat, fs.rm, lambda it: fs.copy(it, "reports/x/y"), lambda it: fs.get(it, f"{local}/")):
            with pytest.raises(FileNotFoundError):
                act("reports/in/z[1]")

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
        assert [it.read_bytes() for it in ObjectStoragePath(f"{base}/copied").iterdir()] == [b"RIGHT"]
        assert [it.read_bytes() for it in folder.glob("*")] == [b"RIGHT"]
        assert [it.read_bytes() for it in folder.iterdir()] == [b"RIGHT"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-be", "cp1252"])
class TestText:
    @pytest.mark.parametrize("compression", [None, "gzip"])
    def test_survives(self, fs: Any, encoding: str, compression: str | None) -> None:
        how = {"encoding": encoding, "compression": compression, "newline": ""}
        with fs.open("reports/in/t", "w", **how) as file:
            file.write("eins\r\nzwei ä\n")
        for line in ("drei\n", "vier\n"):
            with fs.open("reports/in/t", "a", **how) as file:
                file.write(line)
        with fs.open("reports/in/t", "r", **how) as file:
            assert file.read() == "eins\r\nzwei ä\ndrei\nvier\n"

    def test_is_appended_in_its_own_byte_order(self, fs: Any, encoding: str) -> None:
        if encoding not in ("utf-16", "utf-32"):
            pytest.skip("it has one byte order")
        fs.pipe("reports/in/t", "\ufeffeins ".encode(f"{encoding}-be"))
        with fs.open("reports/in/t", "a", encoding=encoding) as file:
            file.write("zwei")
        assert fs.cat("reports/in/t").decode(encoding) == "eins zwei"

    def test_without_a_mark_it_is_stored_as_bytes(self, fs: Any, scheme: str, encoding: str) -> None:
        contents = "eins".encode(encoding)
        fs.pipe("reports/in/t", contents)
        assert fs.cat("reports/in/t") == contents
        if scheme == "osv2":
            kind = AnypointObjectStoreHook().get_key("reports", "in", "t").value_type
            assert kind == ("STRING" if encoding in ("cp1252", "utf-8-sig") else "BINARY")


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


class TestVersions:
    """s3fs cuts ``?versionId=`` off, and works on another object."""

    def test_it_is_a_part_of_the_name(self, fs: Any, base: str) -> None:
        fs.pipe("reports/in/a", b"another")
        path = "reports/in/a?versionId=1"
        fs.pipe(path, b"RIGHT")
        assert (fs.cat(path), fs.cat("reports/in/a")) == (b"RIGHT", b"another")
        assert fsspec.open(f"{base}/in/a?versionId=1").open().read() == b"RIGHT"
        fs.copy(path, "reports/in/copied")
        with fs.open(path, "ab") as file:
            file.write(b"!")
        assert fs.find("reports/in") == ["reports/in/a", path, "reports/in/copied"]
        assert fs.ls("reports/in", detail=False) == fs.find("reports/in")
        fs.mv(path, "reports/in/moved")
        fs.rm("reports/in/copied")
        assert fs.cat("reports/in/moved") == b"RIGHT!"
        with pytest.raises(FileNotFoundError):
            fs.cat(path)
        assert fs.find("reports/in") == ["reports/in/a", "reports/in/moved"]

    def test_versions_are_only_read(self) -> None:
        fs = fsspec.filesystem("civo", version_aware=True, skip_instance_cache=True)
        hook = CivoObjectStoreHook()
        client: Any = boto3.client("s3", **hook.s3_options("reports"))
        client.put_bucket_versioning(Bucket="reports", VersioningConfiguration={"Status": "Enabled"})
        first = client.put_object(Bucket="reports", Key="a", Body=b"first")["VersionId"]
        client.put_object(Bucket="reports", Key="a", Body=b"second")
        path = f"reports/a?versionId={first}"
        assert (fs.cat("reports/a"), fs.cat(path)) == (b"second", b"first")
        acts = (
            lambda: fs.pipe(path, b"1"),
            lambda: fs.rm(path),
            lambda: fs.rm_file(path),
            lambda: fs.copy("reports/a", path),
            lambda: fs.put(__file__, path),
            lambda: fs.open(path, "wb"),
        )
        for act in acts:
            with pytest.raises(InvalidArgumentError, match="is a version of an object, which is only read"):
                act()
        assert len(client.list_object_versions(Bucket="reports")["Versions"]) == 2


class TestMarkers:
    """Consoles keep a folder as an empty object ``folder/``."""

    @pytest.fixture
    def fs(self) -> Any:
        client: Any = boto3.client("s3", **CivoObjectStoreHook().s3_options("reports"))
        for key in ("in/", "in/empty/", "in/sub/", "in/sub/x", "in/y"):
            client.put_object(Bucket="reports", Key=key, Body=b"1" if key[-1] in "xy" else b"")
        client.put_object(Bucket="reports", Key="other/", Body=b"")
        return fsspec.filesystem("civo", skip_instance_cache=True)

    def test_they_are_no_children(self, fs: Any) -> None:
        assert sorted(fs.ls("reports/in", detail=False)) == ["reports/in/empty", "reports/in/sub", "reports/in/y"]
        assert fs.find("reports") == fs.find("reports/in") == ["reports/in/sub/x", "reports/in/y"]
        assert fs.find("reports/in", maxdepth=1) == ["reports/in/y"]
        assert fs.glob("reports/in/*") == ["reports/in/empty", "reports/in/sub", "reports/in/y"]
        assert [(folder, files) for folder, _, files in fs.walk("reports/in")] == [
            ("reports/in", ["y"]),
            ("reports/in/empty", []),
            ("reports/in/sub", ["x"]),
        ]
        assert (fs.ls("reports/in/empty"), fs.isdir("reports/in/empty"), fs.exists("reports/in/empty")) == (
            [],
            True,
            True,
        )
        assert sorted(it.name for it in ObjectStoragePath("civo://civo_default@reports/in").iterdir()) == [
            "empty",
            "sub",
            "y",
        ]
        assert fs.cat("reports/in", recursive=True) == {"reports/in/sub/x": b"1", "reports/in/y": b"1"}

    def test_they_are_copied_as_no_files(self, fs: Any, local: Path) -> None:
        fs.get("reports/in", f"{local}/got", recursive=True)
        fs.copy("reports/in", "reports/copied", recursive=True)
        assert sorted(str(it.relative_to(local)) for it in local.rglob("*") if it.is_file()) == ["got/sub/x", "got/y"]
        assert fs.find("reports/copied") == ["reports/copied/sub/x", "reports/copied/y"]

    def test_they_go_with_their_folders(self, fs: Any) -> None:
        fs.mv("reports/in", "reports/moved", recursive=True)
        assert not fs.exists("reports/in")
        fs.rm("reports/other", recursive=True)
        assert fs.ls("reports", detail=False) == ["reports/moved"]
        fs.rm("reports/moved", recursive=True)
        assert fs.ls("reports") == []
