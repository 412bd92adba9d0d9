"""
Object Store v2 and Civo object stores on localhost, for demos and tests.

Written from the services' published contracts and independent of the rest of this package, so that a mistake in
the client shows. ``python -m airflow_provider_objectstore.emulator`` starts it; :class:`Emulator` runs it in a
thread. What the vendors do not document is guessed in ``assumptions.py`` and nowhere else. State is in memory.
"""

from __future__ import annotations

from airflow_provider_objectstore.emulator.moto_s3 import MotoS3
from airflow_provider_objectstore.emulator.s3 import S3Backend
from airflow_provider_objectstore.emulator.server import Emulator
from airflow_provider_objectstore.emulator.settings import Settings

__all__ = ["Emulator", "MotoS3", "S3Backend", "Settings"]
