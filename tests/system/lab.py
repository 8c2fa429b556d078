"""What the system tests share: scratch directories, controllers, loop devices, and an end to all of
them however a test ends.

Everything a Lab makes is undone by Lab.close(), in reverse order: a test needs no clean-up of its
own. When the time of a test is over (BATON_TEST_TIMEOUT, set by CMake), all controllers are killed,
so that no I/O of the test hangs any longer, and the test fails.
"""

import argparse
import contextlib
import json
import mmap
import os
import pathlib
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BATON_BUILD", SOURCE / "build"))

KIB = 1024
MIB = 1024 * KIB
BLOCK_BYTES = 4 * KIB
EXTENT_BYTES = 64 * KIB
WAITING = "batond-warm"  # the name of a process that is not the controller yet
EXTENTS_IN_FLIGHT = 64  # what one kill can make the controller copy again: limits.h

# Exit codes of `baton`.
REFUSED, USAGE, DEGRADED, UNREACHABLE, TIMED_OUT = 1, 2, 3, 4, 5


class OutOfTime(Exception):
    """The time of this test is over."""


class _Deadline:
    """Kills the controllers shortly before ctest would kill the test, which then cleans up nothing."""

    def __init__(self):
        self.expired = False
        self.controllers = set()
        seconds = float(os.environ.get("BATON_TEST_TIMEOUT", 0))
        signal.signal(signal.SIGUSR1, self._interrupt)
        signal.signal(signal.SIGTERM, self._interrupt)
        if seconds:
            timer = threading.Timer(seconds - min(15, seconds / 4), self._expire)
            timer.daemon = True
            timer.start()

    def _expire(self):
        self.expired = True
        for controller in list(self.controllers):
            controller.signal(signal.SIGKILL)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    def _interrupt(self, number, _frame):
        self.expired = True
        raise OutOfTime(f"the test was ended by {signal.Signals(number).name}")


deadline = _Deadline()

# Ends what a test leaves behind that is killed itself: a controller outlives its keeper. It is told
# directories, a line each; when its input ends it kills every batond that works in one of them.
_GUARD = """
import os, signal, sys
directories = [line.strip() for line in sys.stdin]
for entry in os.listdir("/proc"):
    if entry.isdigit():
        try:
            with open(f"/proc/{entry}/cmdline") as file:
                words = file.read().split(chr(0))
        except OSError:
            continue
        if "--mount" in words and any(word.startswith(directory + "/") for word in words
                                      for directory in directories):
            os.kill(int(entry), signal.SIGKILL)
"""


class _Guard:
    def __init__(self):
        self._process = None

    def watch(self, directory):
        if self._process is None:
            self._process = subprocess.Popen([sys.executable, "-c", _GUARD], stdin=subprocess.PIPE,
                                             text=True, start_new_session=True)
        self._process.stdin.write(f"{directory}\n")
        self._process.stdin.flush()


guard = _Guard()


def run(*command, check=True, timeout=120, **options):
    """Runs a program to its end; the answer has its output as text. Fails the test on an error."""
    result = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            timeout=timeout, check=False, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {result.returncode}\n"
                             f"{result.stdout}{result.stderr}")
    return result


def wait_until(condition, timeout=30, every=0.02, what="the condition"):
    """Polls until `condition()` is true and returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        time.sleep(every)


def aligned_block(length=4 * KIB):
    """Random bytes in memory that O_DIRECT takes."""
    memory = mmap.mmap(-1, length)
    memory[:] = os.urandom(length)
    return memory


def overwrite(path, content):
    """Puts bytes at the beginning of a volume, which cannot be truncated."""
    with open(path, "r+b", buffering=0) as file:
        assert file.write(content) == len(content)


def copy_sparse(source, target):
    run("cp", "--sparse=always", source, target)


def first_difference(path, other):
    """The offset of the first byte in which two files differ, or None."""
    offset = 0
    with open(path, "rb", buffering=0) as one, open(other, "rb", buffering=0) as two:
        while True:
            left, right = one.read(MIB), two.read(MIB)
            if left != right:
                return offset + next((index for index, (a, b) in enumerate(zip(left, right))
                                      if a != b), min(len(left), len(right)))
            if not left:
                return None
            offset += len(left)


def fill_random(path, size, seed, holes=0.0):
    """An image of random data of which about the share `holes`, in runs of 256 KiB, is a hole."""
    rng = random.Random(seed)
    with open(path, "wb") as file:
        file.truncate(size)
        for offset in range(0, size, 256 * KIB):
            if rng.random() >= holes:
                file.seek(offset)
                file.write(rng.randbytes(min(256 * KIB, size - offset)))


def children_of(pid):
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [int(word) for word in text.split()]
    return []


def name_of(pid):
    """Of its program, the first 15 characters; "" when it is gone."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
    return ""


