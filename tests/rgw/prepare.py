"""Download Ceph's packages and unpack them without installing them: ``python -m tests.rgw.prepare``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).parents[2] / ".cache" / "rgw"
PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "osdmaptool")
_HINT = (
    "Ceph's gateway is downloaded with apt from a Debian or Ubuntu archive. Elsewhere install ceph-mon, ceph-osd and "
    "radosgw in /usr/bin, or skip the tests that need them: make test RGW=skip"
)


class Unavailable(RuntimeError):
    """Ceph is neither installed nor can it be downloaded."""


def installation(home: Path = HOME) -> Path | None:
    """
    Find Ceph.

    :param home: folder that :func:`prepare` unpacked into.
    :return: root folder of its files, ``None`` if there is no Ceph.
    """
    if all((home / "root/usr/bin" / program).exists() for program in PROGRAMS):
        return home / "root"
    if all(shutil.which(program, path="/usr/bin") for program in PROGRAMS):
        return Path("/")
    return None


def environment(root: Path) -> dict[str, str]:
    """Return the environment variables with which programs below ``root`` find their libraries."""
    if root == Path("/"):
        return dict(os.environ)
    folders = [*root.glob("usr/lib/*-linux-gnu"), *root.glob("usr/lib/*-linux-gnu/ceph"), *root.glob("lib/*-linux-gnu")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders))}


def prepare(home: Path = HOME) -> Path:
    """
    Find Ceph, or download and unpack it.

    :return: root folder of its files.
    :raises Unavailable: with what to do instead.
    """
    if root := installation(home):
        return root
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise Unavailable(f"There is no {tool} here. {_HINT}")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        unpacked = Path(scratch, "root")
        for package in _download(Path(scratch)):
            _run("dpkg", "-x", str(package), str(unpacked))
        _check(unpacked)
        shutil.rmtree(home / "root", ignore_errors=True)
        unpacked.rename(home / "root")
    return home / "root"


def _download(scratch: Path) -> list[Path]:
    """Download the packages that are not installed, with apt's package lists or, if these are stale, with new ones."""
    archives, lists = scratch / "archives", scratch / "lists"
    for folder in (archives, lists):
        (folder / "partial").mkdir(parents=True)
    private = ["-qq", "-oAPT::Sandbox::User=", "-oDebug::NoLocking=1", f"-oDir::Cache={scratch}"]
    fetch = [*private, f"-oDir::Cache::archives={archives}", "-y", "--download-only", "--no-install-recommends"]
    packages = ["install", "ceph-mon", "ceph-osd", "radosgw"]
    try:
        _run("apt-get", *fetch, *packages)
    except Unavailable:
        fresh = f"-oDir::State::lists={lists}"
        _run("apt-get", *private, fresh, "update")
        _run("apt-get", *fetch, fresh, *packages)
    return sorted(archives.glob("*.deb"))


def _check(root: Path) -> None:
    for program in PROGRAMS:
        path = root / "usr/bin" / program
        if not path.exists():
            raise Unavailable(f"The packages do not contain {program}. {_HINT}")
        missing = [line for line in _run("ldd", str(path), env=environment(root)).splitlines() if "not found" in line]
        if missing:
            raise Unavailable(f"{program} lacks libraries: {', '.join(missing)}. {_HINT}")


def _run(*command: str, env: dict[str, str] | None = None) -> str:
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    if result.returncode:
        raise Unavailable(f"{' '.join(command[:1])} failed: {result.stderr.strip()[-1000:]}\n{_HINT}")
    return result.stdout


if __name__ == "__main__":
    if installation() is None:
        print(f"Downloading Ceph's packages into {HOME} (about 66 MB)", flush=True)
    try:
        prepare()
    except Unavailable as error:
        sys.exit(str(error))
