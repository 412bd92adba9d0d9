"""``conn_id@`` in a path is honoured by fsspec and by what builds on it, or refused; it is never ignored."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from tests.features import PATHS_WITH_CONTAINER
from tests.fs.conftest import DEFAULT, PROD

pytestmark = pytest.mark.usefixtures("only_prod")
TABLE = {"a": [1, 2, 3], "b": ["x", "y", "z"]}


@pytest.fixture(params=PROD)
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def base(scheme: str) -> str:
    """Where the clients work: only through the connection that is named here."""
    return f"{scheme}://{PROD[scheme]}@reports/in"


@pytest.fixture
def fs(scheme: str) -> Any:
    """The filesystem of that connection."""
    return fsspec.filesystem(scheme, conn_id=PROD[scheme])


class TestClients:
    def test_the_default_connection_does_not_work(self, scheme: str) -> None:
        with pytest.raises(ObjectStoreError), fsspec.open(f"{scheme}://reports/in/a", "wb") as file:
            file.write(b"1")

    @pytest.mark.parametrize("form", ["of the URL", "argument", "both"])
    def test_fsspec(self, scheme: str, base: str, form: str) -> None:
        url = f"{base}/a" if form != "argument" else f"{scheme}://reports/in/a"
        options = {} if form == "of the URL" else {"conn_id": PROD[scheme]}
        with fsspec.open(url, "w", **options) as file:
            file.write("of prod")
        assert fsspec.open(url, "r", **options).open().read() == "of prod"
        fs, path = fsspec.url_to_fs(url, **options)
        assert (fs.conn_id, path, fs.cat(path)) == (PROD[scheme], "reports/in/a", b"of prod")
        assert fs.unstrip_protocol(path) == f"{base}/a"
        assert fs.storage_options == {"conn_id": PROD[scheme]}
        (found,) = fsspec.open_files(f"{base}/*", "rb")
        assert found.full_name == f"{base}/a"
        assert found.open().read() == b"of prod"
        assert pickle.loads(pickle.dumps(found)).open().read() == b"of prod"

    def test_mapper(self, base: str) -> None:
        mapper = fsspec.get_mapper(f"{base}/map")
        mapper["x/y"] = b"1"
        assert dict(fsspec.get_mapper(f"{base}/map")) == {"x/y": b"1"}

    @pytest.mark.parametrize("kind", ["simplecache", "filecache", "blockcache"])
    @pytest.mark.slow
    def test_caches(self, base: str, fs: Any, kind: str, tmp_path: Path) -> None:
        fs.pipe("reports/in/a", b"0123456789" * 1000)
        url = f"{kind}::{base}/a"
        with fsspec.open(url, "rb", **{kind: {"cache_storage": str(tmp_path)}}) as file:
            file.seek(5000)
            assert file.read(3) == b"012"

    def test_pandas(self, base: str) -> None:
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(TABLE)
        frame.to_csv(f"{base}/a.csv.gz", index=False)
        assert pandas.read_csv(f"{base}/a.csv.gz").equals(frame)
        frame.to_json(f"{base}/a.json", orient="records", lines=True)
        assert pandas.read_json(f"{base}/a.json", lines=True).equals(frame)
        pytest.importorskip("pyarrow", reason="reads Parquet; installed on the newest Airflow only")
        frame.to_parquet(f"{base}/a.parquet")
        assert pandas.read_parquet(f"{base}/a.parquet").equals(frame)

    def test_pyarrow(self, base: str, fs: Any) -> None:
        pytest.importorskip("pyarrow", reason="installed on the newest Airflow only")
        import pyarrow
        import pyarrow.dataset
        import pyarrow.fs
        import pyarrow.parquet

        table = pyarrow.table(TABLE)
        arrow, path = pyarrow.fs.FileSystem.from_uri(f"fsspec+{base}/a.parquet")
        pyarrow.parquet.write_table(table, path, filesystem=arrow)
        assert pyarrow.parquet.read_table(f"fsspec+{base}/a.parquet") == table
        pyarrow.dataset.write_dataset(table, "reports/in/set", filesystem=fs, format="parquet", partitioning=["b"])
        read = pyarrow.dataset.dataset("reports/in/set", filesystem=fs, partitioning=["b"]).to_table()
        assert read.select(["a", "b"]).sort_by("a") == table

    def test_duckdb(self, scheme: str, base: str, fs: Any) -> None:
        duckdb = pytest.importorskip("duckdb", reason="installed on the newest Airflow only")
        with duckdb.connect() as database:
            database.register_filesystem(fs)
            database.sql("create table made as select range a, repeat('x', 100) b from range(10000)")
            for kind in ("parquet", "csv"):
                database.sql(f"copy made to '{base}/made.{kind}' (format {kind})")
                found = database.sql(f"select count(*), sum(a) from read_{kind}('{base}/*.{kind}')").fetchall()
                assert found == [(10_000, 49_995_000)]
            database.sql(f"copy (select 7 a) to '{base}/made.parquet' (format parquet)")
            assert database.sql(f"select * from '{base}/made.parquet'").fetchall() == [(7,)]
        with duckdb.connect() as database:
            database.register_filesystem(fsspec.filesystem(scheme))
            with pytest.raises(duckdb.Error, match="is of connection"):
                database.sql(f"select count(*) from read_parquet('{base}/made.parquet')").fetchall()

    def test_upath(self, base: str) -> None:
        from upath import UPath

        path = UPath(base) / "u.txt"
        path.write_text("of prod")
        assert UPath(f"{base}/u.txt").read_text() == "of prod"
        assert [path.read_text() for path in UPath(base).iterdir()] == ["of prod"]
        assert [path.read_text() for path in UPath(base).glob("*.txt")] == ["of prod"]
        path.rename(f"{base}/v.txt")
        assert [path.name for path in UPath(base).iterdir()] == ["v.txt"]

    def test_dask(self, base: str) -> None:
        pytest.importorskip("dask", reason="installed on the newest Airflow only")
        import dask.dataframe
        import pandas

        frame = pandas.DataFrame(TABLE)
        made = dask.dataframe.from_pandas(frame, npartitions=2)
        made.to_csv(f"{base}/dask/*.csv", index=False, compute_kwargs={"scheduler": "threads"})
        read = dask.dataframe.read_csv(f"{base}/dask/*.csv").compute(scheduler="threads")
        assert read.to_dict("list") == TABLE
        made.to_parquet(f"{base}/parquet", compute_kwargs={"scheduler": "threads"})
        assert dask.dataframe.read_parquet(f"{base}/parquet").compute(scheduler="threads").to_dict("list") == TABLE

    @pytest.mark.filterwarnings("ignore")  # zarr's own, of its store
    def test_zarr(self, base: str) -> None:
        zarr = pytest.importorskip("zarr", reason="installed on the newest Airflow only")
        made = zarr.open_array(f"{base}/z.zarr", mode="w", shape=(10,), chunks=(5,), dtype="i4")
        made[:] = range(10)
        assert list(zarr.open_array(f"{base}/z.zarr", mode="r")[:]) == list(range(10))


REFUSED: dict[str, Callable[[Any, str], Any]] = {
    "cat": lambda fs, url: fs.cat(url),
    "cat many": lambda fs, url: fs.cat(["reports/in/a", url]),
    "open": lambda fs, url: fs.open(url, "rb"),
    "open w": lambda fs, url: fs.open(url, "wb").close(),
    "pipe": lambda fs, url: fs.pipe({url: b"1"}),
    "copy to": lambda fs, url: fs.copy("reports/in/a", url),
    "copy from": lambda fs, url: fs.copy(url, "reports/in/b"),
    "copy folder": lambda fs, url: fs.copy("reports/in", url, recursive=True),
    "mv to": lambda fs, url: fs.mv("reports/in/a", url),
    "mv from": lambda fs, url: fs.mv(url, "reports/in/b"),
    "get": lambda fs, url: fs.get(url, "/tmp/never"),
    "put": lambda fs, url: fs.put(__file__, url),
    "ls": lambda fs, url: fs.ls(url),
    "find": lambda fs, url: fs.find(url),
    "glob": lambda fs, url: fs.glob(f"{url}*"),
    "exists": lambda fs, url: fs.exists(url),
    "isfile": lambda fs, url: fs.isfile(url),
    "isdir": lambda fs, url: fs.isdir(url),
    "walk": lambda fs, url: list(fs.walk(url)),
    "rm": lambda fs, url: fs.rm(url),
    "rm -r": lambda fs, url: fs.rm(url, recursive=True),
    "touch": lambda fs, url: fs.touch(url),
    "modified": lambda fs, url: fs.modified(url),
    "open_files": lambda fs, url: [
        file.open() for file in fsspec.open_files([fs.unstrip_protocol("reports/in/a"), url])
    ],
}


class TestAnotherConnection:
    @pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED)
    def test_is_refused(self, scheme: str, fs: Any, act: Callable[[Any, str], Any]) -> None:
        fs.pipe("reports/in/a", b"of prod")
        with pytest.raises(
            InvalidArgumentError, match=f"of connection 'dev', and this filesystem is of .{PROD[scheme]}"
        ):
            act(fs, f"{scheme}://dev@reports/in/a")
        assert fs.find("reports") == ["reports/in/a"]
        assert fs.cat("reports/in/a") == b"of prod"

    def test_the_default_one_is_another(self, scheme: str, fs: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=DEFAULT[scheme]):
            fs.cat(f"{scheme}://{DEFAULT[scheme]}@reports/in/a")
        with pytest.raises(InvalidArgumentError, match=PROD[scheme]):
            fsspec.filesystem(scheme).cat(f"{scheme}://{PROD[scheme]}@reports/in/a")

    @pytest.mark.skipif(not PATHS_WITH_CONTAINER, reason="before 3.2 UPath drops the connection of a target")
    def test_renaming_there_is_refused(self, base: str, scheme: str) -> None:
        from airflow.sdk import ObjectStoragePath
        from upath import UPath

        for path in (UPath(base) / "a", ObjectStoragePath(base) / "a"):
            path.write_text("of prod")
            with pytest.raises(ValueError, match=r"of connection 'dev'|dev@reports|empty segment|no object store"):
                path.rename(f"{scheme}://dev@reports/in/b")
            assert path.read_text() == "of prod"

    def test_two_paths_copy_through_both(self, base: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow.sdk import ObjectStoragePath

        source = ObjectStoragePath(base) / "a"
        source.write_text("of prod")
        with pytest.raises(ObjectStoreError):  # the default connection's keys are refused
            source.copy(ObjectStoragePath(f"{scheme}://{DEFAULT[scheme]}@reports/in/b"))
        assert [path.name for path in ObjectStoragePath(base).iterdir()] == ["a"]

    @pytest.mark.parametrize("path", [None, b"reports/in/a", 7])
    def test_what_is_no_text_is_refused(self, fs: Any, path: Any) -> None:
        for act in (fs.rm, fs.exists, fs.cat_file):
            with pytest.raises(InvalidArgumentError, match="a path of"):
                act(path)


class TestOptions:
    """An option that says where to work is honoured or refused: without it, the default connection would be used."""

    @pytest.mark.parametrize("name", ["anypoint_conn_id", "civo_conn_id", "connection_id", "con_id"])
    def test_another_name_of_the_connection_is_refused(self, scheme: str, name: str) -> None:
        with pytest.raises(InvalidArgumentError, match=f"no option {name!r}, and would use .*: give conn_id"):
            fsspec.filesystem(scheme, **{name: PROD[scheme]})
        with pytest.raises(InvalidArgumentError, match=f"no option {name!r}"):
            fsspec.open(f"{scheme}://reports/in/a", **{name: PROD[scheme]})

    @pytest.mark.parametrize("name", ["regoin", "region_name"])
    def test_another_name_of_the_region_is_refused(self, scheme: str, name: str) -> None:
        with pytest.raises(InvalidArgumentError, match=f"no option {name!r}, and would use .*: give region"):
            fsspec.filesystem(scheme, conn_id=PROD[scheme], **{name: "FRA1"})

    @pytest.mark.skipif(not PATHS_WITH_CONTAINER, reason="before 3.2 Airflow drops the options of a path")
    def test_a_path_of_airflow_refuses_it_too(self, scheme: str) -> None:
        from airflow.sdk import ObjectStoragePath

        with pytest.raises(InvalidArgumentError, match="give conn_id"):
            ObjectStoragePath(f"{scheme}://reports/in/a", anypoint_conn_id=PROD[scheme]).exists()

    @pytest.mark.parametrize(
        "options",
        [{"key": "other", "secret": "other"}, {"endpoint_url": "http://other"},
         {"client_kwargs": {"endpoint_url": "http://other"}}],
    )  # fmt: skip
    def test_keys_and_endpoint_are_of_the_connection(self, options: dict[str, Any]) -> None:
        with pytest.raises(
            InvalidArgumentError, match=rf"civo:// has no option .*: connection '{PROD['civo']}' decides"
        ):
            fsspec.filesystem("civo", conn_id=PROD["civo"], **options)
