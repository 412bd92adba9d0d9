"""Every method of Anypoint's hook under faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.exceptions import NotFoundError, OutcomeUnknownError
from tests.chaos.case import BOTH, SYNC, case
from tests.chaos.run import Run
from tests.chaos.world import KEYS, PARTITIONS, STORES, Anypoint

HOOK = "AnypointObjectStoreHook"
ADDRESS = "orders", "eu", "key-0"
MISSING = "orders", "eu", "nowhere"


def _reads(
    name: str,
    arguments: tuple[Any, ...],
    right: Callable[[Any], bool],
    *names: str,
    forms: tuple[str, ...] = BOTH,
    title: str = "",
    absent: bool = False,
    **named: Any,
) -> None:
    """Register a case that reads: it reads what is there, and never takes it for absent nor the other way round."""

    def act(run: Run) -> None:
        anypoint = Anypoint(run)
        outcome = run.call(lambda: run.method(anypoint.hook, api, name, *arguments, **named), *names)
        if outcome.ok:
            run.check("read right", right(outcome.result), outcome)
        else:
            run.check("read right", absent or not isinstance(outcome.error, NotFoundError), outcome)

    case(f"{HOOK}.{name}", forms=forms, name=title or name)(act)


def _never(result: Any) -> bool:
    return False


_reads("list_stores", (), lambda found: {each.store_id for each in found} == set(STORES), page_size=1)
_reads("get_store", ("orders",), lambda store: store.store_id == "orders", "orders")
_reads("get_store", ("nowhere",), _never, "nowhere", absent=True, title="get_store_missing")
_reads("store_exists", ("orders",), lambda found: found is True, "orders", forms=SYNC)
_reads("store_exists", ("nowhere",), lambda found: found is False, "nowhere", forms=SYNC, title="store_exists_missing")
_reads("list_partitions", ("orders",), lambda found: sorted(found) == sorted(PARTITIONS), "orders", page_size=1)
_reads("partition_exists", ("orders", "eu"), lambda found: found is True, "orders", "eu")
_reads("partition_exists", ("orders", "x-9"), lambda found: found is False, "x-9", title="partition_exists_missing")
_reads(
    "get_partition",
    ("orders", "eu"),
    lambda found: sorted(entry.value for entry in found) == sorted(KEYS.values()),
    "orders",
    "eu",
    page_size=3,
)
_reads("list_keys", ("orders", "eu"), lambda found: sorted(found) == sorted(KEYS), "orders", "eu", page_size=3)
_reads("list_keys", ("orders", "x-9"), _never, "x-9", absent=True, title="list_keys_missing")
_reads("key_exists", ADDRESS, lambda found: found is True, *ADDRESS)
_reads("key_exists", MISSING, lambda found: found is False, *MISSING, title="key_exists_missing")
_reads("get_key", ADDRESS, lambda entry: entry.value == KEYS["key-0"] and entry.key == "key-0", *ADDRESS)
_reads("get_key", MISSING, _never, *MISSING, absent=True, title="get_key_missing")
_reads("list_regions", (), lambda found: len(found) == 12)
_reads("test_connection", (), lambda found: found[0] is True or bool(found[1]), forms=SYNC)


@case(f"{HOOK}.create_store")
def create_store(run: Run) -> None:
    """The store is there with what was asked."""
    anypoint = Anypoint(run)
    outcome = run.call(lambda: run.method(anypoint.hook, api, "create_store", "new", default_ttl=600), "new")
    store = anypoint.store("new")
    if outcome.ok:
        run.check("created once", store is not None and store.default_ttl == 600, outcome)
        run.check("read right", outcome.result.store_id == "new", outcome)


@case(f"{HOOK}.update_store")
def update_store(run: Run) -> None:
    """The store has the new time to live, and its contents still."""
    anypoint = Anypoint(run)
    outcome = run.call(lambda: run.method(anypoint.hook, api, "update_store", "orders", default_ttl=700), "orders")
    store = anypoint.store("orders")
    assert store is not None
    run.check("done as asked", not outcome.ok or store.default_ttl == 700, outcome)
    run.check("done as asked", anypoint.contents("eu") == KEYS, "the contents changed")


@case(f"{HOOK}.delete_store")
def delete_store(run: Run) -> None:
    """The store is gone, and no other."""
    anypoint = Anypoint(run)
    outcome = run.call(lambda: run.method(anypoint.hook, api, "delete_store", "other"), "other")
    run.check("done as asked", not outcome.ok or anypoint.store("other") is None, outcome)
    run.check("done as asked", anypoint.store("orders") is not None, "another store is gone")
    run.check("read right", not isinstance(outcome.error, NotFoundError), outcome)


@case(f"{HOOK}.delete_partition")
def delete_partition(run: Run) -> None:
    """The partition is gone, and no other."""
    anypoint = Anypoint(run)
    outcome = run.call(lambda: run.method(anypoint.hook, api, "delete_partition", "orders", "eu"), "orders", "eu")
    left = anypoint.contents("eu")
    run.check("done as asked", left == ({} if outcome.ok else left) and left in ({}, KEYS), (outcome, left))
    run.check("done as asked", bool(anypoint.contents("us")), "another partition is gone")
    run.check("read right", not isinstance(outcome.error, NotFoundError), outcome)


@case(f"{HOOK}.put_key")
def put_key(run: Run) -> None:
    """The value is there, over an earlier one."""
    anypoint = Anypoint(run)
    for key, before in (("key-0", KEYS["key-0"]), ("key-new", None)):
        outcome = run.call(lambda key=key: run.method(anypoint.hook, api, "put_key", "orders", "eu", key, "new"), key)
        after = anypoint.value("eu", key)
        run.check("done as asked", after == "new" if outcome.ok else after in (before, "new"), (outcome, after))


@case(f"{HOOK}.delete_key")
def delete_key(run: Run) -> None:
    """The key is gone, and no other."""
    anypoint = Anypoint(run)
    outcome = run.call(lambda: run.method(anypoint.hook, api, "delete_key", *ADDRESS), *ADDRESS)
    run.check("done as asked", not outcome.ok or anypoint.value("eu", "key-0") is None, outcome)
    run.check("done as asked", len(anypoint.contents("eu")) >= len(KEYS) - 1, "another key is gone")
    run.check("read right", not isinstance(outcome.error, NotFoundError), outcome)


@case(f"{HOOK}.delete_key")
def delete_key_missing(run: Run) -> None:
    """A key that was never there is an error, unless an earlier attempt may have deleted it."""
    anypoint = Anypoint(run)
    outcome = run.call(lambda: run.method(anypoint.hook, api, "delete_key", *MISSING), *MISSING)
    lost = any(": no fault" not in line and line.startswith("DELETE") for line in run.emulator.mix.log)
    run.check("read right", not outcome.ok or lost, outcome)


@case(f"{HOOK}.alter_number", weight=3)
def alter_number(run: Run) -> None:
    """The number is altered exactly once, or the error says that this is not known."""
    anypoint = Anypoint(run)
    call = {"operation": "add", "value": 1}
    for expected in range(6, 10):
        before = anypoint.value("numbers", "count")
        address = "orders", "numbers", "count"
        outcome = run.call(
            lambda address=address: run.method(anypoint.hook, api, "alter_number", *address, call), *address
        )
        altered = anypoint.value("numbers", "count") - before
        unknown = isinstance(outcome.error, OutcomeUnknownError)
        held = altered == 1 if outcome.ok else altered == 0 or (altered == 1 and unknown)
        run.check("altered once or unknown", held, (expected, altered, outcome))


@case(f"{HOOK}.acknowledge", f"{HOOK}.reject", f"{HOOK}.extend_confirmation", weight=2)
def confirmations(run: Run) -> None:
    """What was held is done once, or not at all."""
    anypoint = Anypoint(run)
    for name, effect in (("acknowledge", 1), ("reject", 0)):
        applied: list[str] = []
        confirmation = anypoint.open_confirmation(applied)
        address = (*ADDRESS, confirmation)
        outcome = run.call(lambda name=name, address=address: run.method(anypoint.hook, api, name, *address), "key-0")
        is_open = confirmation in anypoint.confirmations
        run.check("altered once or unknown", len(applied) <= effect, (applied, outcome))
        run.check("done as asked", not outcome.ok or (not is_open and len(applied) == effect), outcome)
    confirmation = anypoint.open_confirmation([])
    expires = anypoint.confirmations[confirmation][1].expires
    address = (*ADDRESS, confirmation, 3600)
    outcome = run.call(lambda: run.method(anypoint.hook, api, "extend_confirmation", *address), "key-0")
    extended = anypoint.confirmations[confirmation][1].expires > expires
    run.check("done as asked", not outcome.ok or extended, outcome)


@case(f"{HOOK}.put_key", f"{HOOK}.get_key", f"{HOOK}.delete_key", f"{HOOK}.delete_partition", weight=2)
def confirmable(run: Run) -> None:
    """A confirmable call changes nothing by itself; its id, if there is one, is that of an open confirmation."""
    anypoint = Anypoint(run)

    def known(confirmation_id: Any) -> bool:
        return confirmation_id is None or confirmation_id in anypoint.confirmations

    calls: dict[str, tuple[Any, ...]] = {"put_key": (*ADDRESS, "new"), "delete_key": ADDRESS}
    for name, arguments in calls.items():
        outcome = run.call(
            lambda name=name, arguments=arguments: run.method(anypoint.hook, api, name, *arguments, confirmable=True),
            "key-0",
        )
        run.check("done as asked", anypoint.value("eu", "key-0") == KEYS["key-0"], "done without a confirmation")
        run.check("read right", not outcome.ok or known(outcome.result), outcome)
    outcome = run.call(lambda: run.method(anypoint.hook, api, "get_key", *ADDRESS, confirmable=True), "key-0")
    run.check("read right", not outcome.ok or known(outcome.result.confirmation_id), outcome)


@case(f"{HOOK}.partition", forms=SYNC, weight=3)
def mapping(run: Run) -> None:
    """A partition as a mapping: what is there is never a KeyError, and what is not never a value."""
    anypoint = Anypoint(run)
    eu, us = anypoint.hook.partition("orders", "eu"), anypoint.hook.partition("orders", "us")

    def read(act: Callable[[], Any], right: Any, *names: str) -> None:
        outcome = run.call(act, *names)
        run.check("read right", not outcome.ok or outcome.result == right, outcome)

    read(lambda: eu["key-1"], KEYS["key-1"], "key-1")
    read(lambda: eu.get("key-1", "default"), KEYS["key-1"], "key-1")
    read(lambda: eu.get("nowhere", "default"), "default", "nowhere")
    read(lambda: "key-1" in eu, True, "key-1")
    read(lambda: sorted(eu), sorted(KEYS), "eu")
    read(lambda: len(anypoint.hook.partition("orders", "empty")), 0, "empty")
    outcome = run.call(lambda: eu.__setitem__("key-1", "set"), "key-1")
    run.check("done as asked", not outcome.ok or anypoint.value("eu", "key-1") == "set", outcome)
    outcome = run.call(lambda: eu.__delitem__("key-2"), "key-2")
    run.check("done as asked", not outcome.ok or anypoint.value("eu", "key-2") is None, outcome)
    outcome = run.call(us.clear, "us")
    run.check("done as asked", not outcome.ok or anypoint.contents("us") == {}, outcome)


@case(f"{HOOK}.put_many", f"{HOOK}.get_many", f"{HOOK}.delete_many", f"{HOOK}.bulk", forms=SYNC, weight=3)
def many_keys(run: Run) -> None:
    """Each key is either done or failed; each failure names its key."""
    anypoint = Anypoint(run)
    items = {f"many-{number}": f"m{number}" for number in range(20)}

    def both(result: Any, done: Callable[[str], bool]) -> None:
        run.check("done as asked", set(result.succeeded) | set(result.failed) == set(items), "keys are forgotten")
        run.check("done as asked", not set(result.succeeded) & set(result.failed), "keys are both")
        run.check("done as asked", all(map(done, result.succeeded)), "done, and is not so")
        for key, error in result.failed.items():
            run.check_names(error, key)

    outcome = run.call(lambda: anypoint.hook.put_many("orders", "eu", items))
    if outcome.ok:
        both(outcome.result, lambda key: anypoint.value("eu", key) == items[key])
    for key, value in items.items():
        anypoint.put("eu", key, value)
    outcome = run.call(lambda: anypoint.hook.get_many("orders", "eu", list(items)))
    if outcome.ok:
        both(outcome.result, lambda key: outcome.result.succeeded[key].value == items[key])
        absent = [key for key, error in outcome.result.failed.items() if isinstance(error, NotFoundError)]
        run.check("read right", not absent, absent)
    outcome = run.call(lambda: anypoint.hook.delete_many("orders", "eu", list(items)))
    if outcome.ok:
        both(outcome.result, lambda key: anypoint.value("eu", key) is None)
    run.check("done as asked", KEYS.items() <= anypoint.contents("eu").items(), "other keys are gone")