def is_guest():
    """Whether this machine is a virtual one, as x86 tells it."""
    return bool(re.search(r"^flags\b.*\bhypervisor\b", pathlib.Path("/proc/cpuinfo").read_text(),
                          re.MULTILINE))


def is_alive(pid):
    """Not so of a zombie."""
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return False


class Process:
    """A process that is not our child: known by its pidfd, so that no other one is meant."""

    def __init__(self, pid):
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._fd, number)

    def ended(self, timeout=0.0):
        return bool(select.select([self._fd], [], [], timeout)[0])

    def close(self):
        os.close(self._fd)


class Controller:
    """One `batond` at a time, and `baton` for it.

    A batond is a keeper, `process`, which lives until stop() or kill(), and its children: the one
    that serves, controller_pid(), which may be killed and replaced meanwhile, and the one that
    waits for its turn, spare_pid().
    """

    def __init__(self, lab, pool, mount, node="a", options=()):
        self.lab = lab
        self.pool = pathlib.Path(pool)
        self.mount = pathlib.Path(mount)
        self.node = node
        self.options = list(options)
        self.control = lab.directory / f"control-{node}"
        self.log = lab.directory / f"batond-{node}.log"
        self.process = None
        self.orphans = []  # controllers whose keeper was killed
        self.program = BUILD / "batond"

    def command_line(self):
        return [str(self.program), "--pool", str(self.pool), "--node", self.node,
                "--mount", str(self.mount), "--control", str(self.control), *self.options]

    def start(self, timeout=30, wrapper=(), **options):
        """Returns when the mount serves. `wrapper` becomes batond; `options` are Popen's."""
        position = self.log.stat().st_size if self.log.exists() else 0
        guard.watch(self.lab.directory)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *wrapper, *self.command_line()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        deadline.controllers.add(self)
        end = time.monotonic() + timeout
        while not self._is_ready(position):
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"batond is not ready:\n{self.log_text(position)}")
            time.sleep(0.005)

    def _is_ready(self, position):
        return any(line.strip().removeprefix("<5>") == "ready" for line in self.log_text(position).splitlines())

    def log_text(self, position=0):
        with open(self.log, "rb") as log:
            log.seek(position)
            return log.read().decode(errors="replace")

    def start_refused(self, timeout=30):
        """Starts a controller that must not start. Returns (exit code, last line of its log)."""
        result = run(*self.command_line(), check=False, timeout=timeout)
        assert result.returncode != 0, f"batond ended with 0:\n{result.stderr}"
        return result.returncode, result.stderr.strip().splitlines()[-1]

    def signal(self, number):
        """To the keeper; SIGKILL to the controller, too."""
        if self.process is None or self.process.returncode is not None:
            return
        children = self.child_pids() if number == signal.SIGKILL else []
        for pid in [self.process.pid, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        """SIGKILL to both processes: what that leaves behind, except that its dead mount is taken
        off."""
        self.kill_both()
        run("umount", "--lazy", self.mount, check=False)

    def kill_both(self):
        """SIGKILL to keeper and controller; returns when both, and the spare, are gone."""
        if self.process is None:
            return
        controllers = [Process(pid) for pid in self.child_pids()]
        self.process.kill()
        for controller in controllers:
            controller.signal(signal.SIGKILL)
        self.process.wait(30)
        for controller in controllers:
            assert controller.ended(30), "a killed controller does not end"
            controller.close()
        self.process = None
        deadline.controllers.discard(self)

    def child_pids(self):
        """The controller, and whoever may follow it, the oldest first."""
        self.orphans = [pid for pid in self.orphans if is_alive(pid)]
        return self.orphans + (children_of(self.process.pid) if self.process else [])

    def controller_pids(self):
        """The one that serves or is about to; nobody between two of them.

        Whoever waits for its turn has another name. One that is still getting ready for that has
        not, but is younger than the one that serves; once that is gone its turn has come.
        """
        return [pid for pid in self.child_pids() if name_of(pid) != WAITING][:1]

    def spare_pid(self, other_than=None):
        """Waits until there is one that is ready."""
        def spares():
            return [pid for pid in self.child_pids()
                    if name_of(pid) == WAITING and pid != other_than]
        return wait_until(spares, what="a spare")[0]

    def controller_pid(self):
        """Waits while there is none."""
        return wait_until(self.controller_pids, every=0.001, what="a controller process")[0]

    def kill_controller(self):
        """Kills the process that serves, or the one that is about to; the keeper starts another
        one. Returns its pid."""
        pid = self.controller_pid()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return pid

    def wait_restarted(self, pid, timeout=30):
        """Until another process than `pid` serves. Returns its status."""
        def status():
            answer = self.try_status()
            return answer if answer and answer["pid"] not in (0, pid) else None
        return wait_until(status, timeout=timeout, what="a restart")

    def try_status(self, timeout=10):
        """`status`, or None when there is nobody who answers in time."""
        try:
            result = self.run("--json", "status", check=False, timeout=timeout)
        except subprocess.TimeoutExpired:
            return None
        return json.loads(result.stdout) if result.returncode in (0, DEGRADED) else None

    def wait_evicted(self):
        """Its mount ends, and with it batond: for systemd a failure, after which it is started
        anew."""
        wait_until(lambda: self.process.poll() is not None, what="the end of batond")
        assert self.process.returncode == 1, self.process.returncode
        self.process = None
        deadline.controllers.discard(self)

    def kill_keeper(self):
        """SIGKILL to the keeper alone; the controller goes on. start() makes another keeper."""
        self.orphans = self.controller_pids()
        self.process.kill()
        self.process.wait(30)

    def upgrade(self, timeout=60):
        """Hands over to another process. Returns what the command says."""
        return self.json("upgrade", timeout=timeout)

    def stop(self, timeout=30):
        """SIGTERM; the controller must seal the pool, unmount and exit with 0."""
        self.signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self.process = None
        deadline.controllers.discard(self)
        assert code == 0, f"batond ended with {code}:\n{self.log_text()[-2000:]}"

    def close(self):
        for pid in self.controller_pids() if self.process is None else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kill()

    def run(self, *arguments, check=True, timeout=120):
        return run(BUILD / "baton", "--control", self.control, *arguments, check=check,
                   timeout=timeout)

    def json(self, *arguments, timeout=120):
        return json.loads(self.run("--json", *arguments, timeout=timeout).stdout)

    def refused(self, *arguments, code=REFUSED, timeout=60):
        """A command that must be refused with one clear line. Returns that line."""
        result = self.run(*arguments, check=False, timeout=timeout)
        command = "baton " + " ".join(map(str, arguments))
        codes = code if isinstance(code, tuple) else (code,)
        assert result.returncode in codes, (
            f"{command}: exit {result.returncode}, not {code}\n{result.stdout}{result.stderr}")
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1, f"{command}: not one line on standard error:\n{result.stderr}"
        assert not result.stdout.strip(), f"{command}: refused, but prints {result.stdout!r}"
        return lines[0]

    def path(self, volume):
        return self.mount / volume

    def create_volume(self, name, size, *options):
        self.run("volume", "create", name, "--size", size, *options)
        return self.path(name)

    def import_volume(self, name, image):
        self.run("volume", "import", name, image)
        return self.path(name)

    def create_clone(self, source, target, *options):
        return self.run("clone", "create", source, target, *options).stdout.strip()

    def start_clone(self, source, target, *options):
        """Creates, activates and starts. Returns the id."""
        clone = self.create_clone(source, target, *options)
        self.run("clone", "activate", clone)
        self.run("clone", "start", clone)
        return clone

    def clone(self, clone):
        return self.json("clone", "status", clone)

    def wait_clone(self, clone, timeout=120):
        self.run("clone", "wait", clone, "--timeout", timeout, timeout=timeout + 10)
        status = self.clone(clone)
        assert status["state"] == "completed", status
        return status


class Lab:
    """A scratch directory and whatever is made in it."""

    def __init__(self, name):
        self._stack = contextlib.ExitStack()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"baton-{name}.", dir=_scratch()))
        self.directory.chmod(0o755)  # database servers run as users of their own
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)

    def close(self):
        self._stack.close()

    def on_close(self, function, *arguments, **options):
        self._stack.callback(function, *arguments, **options)

    def make_directory(self, name):
        directory = self.directory / name
        directory.mkdir()
        directory.chmod(0o755)
        return directory

    def make_pool(self, name="pool", *options):
        pool = self.make_directory(name)
        run(BUILD / "baton", "pool", "init", pool, *options)
        return pool

    def make_controller(self, pool=None, node="a", mount=None, options=()):
        """A controller, not started."""
        controller = Controller(self, pool or self.make_pool(),
                                mount or self.make_directory(f"mount-{node}"), node, options)
        self.on_close(controller.close)
        return controller

    def start_controller(self, **options):
        controller = self.make_controller(**options)
        controller.start()
        return controller

    def attach_loop(self, path, *options):
        device = run("losetup", "--find", "--show", *options, path).stdout.strip()
        self.on_close(detach_loop, device)
        return device

    def mount_file_system(self, device, name, *options):
        """Mounts `device`, or an image file through a loop device. Returns the mount point."""
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        run("mount", *options, device, directory)
        self.on_close(unmount, directory)
        return directory

    def start(self, *command, **options):
        """A program in the background, ended with the lab."""
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)],
                                   stdin=subprocess.DEVNULL, **options)
        self.on_close(end_process, process)
        return process


