"""Responses that S3 did not send."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from aiobotocore.client import AioBaseClient
from s3fs import S3FileSystem

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.fs.buckets import create
from tests.transport.stub import LOGIN_PAGE, http, serving

pytestmark = pytest.mark.slow

WHERE = r" \[connection civo_default, region LON1\]$"


class TestAnswersThatAreNotOfS3:
    """A login page is well-formed XML, in which an S3 client finds nothing: no error, and no result either."""

    PAGE: ClassVar[bytes] = http(LOGIN_PAGE, kind="text/html")

    @pytest.fixture
    def said(self) -> dict[str, Any]:
        """What the server says, by the request's method."""
        return {}

    @pytest.fixture
    def fs(self, said: dict[str, Any], emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        hook = CivoObjectStoreHook()
        create(hook, "photos", hook.create_credential("mine").access_key_id)

        def answer(request: bytes) -> bytes:
            method = request.split(b" ")[0].decode()
            self.asked.append(method)
            return said.get(method, self.PAGE)

        self.asked: list[str] = []
        with serving(answer) as url:
            connection = emulator.connections()["civo_default"]
            extra = {**connection["extra"], "s3_endpoint": url}
            monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**connection, "extra": extra}))
            yield fsspec.filesystem("civo", skip_instance_cache=True)

    HEAD: ClassVar[bytes] = http(b"", 'ETag: "e"', "Last-Modified: Wed, 25 Nov 2026 10:00:00 GMT")
    EMPTY: ClassVar[bytes] = http(b"<ListBucketResult><Name>photos</Name></ListBucketResult>")

    def test_a_move_keeps_the_file(self, fs: Any, said: dict[str, Any]) -> None:
        said |= {"HEAD": self.HEAD, "GET": self.EMPTY}
        with pytest.raises(OSError, match=r"photos/b: the response to copy_object lacks CopyObjectResult\.ETag"):
            fs.mv("photos/a", "photos/b")
        assert {"POST", "DELETE"}.isdisjoint(self.asked)

    @pytest.mark.parametrize("delete", ["rm", "rm_file"])
    def test_a_deletion_is_named(self, fs: Any, said: dict[str, Any], delete: str) -> None:
        said |= {"HEAD": self.HEAD, "GET": self.EMPTY}
        with pytest.raises(OSError, match=r"the response to delete_objects? lacks"):
            getattr(fs, delete)("photos/a")

    def test_a_deletion_of_some_is_no_deletion_of_all(self, fs: Any, said: dict[str, Any]) -> None:
        said["POST"] = http(b"<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>")
        with pytest.raises(OSError, match="lacks a result for 1 of the objects, the first is 'b'"):
            fs.delete_files(["photos/a", "photos/b"])
        fs.delete_files(["photos/a"])

    @pytest.mark.parametrize(
        "act",
        [
            lambda fs: fs.ls("photos"),
            lambda fs: fs.find("photos/x"),
            lambda fs: fs.exists("photos/x"),
            lambda fs: fs.cat("photos/a"),
            lambda fs: fs.pipe_file("photos/a", b"1"),
            lambda fs: fs.rm("photos/x", recursive=True),
            lambda fs: fs.cp_file("photos/a", "photos/b"),
        ],
        ids=["ls", "find", "exists", "cat", "pipe_file", "rm -r", "cp_file"],
    )
    @pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
    def test_a_page_for_everything(self, fs: Any, said: dict[str, Any], act: Callable[[Any], Any], status: str) -> None:
        page = self.PAGE if status == "200 OK" else http(b"<html><p>not here</html>", status=status, kind="text/html")
        said |= dict.fromkeys(("GET", "PUT", "POST", "DELETE"), page)
        said["HEAD"] = http(status=status)
        with pytest.raises(
            OSError, match=rf"^civo://photos.*(lacks|not from S3).*[cC]heck s3_endpoint.*{WHERE}"
        ) as caught:
            act(fs)
        assert not isinstance(caught.value, FileNotFoundError)
        assert caught.value.__cause__ is None or caught.value.__cause__.__cause__ is None

    @pytest.mark.parametrize("act", ["info", "exists", "isfile", "cat_file", "get_file"])
    def test_a_gateway_that_responds_to_head(self, fs: Any, said: dict[str, Any], act: str, tmp_path: Path) -> None:
        """It has no body, but its media type tells it from S3: the file may well be there."""
        said |= {"HEAD": http(status="404 Not Found", kind="text/html; charset=utf-8"), "GET": self.EMPTY}
        message = rf"^civo://photos/a: (head_object got 404, and not from S3|.* lacks).*s3_endpoint.*{WHERE}"
        with pytest.raises(OSError, match=message) as caught:
            getattr(fs, act)("photos/a", *([str(tmp_path / "a")] if act == "get_file" else []))
        assert not isinstance(caught.value, FileNotFoundError)

    def test_a_listing_is_named_with_its_folder(self, fs: Any) -> None:
        with pytest.raises(OSError, match=r"^civo://photos/folder/: the response to list_objects_v2 lacks Name"):
            fs.ls("photos/folder")

    @pytest.mark.parametrize(("code", "kind"), [("Odd", OSError), ("AccessDenied", PermissionError)])
    def test_an_error_is_named(self, fs: Any, said: dict[str, Any], code: str, kind: type[OSError]) -> None:
        """S3's own message does not say which object it is about."""
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        said |= dict.fromkeys(("GET", "PUT"), http(body, status="403 Forbidden"))
        advice = f"Check whether the credential of the bucket's owner is suspended, and .*{WHERE}"
        with pytest.raises(kind, match=f"civo://photos/folder/a: .*no.*{advice}"):
            fs.pipe_file("photos/folder/a", b"1")
        with pytest.raises(kind, match=f"civo://photos/folder/: .*no.*{advice}"):
            fs.ls("photos/folder")

    @pytest.mark.parametrize(
        "act",
        [
            lambda fs: fs.cat_file("photos/a"),
            lambda fs: fs.exists("photos/a"),
            lambda fs: fs.ls("photos"),
            lambda fs: fs.pipe_file("photos/a", b"1"),
            lambda fs: fs.rm("photos/a"),
        ],
        ids=["cat_file", "exists", "ls", "pipe_file", "rm"],
    )
    def test_a_page_that_refuses_is_not_put_down_to_the_credential(
        self, fs: Any, said: dict[str, Any], act: Callable[[Any], Any]
    ) -> None:
        page = http(b"<html><p>access to this category is blocked</html>", status="403 Forbidden", kind="text/html")
        said |= dict.fromkeys(("GET", "PUT", "POST", "DELETE"), page)
        said["HEAD"] = http(status="403 Forbidden", kind="text/html")
        with pytest.raises(OSError, match=rf"^(\[Errno 5\] )?civo://photos.*\w\. Check s3_endpoint.*{WHERE}") as caught:
            act(fs)
        assert "credential" not in str(caught.value)

    def test_a_full_bucket_is_not_put_down_to_the_credential(self, fs: Any, said: dict[str, Any]) -> None:
        body = b"<Error><Code>QuotaExceeded</Code><Message>full</Message></Error>"
        said["PUT"] = http(body, status="403 Forbidden")
        with pytest.raises(OSError, match=rf"civo://photos/a: .*QuotaExceeded[^.]*full{WHERE}"):
            fs.pipe_file("photos/a", b"1")

    def test_a_missing_file_says_where(self, fs: Any, said: dict[str, Any]) -> None:
        said |= {"HEAD": http(status="404 Not Found"), "GET": self.EMPTY}
        for act in (fs.info, fs.rm, fs.modified):
            with pytest.raises(FileNotFoundError, match=f"^civo://photos/a does not exist{WHERE}"):
                act("photos/a")

    def test_an_upload_that_has_ended_is_no_missing_file(self, fs: Any, said: dict[str, Any]) -> None:
        body = b"<Error><Code>NoSuchUpload</Code><Message>no</Message></Error>"
        said |= dict.fromkeys(("POST", "DELETE"), http(body, status="404 Not Found"))
        message = (
            f"^civo://photos/a: complete_multipart_upload failed: S3 has no such upload.*check the object.*{WHERE}"
        )
        with pytest.raises(OSError, match=message) as caught:
            fs.call_s3("complete_multipart_upload", Bucket="photos", Key="a", UploadId="1", MultipartUpload={})
        assert not isinstance(caught.value, FileNotFoundError)
        fs.abort_mpu("photos", "a", "1")

    def test_another_bucket(self, fs: Any, said: dict[str, Any]) -> None:
        said["GET"] = http(b"<ListBucketResult><Name>other</Name></ListBucketResult>")
        with pytest.raises(OSError, match="lacks Name 'photos': it has 'other'"):
            fs.ls("photos")


