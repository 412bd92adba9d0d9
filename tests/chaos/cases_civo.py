"""Every method of Civo's hook under faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_objectstore.api import civo as api
from airflow_provider_objectstore.exceptions import NotFoundError, OutcomeUnknownError
from tests.chaos.case import BOTH, SYNC, case
from tests.chaos.run import Outcome, Run
from tests.chaos.world import BUCKET, Civo

HOOK = "CivoObjectStoreHook"
MORE = 45
"""Further stores: three pages."""


def _reads(
    name: str,
    arguments: Callable[[Civo], tuple[Any, ...]],
    right: Callable[[Civo, Any], bool],
    names: Callable[[Civo], tuple[str, ...]] = lambda civo: (),
    *,
    forms: tuple[str, ...] = BOTH,
    title: str = "",
    absent: bool = False,
    others: int = 0,
) -> None:
    """Register a case that reads: it reads what is there, and never takes it for absent nor the other way round."""

    def act(run: Run) -> None:
        civo = Civo(run, others)
        outcome = run.call(lambda: run.method(civo.hook, api, name, *arguments(civo)), *names(civo))
        if outcome.ok:
            run.check("read right", right(civo, outcome.result), outcome)
        else:
            run.check("read right", absent or not isinstance(outcome.error, NotFoundError), outcome)

    case(f"{HOOK}.{name}", forms=forms, name=title or f"civo_{name}")(act)


def _is_bucket(civo: Civo, store: Any) -> bool:
    return store is not None and (store.name, store.id) == (BUCKET, civo.id)


def _is_owner(civo: Civo, credential: Any) -> bool:
    return credential is not None and (credential.name, credential.id) == ("owner", civo.owner.id)


def _all(civo: Civo, stores: list[Any]) -> bool:
    return sorted(store.id for store in stores) == sorted(civo.state.stores)


_reads("list_object_stores", lambda civo: (), _all, others=MORE)
_reads("get_object_store", lambda civo: (civo.id,), _is_bucket, lambda civo: (civo.id,))
_reads("find_object_store", lambda civo: (BUCKET,), _is_bucket, lambda civo: (BUCKET,), others=MORE)
_reads(
    "find_object_store", lambda civo: ("x-9",), lambda civo, found: found is None, others=MORE, title="find_no_store"
)
_reads("require_object_store", lambda civo: (BUCKET,), _is_bucket, lambda civo: (BUCKET,), others=MORE)
_reads("require_object_store", lambda civo: ("x-9",), lambda civo, found: False, absent=True, title="require_no_store")
_reads(
    "get_object_store_stats", lambda civo: (civo.id,), lambda civo, stats: stats is not None, lambda civo: (civo.id,)
)
_reads("list_credentials", lambda civo: (), lambda civo, found: [each.name for each in found] == ["owner"])
_reads("get_credential", lambda civo: (civo.owner.id,), _is_owner, lambda civo: (civo.owner.id,))
_reads("find_credential", lambda civo: ("owner",), _is_owner, lambda civo: ("owner",))
_reads("find_credential", lambda civo: ("x-9",), lambda civo, found: found is None, title="find_no_credential")
_reads("require_credential", lambda civo: ("owner",), _is_owner, lambda civo: ("owner",))
_reads("list_regions", lambda civo: (), lambda civo, found: "LON1" in [region.code for region in found])
_reads("get_quota", lambda civo: (), lambda civo, quota: quota is not None)
_reads("test_connection", lambda civo: (), lambda civo, found: found[0] is True or bool(found[1]), forms=SYNC)


@case(f"{HOOK}.credential_inventory", forms=SYNC)
def credential_inventory(run: Run) -> None:
    """Each credential with the stores that it owns."""
    civo = Civo(run)
    civo.add_credential("orphan")
    outcome = run.call(civo.hook.credential_inventory)
    found = {use.credential.name: use.stores for use in outcome.result} if outcome.ok else None
    run.check("read right", found in (None, {"owner": (BUCKET,), "orphan": ()}), found)


def created_once(run: Run, what: str, found: list[Any], outcome: Outcome) -> None:
    """Check a create: one object, or none and an error, or an error that says that it is not known."""
    run.check("created once", len(found) <= 1, f"{len(found)} of {what}")
    if outcome.ok:
        run.check("created once", len(found) == 1, f"no {what} although: {outcome}")
    elif found:
        said = any(text in str(outcome.error) for text in ("was created", "It exists"))
        known = said or isinstance(outcome.error, OutcomeUnknownError)
        run.check("created once", known, f"{what} exists, and the error does not say so: {outcome}")


@case(f"{HOOK}.create_object_store", weight=3)
def create_object_store(run: Run) -> None:
    """One store of the name, of what was returned."""
    civo = Civo(run)
    for name in ("new-1", "new-2", "new-3"):
        outcome = run.call(lambda name=name: run.method(civo.hook, api, "create_object_store", name), name)
        found = civo.stores(name)
        created_once(run, f"object store {name}", found, outcome)
        run.check("created once", len(civo.credentials(f"{name}")) <= 1, "credentials of one name")
        run.check("read right", not outcome.ok or outcome.result.id == found[0].id, outcome)


@case(f"{HOOK}.create_credential", weight=3)
def create_credential(run: Run) -> None:
    """One credential of the name, with its keys."""
    civo = Civo(run)
    for name in ("new-1", "new-2"):
        outcome = run.call(lambda name=name: run.method(civo.hook, api, "create_credential", name), name, seconds=3)
        found = civo.credentials(name)
        created_once(run, f"credential {name}", found, outcome)
        run.check("read right", not outcome.ok or outcome.result.id == found[0].id, outcome)
        if outcome.ok and run.form == "sync":
            run.check("read right", outcome.result.access_key_id == found[0].access_key_id, outcome)


@case(f"{HOOK}.wait_for_keys", f"{HOOK}.wait_until_ready", weight=2)
def wait_for_credentials(run: Run) -> None:
    """A wait ends with the keys of the credential."""
    civo = Civo(run)
    for name in ("wait_for_keys", "wait_until_ready"):
        empty = api_credential(civo)
        outcome = run.call(lambda name=name, empty=empty: run.method(civo.hook, api, name, empty), "owner", seconds=4)
        right = outcome.ok and outcome.result.secret_access_key == civo.owner.secret_access_key_id
        run.check("wait ends right", right or not outcome.ok, "other keys")


def api_credential(civo: Civo) -> Any:
    """The owner, as it was read before it had its keys."""
    from airflow_provider_objectstore.api.civo.models import read_credential

    return read_credential({"id": civo.owner.id, "name": "owner", "status": "pending", "max_size_gb": 500})


@case(f"{HOOK}.update_object_store")
def update_object_store(run: Run) -> None:
    """The store has the new size and owner."""
    civo = Civo(run)
    new = civo.add_credential("heir")
    changes = {"max_size_gb": 1000, "access_key_id": new.access_key_id}
    outcome = run.call(lambda: run.method(civo.hook, api, "update_object_store", civo.id, **changes), civo.id)
    store = civo.store(BUCKET)
    run.check("done as asked", not outcome.ok or (store.max_size_gb, store.owner) == (1000, new), outcome)
    run.check("read right", not isinstance(outcome.error, NotFoundError), outcome)


@case(f"{HOOK}.delete_object_store")
def delete_object_store(run: Run) -> None:
    """The store is gone, and no other."""
    civo = Civo(run, 1)
    outcome = run.call(lambda: run.method(civo.hook, api, "delete_object_store", civo.id), civo.id)
    run.check("done as asked", not outcome.ok or not civo.stores(BUCKET), outcome)
    run.check("done as asked", len(civo.stores("more-0")) == 1, "another store is gone")
    run.check("read right", not isinstance(outcome.error, NotFoundError), outcome)


@case(f"{HOOK}.update_credential")
def update_credential(run: Run) -> None:
    """The credential has the new keys."""
    civo = Civo(run)
    other = civo.add_credential("other")
    new = {"access_key_id": "NEWKEY", "secret_access_key": "an-entirely-new-secret"}
    outcome = run.call(lambda: run.method(civo.hook, api, "update_credential", other.id, **new), other.id)
    run.check("done as asked", not outcome.ok or other.access_key_id == "NEWKEY", outcome)
    run.check("read right", not isinstance(outcome.error, NotFoundError), outcome)


@case(f"{HOOK}.delete_credential")
def delete_credential(run: Run) -> None:
    """The credential is gone, and no other."""
    civo = Civo(run)
    other = civo.add_credential("other")
    civo.emulator.wait_until_quiet()
    outcome = run.call(lambda: run.method(civo.hook, api, "delete_credential", other.id), other.id)
    run.check("done as asked", not outcome.ok or not civo.credentials("other"), outcome)
    run.check("done as asked", len(civo.credentials("owner")) == 1, "another credential is gone")
    run.check("read right", not isinstance(outcome.error, NotFoundError), outcome)


@case(f"{HOOK}.s3_options", f"{HOOK}.s3_options_of", forms=SYNC)
def s3_options(run: Run) -> None:
    """The keys are the owner's."""
    civo = Civo(run)
    outcome = run.call(lambda: civo.hook.s3_options(BUCKET), BUCKET)
    if outcome.ok:
        keys = outcome.result.access_key_id, outcome.result.secret_access_key
        run.check("read right", keys == (civo.owner.access_key_id, civo.owner.secret_access_key_id), "other keys")
