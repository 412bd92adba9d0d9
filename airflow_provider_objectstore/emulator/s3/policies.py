"""
Bucket policies, as Ceph's gateway evaluates them.

Allow and Deny, users by ARN, buckets and objects as resources. A policy with anything else (conditions,
``NotPrincipal``, roles) is rejected, so that no test passes because a rule was ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl

MAX_POLICY_BYTES = 1 << 20
"""The gateway's limit for a parameter of this size (``rgw_max_put_param_size``)."""

_MEMBERS = {"Sid", "Effect", "Principal", "Action", "Resource"}
_USER_ARN = re.compile(r"arn:aws:iam::(?P<tenant>[\w-]*):user/(?P<name>[\w.@+=,-]+)")
_ACTION = re.compile(r"s3:[A-Za-z*]+")
_RESOURCE = re.compile(r"arn:aws:s3:::.+")


class MalformedPolicyError(ValueError):
    """The policy is invalid, or the emulator cannot evaluate it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """
    One statement of a policy.

    :param allow: whether it allows or denies.
    :param users: ids of users; ``None`` for everyone.
    :param actions: patterns of actions, such as ``s3:Get*``.
    :param resources: patterns of ARNs.
    """

    allow: bool
    users: frozenset[str] | None
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def matches(self, user: str | None, action: str, bucket: str, key: str) -> bool:
        """Return whether the statement applies to this request."""
        resource = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
        return (
            (self.users is None or user in self.users)
            and any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.actions)
            and any(fnmatchcase(resource, _escape(pattern)) for pattern in self.resources)
        )


def parse_policy(text: bytes) -> tuple[Statement, ...]:
    """
    Parse a policy document.

    :raises MalformedPolicyError: if the text is not a policy, or the emulator cannot evaluate it.
    """
    if len(text) > MAX_POLICY_BYTES:
        raise MalformedPolicyError(f"{len(text):,} bytes, more than {MAX_POLICY_BYTES:,}")
    try:
        document = json.loads(text)
        statements = document["Statement"]
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedPolicyError(f"no policy document ({type(error).__name__})") from error
    if set(document) - {"Version", "Id", "Statement"}:
        raise MalformedPolicyError(f"unknown members: {sorted(set(document) - {'Version', 'Id', 'Statement'})}")
    return tuple(_parse_statement(item) for item in (statements if isinstance(statements, list) else [statements]))


def decide(statements: Iterable[Statement], user: str | None, action: str, bucket: str, key: str = "") -> bool | None:
    """
    Evaluate a policy.

    :return: ``False`` if a statement denies the request, else ``True`` if one allows it, else ``None``: only the owner
        is allowed.
    """
    effects = {statement.allow for statement in statements if statement.matches(user, action, bucket, key)}
    return False if False in effects else True if True in effects else None


_BUCKET_ACTIONS = {
    ("GET", "policy"): "s3:GetBucketPolicy",
    ("PUT", "policy"): "s3:PutBucketPolicy",
    ("DELETE", "policy"): "s3:DeleteBucketPolicy",
    ("GET", "versions"): "s3:ListBucketVersions",
    ("GET", "uploads"): "s3:ListBucketMultipartUploads",
    ("GET", "location"): "s3:GetBucketLocation",
    ("GET", "acl"): "s3:GetBucketAcl",
    ("PUT", "acl"): "s3:PutBucketAcl",
    ("POST", "delete"): "s3:DeleteObject",
    ("DELETE", ""): "s3:DeleteBucket",
    ("PUT", ""): "s3:CreateBucket",
}
_OBJECT_ACTIONS = {
    ("GET", "uploadId"): "s3:ListMultipartUploadParts",
    ("DELETE", "uploadId"): "s3:AbortMultipartUpload",
    ("GET", "acl"): "s3:GetObjectAcl",
    ("PUT", "acl"): "s3:PutObjectAcl",
    ("GET", ""): "s3:GetObject",
    ("HEAD", ""): "s3:GetObject",
    ("DELETE", ""): "s3:DeleteObject",
}


def action_of(method: str, key: str, query: str) -> str:
    """Return the action that a request needs."""
    actions, default = (_OBJECT_ACTIONS, "s3:PutObject") if key else (_BUCKET_ACTIONS, "s3:ListBucket")
    parameters = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    parameter = next((name for name in parameters if (method, name) in actions), "")
    return actions.get((method, parameter), default)


def _parse_statement(item: Any) -> Statement:
    if not isinstance(item, Mapping) or set(item) - _MEMBERS:
        unknown = sorted(set(item) - _MEMBERS) if isinstance(item, Mapping) else item
        raise MalformedPolicyError(f"the emulator does not know {unknown!r}")
    if item.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyError(f"Effect {item.get('Effect')!r}")
    return Statement(
        allow=item["Effect"] == "Allow",
        users=_parse_users(item.get("Principal")),
        actions=_parse_patterns("Action", item.get("Action"), _ACTION),
        resources=_parse_patterns("Resource", item.get("Resource"), _RESOURCE),
    )


def _parse_users(principal: Any) -> frozenset[str] | None:
    if principal == "*" or principal == {"AWS": "*"}:
        return None
    if not isinstance(principal, Mapping) or set(principal) != {"AWS"}:
        raise MalformedPolicyError(f"Principal {principal!r}")
    users = set()
    for arn in _as_list(principal["AWS"]):
        if not isinstance(arn, str) or not (match := _USER_ARN.fullmatch(arn)):
            raise MalformedPolicyError(f"Principal {arn!r}")
        users.add(f"{match['tenant']}${match['name']}" if match["tenant"] else match["name"])
    return frozenset(users)


def _parse_patterns(name: str, value: Any, form: re.Pattern[str]) -> tuple[str, ...]:
    patterns = tuple(_as_list(value))
    if not patterns or not all(isinstance(pattern, str) and form.fullmatch(pattern) for pattern in patterns):
        raise MalformedPolicyError(f"{name} {value!r}")
    return patterns


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _escape(pattern: str) -> str:
    """Escape the wildcards of fnmatch that a policy does not have: all but ``*`` and ``?``."""
    return pattern.replace("[", "[[]")
