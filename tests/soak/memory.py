"""
What a process holds of the memory that it was given.

With ``ENVIRONMENT`` Python takes all of its memory from the C library, which counts the bytes in use. The size of the
process says less: pieces that were freed in between stay with it, and become more for a long time.
"""

from __future__ import annotations

import ctypes
import gc

import psutil  # type: ignore[import-untyped]

ENVIRONMENT = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
IN_USE, SIZE = "memory in use, in MiB", "size of the process, in MiB"
ALLOWED: dict[str, float] = {IN_USE: 4, SIZE: 32}
"""By how much each may be higher at the end."""


class _Heap(ctypes.Structure):
    """glibc's ``struct mallinfo2``: ten sizes."""

    _fields_ = [("_before", ctypes.c_size_t * 4), ("outside", ctypes.c_size_t), ("_between", ctypes.c_size_t * 2)]
    _fields_ += [("used", ctypes.c_size_t), ("_after", ctypes.c_size_t * 2)]


def memory() -> dict[str, float]:
    """What is in use, and the size of the process, in MiB, after a garbage collection."""
    for _ in range(3):
        gc.collect()
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = _Heap
    library.malloc_trim(0)
    heap = library.mallinfo2()
    in_use, resident = heap.used + heap.outside, psutil.Process().memory_info().rss
    return {IN_USE: round(in_use / 2**20, 2), SIZE: round(resident / 2**20, 1)}
