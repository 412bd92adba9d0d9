"""A Ceph cluster of one monitor, one storage daemon in memory and one gateway: plain processes on the loopback."""

from __future__ import annotations

import errno
import http.client
import random
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from tests.debian import environment
from tests.rgw.certificate import write_certificate

# Without `ms mon client mode = crc` the gateway waits for ever, as there is no authentication. Without `objecter tick
# interval` it waits five seconds if it starts before the storage daemon.
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = v2:127.0.0.1:{mon_port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
ms mon client mode = crc
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
run dir = {state}
admin socket = {state}/$name.asok
crash dir = {state}/crash
log file = {state}/$name.log
log to stderr = false
err to stderr = true
erasure code dir = {libraries}/ceph/erasure-code
plugin dir = {libraries}/ceph
osd class dir = {libraries}/rados-classes

[mon]
mon data = {state}/mon
mon cluster log file = {state}/cluster.log
mon cluster log to syslog = false
mon data avail warn = 2
mon data avail crit = 1
paxos propose interval = 0.05

[osd]
osd data = {state}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd op num shards = 1
osd op num threads per shard = 2
osd class load list = *
osd class default list = *

[client]
objecter tick interval = 0.1
rgw data = {state}/rgw
rgw frontends = beast {endpoints}
rgw thread pool size = 32
rgw enable apis = s3
rgw rados pool pg num min = 4
rgw run sync thread = false
rgw dynamic resharding = false
"""

# Kills the daemons, which are in its process group, when its input closes: in `stop`, or because our process ended.
_WATCH = """\
cat >/dev/null
exec setsid --wait sh -c 'kill -s KILL -- -"$1"; rm -rf "$0"' "$0" $$
"""

# What a command answers that is repeated: the user exists already, or is gone already.
_DONE_BEFORE = errno.EEXIST, errno.ENOENT


class ClusterError(RuntimeError):
    """A daemon or an administrative command failed."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Cluster:
    """
    Runs from construction to :meth:`stop`, which deletes its state.

    :param root: folder of Ceph's files.
    :param port: the gateway's port on 127.0.0.1.
    :param tls_port: port of an https endpoint with the self-signed :attr:`certificate`; ``None`` for no such endpoint.
    """

    def __init__(self, root: Path, port: int, tls_port: int | None = None) -> None:
        self._bin = root / "usr/bin"
        self._environment = environment(root)
        self._state = Path(tempfile.mkdtemp(prefix="rgw-"))
        self._configuration = self._state / "ceph.conf"
        self.certificate = self._state / "tls.pem"
        self._watch = subprocess.Popen(
            ["sh", "-c", _WATCH, str(self._state)], stdin=subprocess.PIPE, process_group=0, stderr=subprocess.DEVNULL
        )
        self._daemons: list[subprocess.Popen[bytes]] = []
        try:
            self._create(root, port, tls_port)
            self._spawn("ceph-mon", "-i", "a")
            self._spawn("ceph-osd", "-i", "0")
            self._wait_for_gateway(self._spawn("radosgw", "-n", "client.rgw"), port)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill all daemons and delete their state."""
        assert self._watch.stdin is not None
        self._watch.stdin.close()
        self._watch.wait()
        while self._daemons:
            self._daemons.pop().wait()
        shutil.rmtree(self._state, ignore_errors=True)

    def admin(self, *arguments: str) -> str:
        """
        Run ``radosgw-admin``. It has been seen to hang and to crash: then it is run again.

        :return: its output.
        :raises ClusterError: with its exit code, if it fails.
        """
        command = "radosgw-admin", *arguments, "-c", str(self._configuration), "--no-mon-config"
        try:
            return self._run(*command, timeout=20)
        except subprocess.TimeoutExpired:
            pass
        except ClusterError as error:
            if error.code >= 0:  # not ended by a signal
                raise
        try:
            return self._run(*command)
        except ClusterError as error:
            if error.code in _DONE_BEFORE:
                return ""
            raise

    def _create(self, root: Path, port: int, tls_port: int | None) -> None:
        fsid, mon_port = str(uuid.uuid4()), free_port()
        endpoints = f"endpoint=127.0.0.1:{port}"
        if tls_port:
            key = self._state / "tls.key"
            write_certificate(self.certificate, key)
            endpoints += f" ssl_endpoint=127.0.0.1:{tls_port} ssl_certificate={self.certificate} ssl_private_key={key}"
        for name in ("mon", "osd", "rgw", "crash"):
            (self._state / name).mkdir()
        self._configuration.write_text(
            _CONFIGURATION.format(
                fsid=fsid,
                mon_port=mon_port,
                state=self._state,
                endpoints=endpoints,
                libraries=next(root.glob("usr/lib/*-linux-gnu/ceph")).parent,
            )
        )
        configuration, monitors, devices = (str(self._state / name) for name in ("ceph.conf", "monmap", "osdmap"))
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon_port}]", monitors)
        self._run("osdmaptool", "-c", configuration, "--no-mon-config", "--createsimple", "1", devices)
        self._run("ceph-mon", "-c", configuration, "--mkfs", "-i", "a", "--monmap", monitors, "--osdmap", devices)
        self._run("ceph-osd", "-c", configuration, "--mkfs", "-i", "0", "--no-mon-config", "--osd-uuid", fsid)

    def _run(self, program: str, *arguments: str, timeout: float = 120) -> str:
        result = subprocess.run(
            [self._bin / program, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if result.returncode:
            command = " ".join([program, *arguments[:2]])
            raise ClusterError(f"{command} failed: {result.stderr.strip()[-1000:]}", result.returncode)
        return result.stdout

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._state / f"{program}.out").open("wb") as output:
            daemon = subprocess.Popen(
                [self._bin / program, "-f", "-c", self._configuration, "--no-mon-config", *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=self._watch.pid,
            )
        self._daemons.append(daemon)
        return daemon

    def _wait_for_gateway(self, gateway: subprocess.Popen[bytes], port: int, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if gateway.poll() is not None:
                break
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(0.02)
        output = "\n".join(path.read_text(errors="replace")[-1000:] for path in self._state.glob("*.out"))
        raise ClusterError(f"The gateway does not respond on port {port}:\n{output}")


def free_port() -> int:
    """Return a free port outside the range of outgoing connections, which could take it before it is used."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
