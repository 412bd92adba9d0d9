"""
The statement of a rotation in a bucket's policy: it gives several credentials access to the bucket at the same time.

All other statements are kept as they are. A policy is read, changed and read back; what was not read is never
overwritten on purpose. S3 has no conditional write for policies, so a change by somebody else between the two requests
is found afterwards, when the policy is read back.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeAlias

from airflow_provider_objectstore.exceptions import ConflictError, ObjectStoreError
from airflow_provider_objectstore.rotation.verify import AccessDenied, Bucket

log = logging.getLogger(__name__)

Policy: TypeAlias = Mapping[str, Any]

SID = "AirflowObjectStoreRotation"
"""The ``Sid`` of the statement."""
MAX_ATTEMPTS = 5
"""How often a policy is changed again if somebody else changes it at the same time."""
_REFUSALS = frozenset({400, 405, 413, 416, 501})


class PolicyUnsupportedError(ObjectStoreError):
    """The service refuses bucket policies, or refuses this one."""


def user_arn(user_id: str) -> str:
    """
    Return the ARN by which a policy names a user.

    :param user_id: the user's id, as ``list_buckets`` returns it: ``user``, or ``tenant$user``.
    """
    tenant, _, user = user_id.rpartition("$")
    return f"arn:aws:iam::{tenant}:user/{user}"


def with_access(policy: Policy | None, bucket: str, arns: Iterable[str]) -> Policy:
    """
    Return a policy with the statement that gives users full access to a bucket and its objects.

    :param policy: the policy as it is; None if the bucket has none.
    :param bucket: the bucket's name.
    :param arns: the users' ARNs. They replace those of an earlier statement.
    """
    ours = len(_statements(policy)) - len(_foreign_statements(policy))
    if policy is not None and ours == 1 and users_of(policy) == set(arns):
        return policy  # services may show it in another form, such as one user as a text
    statement = {**_common(bucket), "Principal": {"AWS": sorted(arns)}}
    return {**(policy or {"Version": "2012-10-17"}), "Statement": [*_foreign_statements(policy), statement]}


def without_access(policy: Policy | None) -> Policy | None:
    """Return a policy without the statement; None if the bucket then needs no policy."""
    if policy is None or not has_statement(policy):
        return policy
    foreign = _foreign_statements(policy)
    return {**policy, "Statement": foreign} if foreign else None


def has_statement(policy: Policy | None) -> bool:
    """Return whether a policy has the statement."""
    return any(map(_is_ours, _statements(policy)))


def users_of(policy: Policy | None) -> set[str]:
    """Return the ARNs of the users that the statement gives access; empty without it."""
    users: set[str] = set()
    for statement in filter(_is_ours, _statements(policy)):
        principal = statement.get("Principal")
        named = principal.get("AWS", []) if isinstance(principal, Mapping) else []
        users.update([named] if isinstance(named, str) else named)
    return users


class BucketPolicy:
    """
    The policy of a bucket, read and changed with the credential that owns the bucket.

    :param bucket: the bucket as its owner sees it.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def read(self) -> Policy | None:
        """
        Read the policy; None if the bucket has none.

        :raises PolicyUnsupportedError: if the service refuses to show it.
        :raises ConflictError: if somebody has changed the statement, which would be lost.
        """
        found = self._request("get_bucket_policy")
        if isinstance(found, AccessDenied):
            if found.code == "NoSuchBucketPolicy":
                return None
            raise PolicyUnsupportedError(f"{self._bucket}: the policy cannot be read ({found.code})")
        try:
            policy = json.loads(found["Policy"])
        except ValueError:
            policy = None
        if not isinstance(policy, dict):
            raise ObjectStoreError(
                f"{self._bucket}: the response to get_bucket_policy is no policy. Something other than S3 may have "
                "sent it, such as a proxy or a login page: check s3_endpoint and what lies in between"
            )
        self._require_own_form(policy)
        return policy

    def _require_own_form(self, policy: Policy) -> None:
        ours = [statement for statement in _statements(policy) if _is_ours(statement)]
        if len(ours) > 1 or not all(_has_own_form(statement, self._bucket.name) for statement in ours):
            raise ConflictError(
                f"{self._bucket}: somebody has changed the statement {SID} of the bucket's policy, which rotations add "
                "and remove. Give what was changed another Sid, and run this task again"
            )

    def give_access(self, user_ids: Iterable[str]) -> None:
        """
        Add the statement, or add users to it.

        :param user_ids: the users that it is to name beside those that it names already.
        :raises PolicyUnsupportedError: if the service refuses it, or accepts and does not show it.
        :raises ConflictError: if somebody else keeps changing the policy.
        """
        added = set(map(user_arn, user_ids))
        self._change(lambda policy: with_access(policy, self._bucket.name, users_of(policy) | added))

    def take_access(self, user_ids: Iterable[str]) -> bool:
        """
        Remove users from the statement, and the statement if it names no other.

        :return: whether it names others, such as the user of a newer rotation.
        :raises ConflictError: if somebody else keeps changing the policy.
        """
        removed = set(map(user_arn, user_ids))
        return has_statement(self._change(lambda policy: self._with_users(policy, users_of(policy) - removed)))

    def keep_access(self, user_ids: Iterable[str]) -> None:
        """
        Remove all users but these from the statement, and the statement if it names none of them.

        :raises ConflictError: if somebody else keeps changing the policy.
        """
        kept = set(map(user_arn, user_ids))
        self._change(lambda policy: self._with_users(policy, users_of(policy) & kept))

    def remove_access(self) -> None:
        """
        Remove the statement, and the policy if it has no other.

        :raises ConflictError: if somebody else keeps changing the policy.
        """
        self._change(without_access)

    def _with_users(self, policy: Policy | None, users: Collection[str]) -> Policy | None:
        if not has_statement(policy):
            return policy
        return with_access(policy, self._bucket.name, users) if users else without_access(policy)

    def _change(self, edit: Callable[[Policy | None], Policy | None]) -> Policy | None:
        """Change the policy; return what was read back."""
        policy = self.read()
        for _ in range(MAX_ATTEMPTS):
            wanted = edit(policy)
            if wanted == policy:
                return policy
            self._write(wanted)
            before, policy = policy, self._read_again(policy)
            if policy == before:
                raise PolicyUnsupportedError(f"{self._bucket}: the service accepts a policy and does not show it")
        if edit(policy) != policy:
            raise ConflictError(
                f"{self._bucket}: somebody else keeps changing the policy. Run this task again after it"
            )
        return policy

    def _read_again(self, before: Policy | None) -> Policy | None:
        """Read the policy until it shows a change: this one, or somebody else's."""
        found: Policy | None = self._bucket.poll(self.read, until=lambda policy: policy != before)
        return found

    def _write(self, policy: Policy | None) -> None:
        if policy is None:
            done = self._request("delete_bucket_policy")
        else:
            done = self._request("put_bucket_policy", Policy=json.dumps(policy))
        if isinstance(done, AccessDenied) and done.code != "NoSuchBucketPolicy":
            raise PolicyUnsupportedError(f"{self._bucket}: the policy cannot be changed ({done.code})")

    def _request(self, method: str, **arguments: Any) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self._bucket.request(method, **arguments)
        except ObjectStoreError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and _is_refusal(cause.response):
                raise PolicyUnsupportedError(str(error)) from error
            raise


