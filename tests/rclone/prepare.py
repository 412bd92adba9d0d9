"""Find rclone, or download it and unpack it without installing it: ``python -m tests.rclone.prepare``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.debian import Programs, Unavailable

RCLONE = Programs(
    Path(__file__).parents[2] / ".cache" / "rclone",
    ("rclone",),
    ("usr/bin/rclone",),
    "rclone is downloaded with apt from a Debian or Ubuntu archive. Elsewhere install it so that it is on PATH",
)


def prepare() -> Path:
    """
    Find rclone, or download and unpack it.

    :return: path of the program.
    :raises Unavailable: with what to do instead.
    """
    if installed := shutil.which("rclone"):
        return Path(installed)
    return RCLONE.prepare() / "usr/bin/rclone"


if __name__ == "__main__":
    try:
        if not shutil.which("rclone") and RCLONE.installation() is None:
            print(f"Downloading rclone into {RCLONE.home} (about 13 MB)", flush=True)
        prepare()
    except Unavailable as error:
        sys.exit(str(error))
