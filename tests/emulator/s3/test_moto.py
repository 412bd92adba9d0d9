from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_provider_objectstore.emulator import MotoS3
from tests.emulator.conftest import Connect


@pytest.mark.slow
def test_two_backends_in_a_process_share_nothing() -> None:
    backends = MotoS3(), MotoS3()
    urls = [backend.start(0) for backend in backends]
    try:
        for backend in backends:
            backend.put_user("a", "KEY-A", "secret-a")
            backend.create_bucket("bucket-a", "a")
        Connect(urls[0])().put_object(Bucket="bucket-a", Key="k", Body=b"")
        backends[0].reset()
        backends[1].set_owner("bucket-a", "a")
        assert "Contents" not in Connect(urls[1])().list_objects_v2(Bucket="bucket-a")
    finally:
        for backend in backends:
            backend.stop()


def test_an_error_of_moto_is_raised() -> None:
    backend = MotoS3()
    backend.start(0)
    try:
        with pytest.raises(RuntimeError, match="create_bucket: InvalidBucketName"):
            backend.create_bucket("x", "a")
    finally:
        backend.stop()


def test_a_missing_certificate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended\. If it misses a module: pip install 'airflow-pro.*\[emulator\]'"):
        MotoS3(certfile=str(tmp_path / "missing.pem")).start(0)


def test_a_service_without_policies() -> None:
    backend = MotoS3(policies=False)
    url = backend.start(0)
    try:
        backend.put_user("a", "KEY", "secret")
        backend.create_bucket("photos", "a")
        client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id="KEY",
            config=Config(retries={"total_max_attempts": 1}),
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        for _ in range(2):
            for request in (
                lambda: client.get_bucket_policy(Bucket="photos"),
                lambda: client.put_bucket_policy(Bucket="photos", Policy="{}"),
                lambda: client.delete_bucket_policy(Bucket="photos"),
            ):
                with pytest.raises(ClientError) as caught:
                    request()
                assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
                assert caught.value.response["Error"]["Code"] == "NotImplemented"
            backend.reset()  # it is the service, and no state of it
            backend.put_user("a", "KEY", "secret")
            backend.create_bucket("photos", "a")
        backend.support_policies(True)
        client.delete_bucket_policy(Bucket="photos")
    finally:
        backend.stop()