def _scratch():
    """A directory of a file system that can do direct I/O."""
    for candidate in (os.environ.get("TMPDIR"), "/var/tmp", str(BUILD)):
        if not candidate:
            continue
        with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=candidate) as file:
            os.close(os.open(file.name, os.O_RDWR | os.O_DIRECT))
            return candidate
    raise AssertionError("no scratch directory on a file system with direct I/O: set TMPDIR")


def end_process(process):
    if process.poll() is None:
        process.kill()
    process.wait(30)


def unmount(directory):
    if not os.path.ismount(directory):
        return
    for _ in range(50):
        if run("umount", directory, check=False).returncode == 0:
            return
        time.sleep(0.1)
    run("umount", "--lazy", directory, check=False)


def detach_loop(device):
    run("losetup", "--detach", device, check=False)


class SystemTest(unittest.TestCase):
    """A test with a lab of its own."""

    maxDiff = None

    def setUp(self):
        if deadline.expired:
            self.fail("no time is left for this test")
        self.lab = Lab(type(self).__name__.lower())
        self.addCleanup(self.lab.close)

    def assert_same_content(self, path, other):
        difference = first_difference(path, other)
        self.assertIsNone(difference, f"{path} and {other} differ at byte {difference}")


def main(options=None):
    """`options`: numbers by name, as they are by default; each may be given as --NAME N."""
    if options is not None:
        parser = argparse.ArgumentParser()
        for name, value in list(vars(options).items()):
            parser.add_argument(f"--{name}", type=int, default=value)
        _, sys.argv[1:] = parser.parse_known_args(namespace=options)
        print(f"seed {options.seed}", file=sys.stderr)
    if os.geteuid() != 0:
        sys.exit("the system tests mount file systems: run them as root")
    unittest.main(verbosity=2)
