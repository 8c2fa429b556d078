"""The ways to a volume that are compared. Each has a file to read and write; some can clone it."""

import contextlib
import json
import mmap
import os
import random
import shutil
import socket
import subprocess
import threading
import time
import urllib.request

import lab
import measure

SLOW_RATE = "64M"  # of a clone that copies beside a measurement: it lasts for one
PRESERVED_AT_ONCE = 128  # records of the log that preserve_by_hand uses in turn
LOG_WATCH_SECONDS = 0.02
QSD = "qemu-storage-daemon"


class Way:
    preserves = False  # whether it can preserve first writes
    copies = False  # whether it can copy all of the volume
    has_targets = False  # whether such a copy can keep to a latency of hosts
    rests = True  # whether nothing else goes on: otherwise only throughput is measured

    def __init__(self, path, size):
        self.path = path
        self.size = size

    @contextlib.contextmanager
    def measured(self):
        """Around each measurement of throughput."""
        yield

    def copied_share(self):
        """Of the copy that is under way, where that is known."""
        return 0

    @contextlib.contextmanager
    def log_watched(self):
        """What becomes a list of (seconds, MiB in use) of the write log, where there is one."""
        yield []


class Raw(Way):
    """The plain file."""

    copies = True

    def copy_seconds(self):
        """Of copying all of the file to a new sparse one, until it is durable."""
        target = self.path.with_name("dd-target")
        with open(target, "wb") as file:
            file.truncate(self.size)
        begin = time.monotonic()
        subprocess.run(["dd", f"if={self.path}", f"of={target}", "bs=1M", "iflag=direct",
                        "oflag=direct", "conv=notrunc,fsync", "status=none"], check=True)
        elapsed = time.monotonic() - begin
        target.unlink()
        return elapsed

    def preserve_by_hand(self, extents):
        """A first write on plain files: reads the extent, writes it with a block of evidence
        durably elsewhere, and then writes."""
        block, extent = mmap.mmap(-1, lab.BLOCK_BYTES), mmap.mmap(-1, lab.EXTENT_BYTES)
        record = mmap.mmap(-1, lab.EXTENT_BYTES + lab.BLOCK_BYTES)
        path = self.path.with_name("log")
        lab.run("dd", "if=/dev/zero", f"of={path}", f"bs={len(record)}",
                f"count={PRESERVED_AT_ONCE}", "conv=fsync", "status=none")
        source = os.open(self.path, os.O_RDWR | os.O_DIRECT)
        log = os.open(path, os.O_RDWR | os.O_DIRECT)
        ends, latencies = [], []
        start = time.perf_counter()
        for count, number in enumerate(random.Random(2).sample(range(extents), extents)):
            begin = time.perf_counter()
            os.preadv(source, [extent], number * lab.EXTENT_BYTES)
            os.pwritev(log, [record], count % PRESERVED_AT_ONCE * len(record), os.RWF_DSYNC)
            os.pwritev(source, [block], number * lab.EXTENT_BYTES)
            end = time.perf_counter()
            ends.append((end - start) * 1e3)
            latencies.append((end - begin) * 1e6)
        os.close(source)
        os.close(log)
        path.unlink()
        return measure.Writes(ends, latencies)


class Bare(Way):
    """The file through a FUSE server that does nothing else."""

    def __init__(self, lab_, file, size):
        super().__init__(lab_.directory / "bare", size)
        self.path.touch()
        lab_.start(lab.BUILD / "bare_bench", file, self.path)
        lab_.on_close(lab.unmount, self.path)
        lab.wait_until(lambda: os.path.ismount(self.path), what="the mount of bare_bench")


class Qmp:
    """Commands to a QEMU, and its events."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(600)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._events = []
        self._lines.readline()  # the greeting
        self.run("qmp_capabilities")

    def run(self, command, **arguments):
        """`a_b` in the name of an argument is a-b."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        request = json.dumps({"execute": command, "arguments": named}) + "\n"
        self._socket.sendall(request.encode())
        while True:
            answer = self._receive()
            if "event" not in answer:
                assert "return" in answer, f"{command}: {answer}"
                return answer["return"]

    def wait_status(self, job, status):
        """Until an event has told that a job has this status."""
        while True:
            while self._events:
                data = self._events.pop(0).get("data", {})
                if data.get("id") == job and data.get("status") == status:
                    return
            self._receive()

    def _receive(self):
        line = self._lines.readline()
        assert line, f"{QSD} has ended"
        answer = json.loads(line)
        if "event" in answer:
            self._events.append(answer)
        return answer

    def close(self):
        self._lines.close()
        self._socket.close()


