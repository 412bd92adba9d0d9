"""The package's S3 clients against a server that misbehaves below HTTP."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from tests.chaos.misbehaviours import MISBEHAVIOURS
from tests.chaos.wire import recording
from tests.chaos.wire_s3 import BUCKET, LIMITS, S3Outcome, S3Server, operations, run_operation
from tests.fs.buckets import create

pytestmark = pytest.mark.slow

ALL = os.environ.get("CHAOS") == "all"
LONGEST = 60
"""Seconds; boto3 and s3fs repeat what fails."""
NOT_FOR_S3 = {name for name in MISBEHAVIOURS if "drip" in name or "for ever" in name}
"""S3 clients wait for a part of a response, as long as another one comes; docs/storage.md says so."""
UNNOTICED = {
    "length too short",
    "length twice, the same",
    "length with an underscore",
    "body with NULs",
    "body that is no UTF-8",
    "body in UTF-16",
    "206",
    "closed in the headers",
    "after early hints",
}
"""
S3's bodies can be anything, so that a wrong body is not noticed. Of the last two, boto3's own users get an empty body:
it takes the end of a connection for the end of the headers, and a 103 for the response.
"""
USUAL = {
    "length too long",
    "chunks, no end",
    "closed after the request",
    "no response",
    "two responses at once",
    "an error with headers that are no UTF-8",
    "307 to another port",
    "308 to another host",
}
"""The usual run's share, with three uses of S3."""
CHOSEN = [name for name in MISBEHAVIOURS if name not in NOT_FOR_S3 and (ALL or name in USUAL)]
USES = list(operations())[: None if ALL else 3]


def run(numbered: tuple[int, str], emulator: Emulator, elsewhere: int) -> list[S3Outcome]:
    number, name = numbered
    server = S3Server(MISBEHAVIOURS[name], elsewhere=elsewhere)
    connection = emulator.connections()["civo_default"]
    variable = f"AIRFLOW_CONN_WIRE_S3_{number}"
    os.environ[variable] = json.dumps({**connection, "extra": {**connection["extra"], "s3_endpoint": server.url}})
    misleads = (
        MISBEHAVIOURS[name].misleads
        or name in UNNOTICED
        or name.startswith("encoding")
        or "gzip" in name
        or "deflate" in name
    )
    try:
        options = CivoObjectStoreHook(f"wire_s3_{number}").s3_options(BUCKET)
        fs = fsspec.filesystem("civo", conn_id=f"wire_s3_{number}", skip_instance_cache=True)
        return [run_operation(name, label, server, options, fs, misleads=misleads) for label in USES]
    finally:
        server.stop()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[int, list[bytes]]]:
    with recording() as (port, received):
        yield port, received


@pytest.fixture(scope="module")
def results(services: Emulator, elsewhere: tuple[int, list[bytes]]) -> dict[str, list[S3Outcome]]:
    services.reset()
    with pytest.MonkeyPatch.context() as patch:
        before = S3Options._config_arguments
        patch.setattr("s3fs.S3FileSystem.retries", 2)
        patch.setattr(S3Options, "_config_arguments", lambda self: {**before(self), **LIMITS})
        patch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(services.connections()["civo_default"]))
        hook = CivoObjectStoreHook()
        create(hook, BUCKET, hook.create_credential("mine").access_key_id)
        with ThreadPoolExecutor(12) as threads:  # more of them, and time-outs come from a busy machine
            found = threads.map(lambda numbered: run(numbered, services, elsewhere[0]), enumerate(CHOSEN))
            return dict(zip(CHOSEN, found, strict=True))


@pytest.mark.parametrize("name", CHOSEN)
def test_a_misbehaviour(name: str, results: dict[str, list[S3Outcome]]) -> None:
    assert not [
        f"{outcome.operation} ({outcome.kind}, {outcome.text[:150]}): {problem}"
        for outcome in results[name]
        for problem in outcome.problems
    ]
    assert max(outcome.seconds for outcome in results[name]) < LONGEST


def test_nothing_goes_to_another_host(results: dict[str, list[S3Outcome]], elsewhere: tuple[int, list[bytes]]) -> None:
    assert elsewhere[1] == []


def test_figures(results: dict[str, list[S3Outcome]]) -> None:
    """Print what ``make chaos`` shows."""
    outcomes = [outcome for each in results.values() for outcome in each]
    print(f"{len(results)} misbehaviours x {len(USES)} uses of S3, {len(outcomes)} calls")
    for kind, count in Counter(outcome.kind for outcome in outcomes).most_common():
        print(f"  {kind}: {count}")
    print(f"the longest: {max(outcome.seconds for outcome in outcomes):.1f} s")
