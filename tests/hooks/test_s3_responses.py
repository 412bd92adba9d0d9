"""What proves that S3 has completed an upload."""

from __future__ import annotations

from airflow_provider_objectstore.hooks.s3_responses import response_problem

ARGUMENTS = {"Bucket": "photos", "Key": "large", "UploadId": "1"}
COMPLETED = {"Location": "http://127.0.0.1/photos/large", "Bucket": "photos", "Key": "large"}


def test_ceph_completes_an_upload_without_an_etag() -> None:
    assert response_problem("complete_multipart_upload", COMPLETED | {"ETag": ""}, ARGUMENTS) is None


def test_a_login_page_completes_nothing() -> None:
    problem = response_problem("complete_multipart_upload", {"ResponseMetadata": {"HTTPStatusCode": 200}}, ARGUMENTS)
    assert problem
    assert "lacks Key" in problem
