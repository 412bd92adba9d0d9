from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator, MotoS3, state_file
from airflow_provider_objectstore.emulator.fields import StateError
from tests.emulator.conftest import WHEN_REQUIRED, Anypoint, Civo, Connect
from tests.emulator.test_main import MODULE, running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def fill(url: str) -> None:
    anypoint = Anypoint(url)
    anypoint.store("PUT", "s")
    anypoint.key("PUT", "k", {"stringValue": "kept"})


def value(url: str) -> Any:
    return Anypoint(url).key("GET", "k").json().get("stringValue")


def wait_for(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_keeps_the_state(path: Path) -> None:
    with Emulator(state_file=path) as emulator:
        fill(emulator.url)
        emulator.advance(100)
    with Emulator(state_file=path) as emulator:
        assert value(emulator.url) == "kept"
        assert emulator.dump()["advanced_seconds"] == 100


def test_only_its_owner_may_read_it(path: Path) -> None:
    with Emulator(state_file=path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_objects_are_in_it(path: Path) -> None:
    with Emulator(s3=MotoS3(), state_file=path) as emulator:
        civo = Civo(emulator.url)
        civo.create_credential("c", access_key_id="KEY-A", secret_access_key_id="secret-a")
        civo.create("bucket", access_key_id="KEY-A")
        emulator.dump()
        time.sleep(0.01)
        before = path.read_bytes()
        assert emulator.s3_url
        Connect(emulator.s3_url)(**WHEN_REQUIRED).put_object(Bucket="bucket", Key="k", Body=b"kept")
        wait_for(lambda: b"a2VwdA==" in path.read_bytes())  # a change that no control plane saw
        assert path.read_bytes() != before
    with Emulator(s3=MotoS3(), state_file=path) as emulator:
        assert emulator.objects("bucket") == {"k": b"kept"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "is no object"),
        ('{"format": "objectstore-emulator", "version": 99}', "version 99"),
        ('{"format": "objectstore-emulator", "version": 1, "civo": {"stores": [1]}}', r"civo.stores\[0\]"),
    ],
)
def test_a_file_with_something_else_is_an_error_and_stays(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    emulator = Emulator(state_file=path)
    with pytest.raises(StateError, match=message) as raised:
        emulator.start()
    assert str(path) in str(raised.value)
    assert emulator.url == ""
    assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Emulator(state_file=tmp_path / "nowhere" / "state.json").start()


def test_objects_without_s3_are_an_error_at_once(path: Path) -> None:
    user = {"id": "u", "access_key_id": "KEY", "secret_access_key_id": "secret"}
    bucket = {"name": "bucket", "owner": "u", "objects": [{"key": "k", "body": "a2VwdA=="}]}
    state = {"format": "objectstore-emulator", "version": 1, "s3": {"users": [user], "buckets": [bucket]}}
    path.write_text(json.dumps(state))
    before = path.read_bytes()
    with pytest.raises(StateError, match="no S3"):
        Emulator(state_file=path).start()
    assert path.read_bytes() == before


def test_what_another_program_has_written_is_left(path: Path) -> None:
    emulator = Emulator(state_file=path)
    emulator.start()
    fill(emulator.url)
    path.write_text("mine")
    with pytest.raises(OSError, match="changed by another program"):
        emulator.stop()
    assert path.read_text() == "mine"
    assert list(path.parent.iterdir()) == [path]


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    with Emulator(state_file=link) as emulator:
        fill(emulator.url)
    assert link.is_symlink()
    assert b"kept" in path.read_bytes()


def test_a_failure_while_writing_leaves_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = state_file.StateFile(path)
    file.write({"format": "first"})

    def fail(descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        file.write({"format": "second"})
    assert json.loads(path.read_text()) == {"format": "first"}
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_written_without_a_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "SAVE_SECONDS", 0.01)
    with Emulator(state_file=path) as emulator:
        written = path.stat().st_ino, path.stat().st_mtime_ns
        time.sleep(0.2)
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == written
        fill(emulator.url)
        wait_for(lambda: b"kept" in path.read_bytes())
        emulator.reset()
        wait_for(lambda: b"kept" not in path.read_bytes())
        emulator.seed({"s": {"p": {"k": "seeded"}}})
        wait_for(lambda: b"seeded" in path.read_bytes())


def test_saving_goes_on_after_any_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(state: Any) -> str:
        raise ValueError("too many digits")

    monkeypatch.setattr(state_file, "SAVE_SECONDS", 0.01)
    with Emulator(state_file=path) as emulator:
        with monkeypatch.context() as failing:
            failing.setattr(state_file, "dumps", fail)
            fill(emulator.url)
            wait_for(lambda: f"not saved to {path}, and saving is tried again: ValueError: too many" in caplog.text, 10)
        wait_for(lambda: b"kept" in path.read_bytes(), 10)


def test_the_lifetimes_at_the_stop_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lifetime() -> float:
        entry = json.loads(path.read_text())["anypoint"]["stores"][0]["partitions"]["p"]["k"]
        return float(entry["expiresInSeconds"])

    monkeypatch.setattr(state_file, "SAVE_SECONDS", 0.01)
    with Emulator(state_file=path) as emulator:
        emulator.seed({"s": {"p": {"k": "v"}}})
        wait_for(lambda: b'"v"' in path.read_bytes())
        time.sleep(0.2)
        before = lifetime()
        time.sleep(0.5)
    assert lifetime() <= before - 0.5


@pytest.mark.slow
class TestTheCommand:
    @pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_its_state_outlives_it(self, path: Path, signal_number: signal.Signals) -> None:
        """A kill loses seconds: what is older is there."""
        arguments = "--port", "0", "--s3", "none", "--state", str(path)
        with running(*arguments) as (process, lines):
            assert f"State is kept in {path}." in lines
            fill(lines[0].rpartition(" ")[2])
            if signal_number == signal.SIGKILL:
                wait_for(lambda: b"kept" in path.read_bytes())
            process.send_signal(signal_number)
            rest, _ = process.communicate(timeout=20)
            assert (process.returncode, rest) == (-9 if signal_number == signal.SIGKILL else 0, "")
        with running(*arguments) as (_, lines):
            assert value(lines[0].rpartition(" ")[2]) == "kept"

    def test_a_broken_file_is_reported_in_one_line(self, path: Path) -> None:
        path.write_text("{")
        command = [*MODULE, "--port", "0", "--s3", "none", "--state", str(path)]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
        assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)
        assert ended.stderr.startswith(f"The emulator cannot start: {path}: The state cannot be read")
        assert path.read_text() == "{"
        assert sys.executable == MODULE[0]
