"""A triggerer's process with a supervisor: ``python -m tests.triggerer PATH HOW CONNECTIONS`` uses a path there."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from airflow.jobs.triggerer_job_runner import TriggerCommsDecoder
from airflow.sdk import ObjectStoragePath
from airflow.sdk.execution_time import comms, task_runner
from airflow.sdk.execution_time.comms import _ResponseFrame
from asgiref.sync import sync_to_async


def supervise(line: socket.socket, connections: dict[str, str]) -> None:
    """Answer what the triggerer asks, each after 5 ms."""

    def read(size: int) -> bytes:
        held = b""
        while len(held) < size:
            got = line.recv(size - len(held))
            if not got:
                raise EOFError
            held += got
        return held

    while True:
        frame = msgspec.msgpack.decode(read(struct.unpack(">I", read(4))[0]))
        number, asked = frame[0], frame[1]
        time.sleep(0.005)
        answer: Any = None
        if asked["type"] == "GetConnection":
            found = json.loads(connections[asked["conn_id"]])
            answer = {"type": "ConnectionResult", "conn_id": asked["conn_id"], "schema": None, "port": None}
            answer |= {name: found.get(name) for name in ("conn_type", "host", "login", "password")}
            answer["extra"] = json.dumps(found["extra"])
        elif asked["type"] == "GetVariable":
            answer = {"type": "VariableResult", "key": asked["key"], "value": f"of {asked['key']}"}
        line.sendall(_ResponseFrame(id=number, body=answer).as_bytes())


async def run(work: Callable[[], str], how: str) -> str:
    """Call a blocking function in a thread, or on the loop."""
    if how.endswith("to_thread"):
        return await asyncio.to_thread(work)
    if how.endswith("sync_to_async"):
        return await sync_to_async(work)()
    return work()


async def main(url: str, how: str, connections: dict[str, str]) -> None:
    """Use the path while another trigger asks for variables."""
    mine, theirs = socket.socketpair()
    threading.Thread(target=supervise, args=(theirs, connections), daemon=True).start()
    os.dup2(mine.fileno(), 0)
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=0))
    decoder = TriggerCommsDecoder(async_writer=writer, async_reader=reader)
    task_runner.SUPERVISOR_COMMS = decoder  # type: ignore[assignment]
    if hasattr(decoder, "start_reader"):
        await decoder.start_reader()
        import greenback

        await greenback.ensure_portal()
    path = ObjectStoragePath(url)

    def work() -> str:
        if how.startswith("many"):
            path.fs.pipe({f"{path.path}{number}": b"1" for number in range(3)})
            return str(path.fs.cat([f"{path.path}{number}" for number in range(2)]).popitem()[1].decode())
        path.write_text("1")
        return str(path.read_text())

    async def others() -> None:
        for number in range(1_000_000):
            answer: Any = await decoder.asend(comms.GetVariable(key=f"k{number}"))
            assert answer.value == f"of k{number}", answer
            if over:
                return

    over: list[bool] = []
    asking = asyncio.create_task(others())
    await asyncio.sleep(0.1)
    try:
        print("read", await run(work, how))
    except Exception as error:
        print("error", error)
    over.append(True)
    await asyncio.wait_for(asking, 10)
    print("the others asked on", flush=True)
    os._exit(0)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(40, exit=True)
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(Path(sys.argv[3]).read_text())))
