"""Open files, texts and their encodings, and values that are no files."""

from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from s3fs import S3FileSystem

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    UnreadableValueError,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("reports")
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


class TestOpenedFiles:
    def test_for_reading(self, has_keys: Any) -> None:
        has_keys.pipe("store/p/lines", b"aa\nbb\ncc\n")
        with has_keys.open("store/p/lines", "rb") as file:
            assert (file.size, file.readable(), file.writable(), file.seekable()) == (9, True, False, True)
            assert file.info() == {"name": "store/p/lines", "size": 9, "type": "file"}
            for write in (lambda: file.write(b"zz"), lambda: file.truncate(0), lambda: file.writelines([b"z"])):
                with pytest.raises((OSError, ValueError)):
                    write()
            assert (file.read(4), file.seek(-3, 2), file.read(), file.read()) == (b"aa\nb", 6, b"cc\n", b"")
            file.seek(0)
            assert list(file) == [b"aa\n", b"bb\n", b"cc\n"]
            copied = pickle.loads(pickle.dumps(file))
        assert (copied.tell(), copied.seek(0), copied.read(2)) == (9, 0, b"aa")
        assert has_keys.cat("store/p/lines") == b"aa\nbb\ncc\n"

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [((1, 3, b"\n"), b"bb\n"), ((1, 3), b"a\nb"), ((1, None), b"a\nbb\ncc\n"), ((0, 2, b"\n"), b"aa\n")],
    )
    def test_blocks(self, has_keys: Any, arguments: tuple[Any, ...], expected: bytes) -> None:
        has_keys.pipe("store/p/lines", b"aa\nbb\ncc\n")
        assert has_keys.read_block("store/p/lines", *arguments) == expected

    @pytest.mark.parametrize("mode", ["wb", "ab", "xb"])
    def test_for_writing(self, has_keys: Any, mode: str) -> None:
        with has_keys.open("store/p/new", mode) as file:
            assert (file.readable(), file.writable(), file.seekable()) == (False, True, True)
            for read in (file.read, file.readline, file.read1, lambda: list(file), lambda: file.readinto(bytearray(1))):
                with pytest.raises(OSError, match=r"read|Unsupported|"):
                    read()
            file.write(b"1234")
            file.seek(1)
            file.write(b"x")
            file.truncate(3)
        assert has_keys.cat("store/p/new") == b"1x3"

    def test_empty(self, has_keys: Any) -> None:
        has_keys.open("store/p/new", "wb").close()
        assert has_keys.open("store/p/new", "rb").read() == b""


