"""What each command does. An error is one line on stderr, and the exit code is 1."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_objectstore.compat.command_line import command_line
from airflow_provider_objectstore.exceptions import (
    ConfigurationError,
    InvalidArgumentError,
    ObjectStoreError,
    printable,
)

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook


def _command(function: Callable[[Namespace], None]) -> Callable[[Namespace], None]:
    @functools.wraps(function)
    def run(args: Namespace) -> None:
        try:
            function(args)
        except (ObjectStoreError, AirflowNotFoundException) as error:
            raise SystemExit(str(error)) from None

    wrapped: Callable[[Namespace], None] = command_line(run)
    return wrapped


def _print(rows: Iterable[dict[str, Any]], output: str) -> None:
    from airflow.cli.simple_table import AirflowConsole
    from rich.markup import escape

    def readable(value: Any) -> Any:
        return escape(printable(value)) if isinstance(value, str) and output == "table" else value

    found = [{name: readable(value) for name, value in row.items()} for row in rows]
    AirflowConsole().print_as(data=found, output=output)


def _anypoint(args: Namespace) -> AnypointObjectStoreHook:
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

    return AnypointObjectStoreHook(args.conn_id, region=args.region)


def _civo(args: Namespace) -> CivoObjectStoreHook:
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

    return CivoObjectStoreHook(args.conn_id, region=args.region)


def _service(args: Namespace) -> str:
    """Return the type of the connection: which service it is for."""
    from airflow.providers.common.compat.sdk import BaseHook

    from airflow_provider_objectstore.hooks.missing_connections import explaining_missing_connection

    with explaining_missing_connection(args.conn_id):
        kind = BaseHook.get_connection(args.conn_id).conn_type
    if kind not in ("anypoint", "civo"):
        raise ConfigurationError(f"connection {args.conn_id!r} is of type {kind}, which is neither anypoint nor civo")
    return str(kind)


@_command
def stores(args: Namespace) -> None:
    """List the stores of a connection."""
    if _service(args) == "anypoint":
        _print(
            (
                {
                    "store_id": store.store_id,
                    "encrypted": store.encrypted,
                    "default_ttl_seconds": store.default_ttl_seconds,
                    "is_fixed_ttl": store.is_fixed_ttl,
                }
                for store in _anypoint(args).list_stores()
            ),
            args.output,
        )
        return
    _print(
        (
            {
                "name": store.name,
                "id": store.id,
                "status": store.status,
                "max_size_gb": store.max_size_gb,
                "owner": store.owner_name,
            }
            for store in _civo(args).list_object_stores()
        ),
        args.output,
    )


@_command
def partitions(args: Namespace) -> None:
    """List a store's partitions."""
    _print(({"partition": name} for name in _anypoint(args).list_partitions(args.store)), args.output)


@_command
def keys(args: Namespace) -> None:
    """List a partition's keys."""
    found = _anypoint(args).list_keys(args.store, args.partition, args.prefix)
    _print(({"key": key} for key in found), args.output)


@_command
def get(args: Namespace) -> None:
    """Print a value: text and numbers as they are, bytes unchanged."""
    value = _anypoint(args).get_key(args.store, args.partition, args.key).value
    if isinstance(value, bytes):
        sys.stdout.buffer.write(value)
    else:
        print(value)


@_command
def put(args: Namespace) -> None:
    """Write a value."""
    value: Any = args.value
    if args.number:
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise InvalidArgumentError(f"{value!r} is not a number") from None
        if not number.is_finite() or abs(number.adjusted()) > 400:
            raise InvalidArgumentError(f"{value!r} is not a number")
        value = int(number) if number == number.to_integral_value() else number
    hook = _anypoint(args)
    hook.put_key(args.store, args.partition, args.key, value)
    print(f"Stored {args.key!r} in partition {args.partition!r} of store {args.store!r} ({hook.where})")


@_command
def rm(args: Namespace) -> None:
    """Delete a key, after a question."""
    hook = _anypoint(args)
    what = f"key {args.key!r} of partition {args.partition!r}, store {args.store!r} ({hook.where})"
    if not args.yes and input(f"Delete {what}? (y/n) ").strip().lower() not in ("y", "yes"):
        raise SystemExit("Nothing was deleted")
    hook.delete_key(args.store, args.partition, args.key)
    print(f"Deleted {what}")


@_command
def usage(args: Namespace) -> None:
    """Show how much is used."""
    if _service(args) == "anypoint":
        from airflow_provider_objectstore.operators.anypoint_usage import AnypointUsageOperator

        month = {"anypoint_conn_id": args.conn_id, "region": args.region, "period": "1month"}
        found = AnypointUsageOperator(task_id="usage", **month).execute({})
        _print(
            (
                {"store_id": store_id, "requests": use["requests"], "share_of_allowance": f"{use['share']:.2%}"}
                for store_id, use in found["stores"].items()
            ),
            args.output,
        )
        return
    from airflow_provider_objectstore.api.civo.usage import use_of_quota, use_of_store

    hook = _civo(args)
    rows = [
        {
            "object_store": used["object_store"],
            "size_gb": used["max_size_gb"],
            "used_kb": used["size_kb_utilised"],
            "objects": used["num_objects"],
            "share": f"{used['share']:.2%}",
        }
        for store in hook.list_object_stores()
        for used in [use_of_store(store, hook.get_object_store_stats(store.id))]
    ]
    _print(rows, args.output)
    quota = use_of_quota(hook.get_quota())
    share = f"{quota['share']:.2%}"
    print(f"Quota: {quota['objectstore_gb_usage']} of {quota['objectstore_gb_limit']} GB ({share})", file=sys.stderr)


@_command
def credentials(args: Namespace) -> None:
    """List credentials, never their secrets."""
    _print(
        (
            {
                "name": use.credential.name,
                "id": use.credential.id,
                "access_key_id": use.credential.access_key_id,
                "status": "suspended" if use.credential.suspended else use.credential.status,
                "age_days": use.age.days if use.age is not None else None,
                "object_stores": list(use.stores),
                "orphan": use.orphan,
            }
            for use in _civo(args).credential_inventory()
        ),
        args.output,
    )


@_command
def rotate(args: Namespace) -> None:
    """Show what a rotation would do. Nothing is changed."""
    from airflow_provider_objectstore.rotation.names import RotationId
    from airflow_provider_objectstore.rotation.rotation import Rotation
    from airflow_provider_objectstore.rotation.state import RotationTarget

    if not args.dry_run:
        raise InvalidArgumentError(
            "give --dry-run: this shows a plan only. A rotation belongs in a DAG (CivoRotateCredentialOperator), which "
            "publishes the new keys, is tried again, and retires the old ones after the grace period"
        )
    if bool(args.credential) == bool(args.object_store):
        raise InvalidArgumentError("give --credential or --object-store, and not both")
    target = RotationTarget(args.credential, args.object_store)
    hook = _civo(args)
    rotation = Rotation(hook, target, RotationId.of(datetime.now(UTC), "airflow objectstore rotate"))
    try:
        plan = rotation.plan(rotation.refresh())
    except ObjectStoreError as error:
        raise error.placed(hook.where) from None
    print(json.dumps(plan, indent=2))
