"""What proves that a credential has access, or is refused: only responses of S3 itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.verify import Bucket
from tests.transport.stub import LOGIN_PAGE, http, serving


def listing(inside: str = "", name: str = "photos") -> bytes:
    return http(f"<ListBucketResult><Name>{name}</Name>{inside}</ListBucketResult>".encode(), kind="application/xml")


def error(status: str, code: str) -> bytes:
    return http(f"<Error><Code>{code}</Code></Error>".encode(), status=status, kind="application/xml")


@pytest.fixture
def responses() -> dict[str, bytes]:
    """The server's responses by the end of the path; under the empty text for every other path."""
    return {"": listing()}


@pytest.fixture
def bucket(responses: dict[str, bytes]) -> Iterator[Bucket]:
    def respond(request: bytes) -> bytes:
        path = request.split(b" ")[1].decode().partition("?")[0]
        return next((response for end, response in responses.items() if end and path.endswith(end)), responses[""])

    with serving(respond) as url:
        yield Bucket(S3Options("photos", url, "KEY", "a-secret", "LON1"), settle_timeout=0.01)


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
    "a number as code": error("403 Forbidden", "403"),
    "a full bucket": error("403 Forbidden", "QuotaExceeded"),
    "a wrong clock": error("403 Forbidden", "RequestTimeTooSkewed"),
}


@pytest.mark.parametrize("method", ["sample", "wait_until_usable", "wait_until_refused"])
@pytest.mark.parametrize("response", NOT_S3)
def test_a_response_that_is_not_s3s_about_the_bucket_proves_nothing(
    method: str, response: str, bucket: Bucket, responses: dict[str, bytes]
) -> None:
    responses[""] = NOT_S3[response]
    with pytest.raises(ObjectStoreError, match="bucket photos with access key KEY: ") as caught:
        getattr(bucket, method)()
    assert "is refused" not in str(caught.value)


def test_a_web_page_is_not_an_object(bucket: Bucket, responses: dict[str, bytes]) -> None:
    responses["/k"] = http(b"Sign in", kind="text/html")
    with pytest.raises(ObjectStoreError, match="the response to get_object lacks ETag"):
        bucket.wait_until_usable("k")
    responses["/k"] = http(b"v", 'ETag: "e"')
    bucket.wait_until_usable("k")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *(("403 Forbidden", code) for code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")),
        ("403 Forbidden", "UserSuspended"),
        ("404 Not Found", "NoSuchBucket"),
    ],
)
def test_the_codes_of_s3_are_a_refusal(status: str, code: str, bucket: Bucket, responses: dict[str, bytes]) -> None:
    responses[""] = error(status, code)
    bucket.wait_until_refused()
    for method in (bucket.sample, bucket.wait_until_usable):
        with pytest.raises(ObjectStoreError, match=rf"is refused \({code}\)"):
            method()
