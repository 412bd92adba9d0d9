"""Programs of Debian packages: found on this machine, or downloaded and unpacked without installing them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path


class Unavailable(RuntimeError):
    """The programs are neither installed nor can they be downloaded."""


@dataclass(frozen=True)
class Programs:
    """
    Programs, and the packages that have them.

    :param home: folder to unpack into.
    :param packages: names of the packages.
    :param files: pattern of each program's path below the root folder.
    :param hint: what to do where there is no apt.
    :param release: a release of Debian that this machine does not have. Its programs come with all their libraries, and
        start only through the loader among these.
    """

    home: Path
    packages: tuple[str, ...]
    files: tuple[str, ...]
    hint: str
    release: str = ""

    def installation(self) -> Path | None:
        """Return the root folder of the programs' files, ``None`` if there are none yet."""
        for root in (self.home / "root", *([] if self.release else [Path("/")])):
            if all(any(root.glob(pattern)) for pattern in self.files):
                return root
        return None

    def prepare(self) -> Path:
        """
        Find the programs, or download and unpack them.

        :return: root folder of their files.
        :raises Unavailable: with what to do instead.
        """
        if root := self.installation():
            return root
        for tool in ("apt-get", "dpkg"):
            if not shutil.which(tool):
                raise Unavailable(f"There is no {tool} here. {self.hint}")
        self.home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.home) as scratch:
            unpacked = Path(scratch, "root")
            for package in self._download(Path(scratch)):
                self._run("dpkg", "-x", str(package), str(unpacked))
            self._check(unpacked)
            shutil.rmtree(self.home / "root", ignore_errors=True)
            unpacked.rename(self.home / "root")
        return self.home / "root"

    def _download(self, scratch: Path) -> list[Path]:
        """Download what is not installed, with apt's package lists or, if these are stale, with new ones."""
        archives, lists = scratch / "archives", scratch / "lists"
        for folder in (archives, lists):
            (folder / "partial").mkdir(parents=True)
        private = ["-qq", "-oAPT::Sandbox::User=", "-oDebug::NoLocking=1", f"-oDir::Cache={scratch}"]
        if self.release:
            private += self._options_for_release(scratch)
        fetch = [*private, f"-oDir::Cache::archives={archives}", "-y", "--download-only", "--no-install-recommends"]
        packages = ["install", *self.packages]
        try:
            self._run("apt-get", *fetch, *packages)
        except Unavailable:
            fresh = f"-oDir::State::lists={lists}"
            self._run("apt-get", *private, fresh, "update")
            self._run("apt-get", *fetch, fresh, *packages)
        return sorted(archives.glob("*.deb"))

    def _options_for_release(self, scratch: Path) -> list[str]:
        """Return options with which apt looks into another release, of which nothing is installed."""
        mirrors = self._run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian")
        if not mirrors.split():
            raise Unavailable(f"apt knows no Debian archive here. {self.hint}")
        source, installed = scratch / "sources.list", scratch / "status"
        source.write_text(f"deb {mirrors.split()[0]} {self.release} main\n")
        installed.touch()
        return [f"-oDir::Etc::SourceList={source}", "-oDir::Etc::SourceParts=-", f"-oDir::State::status={installed}"]

    def _check(self, root: Path) -> None:
        for pattern in self.files:
            path = next(root.glob(pattern), None)
            if path is None:
                raise Unavailable(f"The packages do not contain {pattern}. {self.hint}")
            if self.release:
                continue
            libraries = self._run("ldd", str(path), env=environment(root)).splitlines()
            if missing := [line for line in libraries if "not found" in line]:
                raise Unavailable(f"{path.name} lacks libraries: {', '.join(missing)}. {self.hint}")

    def _run(self, *command: str, env: dict[str, str] | None = None) -> str:
        result = subprocess.run(command, env=env, capture_output=True, text=True)
        if result.returncode:
            raise Unavailable(f"{command[0]} failed: {result.stderr.strip()[-1000:]}\n{self.hint}")
        return result.stdout


def environment(root: Path) -> dict[str, str]:
    """Return the environment variables with which programs below ``root`` find their libraries."""
    if root == Path("/"):
        return dict(os.environ)
    folders = ("usr/lib/*-linux-gnu", "usr/lib/*-linux-gnu/ceph", "usr/lib/*-linux-gnu/pulseaudio", "lib/*-linux-gnu")
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(str(found) for folder in folders for found in root.glob(folder))}
