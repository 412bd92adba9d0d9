"""The statement of a rotation in a bucket's policy, beside whatever else the policy says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_objectstore.exceptions import ConflictError, ObjectStoreError, OwnerChangeUnsupportedError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.policy import (
    SID,
    BucketPolicy,
    PolicyUnsupportedError,
    has_statement,
    user_arn,
    users_of,
    with_access,
    without_access,
)
from airflow_provider_objectstore.rotation.verify import Bucket
from tests.rotation.conftest import on_both
from tests.rotation.harness import OBJECTS, has_access, largest_policy, read_policies, s3_client
from tests.transport.stub import LOGIN_PAGE, http, serving

pytestmark = pytest.mark.slow

Before = list[S3Options]
OURS = {
    "Sid": SID,
    "Effect": "Allow",
    "Principal": {"AWS": ["arn:aws:iam:::user/a", "arn:aws:iam:::user/b"]},
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"],
}
DENY = {
    "Sid": "NobodyDeletes",
    "Effect": "Deny",
    "Principal": {"AWS": ["arn:aws:iam::tenant:user/x"]},
    "Action": ["s3:DeleteObject"],
    "Resource": "arn:aws:s3:::photos/*",
}
THEIRS = {"Version": "2012-10-17", "Id": "theirs", "Statement": [DENY]}
USERS = [user_arn("a"), user_arn("b")]


class TestPolicies:
    def test_no_policy(self) -> None:
        assert with_access(None, "photos", USERS) == {"Version": "2012-10-17", "Statement": [OURS]}
        assert without_access(None) is None
        assert not has_statement(None)
        assert users_of(None) == set()

    @pytest.mark.parametrize("statements", [[DENY], DENY, [DENY, DENY]], ids=["a list", "one statement", "two"])
    def test_all_else_is_kept(self, statements: Any) -> None:
        theirs = {**THEIRS, "Version": "2008-10-17", "Statement": statements}
        before = json.dumps(theirs)
        ours = with_access(theirs, "photos", USERS)
        assert json.dumps(theirs) == before, "the policy that was read is not changed"
        assert ours["Statement"][-1] == OURS
        assert {**ours, "Statement": []} == {**theirs, "Statement": []}
        left = without_access(ours)
        assert json.dumps(left) == json.dumps(
            {**theirs, "Statement": statements if type(statements) is list else [DENY]}
        )
        assert without_access(theirs) is theirs

    def test_our_statement_that_a_killed_run_has_left(self) -> None:
        left = with_access(THEIRS, "photos", [user_arn("old")])
        assert users_of(left) == {user_arn("old")}
        assert with_access(left, "photos", USERS) == with_access(THEIRS, "photos", USERS)
        twice = {**THEIRS, "Statement": [OURS, DENY, OURS]}
        assert without_access(twice) == THEIRS
        assert with_access(twice, "photos", USERS)["Statement"] == [DENY, OURS]
        assert without_access({"Statement": [OURS]}) is None

    @pytest.mark.parametrize(
        ("user", "arn"), [("user", "arn:aws:iam:::user/user"), ("tenant$user", "arn:aws:iam::tenant:user/user")]
    )
    def test_arns(self, user: str, arn: str) -> None:
        assert user_arn(user) == arn

    def test_one_user_as_a_text(self) -> None:
        assert users_of({"Statement": {**OURS, "Principal": {"AWS": USERS[0]}}}) == {USERS[0]}
        assert users_of({"Statement": {**OURS, "Principal": "*"}}) == set()


@pytest.fixture
def bucket(before: Before) -> Bucket:
    return Bucket(before[0], settle_timeout=1)


@pytest.fixture
def other(hook: CivoObjectStoreHook) -> S3Options:
    """Another credential's keys for the same bucket."""
    credential = hook.wait_until_ready(hook.create_credential("other"))
    return hook.s3_options_of(credential, hook.find_object_store("reports-eu"))


