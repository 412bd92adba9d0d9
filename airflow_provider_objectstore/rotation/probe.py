"""Whether a credential is let in over S3: a control plane's word is no proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.exceptions import ObjectStoreError, OwnerChangeUnsupportedError
from airflow_provider_objectstore.hooks.s3 import ask_s3, describe_s3_error, require_boto3
from airflow_provider_objectstore.hooks.s3_answers import denial_code

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.s3 import S3Options

SECONDS_BETWEEN = 0.5
WHY = "a rotation proves credentials over S3"


@dataclass(frozen=True)
class Denied:
    """S3's refusal, by its code."""

    code: str


class Bucket:
    """
    An object store's bucket, seen with one credential.

    :param options: the bucket and the keys.
    :param patience: for how many seconds S3 may lag behind the control plane.
    """

    def __init__(self, options: S3Options, patience: float) -> None:
        self._options = options
        self._patience = patience

    def __str__(self) -> str:
        return f"bucket {self._options.bucket} with access key {self._options.access_key_id}"

    def sample(self) -> str | None:
        """
        Return the key of the oldest object among the first thousand; None if the bucket is empty.

        :raises ObjectStoreError: if the credential is not let in.
        """
        oldest: str | Denied | None = self._list()
        if isinstance(oldest, Denied):
            raise ObjectStoreError(f"{self} is refused ({oldest.code}), although that credential owns it")
        return oldest

    def wait_until_usable(self, sample: str | None = None) -> None:
        """
        Wait until the bucket can be listed, and an object be read that was there before.

        :param sample: that object's key; without one, or if it is gone, the oldest that is found.
        :raises OwnerChangeUnsupportedError: if it can be listed and its objects cannot be read.
        :raises ObjectStoreError: if it cannot be listed.
        """
        oldest = self._until(self._list, _let_in)
        if isinstance(oldest, Denied):
            raise ObjectStoreError(f"{self} is refused ({oldest.code}), although the service says that it owns it")
        for key in (sample, oldest):
            read = None if key is None else self._until(partial(self._read, key), _let_in)
            if isinstance(read, Denied):
                raise OwnerChangeUnsupportedError(
                    f"{self} can be listed, but object {key!r} cannot be read ({read.code}): the bucket has changed "
                    "its owner and its objects have not"
                )
            if read:
                return

    def wait_until_refused(self) -> None:
        """
        Wait until the credential is refused.

        :raises ObjectStoreError: if it is still let in.
        """
        if not isinstance(self._until(self._list, lambda it: isinstance(it, Denied)), Denied):
            raise ObjectStoreError(f"{self} is still let in, {self._patience:g} s after that should have ended")

    @cached_property
    def _client(self) -> Any:
        boto3 = require_boto3(WHY)
        from botocore.config import Config

        once = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=30)
        options = dict(self._options)
        return boto3.client("s3", **{**options, "config": options["config"].merge(once)})

    def _list(self) -> Any:
        """Return the key of the oldest object, or the refusal; None if the bucket is empty."""
        bucket = self._options.bucket
        return self._ask(lambda client: _oldest(ask_s3(client, "list_objects_v2", Bucket=bucket)))

    def _read(self, key: str) -> Any:
        """Read a first byte; None if the object is gone."""

        def read(client: Any) -> bool:
            with ask_s3(client, "get_object", Bucket=self._options.bucket, Key=key)["Body"] as body:
                body.read(1)
            return True

        answer = self._ask(read)
        return None if answer == Denied("NoSuchKey") else answer

    def _ask(self, request: Callable[[Any], Any]) -> Any:
        """Return the answer, or the refusal."""
        from botocore.exceptions import ClientError

        client = self._client
        try:
            return request(client)
        except Exception as error:
            if isinstance(error, ClientError) and (code := denial_code(error.response)):
                return Denied(code)
            raise ObjectStoreError(f"{self}: {describe_s3_error(error)}") from error

    def _until(self, ask: Callable[[], Any], enough: Callable[[Any], bool]) -> Any:
        from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

        retrying = Retrying(
            retry=retry_if_result(lambda it: not enough(it)) | retry_if_exception_type(ObjectStoreError),
            stop=stop_after_delay(self._patience),
            wait=wait_fixed(SECONDS_BETWEEN),
            retry_error_callback=lambda state: state.outcome.result(),  # type: ignore[union-attr]
        )
        return retrying(ask)


def _let_in(answer: Any) -> bool:
    return not isinstance(answer, Denied)


def _oldest(listed: Any) -> str | None:
    found = min(listed.get("Contents", ()), key=lambda it: it["LastModified"], default=None)
    return found["Key"] if found else None