class Qsd(Way):
    """The file through the FUSE export of QEMU, whose backup jobs copy before a write."""

    preserves = copies = True
    AIO = "native"

    def __init__(self, lab_, file, size):
        super().__init__(lab_.directory / "qsd", size)
        self.path.touch()
        self._target = lab_.directory / "qsd-target"
        control = lab_.directory / "qmp"
        process = lab_.start(
            QSD, "--blockdev",
            f"file,node-name=source,filename={file},cache.direct=on,aio={self.AIO}",
            "--chardev", f"socket,id=qmp,path={control},server=on,wait=off", "--monitor", "qmp",
            "--export", f"fuse,id=export,node-name=source,mountpoint={self.path},writable=on")
        lab_.on_close(lab.unmount, self.path)
        lab.wait_until(lambda: os.path.ismount(self.path), what=f"the mount of {QSD}")
        self.pid = process.pid
        self._qmp = Qmp(control)
        lab_.on_close(self._qmp.close)

    def _begin(self, sync):
        with open(self._target, "wb") as file:
            file.truncate(self.size)
        self._qmp.run("blockdev-add", driver="file", node_name="target", aio=self.AIO,
                      filename=str(self._target), cache={"direct": True})
        self._qmp.run("blockdev-backup", job_id="copy", device="source", target="target",
                      sync=sync)

    def _end(self):
        self._qmp.wait_status("copy", "null")
        self._qmp.run("blockdev-del", node_name="target")
        self._target.unlink()

    def begin_preserving(self):
        """From now on first writes are preserved; nothing else is copied."""
        self._begin("none")

    def end_preserving(self):
        self._qmp.run("block-job-cancel", device="copy")
        self._end()

    def copy_seconds(self):
        begin = time.monotonic()
        self._begin("full")
        self._qmp.wait_status("copy", "concluded")
        with open(self._target, "rb") as file:
            os.fsync(file.fileno())
        elapsed = time.monotonic() - begin
        self._end()
        return elapsed


class Baton(Way):
    """A volume. `owner` is the controller that carries out the commands."""

    preserves = copies = has_targets = True

    def __init__(self, path, size, owner, port):
        """At `port` the owner serves HTTP."""
        super().__init__(path, size)
        self.owner = owner
        self._status = f"http://127.0.0.1:{port}/v1/status"
        self._clone = None

    @property
    def pid(self):
        return self.owner.controller_pid()

    def begin_clone(self, *options):
        self.owner.create_volume("dst", self.size)
        self._clone = self.owner.start_clone("src", "dst", *options)

    def end_clone(self):
        status = self.owner.clone(self._clone)
        assert status["state"] in ("copying", "paused", "completed"), status
        if status["state"] != "completed":
            self.owner.run("clone", "stop", self._clone)
        self.owner.run("clone", "delete", self._clone)
        self.owner.run("volume", "delete", "dst")
        self._clone = None

    def copied_share(self):
        clone = self._clone
        if clone is None:
            return 0
        answer = self.owner.run("--json", "clone", "status", clone, check=False).stdout
        status = json.loads(answer or "{}")  # it may have been deleted by now
        return status["extents_copied"] / status["extents_total"] if status else 0

    @contextlib.contextmanager
    def log_watched(self):
        samples, ended = [], threading.Event()
        watching = threading.Thread(target=self._watch_log, args=(samples, ended))
        watching.start()
        try:
            yield samples
        finally:
            ended.set()
            watching.join()

    def _watch_log(self, samples, ended):
        """Time begins when something is in the log."""
        begin = None
        while not ended.wait(LOG_WATCH_SECONDS):
            with urllib.request.urlopen(self._status, timeout=10) as answer:
                used = json.load(answer)["write_log"]["used_bytes"] / lab.MIB
            now = time.monotonic()
            if begin is None and used:
                begin = now - LOG_WATCH_SECONDS
            if begin is not None:
                samples.append((now - begin, used))

    def begin_preserving(self):
        self.begin_clone("--rate", "64K")  # so that next to nothing is copied before the pause
        self.owner.run("clone", "pause", self._clone)

    def end_preserving(self):
        self.end_clone()

    def copy_seconds(self, latency_target="off"):
        self.begin_clone("--latency-target", latency_target)
        status = self.owner.wait_clone(self._clone, timeout=600)
        self.end_clone()
        return (status["completed_unix_us"] - status["started_unix_us"]) / 1e6


class Standby(Baton):
    """The volume through the mount of the other controller."""


class Cloning(Baton):
    """The volume while a clone copies slowly. For throughput alone."""

    preserves = copies = has_targets = rests = False

    @contextlib.contextmanager
    def measured(self):
        self.begin_clone("--rate", SLOW_RATE)
        yield
        self.end_clone()


NAMES = ("raw", "bare", "qsd", "owner", "standby", "cloning")


def missing(names):
    """What has to be installed or built for these ways, or None."""
    if "qsd" in names and shutil.which(QSD) is None:
        return f"{QSD} is missing: install qemu-system-common, or leave out qsd with --ways"
    if "bare" in names and not (lab.BUILD / "bare_bench").exists():
        return f"{lab.BUILD}/bare_bench is missing: build it, or leave out bare with --ways"
    return None


def make(names, lab_, file, size, pair, ports):
    """By name. `file` has the content; `pair` is on, and its volume `src` has it, too; its nodes
    serve HTTP at `ports`."""
    owner = pair.owner() if pair else None
    port = ports[owner.node] if pair else None
    makers = {
        "raw": lambda: Raw(file, size),
        "bare": lambda: Bare(lab_, file, size),
        "qsd": lambda: Qsd(lab_, file, size),
        "owner": lambda: Baton(owner.path("src"), size, owner, port),
        "standby": lambda: Standby(pair.standby().path("src"), size, owner, port),
        "cloning": lambda: Cloning(owner.path("src"), size, owner, port),
    }
    return {name: makers[name]() for name in NAMES if name in names}
