"""Filesystems of both services, for ``ObjectStoragePath``, fsspec and what builds on them."""
