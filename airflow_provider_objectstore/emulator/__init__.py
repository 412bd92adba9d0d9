"""
Object Store v2 and Civo object stores on localhost, for demos and tests.

``python -m airflow_provider_objectstore.emulator`` starts it; :class:`Emulator` runs it in a thread. It is written
from the services' published contracts and imports nothing else of this package, so that a mistake in the client
shows. What the vendors do not document is guessed in ``assumptions.py`` and nowhere else. State is in memory, or in a
file.

=================  ==================================================================================
``anypoint/``      Anypoint's accounts and Object Store v2
``civo/``          Civo's API
``s3/``            the buckets: the interface of an S3 backend, and moto as the one that ships
``server``         :class:`Emulator`: starts and stops everything
``app``, ``asgi``  the HTTP application: routing, faults, log
``control``        what is below ``/_emulator``
``state``          the whole state as JSON; each service has its part. ``state_file`` keeps it
``clock``          the time that the services go by
``contents``       what tests write and read without a request
``assumptions``    what is guessed
=================  ==================================================================================
"""

from __future__ import annotations

from airflow_provider_objectstore.emulator.s3.backend import S3Backend
from airflow_provider_objectstore.emulator.s3.moto import MotoS3
from airflow_provider_objectstore.emulator.server import Emulator
from airflow_provider_objectstore.emulator.settings import Settings

__all__ = ["Emulator", "MotoS3", "S3Backend", "Settings"]
