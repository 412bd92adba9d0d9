"""Open files, texts and their encodings, and values that are no files."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

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
