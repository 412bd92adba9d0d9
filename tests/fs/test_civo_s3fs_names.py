"""Names that s3fs or consoles give a meaning: versions, and markers of folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

pytestmark = pytest.mark.usefixtures("reports")


class TestVersions:
    """s3fs cuts ``?versionId=`` off, and works on another object."""

    def test_it_is_a_part_of_the_name(self, fs: Any, base: str) -> None:
        fs.pipe("reports/in/a", b"another")
        path = "reports/in/a?versionId=1"
        fs.pipe(path, b"RIGHT")
        assert (fs.cat(path), fs.cat("reports/in/a")) == (b"RIGHT", b"another")
        assert fsspec.open(f"{base}/in/a?versionId=1").open().read() == b"RIGHT"
        fs.copy(path, "reports/in/copied")
        with fs.open(path, "ab") as file:
            file.write(b"!")
        assert fs.find("reports/in") == ["reports/in/a", path, "reports/in/copied"]
        assert fs.ls("reports/in", detail=False) == fs.find("reports/in")
        fs.mv(path, "reports/in/moved")
        fs.rm("reports/in/copied")
        assert fs.cat("reports/in/moved") == b"RIGHT!"
        with pytest.raises(FileNotFoundError):
            fs.cat(path)
        assert fs.find("reports/in") == ["reports/in/a", "reports/in/moved"]

    def test_versions_are_only_read(self) -> None:
        fs = fsspec.filesystem("civo", version_aware=True, skip_instance_cache=True)
        hook = CivoObjectStoreHook()
        client: Any = boto3.client("s3", **hook.s3_options("reports"))
        client.put_bucket_versioning(Bucket="reports", VersioningConfiguration={"Status": "Enabled"})
        first = client.put_object(Bucket="reports", Key="a", Body=b"first")["VersionId"]
        client.put_object(Bucket="reports", Key="a", Body=b"second")
        path = f"reports/a?versionId={first}"
        assert (fs.cat("reports/a"), fs.cat(path)) == (b"second", b"first")
        acts = (
            lambda: fs.pipe(path, b"1"),
            lambda: fs.rm(path),
            lambda: fs.rm_file(path),
            lambda: fs.copy("reports/a", path),
            lambda: fs.put(__file__, path),
            lambda: fs.open(path, "wb"),
        )
        for act in acts:
            with pytest.raises(InvalidArgumentError, match="is a version of an object, which can only be read"):
                act()
        assert len(client.list_object_versions(Bucket="reports")["Versions"]) == 2


class TestMarkers:
    """Consoles keep a folder as an empty object ``folder/``."""

    @pytest.fixture
    def fs(self) -> Any:
        client: Any = boto3.client("s3", **CivoObjectStoreHook().s3_options("reports"))
        for key in ("in/", "in/empty/", "in/sub/", "in/sub/x", "in/y"):
            client.put_object(Bucket="reports", Key=key, Body=b"1" if key[-1] in "xy" else b"")
        client.put_object(Bucket="reports", Key="other/", Body=b"")
        return fsspec.filesystem("civo", skip_instance_cache=True)

    def test_they_are_no_children(self, fs: Any) -> None:
        assert sorted(fs.ls("reports/in", detail=False)) == ["reports/in/empty", "reports/in/sub", "reports/in/y"]
        assert fs.find("reports") == fs.find("reports/in") == ["reports/in/sub/x", "reports/in/y"]
        assert fs.find("reports/in", maxdepth=1) == ["reports/in/y"]
        assert fs.glob("reports/in/*") == ["reports/in/empty", "reports/in/sub", "reports/in/y"]
        assert [(folder, files) for folder, _, files in fs.walk("reports/in")] == [
            ("reports/in", ["y"]),
            ("reports/in/empty", []),
            ("reports/in/sub", ["x"]),
        ]
        assert (fs.ls("reports/in/empty"), fs.isdir("reports/in/empty"), fs.exists("reports/in/empty")) == (
            [],
            True,
            True,
        )
        assert sorted(path.name for path in ObjectStoragePath("civo://civo_default@reports/in").iterdir()) == [
            "empty",
            "sub",
            "y",
        ]
        assert fs.cat("reports/in", recursive=True) == {"reports/in/sub/x": b"1", "reports/in/y": b"1"}

    def test_they_are_copied_as_no_files(self, fs: Any, local: Path) -> None:
        fs.get("reports/in", f"{local}/got", recursive=True)
        fs.copy("reports/in", "reports/copied", recursive=True)
        assert sorted(str(path.relative_to(local)) for path in local.rglob("*") if path.is_file()) == [
            "got/sub/x",
            "got/y",
        ]
        assert fs.find("reports/copied") == ["reports/copied/sub/x", "reports/copied/y"]

    def test_they_go_with_their_folders(self, fs: Any) -> None:
        fs.mv("reports/in", "reports/moved", recursive=True)
        assert not fs.exists("reports/in")
        fs.rm("reports/other", recursive=True)
        assert fs.ls("reports", detail=False) == ["reports/moved"]
        fs.rm("reports/moved", recursive=True)
        assert fs.ls("reports") == []
