"""What happens to the credential that was replaced."""

from __future__ import annotations

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from tests.rotation.harness import find_problems, has_access, read_everything, rotate

pytestmark = pytest.mark.slow

Before = list[S3Options]


@pytest.mark.parametrize("retire", ["delete", "suspend"])
def test_a_service_that_does_not_suspend(
    retire: str, before: Before, hook: CivoObjectStoreHook, emulator: Emulator
) -> None:
    emulator.faults([{"operation": "civo.update_credential", "kind": "status", "status": 400}])
    if retire == "delete":
        rotate(retire=retire)
        assert find_problems(hook, before, "replace", 1) == []
        return
    with pytest.raises(ObjectStoreError, match="400"):
        rotate(retire=retire)


@pytest.mark.parametrize("retire", ["delete", "suspend", "keep"])
def test_retirement(retire: str, before: Before, hook: CivoObjectStoreHook) -> None:
    (old,) = hook.list_credentials()
    result = rotate(retire=retire)
    assert [retired["id"] for retired in result["retired"]] == [old.id]
    suspended = [credential.suspended for credential in hook.list_credentials() if credential.id == old.id]
    assert suspended == {"delete": [], "suspend": [True], "keep": [False]}[retire]
    assert not any(has_access(options) for options in before)
    state = read_everything(hook)
    rotate(retire=retire)
    assert read_everything(hook) == state
    # The next week deletes what was left.
    rotate(2)
    assert find_problems(hook, before, "replace", 2) == []
