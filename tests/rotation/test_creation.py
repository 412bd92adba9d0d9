"""The credential of a rotation is created once, whoever begins and however often."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.exceptions import ConflictError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.context import RotationContext
from airflow_provider_objectstore.rotation.creation import create_or_continue
from airflow_provider_objectstore.rotation.names import name_for
from airflow_provider_objectstore.rotation.state import RotationTarget, SupersededError
from tests.rotation.conftest import ConfigureEmulator
from tests.rotation.harness import CREDENTIAL, rotate, rotation_id_of_run

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
