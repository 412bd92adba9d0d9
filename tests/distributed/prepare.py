"""Download PostgreSQL and Redis and unpack them without installing them: ``python -m tests.distributed.prepare``."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.debian import Programs, Unavailable

_CACHE = Path(__file__).parents[2] / ".cache"
_HINT = "It is downloaded with apt from a Debian or Ubuntu archive. Elsewhere install it so that there is "

POSTGRES = Programs(
    _CACHE / "postgres",
    ("postgresql",),
    ("usr/lib/postgresql/*/bin/postgres", "usr/lib/postgresql/*/bin/initdb"),
    f"{_HINT}/usr/lib/postgresql/<version>/bin/postgres",
)
REDIS = Programs(_CACHE / "redis", ("redis-server",), ("usr/bin/redis-server",), f"{_HINT}/usr/bin/redis-server")

if __name__ == "__main__":
    try:
        for name, programs in {"PostgreSQL": POSTGRES, "Redis": REDIS}.items():
            if programs.installation() is None:
                print(f"Downloading {name} into {programs.home}", flush=True)
            programs.prepare()
    except Unavailable as error:
        sys.exit(str(error))
