"""What can be set on an emulator, and the fixed credentials that it accepts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

CLIENT_ID = "emulator-client"
CLIENT_SECRET = "emulator-secret"
READER_ID = "emulator-reader"
USERNAME = "emulator-user"
MFA_USERNAME = "emulator-mfa"
ORGANIZATION = "emulator-org"
ENVIRONMENT = "emulator-env"
CIVO_KEY = "emulator-key"
REGION = "LON1"


@dataclass(kw_only=True)
class Settings:
    """
    How an emulator behaves where the services leave room.

    They can be set while it runs, in the same process: ``emulator.settings.creating_seconds = 5``, or in a test
    ``monkeypatch.setattr(emulator.settings, "creating_seconds", 5)``. A reset leaves them as they are.
    ``requests_per_second``, ``seed`` and ``clock`` count at the start only.

    :param token_seconds: lifetime of an access token, in seconds.
    :param creating_seconds: how long a new store stays ``creating``, and a new credential ``pending`` without its keys,
        in seconds.
    :param pending_seconds: how much longer a new credential stays ``pending`` once its keys are filled, as in the
        published examples; ``math.inf`` for good.
    :param s3_lag_seconds: how long S3 stays behind: Civo's API answers at once, and shows what it created as ready,
        while S3 hears of users, keys and owners only after so many seconds, in order. Lowered, it holds for what is
        on its way too.
    :param requests_per_second: budget of one client address and service; ``None`` for no limit.
    :param retry_after: seconds to name in ``Retry-After`` on a 429; ``None`` leaves the header out.
    :param seed_form: answer with the fields of the published examples (``defaultTtlMillis``, ``"false"``,
        ``max_size_gb``, ``state``) instead of those that the live services were seen to send.
    :param unsorted: let Object Store v2 list in an order that is not that of the names.
    :param endpoint_form: a store's ``objectstore_endpoint`` as a bare ``host`` or as a ``url`` with a path.
    :param update_method: the verb that Civo's updates answer to; the other one gets a 405.
    :param owner_change: what updating a store's ``access_key_id`` does: hand over the ``whole`` bucket, only the
        ``bucket`` while the objects in it stay readable to their old owner alone, or nothing (``ignored``). The answer
        is 200 each time.
    :param keep_own_credential: whether a credential that came with a store stays when the store goes.
    :param quota_gb: Civo's ``objectstore_gb_limit``.
    :param seed: seed of the random numbers that decide a fault's ``share``.
    :param clock: seconds that never go back; replace it to move time in a test.
    """

    token_seconds: float = 3600
    creating_seconds: float = 0.3
    pending_seconds: float = 0
    s3_lag_seconds: float = 0
    requests_per_second: float | None = None
    retry_after: float | None = None
    seed_form: bool = False
    unsorted: bool = False
    endpoint_form: Literal["host", "url"] = "host"
    update_method: Literal["both", "patch", "put"] = "both"
    owner_change: Literal["whole", "bucket", "ignored"] = "whole"
    keep_own_credential: bool = True
    quota_gb: int = 10_000
    seed: int = 0
    clock: Callable[[], float] = time.monotonic
