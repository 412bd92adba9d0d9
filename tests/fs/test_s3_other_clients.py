"""rclone, an S3 client that shares no code with this package or boto3, on moto and on Ceph."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import fsspec
import pytest
from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from tests.rclone.prepare import prepare

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
PART = 5 * MIB
"""The smallest part that S3 takes."""
NAMES = (
    "plain.txt",
    "two words.txt",
    " begins and ends with a space ",
    "a  b/c d/e.txt",
    "ümläut/日本語/😀.txt",
    "e\u0301 and \u00e9",
    "100%/%41%2F%.txt",
    "a+b/c++.txt",
    "#1/#.txt",
    "what?/is=this&that.txt",
    ".hidden/..also/...txt",
    "[a]/{b}/*.txt",
    "back\\slash/'quoted'/\"twice\".txt",
    "a:b;c,d/@$!~^`|<>().txt",
    "/".join(["d" * 100] * 9),
)
CONTENTS = {name: f"of {number}: {name}".encode() for number, name in enumerate(NAMES)}

Rclone = Callable[..., bytes]


class Refused(Exception):
    """What rclone wrote to stderr when it failed."""


def environment(options: S3Options, home: Path) -> dict[str, str]:
    """Return the environment in which rclone's remote ``civo:`` is what the options lead to."""
    remote = {
        "type": "s3",
        "provider": "Ceph",
        "access_key_id": options.access_key_id,
        "secret_access_key": options.secret_access_key,
        "endpoint": options.endpoint_url,
        "region": options.region_name,
        "no_check_bucket": "true",
    }
    settings = {f"RCLONE_CONFIG_CIVO_{name.upper()}": value for name, value in remote.items()}
    settings |= {"RCLONE_S3_UPLOAD_CUTOFF": f"{PART}B", "RCLONE_S3_CHUNK_SIZE": f"{PART}B"}
    if isinstance(options.verify, str):
        settings["RCLONE_CA_CERT"] = options.verify
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "RCLONE_CONFIG": "",
        "RCLONE_RETRIES": "1",
        "RCLONE_LOW_LEVEL_RETRIES": "1",
        **settings,
    }


@pytest.fixture(scope="session")
def program() -> Path:
    return prepare()


@pytest.fixture
def rclone(program: Path, hook: CivoObjectStoreHook, tmp_path: Path) -> Rclone:
    """Runs rclone with the bucket's credential, or with the options given, and returns what it prints."""

    def run(*arguments: object, options: S3Options | None = None) -> bytes:
        done = subprocess.run(
            [program, *map(str, arguments)],
            env=environment(options or hook.s3_options("photos"), tmp_path),
            capture_output=True,
            timeout=120,
        )
        if done.returncode:
            raise Refused(done.stderr.decode())
        return done.stdout

    return run


@pytest.fixture
def fs(hook: CivoObjectStoreHook) -> Any:
    return fsspec.filesystem("civo", skip_instance_cache=True)