def _is_refusal(response: Mapping[str, Any]) -> bool:
    """Return whether S3 itself does not accept policies, or this one: a proxy's page has no code of S3's."""
    code = (response.get("Error") or {}).get("Code")
    return (
        response["ResponseMetadata"]["HTTPStatusCode"] in _REFUSALS
        and isinstance(code, str)
        and re.fullmatch("[A-Za-z]+", code) is not None
    )


def _statements(policy: Policy | None) -> list[Any]:
    found = (policy or {}).get("Statement", [])
    return list(found) if isinstance(found, list) else [found]


def _foreign_statements(policy: Policy | None) -> list[Any]:
    return [statement for statement in _statements(policy) if not _is_ours(statement)]


def _is_ours(statement: Any) -> bool:
    return isinstance(statement, Mapping) and statement.get("Sid") == SID


def _common(bucket: str) -> dict[str, Any]:
    """Return the statement without its users."""
    return {
        "Sid": SID,
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }


def _has_own_form(statement: Mapping[str, Any], bucket: str) -> bool:
    """Return whether a rotation wrote the statement; services may show a list of one as a text, and sort lists."""
    principal = statement.get("Principal")
    rest = {name: _as_set(value) for name, value in statement.items() if name != "Principal"}
    wanted = {name: _as_set(value) for name, value in _common(bucket).items()}
    return rest == wanted and isinstance(principal, Mapping) and set(principal) == {"AWS"} and principal["AWS"] != "*"


def _as_set(value: Any) -> Any:
    if isinstance(value, list):
        return frozenset(map(str, value))
    return frozenset({value}) if isinstance(value, str) else value
