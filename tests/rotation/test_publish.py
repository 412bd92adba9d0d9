"""Which credential publishers get, and what a publisher that fails leaves behind."""

from __future__ import annotations

import re

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from tests.rotation.harness import (
    PUBLISHER,
    STORES,
    RecordingPublisher,
    create_stores,
    find_problems,
    has_access,
    published_keys,
    rotate,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]


@pytest.mark.parametrize("strategy", ["replace", "in_place"])
@pytest.mark.parametrize("problem", [ObjectStoreError("no shelf"), OSError("no shelf"), AirflowTaskTimeout("no shelf")])
def test_a_publisher_that_fails_once(
    strategy: str, problem: BaseException, before: Before, hook: CivoObjectStoreHook
) -> None:
    publisher = RecordingPublisher(problem)
    (old,) = hook.list_credentials()
    with pytest.raises((ObjectStoreError, AirflowTaskTimeout), match="no shelf") as caught:
        rotate(strategy=strategy, publishers=[PUBLISHER, publisher])
    credentials = list(hook.list_credentials())
    assert old.id in [credential.id for credential in credentials]
    (use,) = (use for use in hook.credential_inventory() if use.stores)
    assert published_keys()["access_key_id"] == use.credential.access_key_id
    if isinstance(caught.value, ObjectStoreError):
        assert "could not be published to a shelf" in str(caught.value)
        names = [credential.name for credential in credentials]
        assert [name for name in names if not re.search(rf" {name} ", str(caught.value))] == []
    result = rotate(strategy=strategy, publishers=[PUBLISHER, publisher])
    assert result["gap_seconds"] is None
    assert find_problems(hook, before, strategy) == []
    (published,) = publisher.published
    assert published.access_key_id == result["credential"]["access_key_id"]
    assert has_access(published, STORES[0])


def test_a_publisher_that_always_fails(before: Before, hook: CivoObjectStoreHook) -> None:
    publisher = RecordingPublisher(*[ObjectStoreError("no shelf")] * 9)
    for _ in range(3):
        with pytest.raises(ObjectStoreError, match="no shelf"):
            rotate(publishers=[publisher])
        uses = hook.credential_inventory()
        assert sorted(len(use.stores) for use in uses) == [0, 2]
        assert not any(use.credential.suspended for use in uses)


def test_a_publisher_whose_error_holds_the_secret(before: Before, hook: CivoObjectStoreHook) -> None:
    class LeakingPublisher(RecordingPublisher):
        def publish(self, credential: S3Options) -> None:
            raise OSError(f"cannot write {credential.secret_access_key}")

    with pytest.raises(ObjectStoreError) as caught:
        rotate(publishers=[LeakingPublisher()])
    for credential in hook.list_credentials():
        assert credential.secret_access_key not in str(caught.value)


def test_what_a_publisher_gets(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    create_stores(hook, "one", ["only"])
    create_stores(hook, "two", STORES)
    publisher = RecordingPublisher()
    rotate(credential="one", publishers=[publisher])
    assert publisher.published[-1].bucket == "only"
    rotate(credential="two", publishers=[publisher])
    assert publisher.published[-1].bucket is None