@on_both
class TestABucketsPolicy:
    def test_without_a_policy(self, bucket: Bucket, other: S3Options, hook: CivoObjectStoreHook) -> None:
        policy = BucketPolicy(bucket)
        assert policy.read() is None
        assert not has_access(other)
        user = Bucket(other, 1).user_id
        policy.give_access([bucket.user_id, user])
        assert has_access(other)
        assert users_of(policy.read()) == {user_arn(bucket.user_id), user_arn(user)}
        policy.give_access([user])
        assert len(users_of(policy.read())) == 2, "they are added to those that are there"
        assert policy.take_access([user]) is True
        assert not has_access(other)
        policy.give_access([user])
        policy.keep_access([bucket.user_id])
        assert users_of(policy.read()) == {user_arn(bucket.user_id)}
        assert policy.take_access([bucket.user_id]) is False
        assert policy.read() is None
        for change in (policy.remove_access, lambda: policy.keep_access([user])):
            change()
            assert policy.read() is None
        assert read_policies(hook)["reports-eu"] is None

    def test_theirs_is_kept(self, bucket: Bucket, other: S3Options, before: Before) -> None:
        theirs = json.dumps(THEIRS).replace("photos", bucket.name)
        s3_client(before[0]).put_bucket_policy(Bucket=bucket.name, Policy=theirs)
        policy = BucketPolicy(bucket)
        policy.give_access([Bucket(other, 1).user_id])
        assert has_access(other)
        policy.remove_access()
        assert s3_client(before[0]).get_bucket_policy(Bucket=bucket.name)["Policy"] == theirs
        assert not has_access(other)

    def test_the_owner_of_each_object(
        self, bucket: Bucket, other: S3Options, before: Before, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = Bucket.request
        small_pages = {"list_objects_v2": {"MaxKeys": 2}}
        monkeypatch.setattr(
            Bucket,
            "request",
            lambda self, method, **given: request(self, method, **given, **small_pages.get(method, {})),
        )
        user = Bucket(other, 1).user_id
        BucketPolicy(bucket).give_access([bucket.user_id, user])
        with pytest.raises(OwnerChangeUnsupportedError, match="its object 'a/first' has not"):
            bucket.wait_until_objects_belong_to(user)
        delete = {"Objects": [{"Key": key} for key in OBJECTS]}
        s3_client(before[0]).delete_objects(Bucket=bucket.name, Delete=delete)
        writer = s3_client(other)
        for number in range(5):
            writer.put_object(Bucket=bucket.name, Key=f"p/{number} %", Body=b"")
        bucket.wait_until_objects_belong_to(user)
        s3_client(before[0]).put_object(Bucket=bucket.name, Key="the last one", Body=b"")
        with pytest.raises(OwnerChangeUnsupportedError, match="its object 'the last one' has not"):
            bucket.wait_until_objects_belong_to(user)

    def test_a_policy_at_the_size_limit(self, bucket: Bucket, other: S3Options, before: Before) -> None:
        big = largest_policy(bucket.name)
        s3_client(before[0]).put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(big))
        with pytest.raises(PolicyUnsupportedError, match="reports-eu"):
            BucketPolicy(bucket).give_access([bucket.user_id, Bucket(other, 1).user_id])
        assert BucketPolicy(bucket).read() == big
        assert not has_access(other)

    def test_a_credential_that_may_not_read_it(self, bucket: Bucket, other: S3Options) -> None:
        with pytest.raises(PolicyUnsupportedError, match="AccessDenied"):
            BucketPolicy(Bucket(other, 1)).read()


class MeddledBucket(Bucket):
    """A bucket whose policy somebody else changes right before it is read back."""

    def __init__(self, options: S3Options, meddle: Iterator[str]) -> None:
        super().__init__(options, settle_timeout=1)
        self._meddle = meddle
        self._written = False

    def request(self, method: str, **arguments: Any) -> Any:
        if method == "get_bucket_policy" and self._written and (policy := next(self._meddle, None)):
            super().request("put_bucket_policy", Policy=policy)
        self._written = method == "put_bucket_policy"
        return super().request(method, **arguments)


