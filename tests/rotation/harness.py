"""What the tests and the benchmark of rotations share: two stores with objects, a task that rotates, and checks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.s3.policies import MAX_POLICY_BYTES
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.publishers import AnypointKeyPublisher, Publisher
from airflow_provider_objectstore.rotation.names import RotationId, lineage_name, rotation_id_of
from airflow_provider_objectstore.rotation.publish import identities_of

CREDENTIAL = "reports"
STORES = "reports-eu", "reports-us"
OBJECTS = {"a/first": b"written first", "b/second": b"written second"}
PUBLISHER = AnypointKeyPublisher("keys", "s3", "reports")
STRATEGIES = ["replace", "in_place", "overlap", "auto"]

# Stores


def create_stores(
    hook: CivoObjectStoreHook, credential: str = CREDENTIAL, stores: Iterable[str] = STORES
) -> list[S3Options]:
    """Create a credential and stores that share it, with objects; return the S3 options of each store."""
    owner = hook.create_credential(credential)
    created = [hook.create_object_store(name, access_key_id=owner.access_key_id) for name in stores]
    found = []
    for store in created:
        while not hook.get_object_store(store.id).ready:
            time.sleep(0.02)
        options = hook.s3_options_of(owner, store)
        s3 = s3_client(options)
        for key, body in OBJECTS.items():
            s3.put_object(Bucket=store.name, Key=key, Body=body)
        found.append(options)
    return found


def create_late_store(hook: CivoObjectStoreHook, access_key_id: str) -> None:
    """Create a store ``late`` with one object."""
    store = hook.create_object_store("late", access_key_id=access_key_id)
    while not hook.get_object_store(store.id).ready:
        time.sleep(0.02)
    s3_client(hook.s3_options("late")).put_object(Bucket="late", Key="k", Body=b"1")


def s3_client(options: S3Options) -> Any:
    """Return a client that sends each request once."""
    single_attempt = Config(retries={"total_max_attempts": 1})
    return boto3.client("s3", **{**options, "config": options["config"].merge(single_attempt)})


def has_access(options: S3Options, bucket: str | None = None) -> bool:
    """Return whether keys have access to their bucket."""
    try:
        s3_client(options).list_objects_v2(Bucket=bucket or options.bucket)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, error
        return False
    return True


def unreadable_objects(options: S3Options) -> list[str]:
    """Return which of the old objects cannot be listed and read, and why."""
    s3 = s3_client(options)
    try:
        listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=options.bucket).get("Contents", [])]
        if listed != list(OBJECTS):
            return [f"{options.bucket} lists {listed}"]
        bodies = {key: s3.get_object(Bucket=options.bucket, Key=key)["Body"].read() for key in OBJECTS}
        return [] if bodies == OBJECTS else [f"{options.bucket} holds {bodies}"]
    except ClientError as error:
        return [f"{options.bucket}: {error}"]


# Rotations


class RecordingPublisher:
    """
    A publisher that keeps what it gets.

    :param problems: what its next calls raise; None for no problem.
    :param name: what it is called.
    """

    def __init__(self, *problems: BaseException | None, name: str = "a shelf") -> None:
        self.problems = list(problems)
        self.name = name
        self.published: list[S3Options] = []
        self.verified = 0

    def publish(self, credential: S3Options) -> None:
        problem = self.problems.pop(0) if self.problems else None
        if problem:
            raise problem
        self.published.append(credential)

    def verify(self, credential: S3Options) -> None:
        self.verified += 1
        if not self.published or credential != self.published[-1]:
            raise ObjectStoreError("it holds something else")

    def __str__(self) -> str:
        return self.name


def rotation_task(strategy: str, **arguments: Any) -> CivoRotateCredentialOperator:
    """Return the task of these tests' rotations."""
    arguments = {"task_id": "rotate", "publishers": [PUBLISHER], "settle_timeout": 5, **arguments}
    return CivoRotateCredentialOperator(strategy=strategy, **arguments)


def rotate(week: int = 1, strategy: str = "replace", **arguments: Any) -> dict[str, Any]:
    """Execute the task of that week."""
    if "object_store" not in arguments:
        arguments = {"credential": CREDENTIAL, **arguments}
    result: dict[str, Any] = rotation_task(strategy, **arguments).execute(run_context(week))
    return result