@pytest.fixture
def s3(hook: CivoObjectStoreHook, monkeypatch: pytest.MonkeyPatch) -> S3Hook:
    monkeypatch.setenv("AIRFLOW_CONN_BUCKET", json.dumps(hook.s3_options("photos").aws_connection()))
    return S3Hook("bucket")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A local folder with a file of each name."""
    for name, contents in CONTENTS.items():
        path = tmp_path / "local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    return tmp_path / "local"


def random_bytes(size: int) -> bytes:
    return Random(size).randbytes(size)


def test_what_rclone_copies_is_read_by_the_others(rclone: Rclone, fs: Any, s3: S3Hook, folder: Path) -> None:
    rclone("copy", folder, "civo:photos/in")
    rclone("check", folder, "civo:photos/in")  # compares hashes
    keys = sorted(f"in/{name}" for name in NAMES)
    assert sorted(fs.find("photos")) == [f"photos/{key}" for key in keys]
    assert sorted(s3.list_keys("photos")) == keys
    for name, contents in CONTENTS.items():
        assert fs.cat_file(f"photos/in/{name}") == contents
        assert fs.info(f"photos/in/{name}")["size"] == len(contents)
        assert s3.get_key(f"in/{name}", "photos").get()["Body"].read() == contents


@pytest.mark.parametrize("writer", ["filesystem", "S3Hook"])
def test_what_the_others_write_is_copied_by_rclone(
    rclone: Rclone, fs: Any, s3: S3Hook, tmp_path: Path, folder: Path, writer: str
) -> None:
    for name, contents in CONTENTS.items():
        if writer == "filesystem":
            fs.pipe_file(f"photos/out/{name}", contents)
        else:
            s3.load_bytes(contents, f"out/{name}", "photos")
    listed = json.loads(rclone("lsjson", "--recursive", "--files-only", "civo:photos/out"))
    assert {entry["Path"]: entry["Size"] for entry in listed} == {name: len(CONTENTS[name]) for name in NAMES}
    rclone("check", "civo:photos/out", folder)
    rclone("copy", "civo:photos/out", tmp_path / "copied")
    copied = {str(path.relative_to(tmp_path / "copied")): path for path in (tmp_path / "copied").rglob("*")}
    assert {name: path.read_bytes() for name, path in copied.items() if path.is_file()} == CONTENTS


def test_a_difference_is_found(rclone: Rclone, fs: Any, folder: Path) -> None:
    rclone("copy", folder, "civo:photos/in")
    fs.pipe_file("photos/in/plain.txt", CONTENTS["plain.txt"].swapcase())
    with pytest.raises(Refused, match=r"plain\.txt: .*differ"):
        rclone("check", folder, "civo:photos/in")


def test_many_parts_by_rclone(rclone: Rclone, fs: Any, s3: S3Hook, tmp_path: Path) -> None:
    contents = random_bytes(2 * PART + 7)
    (tmp_path / "large+1").write_bytes(contents)
    rclone("copyto", tmp_path / "large+1", "civo:photos/a b/large+1")
    rclone("check", "--download", tmp_path, "civo:photos/a b", "--include", "/large+1")
    assert s3.get_key("a b/large+1", "photos").e_tag.endswith('-3"')
    assert fs.cat_file("photos/a b/large+1") == contents
    assert fs.cat_file("photos/a b/large+1", start=PART - 3, end=PART + 3) == contents[PART - 3 : PART + 3]
    assert fs.cat_file("photos/a b/large+1", start=-5) == contents[-5:]
    assert s3.get_key("a b/large+1", "photos").get()["Body"].read() == contents


def write_file(fs: Any, s3: S3Hook, contents: bytes, local: Path) -> None:
    with fs.open("photos/large", "wb", block_size=PART) as file:
        file.write(contents)


def append(fs: Any, s3: S3Hook, contents: bytes, local: Path) -> None:
    fs.pipe_file("photos/large", contents[: PART + 1])
    with fs.open("photos/large", "ab", block_size=PART) as file:
        file.write(contents[PART + 1 :])


def pipe_file(fs: Any, s3: S3Hook, contents: bytes, local: Path) -> None:
    fs.pipe_file("photos/large", contents, chunksize=PART)


def put_file(fs: Any, s3: S3Hook, contents: bytes, local: Path) -> None:
    local.write_bytes(contents)
    fs.put_file(str(local), "photos/large", chunksize=PART)


def load_bytes(fs: Any, s3: S3Hook, contents: bytes, local: Path) -> None:
    s3.load_bytes(contents, "large", "photos")


@pytest.mark.parametrize("write", [write_file, append, pipe_file, put_file, load_bytes])
def test_many_parts_by_the_others(
    rclone: Rclone, fs: Any, s3: S3Hook, tmp_path: Path, write: Callable[[Any, S3Hook, bytes, Path], None]
) -> None:
    contents = random_bytes(2 * 8 * MIB + 7)  # boto3's parts have 8 MiB
    write(fs, s3, contents, tmp_path / "large")
    assert "-" in s3.get_key("large", "photos").e_tag
    assert rclone("cat", "civo:photos/large") == contents
    for offset, count in ((0, 1), (PART - 3, 6), (len(contents) - 4, 100)):
        part = rclone("cat", f"--offset={offset}", f"--count={count}", "civo:photos/large")
        assert part == contents[offset : offset + count]
    assert rclone("cat", "--tail=5", "civo:photos/large") == contents[-5:]


def test_deletion_takes_what_was_named(rclone: Rclone, fs: Any, s3: S3Hook) -> None:
    kept = ["p.txt", "p2/a", "pp/a", "q/p/a"]
    gone = [f"p/{name}" for name in NAMES]
    fs.pipe({f"photos/{key}": b"1" for key in (*kept, "p/one %2F+", *gone)})
    rclone("deletefile", "civo:photos/p/one %2F+")
    assert not fs.exists("photos/p/one %2F+")
    assert sorted(s3.list_keys("photos")) == sorted([*kept, *gone])
    rclone("purge", "civo:photos/p")
    assert sorted(fs.find("photos")) == [f"photos/{key}" for key in kept]
    assert s3.list_keys("photos") == kept


def test_what_the_others_delete_is_gone(rclone: Rclone, fs: Any, s3: S3Hook, folder: Path) -> None:
    rclone("copy", folder, "civo:photos/a")
    rclone("copy", folder, "civo:photos/b")
    fs.rm("photos/a", recursive=True)
    s3.delete_objects("photos", [f"b/{name}" for name in NAMES])
    assert json.loads(rclone("lsjson", "--recursive", "civo:photos")) == []


def test_a_wrong_secret_is_refused(rclone: Rclone, fs: Any, hook: CivoObjectStoreHook, tmp_path: Path) -> None:
    fs.pipe_file("photos/a", b"1")
    before = hook.s3_options("photos")
    mine = hook.require_credential("mine")
    hook.update_credential(mine.id, secret_access_key="another-secret-of-mine")
    (tmp_path / "b").write_bytes(b"2")
    for command in (("lsjson", "civo:photos"), ("copyto", tmp_path / "b", "civo:photos/b"), ("purge", "civo:photos")):
        with pytest.raises(Refused, match=r"SignatureDoesNotMatch|403") as caught:
            rclone(*command, options=before)
        assert before.secret_access_key not in str(caught.value)
    assert fs.find("photos") == ["photos/a"]
    assert rclone("cat", "civo:photos/a") == b"1"


def test_another_owner_is_refused(rclone: Rclone, fs: Any, hook: CivoObjectStoreHook, tmp_path: Path) -> None:
    fs.pipe_file("photos/a", b"1")
    other = hook.s3_options_of(hook.wait_for_keys(hook.create_credential("other")))
    (tmp_path / "b").write_bytes(b"2")
    for command in (("lsjson", "civo:photos"), ("copyto", tmp_path / "b", "civo:photos/b"), ("purge", "civo:photos")):
        with pytest.raises(Refused, match=r"AccessDenied|403"):
            rclone(*command, options=other)
    assert fs.find("photos") == ["photos/a"]
