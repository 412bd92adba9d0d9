"""What proves that a credential is let in, or refused: only what S3 itself says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.probe import Bucket
from tests.transport.stub import LOGIN_PAGE, http, serving


def listing(inside: str = "", name: str = "photos") -> bytes:
    return http(f"<ListBucketResult><Name>{name}</Name>{inside}</ListBucketResult>".encode(), kind="application/xml")


def error(status: str, code: str) -> bytes:
    return http(f"<Error><Code>{code}</Code></Error>".encode(), status=status, kind="application/xml")


@pytest.fixture
def answers() -> dict[str, bytes]:
    """What the server says, by the end of the path; to all else what is under the empty text."""
    return {"": listing()}


@pytest.fixture
def bucket(answers: dict[str, bytes]) -> Iterator[Bucket]:
    def answer(request: bytes) -> bytes:
        path = request.split(b" ")[1].decode().partition("?")[0]
        return next((said for end, said in answers.items() if end and path.endswith(end)), answers[""])

    with serving(answer) as url:
        yield Bucket(S3Options("photos", url, "KEY", "a-secret", "LON1"), patience=0.01)


NOT_S3 = {
    "a login page": http(LOGIN_PAGE, kind="text/html"),
    "an empty body": http(),
    "no content": http(status="204 No Content"),
    "another bucket": listing(name="other"),
    "no date": listing("<Contents><Key>k</Key></Contents>"),
    "no time": listing("<Contents><Key>k</Key><LastModified>soon</LastModified></Contents>"),
    "no number": listing("<KeyCount>many</KeyCount>"),
    "a gateway's 401": http(status="401 Unauthorized", kind="text/html"),
    "a gateway's 403": http(LOGIN_PAGE, status="403 Forbidden", kind="text/html"),
    "a gateway's 404": http(b"<html><p>no</html>", status="404 Not Found", kind="text/html"),
    "a code that is none": error("403 Forbidden", "403"),
    "a clock that is wrong": error("403 Forbidden", "RequestTimeTooSkewed"),
}


@pytest.mark.parametrize("method", ["sample", "wait_until_usable", "wait_until_refused"])
@pytest.mark.parametrize("said", NOT_S3)
def test_what_is_not_said_by_s3_about_the_bucket_proves_nothing(
    method: str, said: str, bucket: Bucket, answers: dict[str, bytes]
) -> None:
    answers[""] = NOT_S3[said]
    with pytest.raises(ObjectStoreError, match="bucket photos with access key KEY: ") as caught:
        getattr(bucket, method)()
    assert "is refused" not in str(caught.value)


def test_a_page_is_no_object(bucket: Bucket, answers: dict[str, bytes]) -> None:
    answers["/k"] = http(b"Sign in", kind="text/html")
    with pytest.raises(ObjectStoreError, match="the answer to get_object lacks ETag"):
        bucket.wait_until_usable("k")
    answers["/k"] = http(b"v", 'ETag: "e"')
    bucket.wait_until_usable("k")


@pytest.mark.parametrize(
    "said",
    [
        *((("403 Forbidden"), code) for code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")),
        ("403 Forbidden", "UserSuspended"),
        ("404 Not Found", "NoSuchBucket"),
    ],
)
def test_the_codes_of_s3_are_a_refusal(said: tuple[Any, ...], bucket: Bucket, answers: dict[str, bytes]) -> None:
    answers[""] = error(*said)
    bucket.wait_until_refused()
    for enter in (bucket.sample, bucket.wait_until_usable):
        with pytest.raises(ObjectStoreError, match=rf"is refused \({said[1]}\)"):
            enter()