@pytest.mark.usefixtures("reports")
class TestOnlyNewFiles:
    @pytest.fixture(autouse=True)
    def service_that_ignores_conditions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As some versions of Ceph; moto honours ``If-None-Match``."""
        call = S3FileSystem._call_s3

        async def without_condition(self: Any, method: str, *more: Any, **arguments: Any) -> Any:
            arguments.pop("IfNoneMatch", None)
            return await call(self, method, *more, **arguments)

        monkeypatch.setattr(S3FileSystem, "_call_s3", without_condition)

    @pytest.mark.parametrize(
        "act",
        [
            lambda fs, local: fs.open("reports/in/a", "xb"),
            lambda fs, local: fs.pipe_file("reports/in/a", b"new", mode="create"),
            lambda fs, local: fs.pipe({"reports/in/a": b"new", "reports/in/b": b"new"}, mode="create"),
            lambda fs, local: fs.put_file(local, "reports/in/a", mode="create"),
            lambda fs, local: fs.put(local, "reports/in/a", mode="create"),
        ],
        ids=["open", "pipe_file", "pipe", "put_file", "put"],
    )
    def test_an_old_one_stays(self, fs: Any, scheme: str, tmp_path: Path, act: Callable[[Any, str], Any]) -> None:
        local = tmp_path / "local"
        local.write_bytes(b"new")
        fs.pipe("reports/in/a", b"old")
        with pytest.raises(FileExistsError, match=rf"^{scheme}://reports/in/a exists already \[connection "):
            act(fs, str(local))
        assert fs.cat("reports/in/a") == b"old"

    def test_a_new_one_is_written(self, fs: Any, tmp_path: Path) -> None:
        local = tmp_path / "local"
        local.write_bytes(b"new")
        with fs.open("reports/in/a", "xb") as file:
            file.write(b"new")
        fs.pipe_file("reports/in/b", b"new", mode="create")
        fs.put_file(str(local), "reports/in/c", mode="create")
        assert set(fs.cat([f"reports/in/{name}" for name in "abc"]).values()) == {b"new"}


class Halfway(Exception):
    pass


URL = "osv2://store/p/a"


def fail(file: Any) -> None:
    with file as opened:
        opened.write("half" if "encoding" in dir(opened) else b"half")
        raise Halfway


def fail_in_finally(fs: Any) -> None:
    file = fs.open(URL, "wb")
    try:
        file.write(b"half")
        raise Halfway
    finally:
        file.close()


def fail_in_the_source(fs: Any) -> None:
    class Source(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if not self.tell():
                return super().read(size)
            raise Halfway

    with fsspec.open(URL, "wb") as file:
        shutil.copyfileobj(Source(b"half"), file)


def fail_in_pandas(fs: Any) -> None:
    pandas = pytest.importorskip("pandas")
    try:
        pandas.DataFrame({"a": [*range(50_000), "\ud800"]}).to_csv(URL)
    except UnicodeEncodeError:
        raise Halfway from None


def fail_in_pyarrow(fs: Any) -> None:
    arrow = pytest.importorskip("pyarrow.fs")
    fail(arrow.PyFileSystem(arrow.FSSpecHandler(fs)).open_output_stream("store/p/a"))


def fail_in_parquet(fs: Any) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"a": [1]})
    with parquet.ParquetWriter("store/p/a", table.schema, filesystem=fs) as writer:
        writer.write_table(table)
        raise Halfway


def fail_in_a_generator(fs: Any) -> None:
    @contextlib.contextmanager
    def opened() -> Iterator[Any]:
        file = fs.open(URL, "wb")
        try:
            yield file
        finally:
            file.close()

    fail(opened())


FAILING: dict[str, Callable[[Any], Any]] = {
    "fs.open": lambda fs: fail(fs.open(URL, "wb")),
    "fs.open of a text": lambda fs: fail(fs.open(URL, "w")),
    "fs.open compressed": lambda fs: fail(fs.open(URL, "wb", compression="gzip")),
    "fsspec.open": lambda fs: fail(fsspec.open(URL, "wb")),
    "fsspec.open of a text": lambda fs: fail(fsspec.open(URL, "w")),
    "fsspec.open compressed": lambda fs: fail(fsspec.open(URL, "wb", compression="gzip")),
    "appending": lambda fs: fail(fsspec.open(URL, "ab")),
    "closing": lambda fs: fail(contextlib.closing(fs.open(URL, "wb"))),
    "a file around it": lambda fs: fail(contextlib.closing(gzip.GzipFile(fileobj=fs.open(URL, "wb"), mode="wb"))),
    "finally": fail_in_finally,
    "copyfileobj": fail_in_the_source,
    "a generator": fail_in_a_generator,
    "pandas": fail_in_pandas,
    "pyarrow": fail_in_pyarrow,
    "parquet": fail_in_parquet,
}


class TestWhatFailsHalfway:
    """The value that was there stays: half of a new one is no value."""

    @pytest.mark.parametrize("act", FAILING.values(), ids=FAILING)
    def test_keeps_the_value(self, has_keys: Any, act: Callable[[Any], Any]) -> None:
        with pytest.raises(Halfway):
            act(has_keys)
        assert has_keys.cat("store/p/a") == b"a"

    def test_says_so(self, has_keys: Any) -> None:
        with pytest.raises(Halfway) as caught:
            fail(fsspec.open(URL, "wb"))
        assert caught.value.__notes__ == ["osv2://store/p/a was not written: it was open when this was raised"]

    def test_is_no_success_where_it_is_handled(self, has_keys: Any) -> None:
        file = has_keys.open(URL, "wb")
        with pytest.raises(Halfway, match="was not written"):
            try:
                raise Halfway
            except Halfway:
                file.close()
        assert has_keys.cat("store/p/a") == b"a"

    def test_what_was_handled_before_says_nothing(self, has_keys: Any) -> None:
        try:
            raise Halfway
        except Halfway:
            with fsspec.open(URL, "w") as file:
                file.write("the reason")
        assert has_keys.cat("store/p/a") == b"the reason"
        file = has_keys.open(URL, "wb")
        with contextlib.suppress(Halfway):
            raise Halfway
        file.write(b"afterwards")
        file.close()
        assert has_keys.cat("store/p/a") == b"afterwards"


READING: dict[str, Callable[[Any, str], Any]] = {
    "cat": lambda fs, path: fs.cat(path),
    "cat_file": lambda fs, path: fs.cat_file(path),
    "cat many": lambda fs, path: fs.cat([path]),
    "open": lambda fs, path: fs.open(path, "rb").read(),
    "append": lambda fs, path: fs.open(path, "ab"),
    "info": lambda fs, path: fs.info(path),
    "get": lambda fs, path: fs.get(path, "/tmp/never"),
    "copy": lambda fs, path: fs.copy(path, "store/p/copied"),
    "mv": lambda fs, path: fs.mv(path, "store/p/moved"),
}


@pytest.mark.parametrize("act", READING.values(), ids=READING)
def test_a_value_of_a_type_that_is_not_known_is_an_error(
    has_keys: Any, emulator: Emulator, act: Callable[[Any, str], Any]
) -> None:
    body = {"valueType": "OBJECT", "key": "a"}
    emulator.faults([{"operation": "anypoint.get_key", "kind": "status", "status": 200, "body": body}])
    try:
        with pytest.raises(UnreadableValueError):
            act(has_keys, "store/p/a")
    finally:
        emulator.faults([])
    assert has_keys.cat("store/p/a") == b"a"
    assert has_keys.find("store/p") == ["store/p/a", "store/p/b/c", "store/p/b/d/e", "store/p/b/d/f"]
