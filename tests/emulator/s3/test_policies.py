"""Bucket policies, on moto behind the proxy and on Ceph's gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_objectstore.emulator import S3Backend
from airflow_provider_objectstore.emulator.s3.policies import MAX_POLICY_BYTES, MalformedPolicyError, parse_policy
from tests.emulator.conftest import Connect, s3_error

BUCKET = "bucket-a"
DENIED = "403 AccessDenied"
A, B = "arn:aws:iam:::user/a", "arn:aws:iam:::user/b"
WHOLE = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]


def statement(effect: str = "Allow", users: Any = (A, B), action: Any = "s3:*", resource: Any = tuple(WHOLE)) -> Any:
    principal = users if isinstance(users, str) else {"AWS": list(users)}
    resources = resource if isinstance(resource, str) else list(resource)
    return {"Sid": "Test", "Effect": effect, "Principal": principal, "Action": action, "Resource": resources}


def policy(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture
def owner(connect: Connect, two_users: SimpleNamespace) -> Any:
    client = connect()
    client.put_object(Bucket=BUCKET, Key="in/first", Body=b"first")
    return client


@pytest.fixture
def other(connect: Connect, two_users: SimpleNamespace) -> Any:
    return connect("KEY-B", "secret-b")


def use(client: Any) -> Iterator[str]:
    """Do everything that a consumer does. Yield the result of each request."""
    requests: dict[str, dict[str, Any]] = {
        "list_objects_v2": {},
        "get_object": {"Key": "in/first"},
        "head_object": {"Key": "in/first"},
        "put_object": {"Key": "mine", "Body": b"mine"},
        "copy_object": {"Key": "copy", "CopySource": {"Bucket": BUCKET, "Key": "in/first"}},
        "delete_object": {"Key": "mine"},
        "delete_objects": {"Delete": {"Objects": [{"Key": "copy"}]}},
        "create_multipart_upload": {"Key": "large"},
        "list_multipart_uploads": {},
        "list_object_versions": {},
    }
    for method, arguments in requests.items():
        try:
            getattr(client, method)(Bucket=BUCKET, **arguments)
        except ClientError as error:
            yield f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}"
        else:
            yield "done"


def test_allows_everything_to_two_users(owner: Any, other: Any) -> None:
    assert set(use(other)) - {DENIED, "403 403"} == set()
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy(statement()))
    assert set(use(owner)) == set(use(other)) == {"done"}
    assert s3_error(other.get_object, Bucket=BUCKET, Key="none") == "404 NoSuchKey"
    assert s3_error(other.head_object, Bucket=BUCKET, Key="none") == "404 404"
    assert [bucket["Name"] for bucket in other.list_buckets()["Buckets"]] == ["bucket-b"]


def test_a_third_user_stays_denied(owner: Any, other: Any, s3_backend: S3Backend, connect: Connect) -> None:
    s3_backend.put_user("c", "KEY-C", "secret-c")
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy(statement()))
    assert set(use(connect("KEY-C", "secret-c"))) - {DENIED, "403 403"} == set()


def test_deny_overrides_allow(owner: Any, other: Any) -> None:
    deny = statement("Deny", [B], "s3:GetObject", f"arn:aws:s3:::{BUCKET}/in/*")
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy(statement(), deny))
    assert s3_error(other.get_object, Bucket=BUCKET, Key="in/first") == DENIED
    other.put_object(Bucket=BUCKET, Key="out", Body=b"1")
    assert other.get_object(Bucket=BUCKET, Key="out")["Body"].read() == b"1"
    assert owner.get_object(Bucket=BUCKET, Key="in/first")["Body"].read() == b"first"


def test_deleting_many_is_decided_for_each_key(owner: Any, other: Any) -> None:
    deny = statement("Deny", [A, B], "s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/in/*")
    owner.put_object(Bucket=BUCKET, Key="out", Body=b"1")
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy(statement(), deny))
    objects = [{"Key": "in/first"}, {"Key": "out"}]
    for client in (other, owner):
        result = client.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})
        assert [entry["Key"] for entry in result["Deleted"]] == ["out"]
        assert [(entry["Key"], entry["Code"]) for entry in result["Errors"]] == [("in/first", "AccessDenied")]


def test_single_actions(owner: Any, other: Any) -> None:
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy(statement(action=["s3:ListBucket", "s3:Get*"])))
    other.list_objects_v2(Bucket=BUCKET)
    other.get_object(Bucket=BUCKET, Key="in/first")
    assert s3_error(other.put_object, Bucket=BUCKET, Key="x", Body=b"") == DENIED
    assert s3_error(other.delete_object, Bucket=BUCKET, Key="in/first") == DENIED
    assert s3_error(other.put_bucket_policy, Bucket=BUCKET, Policy=policy(statement())) == DENIED


@pytest.mark.parametrize("users", ["*", ("*",)])
def test_everyone(owner: Any, other: Any, users: Any) -> None:
    principal = users if users == "*" else {"AWS": "*"}
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy({**statement(), "Principal": principal}))
    assert set(use(other)) == {"done"}


def test_read_and_delete(owner: Any, other: Any) -> None:
    assert s3_error(owner.get_bucket_policy, Bucket=BUCKET) == "404 NoSuchBucketPolicy"
    assert s3_error(other.get_bucket_policy, Bucket=BUCKET) == DENIED
    owner.delete_bucket_policy(Bucket=BUCKET)
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy(statement()))
    assert json.loads(other.get_bucket_policy(Bucket=BUCKET)["Policy"]) == json.loads(policy(statement()))
    owner.delete_bucket_policy(Bucket=BUCKET)
    assert s3_error(other.list_objects_v2, Bucket=BUCKET) == DENIED
    assert s3_error(owner.get_bucket_policy, Bucket=BUCKET) == "404 NoSuchBucketPolicy"


def test_a_change_of_owner(owner: Any, other: Any, s3_backend: S3Backend) -> None:
    """With the policy both users are allowed. Without it, all objects belong to the new owner."""
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy(statement()))
    other.put_object(Bucket=BUCKET, Key="by/other", Body=b"other")
    assert owner.get_object(Bucket=BUCKET, Key="by/other")["Body"].read() == b"other"
    s3_backend.set_owner(BUCKET, "b")
    assert set(use(owner)) == set(use(other)) == {"done"}
    owner.put_object(Bucket=BUCKET, Key="by/former", Body=b"former")
    s3_backend.set_owner(BUCKET, "b")
    other.delete_bucket_policy(Bucket=BUCKET)
    assert set(use(owner)) - {DENIED, "403 403"} == set()
    for key in ("in/first", "by/other", "by/former"):
        other.get_object(Bucket=BUCKET, Key=key)


def test_what_another_user_wrote_stays_theirs_without_a_change_of_owner(owner: Any, other: Any) -> None:
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy(statement()))
    other.put_object(Bucket=BUCKET, Key="by/other", Body=b"other")
    owner.delete_bucket_policy(Bucket=BUCKET)
    assert s3_error(owner.get_object, Bucket=BUCKET, Key="by/other") == DENIED
    owner.delete_object(Bucket=BUCKET, Key="by/other")


@pytest.mark.parametrize(
    "text",
    ["{", "[]", policy({**statement(), "Action": "s3:Frobnicate$"}), policy({**statement(), "Unknown": 1})],
    ids=["no JSON", "no document", "an action", "a member"],
)
def test_malformed_policies_are_rejected(owner: Any, text: str) -> None:
    assert s3_error(owner.put_bucket_policy, Bucket=BUCKET, Policy=text) == "400 InvalidArgument"


@pytest.mark.parametrize(
    "changed",
    [
        {"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}},
        {"NotPrincipal": {"AWS": A}},
        {"NotAction": "s3:*"},
        {"Principal": {"Federated": "x"}},
        {"Principal": {"AWS": "a"}},
        {"Effect": "Maybe"},
        {"Action": "iam:*"},
        {"Resource": "bucket-a"},
        {"Resource": []},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_the_emulator_cannot_evaluate_is_rejected(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedPolicyError):
        parse_policy(policy({**statement(), **changed}).encode())


def test_a_policy_that_is_too_large_is_rejected() -> None:
    many = policy(*[statement()] * (MAX_POLICY_BYTES // len(policy(statement()))))
    with pytest.raises(MalformedPolicyError, match="1,048,576"):
        parse_policy(f"{many}{' ' * MAX_POLICY_BYTES}".encode())
