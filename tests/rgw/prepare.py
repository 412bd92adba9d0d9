"""Download Ceph's packages and unpack them without installing them: ``python -m tests.rgw.prepare``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from tests.debian import Programs, Unavailable

HOME = Path(__file__).parents[2] / ".cache" / "rgw"
CEPH = Programs(
    HOME,
    ("ceph-mon", "ceph-osd", "radosgw"),
    tuple(
        f"usr/bin/{name}" for name in ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "osdmaptool")
    ),
    "Ceph's gateway is downloaded with apt from a Debian or Ubuntu archive. Elsewhere install ceph-mon, ceph-osd and "
    "radosgw in /usr/bin, or skip the tests that need them: make test RGW=skip",
)


def prepare(home: Path = HOME) -> Path:
    """
    Find Ceph, or download and unpack it.

    :return: root folder of its files.
    :raises Unavailable: with what to do instead.
    """
    return replace(CEPH, home=home).prepare()


if __name__ == "__main__":
    if CEPH.installation() is None:
        print(f"Downloading Ceph's packages into {HOME} (about 66 MB)", flush=True)
    try:
        prepare()
    except Unavailable as error:
        sys.exit(str(error))