@pytest.mark.parametrize("act", ["cat_file", "info", "ls", "write"])
def test_an_endpoint_that_cannot_be_reached(
    emulator: Emulator, unused_port: int, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    create(CivoObjectStoreHook(), "photos")
    connection = emulator.connections()["civo_default"]
    extra = {**connection["extra"], "s3_endpoint": f"http://127.0.0.1:{unused_port}"}
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**connection, "extra": extra}))
    fs = fsspec.filesystem("civo", skip_instance_cache=True)
    monkeypatch.setattr(S3FileSystem, "retries", 1)
    with pytest.raises(OSError, match=rf"^civo://photos/a.*: \w+ failed: .*\. Check s3_endpoint .*{WHERE}"):
        fs.pipe_file("photos/a", b"1") if act == "write" else getattr(fs, act)("photos/a")


class TestALostResponse:
    """What was sent in parts may be there, or not: it is an error that does not say it is missing."""

    @pytest.fixture
    def lost(self, reports: None, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
        """The errors that replace responses to the completion of an upload, which S3 has done."""
        errors: list[Exception] = []
        call = AioBaseClient._make_api_call

        async def losing(self: Any, name: str, parameters: Any) -> Any:
            result = await call(self, name, parameters)
            if name == "CompleteMultipartUpload" and errors:
                raise errors.pop()
            return result

        monkeypatch.setattr(AioBaseClient, "_make_api_call", losing)
        return errors

    @pytest.mark.parametrize("way", ["pipe_file", "put_file", "open"])
    def test_is_no_absence(self, lost: list[Exception], way: str, tmp_path: Path) -> None:
        fs, part = fsspec.filesystem("civo", skip_instance_cache=True), 5 * 2**20
        contents = b"x" * (2 * part + 1)
        (tmp_path / "large").write_bytes(contents)
        lost.append(ConnectionResetError(104, "Connection reset by peer"))
        with pytest.raises(OSError, match=f"civo://reports/large: Connection reset by peer{WHERE}") as caught:
            if way == "open":
                with fs.open("reports/large", "wb", block_size=part) as file:
                    file.write(contents)
            elif way == "put_file":
                fs.put_file(str(tmp_path / "large"), "reports/large", chunksize=part)
            else:
                fs.pipe_file("reports/large", contents, chunksize=part)
        assert not isinstance(caught.value, FileNotFoundError)
        assert fs.info("reports/large")["size"] == len(contents)


class TestMistakesOfTheCaller:
    """They are not put down to the endpoint."""

    @pytest.mark.parametrize(
        "act",
        [
            lambda fs: fs.cat_file("reports"),
            lambda fs: fs.cat("reports"),
            lambda fs: fs.pipe_file("reports", b"1"),
            lambda fs: fs.touch("reports"),
        ],
        ids=["cat_file", "cat", "pipe_file", "touch"],
    )
    @pytest.mark.usefixtures("reports")
    def test_a_whole_bucket_is_no_file(self, act: Callable[[Any], Any]) -> None:
        message = f"^civo://reports: a bucket is no file: one is named civo://bucket/key{WHERE}"
        with pytest.raises(InvalidArgumentError, match=message):
            act(fsspec.filesystem("civo", skip_instance_cache=True))

    @pytest.mark.usefixtures("reports")
    def test_an_argument_of_the_wrong_type(self) -> None:
        fs = fsspec.filesystem("civo", skip_instance_cache=True)
        message = f"^civo://reports/a: put_object was not sent: Invalid type .* ContentType, value: 5, .*{WHERE}"
        with pytest.raises(InvalidArgumentError, match=message):
            fs.pipe_file("reports/a", b"1", ContentType=5)

    @pytest.mark.usefixtures("reports")
    def test_a_method_that_does_not_exist(self) -> None:
        fs = fsspec.filesystem("civo", skip_instance_cache=True)
        with pytest.raises(OSError, match=f"^civo://reports/a: put_it failed: AttributeError: .*{WHERE}") as caught:
            fs.call_s3("put_it", Bucket="reports", Key="a")
        assert "s3_endpoint" not in str(caught.value)
