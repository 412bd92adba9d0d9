"""The credential of a rotation is created once, whoever begins and however often."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.emulator.civo import operations
from airflow_provider_objectstore.exceptions import ConflictError, ResourceFailedError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.context import RotationContext
from airflow_provider_objectstore.rotation.creation import create_or_continue
from airflow_provider_objectstore.rotation.names import name_for
from airflow_provider_objectstore.rotation.state import RotationTarget, SupersededError
from tests.rotation.conftest import ConfigureEmulator
from tests.rotation.harness import (
    CREDENTIAL,
    find_problems,
    has_access,
    rotate,
    rotation_id_of_run,
    start_grace_period,
)

Before = list[S3Options]
NAME = name_for(CREDENTIAL, rotation_id_of_run())


def context_of(hook: CivoObjectStoreHook) -> RotationContext:
    return RotationContext(hook, RotationTarget(CREDENTIAL), rotation_id_of_run())


def test_it_is_created_once(before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator) -> None:
    configure_emulator(creating_seconds=0.3)
    context = context_of(hook)
    new = create_or_continue(context, context.refresh())
    assert (new.name, new.has_keys) == (NAME, True)
    assert create_or_continue(context, context.refresh()) == new
    assert len(list(hook.list_credentials())) == 2


@pytest.mark.parametrize("created", [True, False], ids=["and is there", "and is not there"])
def test_another_worker_was_faster(created: bool, before: Before, hook: CivoObjectStoreHook) -> None:
    class Slow(CivoObjectStoreHook):
        def create_credential(self, name: str, **settings: Any) -> Credential:
            if created:
                super().create_credential(name, **settings)
            raise ConflictError("the name is taken", status=409)

    context = context_of(Slow())
    state = context.refresh()
    if created:
        assert create_or_continue(context, state).name == NAME
        assert len(list(hook.list_credentials())) == 2
    else:
        with pytest.raises(ConflictError, match="the name is taken"):
            create_or_continue(context, state)


@pytest.mark.parametrize("strategy", ["overlap", "replace"])
@pytest.mark.parametrize("size", [500, 2000], ids=["smaller", "larger"])
def test_the_owner_was_resized_since_a_killed_try(
    size: int, strategy: str, before: Before, hook: CivoObjectStoreHook
) -> None:
    (owner,) = hook.list_credentials()
    hook.create_credential(NAME, max_size_gb=size)
    hook.update_credential(owner.id, max_size_gb=1000)
    rotate(strategy=strategy)
    assert [(credential.name, credential.max_size_gb) for credential in hook.list_credentials()] == [(NAME, 1000)]
    assert find_problems(hook, before, strategy) == []


@pytest.mark.parametrize("strategy", ["overlap", "replace"])
def test_a_service_that_gives_less_than_asked_for(
    strategy: str, before: Before, hook: CivoObjectStoreHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    (owner,) = hook.list_credentials()
    hook.update_credential(owner.id, max_size_gb=2000)
    with monkeypatch.context() as patch:
        for name in ("create_credential", "update_credential"):
            send = getattr(CivoObjectStoreHook, name)
            patch.setattr(
                CivoObjectStoreHook,
                name,
                lambda self, which, send=send, **settings: send(
                    self, which, **{**settings, **({"max_size_gb": 500} if "max_size_gb" in settings else {})}
                ),
            )
        with pytest.raises(ResourceFailedError, match=f"2000 GB.* {NAME} has 500 GB"):
            rotate(strategy=strategy)
    assert [credential.name for credential in hook.list_credentials()] == [CREDENTIAL], "it is undone"
    assert all(map(has_access, before))
    rotate(strategy=strategy)
    assert [(credential.name, credential.max_size_gb) for credential in hook.list_credentials()] == [(NAME, 2000)]
    assert find_problems(hook, before, strategy) == []


def test_one_that_consumers_have_may_be_smaller(before: Before, hook: CivoObjectStoreHook) -> None:
    (owner,) = hook.list_credentials()
    finish = start_grace_period(strategy="overlap")
    hook.update_credential(owner.id, max_size_gb=2000)
    finish()
    assert find_problems(hook, before, "overlap") == []


@pytest.mark.parametrize("size", [-1, 20, 250])
def test_an_owner_of_a_size_that_nothing_can_be_created_with(
    size: int,
    before: Before,
    hook: CivoObjectStoreHook,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    show = operations._credential_json

    def show_odd_size(state: Any, credential: Any) -> dict[str, Any]:
        return {**show(state, credential), **({"max_size_gb": size} if credential.name == CREDENTIAL else {})}

    with monkeypatch.context() as patch:
        patch.setattr(operations, "_credential_json", show_odd_size)
        rotate(strategy="overlap")
    assert f"The size of {CREDENTIAL} is not copied: a size of {size} GB is not allowed" in caplog.text
    assert find_problems(hook, before, "overlap") == []


def test_a_newer_rotation_began_meanwhile(before: Before, hook: CivoObjectStoreHook) -> None:
    context = context_of(hook)
    state = context.refresh()
    rotate(2)
    with pytest.raises(SupersededError):
        create_or_continue(context, state)


def test_what_comes_before_the_change(
    before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    """It may take a while, so the check for newer rotations comes after it."""
    configure_emulator(creating_seconds=0.3)
    context = context_of(hook)
    found: list[bool] = []

    def look() -> None:
        (new,) = (credential for credential in hook.list_credentials() if credential.name == NAME)
        found.append(new.has_keys)
        rotate(2)

    with pytest.raises(SupersededError):
        create_or_continue(context, context.refresh(), before_change=look)
    assert found == [True]
