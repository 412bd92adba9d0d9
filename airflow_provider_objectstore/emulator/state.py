"""
The emulator's whole state as JSON: what it dumps and loads.

It holds stores, values, confirmations, counted requests, Civo's stores and credentials, users, buckets and objects on
S3, and how far the clock is ahead. It does not hold access tokens, faults, settings, and the log of requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_objectstore.emulator.anypoint import state as anypoint_state
from airflow_provider_objectstore.emulator.civo import state as civo_state
from airflow_provider_objectstore.emulator.clock import MAX_ADVANCED_SECONDS
from airflow_provider_objectstore.emulator.fields import Fields, StateError
from airflow_provider_objectstore.emulator.messages import MAX_DEPTH, loads
from airflow_provider_objectstore.emulator.s3 import state as s3_state

FORMAT = "objectstore-emulator"
VERSION = 1


@dataclass
class State:
    """
    A state that was read, and is valid.

    :param advanced: how many seconds the clock is ahead.
    :param s3: what S3 holds.
    """

    advanced: float
    anypoint: anypoint_state.AnypointContents
    civo: civo_state.CivoContents
    s3: dict[str, Any]


def parse(text: bytes) -> State:
    """
    Read a state.

    :raises StateError: saying what is wrong, and where.
    """
    try:
        value = loads(text, MAX_DEPTH + 10)  # a value of MAX_DEPTH is inside
    except ValueError as error:
        raise StateError(f"The state cannot be read: {error}") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise StateError(f'The state is no object with "format": "{FORMAT}"')
    if type(value.get("version")) is not int or value["version"] != VERSION:
        raise StateError(f"The state has version {value.get('version')}, and this emulator reads version {VERSION}")
    fields = Fields(value, "state", ("format", "version", "advanced_seconds", "anypoint", "civo", "s3"))
    advanced = fields.get("advanced_seconds", float, 0.0)
    if not 0 <= advanced <= MAX_ADVANCED_SECONDS:
        raise StateError("state: advanced_seconds must be a number from 0 to 100 years")
    civo = civo_state.parse(fields.get("civo", dict, {}))
    s3 = fields.optional("s3", dict)
    if s3 is None:
        s3 = civo_state.s3_part(civo)
    s3_state.check(s3)
    return State(advanced, anypoint_state.parse(fields.get("anypoint", dict, {})), civo, s3)


__all__ = ["FORMAT", "VERSION", "State", "StateError", "parse"]
