"""The emulator's settings, and the fixed credentials that it accepts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

CLIENT_ID = "emulator-client"
CLIENT_SECRET = "emulator-secret"  # noqa: S105 - the emulator's own, for everybody to read
READER_ID = "emulator-reader"
USERNAME = "emulator-user"
MFA_USERNAME = "emulator-mfa"
ORGANIZATION = "emulator-org"
ENVIRONMENT = "emulator-env"
ANYPOINT_REGION = "us-east-1"
CIVO_KEY = "emulator-key"
REGION = "LON1"


@dataclass(kw_only=True)
class Settings:
    """
    How an emulator behaves where the services may differ.

    Settings can be changed while the emulator runs in the same process: ``emulator.settings.creating_seconds = 5``,
    or in a test ``monkeypatch.setattr(emulator.settings, "creating_seconds", 5)``. A reset does not change them.
    ``requests_per_second`` and ``seed`` are read at the start only.

    :param token_seconds: lifetime of an access token, in seconds.
    :param creating_seconds: how long a new store stays ``creating``, and a new credential ``pending`` without its keys,
        in seconds.
    :param pending_seconds: how much longer a new credential stays ``pending`` once its keys are filled, as in the
        published examples; ``math.inf`` for ever.
    :param s3_lag_seconds: how far S3 lags behind Civo's API, in seconds. The API responds at once and shows what it
        created as ready; S3 applies changes of users, keys and owners after this time, in order. A lower value also
        applies to changes that are already waiting.
    :param requests_per_second: rate limit of each client address and service; ``None`` for no limit.
    :param retry_after: seconds for the ``Retry-After`` header of a 429; ``None`` omits the header.
    :param seed_form: respond with the fields of the published examples (``defaultTtlMillis``, ``"false"``,
        ``max_size_gb``, ``state``) instead of those that the live services were seen to send.
    :param unsorted: list Object Store v2's names in an order that is not alphabetical.
    :param positional_tokens: page tokens of Object Store v2 are positions, as in the vendor's example (``34``), so a
        deletion on pages already read moves what follows into them; instead of continuing after the last name.
    :param endpoint_form: a store's ``objectstore_endpoint`` as a bare ``host`` or as a ``url`` with a path.
    :param update_method: the method that Civo's updates accept; the other one is rejected with 405.
    :param owner_change: what an update of a store's ``access_key_id`` does: transfer the ``whole`` bucket; transfer
        only the ``bucket``, so that the objects in it remain readable to their old owner only; or nothing
        (``ignored``). The response is 200 each time.
    :param keep_own_credential: whether a credential that was created with a store stays when the store is deleted.
    :param max_per_page: the most that a page of Civo's listings has, whatever ``per_page`` requests.
    :param quota_gb: Civo's ``objectstore_gb_limit``, in GB.
    :param seed: seed of the random numbers that decide a fault's ``share``.
    :param clock: returns seconds that never go back; a test can replace it to move time.
    :param now: returns the time of day in seconds since 1970, for statistics.
    """

    token_seconds: float = 3600
    creating_seconds: float = 0.3
    pending_seconds: float = 0
    s3_lag_seconds: float = 0
    requests_per_second: float | None = None
    retry_after: float | None = None
    seed_form: bool = False
    unsorted: bool = False
    positional_tokens: bool = False
    endpoint_form: Literal["host", "url"] = "host"
    update_method: Literal["both", "patch", "put"] = "both"
    owner_change: Literal["whole", "bucket", "ignored"] = "whole"
    keep_own_credential: bool = True
    max_per_page: int = 10_000
    quota_gb: int = 10_000
    seed: int = 0
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
