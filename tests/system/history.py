"""Hosts that know what they wrote: tests/system/host in the background, and its verdicts."""

import json
import os
import shutil
import signal
import subprocess

import lab

HOST = lab.BUILD / "verifying_host"


class Damage(AssertionError):
    """A volume does not hold what it must."""


def _verdict(result):
    found = json.loads(result.stdout or '{"damage": ""}')
    if result.returncode != 0:
        raise Damage(found["damage"] or result.stderr)


class History:
    """What all hosts of one volume were acknowledged; the volume is zeros at first."""

    def __init__(self, lab_, name, size, writers, seed=1):
        self.lab = lab_
        self.path = lab_.directory / f"history-{name}"
        lab.run(HOST, "make", self.path, size, seed, writers)
        self._snapshots = 0

    def snapshot(self):
        """As it is now, as a path: for check_instant()."""
        self._snapshots += 1
        copy = self.path.with_name(f"{self.path.name}-{self._snapshots}")
        shutil.copyfile(self.path, copy)
        return copy

    def check_present(self, volume, run=lab.run):
        """No acknowledged write is lost. No host may be writing."""
        _verdict(run(HOST, "check", volume, self.path, check=False, timeout=120))

    @staticmethod
    def check_instant(volume, before, after, run=lab.run):
        """`volume` is of one instant between two snapshots."""
        _verdict(run(HOST, "check-instant", volume, before, after, check=False, timeout=120))


class Host:
    """Writers [first, first + count) of a history, on a volume as `node` sees it."""

    def __init__(self, start, volume, history, first, count, pause_us=2000, read_percent=30):
        """`start` is Lab.start or Node.start."""
        self._process = start(HOST, "run", volume, history.path, first, count, pause_us,
                              read_percent, stdout=subprocess.PIPE, text=True)
        history.lab.on_close(self._process.stdout.close)
        self._line("ready")

    def _line(self, expected=None):
        line = self._process.stdout.readline().strip()
        if not line or (expected and line != expected):
            raise Damage(f"a host has ended or says {line!r}")
        return line

    def _pids(self):
        """The host itself, also below the programs that bring it into a node."""
        found, todo = [], [self._process.pid]
        while todo:
            pid = todo.pop()
            if lab.name_of(pid) == HOST.name[:15]:
                found.append(pid)
            todo += lab.children_of(pid)
        return found

    def _signal(self, number):
        for pid in self._pids():
            os.kill(pid, number)

    def look(self):
        """What it saw; longest_ms since the last look."""
        self._signal(signal.SIGUSR1)
        return json.loads(self._line())

    def pause(self):
        """Returns when nothing is under way."""
        self._signal(signal.SIGUSR2)
        self._line("paused")

    def resume(self):
        self._signal(signal.SIGUSR2)
        self._line("resumed")

    def is_alive(self):
        return self._process.poll() is None

    def stop(self):
        """Returns what it saw; Damage if that was an error or something wrong."""
        self._signal(signal.SIGTERM)
        saw = json.loads(self._line())
        self._process.wait(60)
        check_clean(saw)
        return saw

    def kill(self):
        self._signal(signal.SIGKILL)
        self.gone()

    def gone(self):
        """Its node was killed."""
        self._process.wait(30)


def check_clean(saw):
    if saw["errors"] or saw["damaged"]:
        raise Damage(f"a host saw {saw}")
