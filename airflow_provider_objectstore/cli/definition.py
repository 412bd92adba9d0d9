"""The commands and their arguments. Airflow loads this with every command: nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.cli.cli_config import ActionCommand, GroupCommand

_COMMANDS = "airflow_provider_objectstore.cli.commands"


def get_objectstore_commands() -> list[GroupCommand]:
    """Return the commands, for Airflow's command line."""
    from airflow.cli.cli_config import ARG_OUTPUT, ARG_VERBOSE, ARG_YES, GroupCommand
    from airflow.cli.cli_config import Arg as UntypedArg

    Arg: Any = UntypedArg

    def conn_id(default: str | None) -> Any:
        text = "id of the Airflow connection" + (f" (default: {default})" if default else "")
        return Arg(("--conn-id",), help=text, default=default, required=default is None)

    region = Arg(("--region",), help="region instead of the connection's")
    anypoint, civo, either = conn_id("anypoint_default"), conn_id("civo_default"), conn_id(None)
    store, partition, key = Arg(("store",)), Arg(("partition",)), Arg(("key",))
    prefix = Arg(("--prefix",), help="only keys that begin with this")
    value = Arg(("value",), help="the value, stored as text")
    number = Arg(("--number",), help="store the value as a number", action="store_true")
    credential = Arg(("--credential",), help="id, access key or name of the credential")
    object_store = Arg(("--object-store",), help="id or name of an object store, for the credential that owns it")
    dry_run = Arg(("--dry-run",), help="required: a rotation itself belongs in a DAG", action="store_true")

    return [
        GroupCommand(
            name="objectstore",
            help="Look into Anypoint Object Store v2 and Civo object stores",
            subcommands=(
                _command("stores", "List the stores of a connection", either, region, ARG_OUTPUT, ARG_VERBOSE),
                _command("partitions", "List a store's partitions", store, anypoint, region, ARG_OUTPUT, ARG_VERBOSE),
                _command(
                    "keys",
                    "List a partition's keys; the vendor bills this by the values' size",
                    *(store, partition, prefix, anypoint, region, ARG_OUTPUT, ARG_VERBOSE),
                ),
                _command("get", "Print a value", store, partition, key, anypoint, region, ARG_VERBOSE),
                _command("put", "Write a value", store, partition, key, value, number, anypoint, region, ARG_VERBOSE),
                _command("rm", "Delete a key", store, partition, key, ARG_YES, anypoint, region, ARG_VERBOSE),
                _command(
                    "usage",
                    "Show this month's requests by store (anypoint), or the use of stores and quota (civo)",
                    *(either, region, ARG_OUTPUT, ARG_VERBOSE),
                ),
                _command(
                    "credentials",
                    "List Civo credentials: their object stores, their age since the last rotation, orphans",
                    *(civo, region, ARG_OUTPUT, ARG_VERBOSE),
                ),
                _command(
                    "rotate",
                    "Show the plan of a rotation",
                    *(credential, object_store, dry_run, civo, region, ARG_VERBOSE),
                ),
            ),
        )
    ]


def _command(name: str, help: str, *args: Any) -> ActionCommand:
    from airflow.cli.cli_config import ActionCommand, lazy_load_command

    return ActionCommand(name=name, help=help, func=lazy_load_command(f"{_COMMANDS}.{name}"), args=args)
