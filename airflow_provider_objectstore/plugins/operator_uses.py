"""
What the operators and sensors do, and where: what Airflow's records of a task are read by.

It names classes by module, because the API server does not load the operators to tell where a task's link leads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

PACKAGE = __name__.rpartition(".plugins.")[0]


class Unknown(Enum):
    """Stands for a value that only the run of a task tells."""

    VALUE = "unknown"


Names: TypeAlias = tuple[str, ...] | Unknown | None
"""What a field names: some; None for all that there are; or unknown until the task runs."""


@dataclass(frozen=True, slots=True)
class Use:
    """
    One thing that an operator does at a place.

    :param verb: what it does there, for ``Task … <verb> …``.
    :param fields: the template fields that name the place, the outermost first.
    :param service: the type of connection, ``anypoint`` or ``civo``.
    :param connection: the field with the connection's id.
    :param region: the field with a region instead of the connection's.
    """

    verb: str
    fields: tuple[str, ...]
    service: str = "anypoint"
    connection: str = "anypoint_conn_id"
    region: str = "region"


@dataclass(frozen=True, slots=True)
class Place:
    """
    What a task works on.

    :param verb: what the task does there.
    :param service: the type of connection.
    :param connection_id: the connection's id.
    :param region: the region instead of the connection's; None for the connection's.
    :param names: what each field names: stores, partitions and keys, or object stores.
    """

    verb: str
    service: str
    connection_id: str
    region: str | None
    names: tuple[Names, ...]


def _civo(verb: str, field: str = "object_store") -> Use:
    return Use(verb, (field,), "civo", "civo_conn_id")


_KEY = ("store_id", "partition", "key")

_BY_MODULE: Mapping[str, Mapping[str, tuple[Use, ...]]] = {
    "operators.anypoint": {
        "AnypointCreateStoreOperator": (Use("creates", ("store_id",)),),
        "AnypointUpdateStoreOperator": (Use("changes", ("store_id",)),),
        "AnypointDeleteStoreOperator": (Use("deletes", ("store_id",)),),
    },
    "operators.anypoint_keys": {
        "AnypointPutKeyOperator": (Use("writes", _KEY),),
        "AnypointGetKeyOperator": (Use("reads", _KEY),),
        "AnypointDeleteKeyOperator": (Use("deletes", _KEY),),
    },
    "operators.anypoint_usage": {"AnypointUsageOperator": (Use("reads the usage of", ("store_ids",)),)},
    "operators.copy_store": {
        "AnypointCopyStoreOperator": (
            Use("copies from", ("source", "partitions"), connection="source_conn_id", region="source_region"),
            Use("copies to", ("target", "partitions"), connection="target_conn_id", region="target_region"),
        )
    },
    "operators.purge": {"AnypointPurgePartitionsOperator": (Use("purges", ("store_id", "partitions")),)},
    "operators.transfer": {
        "AnypointExportOperator": (Use("exports", ("store_id", "partitions")),),
        "AnypointImportOperator": (Use("imports into", ("store_id", "partitions")),),
    },
    "sensors.anypoint": {
        "AnypointKeySensor": (Use("waits for", ("store_id", "partition", "keys")),),
        "AnypointPartitionSensor": (Use("waits for", ("store_id", "partition")),),
    },
    "operators.civo": {
        "CivoCreateObjectStoreOperator": (_civo("creates", "name"),),
        "CivoUpdateObjectStoreOperator": (_civo("changes"),),
        "CivoDeleteObjectStoreOperator": (_civo("deletes"),),
    },
    "operators.civo_usage": {
        "CivoUsageOperator": (_civo("reads the usage of", "object_stores"),),
        "CivoGrowObjectStoreOperator": (_civo("grows"),),
    },
    "operators.rotation": {"CivoRotateCredentialOperator": (_civo("rotates the credential of"),)},
    "sensors.civo": {
        "CivoObjectStoreSensor": (_civo("waits for"),),
        "CivoUsageSensor": (_civo("waits for the usage of"),),
    },
}
USES: Mapping[tuple[str, str], tuple[Use, ...]] = {
    (f"{PACKAGE}.{module}", name): uses for module, classes in _BY_MODULE.items() for name, uses in classes.items()
}
"""By module and class. The last use of a class is where its link leads."""

WATCHES: Mapping[str, Use] = {
    f"{PACKAGE}.triggers.anypoint.AnypointKeyEventTrigger": Use("watches", ("store_id", "partition", "keys")),
    f"{PACKAGE}.triggers.civo.CivoObjectEventTrigger": _civo("watches", "bucket"),
}
"""What the event triggers do, by the path of their class."""


def places_of(task_class: tuple[str, str], fields: Mapping[str, Any]) -> list[Place]:
    """
    Return where a task works.

    :param task_class: module and name of its class.
    :param fields: its template fields, those that have values; see :func:`constant`.
    :return: its places, as far as the connection is known; none for classes of others.
    """
    return [place for use in USES.get(task_class, ()) if (place := place_of(use, fields)) is not None]


def place_of(use: Use, fields: Mapping[str, Any]) -> Place | None:
    """
    Return where something is used.

    :param use: what is done there.
    :param fields: the fields that have values.
    :return: the place; None if its connection or region is not known.
    """
    connection_id = constant(fields.get(use.connection, f"{use.service}_default"))
    region = constant(fields.get(use.region))
    if not isinstance(connection_id, tuple) or isinstance(region, Unknown):
        return None
    names = tuple(constant(fields.get(field)) for field in use.fields)
    return Place(use.verb, use.service, connection_id[0], region[0] if region else None, names)


def constant(value: Any) -> Names:
    """
    Return what a field names, in the form in which Airflow stores it.

    :param value: the stored value. A template is not known.
    """
    if value is None:
        return None
    if isinstance(value, Mapping) and value.get("__type") in ("tuple", "set"):
        value = value.get("__var")
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, Sequence) or not values:
        return Unknown.VALUE
    return tuple(values) if all(map(_is_name, values)) else Unknown.VALUE


def _is_name(value: Any) -> bool:
    # Airflow stores a masked value as stars, and the beginning of a long one after a sentence.
    return isinstance(value, str) and not any(mark in value for mark in ("{", "***", "Truncated. You can change"))
