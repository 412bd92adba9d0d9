"""
What the operators and sensors do, and where: what Airflow's records of a task are read by.

It names classes by module, because the API server does not load the operators to tell where a task's link leads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    :param credential: the field with a credential, which belongs to any buckets.
    """

    verb: str
    fields: tuple[str, ...]
    service: str = "anypoint"
    connection: str = "anypoint_conn_id"
    region: str = "region"
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class PathUse:
    """
    One thing that an operator does at a path, such as ``civo://conn_id@bucket/folder``.

    :param verb: what it does there.
    :param field: the template field with the path.
    :param connection: the field with the connection's id, unless the path has one.
    """

    verb: str
    field: str
    connection: str


@dataclass(frozen=True, slots=True)
class Place:
    """
    What a task works on.

    :param verb: what the task does there.
    :param service: the type of connection.
    :param connection_id: the connection's id.
    :param region: the region instead of the connection's; None for the connection's.
    :param names: what each field names: stores, partitions and keys, or object stores.
    :param credential: the credential that the task works on instead; None for none.
    :param guessed: whether only the names of the task's fields tell it.
    """

    verb: str
    service: str
    connection_id: str
    region: str | None
    names: tuple[Names, ...]
    credential: Names = None
    guessed: bool = False


def _civo(verb: str, field: str = "object_store", credential: str | None = None) -> Use:
    return Use(verb, (field,), "civo", "civo_conn_id", credential=credential)


def _credential(verb: str, field: str = "credential") -> Use:
    return Use(verb, (), "civo", "civo_conn_id", credential=field)


_KEY = ("store_id", "partition", "key")

_BY_MODULE: Mapping[str, Mapping[str, tuple[Use | PathUse, ...]]] = {
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
    "operators.civo_credentials": {
        "CivoCreateCredentialOperator": (_credential("creates", "name"),),
        "CivoUpdateCredentialOperator": (_credential("changes"),),
        "CivoDeleteCredentialOperator": (_credential("deletes"),),
    },
    "operators.rotation": {
        "CivoRotateCredentialOperator": (_civo("rotates the credential of", credential="credential"),)
    },
    "sensors.civo": {
        "CivoObjectStoreSensor": (_civo("waits for"),),
        "CivoUsageSensor": (_civo("waits for the usage of"),),
    },
    "transfers.sync_folder": {
        "SyncFolderOperator": (
            PathUse("copies from", "source", "source_conn_id"),
            PathUse("copies to", "target", "target_conn_id"),
        )
    },
}
USES: Mapping[tuple[str, str], tuple[Use | PathUse, ...]] = {
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


def guessed_places(task_type: str, names: Iterable[str], fields: Mapping[str, Any]) -> list[Place]:
    """
    Return where a task of another's class works, by its template fields: subclasses of this package's have the same.

    What it does there is not known, nor is its place certain.

    :param task_type: the name of its class.
    :param names: the names of its template fields.
    :param fields: those that have values.
    """
    from airflow_provider_objectstore.exceptions import printable

    uses = [use for use in _uses_with(frozenset(names)) if isinstance(use, PathUse) or use.connection in fields]
    found = [place for use in uses if (place := place_of(use, fields)) is not None]
    return [
        replace(
            place,
            verb=f"uses ({printable(task_type)})",
            names=tuple(Unknown.VALUE if names is None else names for names in place.names),
            guessed=True,
        )
        for place in found
    ]


_ALONE = (Use("", ()), Use("", (), "civo", "civo_conn_id"))
"""What is known of a task that has a connection only."""
_AMBIGUOUS = {"name"}
"""Fields that name one thing for one class and another for the next."""


def _uses_with(names: frozenset[str]) -> Iterator[Use | PathUse]:
    """Yield for each field with a connection the use that most of these fields are for."""
    uses = [use for uses in USES.values() for use in uses]
    best: dict[str, Use] = {}
    for use in (*_ALONE, *uses):
        if isinstance(use, Use) and {use.connection, use.region, *use.fields} <= names - _AMBIGUOUS:
            known = best.get(use.connection, use)
            best[use.connection] = max(known, use, key=lambda one: len(one.fields))
    yield from (replace(use, credential=None) for use in best.values())
    if not best:
        yield from (use for use in uses if isinstance(use, PathUse) and {use.field, use.connection} <= names)


def place_of(use: Use | PathUse, fields: Mapping[str, Any]) -> Place | None:
    """
    Return where something is used.

    :param use: what is done there.
    :param fields: the fields that have values.
    :return: the place; None if its connection or region is not known.
    """
    if isinstance(use, PathUse):
        return _place_of_path(use, fields)
    connection_id = constant(fields.get(use.connection, f"{use.service}_default"))
    region = constant(fields.get(use.region))
    if not isinstance(connection_id, tuple) or isinstance(region, Unknown):
        return None
    names = tuple(constant(fields.get(field)) for field in use.fields) or (Unknown.VALUE,)
    credential = constant(fields.get(use.credential)) if use.credential else None
    verb = use.verb
    if credential is not None:
        names, verb = (Unknown.VALUE,), verb.removesuffix(" the credential of")
    return Place(verb, use.service, connection_id[0], region[0] if region else None, names, credential)


_SCHEMES = {"osv2": ("anypoint", 2), "civo": ("civo", 1)}
"""For each URL scheme the type of connection, and how many segments name a place of the page."""


def _place_of_path(use: PathUse, fields: Mapping[str, Any]) -> Place | None:
    """Return the place of a path; None if it leads elsewhere, or if its scheme or connection is not known."""
    given = fields.get(use.field)
    stored = given if isinstance(given, Mapping) else {"path": given}
    scheme, _, rest = str(stored.get("path")).partition("://")
    if scheme not in _SCHEMES:
        return None
    service, levels = _SCHEMES[scheme]
    authority, _, path = rest.partition("/")
    own, at, container = authority.rpartition("@")
    conn_ids = (own, stored.get("conn_id"), fields.get(use.connection), f"{service}_default")
    connection_id = constant(next(conn_id for conn_id in conn_ids if conn_id))
    if not isinstance(connection_id, tuple):
        return None
    segments = [container, *path.split("/")] if container or not at else path.split("/")
    names = [constant(name) for name in segments[:levels] if name] or [Unknown.VALUE]
    # The folder above is all that is in it.
    return Place(use.verb, service, connection_id[0], None, (*names, *[None] * (levels - len(names))))


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
