"""Reads of a small object: ``civo://`` beside s3fs, obstore and boto3, on one S3 server. A part of ``storage.py``."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

VALUE = b"x" * 1000
PATH = "bench/small"


def clients() -> dict[str, Callable[[], bytes]]:
    """Write the object and return one read of it for each client."""
    import boto3
    import fsspec
    import s3fs
    from obstore.fsspec import FsspecStore
    from obstore.store import S3Store

    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

    options = CivoObjectStoreHook().s3_options("bench")
    boto3_client = boto3.client("s3", **options.boto3())
    boto3_client.put_object(Bucket="bench", Key="small", Body=VALUE)
    arguments: Any = options.obstore()
    store = S3Store("bench", **arguments)
    obstore_files = FsspecStore("s3", **{**arguments["config"], "client_options": arguments["client_options"]})
    plain = s3fs.S3FileSystem(**options.s3fs())
    ours = fsspec.filesystem("civo", conn_id="civo_default")

    def opened(files: Any) -> bytes:
        with files.open(PATH, "rb") as file:
            return bytes(file.read())

    return {
        "obstore get": lambda: bytes(store.get("small").bytes()),
        "obstore.fsspec cat_file": lambda: bytes(obstore_files.cat_file(PATH)),
        "boto3 get_object": lambda: bytes(boto3_client.get_object(Bucket="bench", Key="small")["Body"].read()),
        "s3fs cat_file": lambda: bytes(plain.cat_file(PATH)),
        "civo:// cat_file": lambda: bytes(ours.cat_file(PATH)),
        "s3fs open and read": lambda: opened(plain),
        "civo:// open and read": lambda: opened(ours),
    }


def measure(count: int, rounds: int) -> None:
    """
    Measure in turns and print a table.

    :param count: reads of each client in a round.
    :param rounds: rounds; one more comes first, which opens connections and finds the keys.
    """
    wall: dict[str, list[float]] = defaultdict(list)
    processor: dict[str, float] = defaultdict(float)
    reads = clients()
    for turn in range(rounds + 1):
        for name, read in reads.items():
            began = time.process_time()
            for _ in range(count):
                start = time.perf_counter()
                assert read() == VALUE
                if turn:
                    wall[name].append(time.perf_counter() - start)
            if turn:
                processor[name] += time.process_time() - began
    base, total = statistics.median(wall["obstore get"]), count * rounds
    base_processor = processor["obstore get"]
    print("\n| read of 1,000 bytes | median, ms | / obstore | processor time, ms | / obstore |\n|---|---|---|---|---|")
    for name in reads:
        median = statistics.median(wall[name])
        print(
            f"| {name} | {median * 1000:.2f} | {median / base:.2f} | {processor[name] / total * 1000:.2f} | "
            f"{processor[name] / base_processor:.1f} |"
        )
