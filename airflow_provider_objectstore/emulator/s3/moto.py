"""moto as the S3 backend, in its own process: moto has one state per process, which a test's ``mock_aws`` resets."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1])\n"
    "from airflow_provider_objectstore.emulator.s3.moto_server import serve; serve(sys.argv[2:])"
)


class MotoS3:
    """
    An S3 backend that needs only the extra ``emulator``.

    :param certfile: certificate in PEM to serve over TLS; it may contain the private key.
    :param keyfile: the certificate's private key in PEM.
    :param policies: whether it supports bucket policies. Without, it responds 501 ``NotImplemented`` to ``?policy``.
    """

    def __init__(self, *, certfile: str | None = None, keyfile: str | None = None, policies: bool = True) -> None:
        self._policies = policies
        self._certfile = certfile
        self._keyfile = keyfile
        self._call_lock = threading.Lock()

    def start(self, port: int) -> str:
        """
        Serve on 127.0.0.1 and return the endpoint's URL.

        :param port: 0 chooses a free one.
        :raises OSError: if the port is in use.
        :raises RuntimeError: if moto's process does not start. The reason is on its stderr.
        """
        root = str(Path(__file__).parents[2])
        with socket.create_server(("127.0.0.1", port)) as listener:
            descriptor = listener.fileno()
            files = self._certfile or "", self._keyfile or ""
            self._process = subprocess.Popen(  # noqa: S603 - the program is our own
                [sys.executable, "-c", _PROGRAM, root, str(descriptor), *files],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                pass_fds=[descriptor],
                start_new_session=True,  # Ctrl+C is for the parent
            )
            try:
                self._read_reply()
            except RuntimeError:
                self.stop()
                raise
            self.support_policies(self._policies)
            return f"{'https' if self._certfile else 'http'}://127.0.0.1:{listener.getsockname()[1]}"

    def stop(self) -> None:
        """Stop serving and delete everything."""
        self._process.communicate()

    def support_policies(self, supported: bool) -> None:
        """Support bucket policies from the next request on, or not."""
        self._call("support_policies", supported)

    def reset(self) -> None:
        """Delete all users, buckets and objects."""
        self._call("reset")

    def changes(self) -> int:
        """Return a number that grows with each request that may have changed something."""
        return int(self._call("changes"))

    def dump(self) -> dict[str, Any]:
        """
        Return users, buckets and objects as JSON can hold them.

        In it are the newest version of each object with its headers, owners, policies, and whether a bucket has
        versions. Not in it are older versions, tags, ACLs, checksums, other settings of buckets, and uploads in parts
        that are not complete.
        """
        state: dict[str, Any] = self._call("dump")
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Replace everything by what :meth:`dump` returned. If that fails, nothing is changed."""
        self._call("load", state)

    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object for the bucket's owner."""
        self._call("put_object", bucket, key, base64.b64encode(body).decode())

    def put_user(self, user: str, access_key: str, secret_key: str) -> None:
        """Create the user, or replace its one key."""
        self._call("put_user", user, access_key, secret_key)

    def suspend_user(self, user: str, suspended: bool) -> None:
        """Deny the user's requests, or allow them again."""
        self._call("suspend_user", user, suspended)

    def delete_user(self, user: str) -> None:
        """Delete a user that owns no bucket."""
        self._call("delete_user", user)

    def create_bucket(self, bucket: str, owner: str) -> None:
        """Create a bucket that ``owner`` owns."""
        self._call("create_bucket", bucket, owner)

    def set_owner(self, bucket: str, owner: str, objects: bool = True) -> None:
        """Transfer the bucket, and with ``objects`` its existing objects too. Else their owners keep them."""
        self._call("set_owner", bucket, owner, objects)

    def delete_bucket(self, bucket: str) -> None:
        """Delete the bucket with all its contents."""
        self._call("delete_bucket", bucket)

    def usage(self, bucket: str) -> tuple[int, int]:
        """Return bytes and number of objects."""
        size, objects = self._call("usage", bucket)
        return size, objects

    def _call(self, name: str, *parameters: Any) -> Any:
        with self._call_lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps([name, parameters]) + "\n")
            self._process.stdin.flush()
            reply = json.loads(self._read_reply())
        if "error" in reply:
            raise RuntimeError(f"moto, {name}: {reply['error']}")
        return reply["result"]

    def _read_reply(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                "moto's process ended. If it misses a module: pip install 'airflow-provider-objectstore[emulator]'"
            )
        return line
