"""Prove over S3 whether a credential has access: what the control plane returns is no proof."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.exceptions import (
    ConfigurationError,
    ObjectStoreError,
    OwnerChangeUnsupportedError,
    PermissionDeniedError,
)
from airflow_provider_objectstore.hooks.s3_client import call_s3, create_client, describe_s3_error, s3_error
from airflow_provider_objectstore.hooks.s3_responses import denial_code
from airflow_provider_objectstore.transport.failures import forget_handled, shown_cause

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.s3 import S3Options

POLL_INTERVAL = 0.5
"""Seconds between two requests while S3 may lag behind the control plane."""
PROBE = ".airflow-rotation"
"""The key of the object with which a credential proves that it writes and deletes; it is deleted at once."""
BOTO3_REASON = "a rotation proves credentials over S3"
"""What boto3 is needed for, see :func:`~airflow_provider_objectstore.hooks.s3_client.require_module`."""


@dataclass(frozen=True)
class AccessDenied:
    """S3 refused a request, with this error code."""

    code: str


class AccessDeniedError(PermissionDeniedError):
    """S3 refuses a credential that should have access."""


class ForeignObjectError(OwnerChangeUnsupportedError):
    """
    A bucket has changed its owner, and an object has not.

    :param message: bucket and object.
    :param owner_id: the id of the user that the object belongs to.
    """

    def __init__(self, message: str = "", owner_id: str = "") -> None:
        super().__init__(message)
        self.owner_id = owner_id


class Bucket:
    """
    An object store's bucket as one credential sees it. Only S3's own responses are proof.

    :param options: the bucket and the keys.
    :param settle_timeout: for how many seconds S3 may lag behind the control plane.
    """

    def __init__(self, options: S3Options, settle_timeout: float) -> None:
        self._options = options
        self._settle_timeout = settle_timeout

    @property
    def name(self) -> str:
        """The bucket's name."""
        return str(self._options.bucket)

    def __str__(self) -> str:
        return f"bucket {self._options.bucket} with access key {self._options.access_key_id}"

    def sample(self) -> str | None:
        """
        Return the key of the oldest object among the first thousand; None if the bucket is empty.

        :raises ObjectStoreError: if the credential is refused.
        """
        oldest: str | AccessDenied | None = self._list()
        if isinstance(oldest, AccessDenied):
            raise _denied(f"{self} is refused ({oldest.code}), although that credential owns it")
        return oldest

    def wait_until_usable(self, sample: str | None = None) -> None:
        """
        Wait until the credential lists the bucket and reads an object that was there before.

        :param sample: that object's key. Without it, or if it is gone, the oldest object is read.
        :raises OwnerChangeUnsupportedError: if the bucket can be listed and its objects cannot be read.
        :raises AccessDeniedError: if it may not be listed.
        :raises ObjectStoreError: if S3 gives no answer that can be used.
        """
        oldest = self.poll(self._list, until=_is_allowed)
        if isinstance(oldest, AccessDenied):
            raise AccessDeniedError(f"{self} is refused ({oldest.code}), although it should have access", status=403)
        for key in (sample, oldest):
            read = None if key is None else self.poll(partial(self._read, key), until=_is_allowed)
            if isinstance(read, AccessDenied):
                raise OwnerChangeUnsupportedError(
                    f"{self} can be listed, but object {key!r} cannot be read ({read.code}): the bucket has changed "
                    "its owner and its objects have not"
                )
            if read:
                return

    def wait_until_refused(self) -> None:
        """
        Wait until the credential is refused.

        :raises ObjectStoreError: if it still has access.
        """
        if _is_allowed(self.poll(self._list, until=_is_denied)):
            raise ObjectStoreError(
                f"{self} can still be listed, {self._settle_timeout:g} s after that access should have ended"
            )

    @property
    def user_id(self) -> str:
        """
        The id of the user that the credential belongs to, as bucket policies name it.

        :raises ObjectStoreError: if the credential is refused.
        """
        found = self.found_user_id
        if isinstance(found, AccessDenied):
            raise _denied(f"{self} is refused ({found.code}) when it lists its buckets")
        return found

    @cached_property
    def found_user_id(self) -> str | AccessDenied:
        """What :attr:`user_id` is, or :class:`AccessDenied` if S3 keeps refusing the credential."""
        response = self.poll(lambda: self._send(lambda client: call_s3(client, "list_buckets")), until=_is_allowed)
        return response if isinstance(response, AccessDenied) else str(response["Owner"]["ID"])

    def wait_until_writable(self) -> None:
        """
        Wait until the credential writes, reads and deletes the object :data:`PROBE`.

        :raises AccessDeniedError: if one of it is refused.
        :raises ObjectStoreError: if S3 gives no answer that can be used.
        """
        for request in (partial(self.request, "put_object", Body=b"", Key=PROBE), self._read_probe, self.delete_probe):
            result = self.poll(request, until=_is_allowed)
            if isinstance(result, AccessDenied):
                raise AccessDeniedError(
                    f"{self} is refused ({result.code}) when it writes, reads and deletes {PROBE!r}", status=403
                )

    def delete_probe(self) -> Any:
        """Delete the object :data:`PROBE`, which a credential that may not delete has left."""
        return self.request("delete_object", Key=PROBE)

    def wait_until_listed(self) -> None:
        """
        Wait until the bucket is among those that the credential owns.

        :raises OwnerChangeUnsupportedError: if it is not.
        """

        def names() -> list[str]:
            response = self._send(lambda client: call_s3(client, "list_buckets"))
            return [] if isinstance(response, AccessDenied) else [entry["Name"] for entry in response["Buckets"]]

        if self.name not in self.poll(names, until=lambda found: self.name in found):
            raise OwnerChangeUnsupportedError(f"{self} is not among the buckets that S3 shows as this credential's")

    def wait_until_objects_belong_to(self, user_id: str) -> None:
        """
        Wait until all objects belong to a user, as far as S3 shows their owners. Each page of the listing is a request.

        :raises ForeignObjectError: if one belongs to another user.
        """
        checked: dict[str, str] = {}  # where the listing goes on

        def foreign() -> tuple[str, str] | None:
            while True:
                listing = self.request("list_objects_v2", FetchOwner=True, **checked)
                if isinstance(listing, AccessDenied):
                    raise _denied(f"{self} is refused ({listing.code})")
                for entry in listing.get("Contents", ()):
                    owner_id = entry.get("Owner", {}).get("ID")
                    if owner_id not in (None, "", user_id):
                        return str(entry["Key"]), str(owner_id)
                    checked["StartAfter"] = entry["Key"]
                if not listing.get("IsTruncated"):
                    return None
                if not listing.get("Contents"):
                    raise ObjectStoreError(f"{self}: a page of its listing is empty and says that more follows")

        if found := self.poll(foreign, until=lambda found: found is None):
            key, owner_id = found
            raise ForeignObjectError(
                f"{self}: the bucket has changed its owner and its object {key!r} has not", owner_id
            )

    def request(self, method: str, **arguments: Any) -> Any:
        """
        Send a request about this bucket.

        :param method: the client's method, such as ``get_bucket_policy``.
        :param arguments: its arguments without the bucket.
        :return: the response, or :class:`AccessDenied` if S3 refuses it.
        :raises ObjectStoreError: for any other error.
        """
        return self._send(lambda client: call_s3(client, method, Bucket=self._options.bucket, **arguments))

    @cached_property
    def _client(self) -> Any:
        single_attempt = {"total_max_attempts": 1}
        return create_client(self._options, BOTO3_REASON, retries=single_attempt, connect_timeout=10, read_timeout=30)

    def _list(self) -> str | AccessDenied | None:
        """Return the key of the oldest object; None if the bucket is empty."""
        result: str | AccessDenied | None = self._send(
            lambda client: _oldest_key(call_s3(client, "list_objects_v2", Bucket=self._options.bucket))
        )
        return result

    def _read(self, key: str) -> bool | AccessDenied | None:
        """Read an object's first byte; return None if the object is gone."""

        def read(client: Any) -> bool:
            with call_s3(client, "get_object", Bucket=self._options.bucket, Key=key)["Body"] as body:
                body.read(1)
            return True

        result: bool | AccessDenied = self._send(read)
        return None if result == AccessDenied("NoSuchKey") else result

    def _read_probe(self) -> bool | AccessDenied | None:
        """Read the object that was written; None if another worker has deleted it meanwhile."""
        return self._read(PROBE)

    def _send(self, request: Callable[[Any], Any]) -> Any:
        """Return what the request returns, or :class:`AccessDenied` if S3 refuses it."""
        from botocore.exceptions import ClientError

        client = self._client
        handled = sys.exception()
        try:
            return request(client)
        except Exception as error:
            if isinstance(error, ClientError) and (code := denial_code(error.response)):
                return AccessDenied(code)
            if isinstance(error, ClientError):  # policies look at S3's refusal
                raise ObjectStoreError(f"{self}: {describe_s3_error(error)}") from error
            if isinstance(error, ObjectStoreError):
                raise error.prefixed(f"{self}: ") from error.__cause__
            forget_handled(error, handled)
            raise s3_error(error, str(self)) from shown_cause(error)

    def poll(self, request: Callable[[], Any], *, until: Callable[[Any], bool]) -> Any:
        """Repeat a request until its result is as expected; return the last result."""
        from tenacity import Retrying, retry_if_exception, retry_if_result, stop_after_delay, wait_fixed

        retrying = Retrying(
            retry=retry_if_result(lambda result: not until(result)) | retry_if_exception(_may_pass),
            stop=stop_after_delay(self._settle_timeout),
            wait=wait_fixed(POLL_INTERVAL),
            retry_error_callback=lambda state: state.outcome.result(),  # type: ignore[union-attr]
        )
        return retrying(request)


def _denied(message: str) -> PermissionDeniedError:
    return PermissionDeniedError(message, status=403)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ObjectStoreError) and not isinstance(error, ConfigurationError)


def _is_denied(result: Any) -> bool:
    return isinstance(result, AccessDenied)


def _is_allowed(result: Any) -> bool:
    return not _is_denied(result)


def _oldest_key(listing: Any) -> str | None:
    oldest = min(listing.get("Contents", ()), key=lambda entry: entry["LastModified"], default=None)
    return oldest["Key"] if oldest else None