@on_both
def test_somebody_else_changes_it_meanwhile(before: Before, hook: CivoObjectStoreHook) -> None:
    theirs = json.loads(json.dumps(THEIRS).replace("photos", "reports-eu"))
    bucket = MeddledBucket(before[0], iter([json.dumps({**theirs, "Id": str(number)}) for number in range(2)]))
    BucketPolicy(bucket).give_access([bucket.user_id])
    found = read_policies(hook)["reports-eu"]
    assert {**found, "Statement": found["Statement"][:1]} == {**theirs, "Id": "1"}
    assert users_of(found) == {user_arn(bucket.user_id)}


def test_somebody_else_changes_it_again_and_again(before: Before, hook: CivoObjectStoreHook) -> None:
    theirs = json.loads(json.dumps(THEIRS).replace("photos", "reports-eu"))
    bucket = MeddledBucket(before[0], iter([json.dumps({**theirs, "Id": str(number)}) for number in range(9)]))
    with pytest.raises(ConflictError, match="somebody else keeps changing the policy"):
        BucketPolicy(bucket).give_access([bucket.user_id])
    assert read_policies(hook)["reports-eu"]["Statement"] == theirs["Statement"]


def page(status: str, body: str | bytes = LOGIN_PAGE, kind: str = "text/html") -> bytes:
    return http(body.encode() if isinstance(body, str) else body, status=status, kind=kind)


def s3_error(status: str, code: str) -> bytes:
    return page(status, f"<Error><Code>{code}</Code></Error>", "application/xml")


@pytest.fixture
def policy_from() -> Iterator[Callable[[bytes], BucketPolicy]]:
    """Returns the policy of a bucket whose server sends one response to everything."""
    servers: list[Any] = []

    def serve(response: bytes) -> BucketPolicy:
        server = serving(lambda request: response)
        servers.append(server)
        return BucketPolicy(Bucket(S3Options("photos", server.__enter__(), "KEY", "a-secret", "LON1"), 0.01))

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


NOT_S3 = {
    "a login page": page("200 OK"),
    "no body": page("200 OK", ""),
    "no object": page("200 OK", "[]", "application/json"),
    "a page that is not found": page("404 Not Found"),
    "a page that is refused": page("403 Forbidden"),
    "a proxy without this method": page("405 Method Not Allowed"),
    "a proxy that implements nothing": page("501 Not Implemented"),
    "no body and not found": page("404 Not Found", ""),
    "an error of the server": s3_error("500 Internal Server Error", "InternalError"),
}


@pytest.mark.parametrize("response", NOT_S3.values(), ids=NOT_S3)
def test_what_is_not_of_s3_is_an_error_and_never_no_policy(
    response: bytes, policy_from: Callable[[bytes], BucketPolicy]
) -> None:
    policy = policy_from(response)
    for use in (policy.read, lambda: policy.give_access(["a"]), policy.remove_access):
        with pytest.raises(ObjectStoreError) as caught:
            use()
        assert not isinstance(caught.value, PolicyUnsupportedError)
        assert "photos" in str(caught.value)


@pytest.mark.parametrize(
    "response",
    [
        s3_error("501 Not Implemented", "NotImplemented"),
        s3_error("405 Method Not Allowed", "MethodNotAllowed"),
        s3_error("403 Forbidden", "AccessDenied"),
        s3_error("404 Not Found", "NoSuchBucket"),
    ],
)
def test_a_service_without_policies(response: bytes, policy_from: Callable[[bytes], BucketPolicy]) -> None:
    with pytest.raises(PolicyUnsupportedError):
        policy_from(response).read()
    assert policy_from(s3_error("404 Not Found", "NoSuchBucketPolicy")).read() is None
