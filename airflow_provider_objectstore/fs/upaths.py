"""Paths of universal_pathlib, on which ``ObjectStoragePath`` builds. Without them it warns of each path of ours."""

from __future__ import annotations

from fsspec import get_filesystem_class
from upath import UPath


class _AnypointUPath(UPath):
    """A path in Anypoint Object Store v2."""


class _CivoUPath(UPath):
    """A path in a Civo object store."""


_CLASSES: dict[str, type[UPath]] = {"AnypointUPath": _AnypointUPath, "CivoUPath": _CivoUPath}


def __getattr__(name: str) -> type[UPath]:
    """Return a class by the name of its entry point. It reads a URL as its filesystem does if that is loaded."""
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    get_filesystem_class("civo" if name == "CivoUPath" else "osv2")
    return _CLASSES[name]
