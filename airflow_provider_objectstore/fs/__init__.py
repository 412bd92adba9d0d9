"""
Filesystems of both services, for ``ObjectStoragePath``, fsspec and everything that builds on them.

- ``anypoint`` (``osv2://``) has the filesystem of Object Store v2. ``anypoint_keys`` maps its paths to stores,
  partitions and keys, ``key_encoding`` a path to one key; ``files`` has its open files.
- ``civo`` (``civo://``) is the module that Airflow imports. ``civo_s3fs`` has the filesystem, which is s3fs;
  ``bucket_clients`` gives each bucket its owner's keys, ``s3_responses`` checks that S3 itself responds.
- Both: ``paths`` (the connection in a path), ``literal_names`` (names that look like patterns), ``move`` and
  ``created_folders`` (empty folders).
"""