def start_grace_period(week: int = 1, strategy: str = "replace", **arguments: Any) -> Callable[[], dict[str, Any]]:
    """Execute a task until it defers for its grace period; return a function that resumes it."""
    task = rotation_task(strategy, **{"credential": CREDENTIAL, "grace_period": 60, **arguments})
    with pytest.raises(TaskDeferred) as caught:
        task.execute(run_context(week))
    return lambda: resume(task, caught.value, week)


def resume(task: CivoRotateCredentialOperator, deferred: TaskDeferred, week: int = 1) -> dict[str, Any]:
    """Resume a task after its trigger, with what the database has kept."""
    kept = json.loads(json.dumps(deferred.kwargs))
    event = datetime.now(UTC)
    result: dict[str, Any] = task.resume_execution(deferred.method_name, {**kept, "event": event}, run_context(week))
    return result


def run_together(*runs: Callable[[], Any]) -> list[Any]:
    """Call all functions at the same time; return results or errors in order."""
    results: list[Any] = [None] * len(runs)

    def run_one(number: int, run: Callable[[], Any]) -> None:
        try:
            results[number] = run()
        except ObjectStoreError as error:
            results[number] = error

    threads = [threading.Thread(target=run_one, args=each) for each in enumerate(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def run_context(week: int = 1) -> Any:
    """Return the context of a task in that week's run."""
    return {"dag_run": SimpleNamespace(run_after=_run_after(week), dag_id="rotation", run_id=f"run-{week}")}


def rotation_id_of_run(
    week: int = 1, target: str = f"credential {CREDENTIAL}", publishers: Sequence[Publisher] = (PUBLISHER,)
) -> RotationId:
    """Return the id of the rotation of that week's run."""
    return RotationId.of(_run_after(week), "rotation", f"run-{week}", target, *identities_of(publishers))


def _run_after(week: int) -> datetime:
    return datetime(2020, 1, 6, 4, tzinfo=UTC) + timedelta(weeks=week)


# Checks


def find_problems(
    hook: CivoObjectStoreHook,
    before: list[S3Options],
    strategy: str,
    week: int = 1,
) -> list[str]:
    """Return what is not as it should be after a finished rotation that deletes what it replaced."""
    credentials = list(hook.list_credentials())
    lineage = [credential for credential in credentials if lineage_name(credential.name) == lineage_name(CREDENTIAL)]
    if len(credentials) != 1 or len(lineage) != 1:
        names = [credential.name for credential in lineage]
        return [f"{len(credentials)} credentials are there, {names} of the lineage"]
    problems = _problems_of_credential(hook, lineage[0], strategy, week)
    problems += unusable_keys(hook)
    problems += [f"{name} has the policy {policy}" for name, policy in read_policies(hook).items() if policy]
    for options in before:
        if has_access(options):
            problems.append(f"the old {options.access_key_id} still has access to {options.bucket}")
    return problems


def find_problems_under_kept_owner(
    hook: CivoObjectStoreHook, owner: S3Options, before: list[S3Options], week: int = 1
) -> list[str]:
    """
    Return what is not as it should be after a rotation where the service does not change owners.

    :param owner: the stores' owner, with the keys that it has kept.
    :param before: the keys that must be refused.
    """
    credentials = sorted(hook.list_credentials(), key=lambda credential: credential.name)
    if [is_made_in(week, credential) for credential in credentials] != [False, True]:
        return [f"the credentials are {[credential.name for credential in credentials]}"]
    kept, new = credentials
    if kept.name != CREDENTIAL:
        return [f"{kept.name} is kept"]
    problems = [] if published_keys()["access_key_id"] == new.access_key_id else ["another key is published"]
    policies = read_policies(hook)
    for store in STORES:
        options = hook.s3_options(store)
        if options.access_key_id != owner.access_key_id:
            problems.append(f"{options.access_key_id} owns {store}")
        problems += unreadable_objects(options)
        problems += unreadable_objects(replace(options, **_keys_of(new)))
        statements = (policies[store] or {"Statement": []})["Statement"]
        users = [user for statement in statements for user in statement["Principal"]["AWS"]]
        if len(statements) != 1 or len(users) != 2:
            problems.append(f"{store} has the policy {policies[store]}")
    problems += [f"{old.access_key_id} still has access" for old in before if has_access(old)]
    return problems


def read_policies(hook: CivoObjectStoreHook) -> dict[str, Any]:
    """Return the policy of each store, as its owner reads it; None where there is none or S3 has no policies."""
    policies: dict[str, Any] = {}
    for store in hook.list_object_stores():
        try:
            found = s3_client(hook.s3_options(store.name)).get_bucket_policy(Bucket=store.name)
            policies[store.name] = json.loads(found["Policy"])
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("NoSuchBucketPolicy", "NotImplemented"), error
            policies[store.name] = None
    return policies


def largest_policy(bucket: str) -> dict[str, Any]:
    """Return a bucket policy that has no room for another statement."""
    resource = f"arn:aws:s3:::{bucket}/{'x' * 900}*"
    resources = [resource] * ((MAX_POLICY_BYTES - 500) // (len(resource) + 4))
    statement = {"Sid": "t", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": resources}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    resources.append(resource[: MAX_POLICY_BYTES - 100 - len(json.dumps(policy))])
    assert MAX_POLICY_BYTES - 300 < len(json.dumps(policy)) <= MAX_POLICY_BYTES
    return policy


def _keys_of(credential: Credential) -> dict[str, str]:
    return {"access_key_id": credential.access_key_id, "secret_access_key": credential.secret_access_key}


def is_made_in(week: int, credential: Credential) -> bool:
    """Return whether the rotation of that week's run made a credential or its access key."""
    made = rotation_id_of(credential)
    return made is not None and made.time == _run_after(week)


def _problems_of_credential(hook: CivoObjectStoreHook, new: Credential, strategy: str, week: int) -> list[str]:
    problems = []
    if not is_made_in(week, new) or (new.name == CREDENTIAL) != (strategy == "in_place"):
        problems.append(f"it is called {new.name} and has access key {new.access_key_id}")
    if new.suspended:
        problems.append("it is suspended")
    (use,) = hook.credential_inventory()
    if sorted(use.stores) != sorted(STORES):
        problems.append(f"it owns {use.stores}")
    return problems


def unusable_keys(hook: CivoObjectStoreHook) -> list[str]:
    """Return what consumers of the published credential cannot do."""
    published = published_keys()
    problems = []
    for name in STORES:
        options = hook.s3_options(name)
        if (published.get("access_key_id"), published.get("secret_access_key")) != (
            options.access_key_id,
            options.secret_access_key,
        ):
            problems.append(f"{published.get('access_key_id')} is published and {options.access_key_id} owns {name}")
        problems += unreadable_objects(options)
    return problems


def published_keys() -> dict[str, Any]:
    """Return what the publisher has written."""
    text = AnypointObjectStoreHook().partition(PUBLISHER.store_id, PUBLISHER.partition).get(PUBLISHER.key, "{}")
    found: dict[str, Any] = json.loads(str(text))
    return found


def read_everything(hook: CivoObjectStoreHook) -> Any:
    """Return everything that a rotation can change."""
    return list(hook.list_credentials()), list(hook.list_object_stores()), published_keys()


def assert_unchanged(hook: CivoObjectStoreHook, before: list[S3Options], state: Any) -> None:
    """Assert that nothing has changed since :func:`read_everything`, and that the old keys read all objects."""
    assert read_everything(hook) == state
    assert [unreadable_objects(options) for options in before] == [[], []]


def count_changes(emulator: Emulator) -> dict[str, Any]:
    """Return the requests that change something, by operation."""
    requests: dict[str, Any] = emulator.requests()["by_operation"]
    reading = "list_", "get_", "token"
    return {name: count for name, count in requests.items() if not name.split(".")[1].startswith(reading)}


# Settings


@contextmanager
def short_sleeps(longest: float = 0.03) -> Iterator[None]:
    """Limit every sleep, so that waits end sooner: nothing here is slow."""
    sleep = time.sleep
    with mock.patch("time.sleep", lambda seconds: sleep(min(seconds, longest))):
        yield


def connection_variables(emulator: Emulator) -> dict[str, str]:
    """Return the variables for the default connections to the emulator, without a limit of requests a second."""
    found = emulator.connections()
    for connection in found.values():
        connection["extra"]["requests_per_second"] = 100_000
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in found.items()}
