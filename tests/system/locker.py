"""A process that holds locks, and does what it is told: one command a line, one answer a line."""

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys

SPACES = ("flock", "posix", "ofd")
SHARED, EXCLUSIVE, FREE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
OFD_GETLK, OFD_SETLK, OFD_SETLKW = 36, 37, 38
LOCK_FORMAT = "hhqqi4x"  # struct flock


class Locker:
    """Python has one process a test; POSIX locks are a process's."""

    def __init__(self, lab_, path, mode="r+b"):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, __file__, path, mode],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lab_.on_close(self.kill)
        assert self.answer() == "ready"

    @property
    def pid(self):
        return self.process.pid

    def send(self, *words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def ask(self, *words):
        self.send(*words)
        return self.answer()

    def lock(self, space="posix", kind=EXCLUSIVE, first=0, length=0):
        """Whether it is granted, at once."""
        return self.ask("lock", space, kind, first, length, False) == "granted"

    def begin_lock(self, space="posix", kind=EXCLUSIVE, first=0, length=0):
        """The answer comes when the lock is granted."""
        self.send("lock", space, kind, first, length, True)

    def free(self, space="posix", first=0, length=0):
        assert self.ask("lock", space, FREE, first, length, False) == "granted"

    def look(self, space="posix", kind=EXCLUSIVE, first=0, length=0):
        """(kind, first, length, pid) of a lock that is in the way; kind FREE: none."""
        return tuple(self.ask("look", space, kind, first, length))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self.process.stdin.close()
        self.process.stdout.close()


def describe(kind, first, length):
    return struct.pack(LOCK_FORMAT, kind, os.SEEK_SET, first, length, 0)


def lock(file, space, kind, first, length, waits):
    if space == "flock":
        operation = {SHARED: fcntl.LOCK_SH, EXCLUSIVE: fcntl.LOCK_EX, FREE: fcntl.LOCK_UN}[kind]
        fcntl.flock(file, operation | (0 if waits else fcntl.LOCK_NB))
        return
    posix = space == "posix"
    command = {(True, True): fcntl.F_SETLKW, (True, False): fcntl.F_SETLK,
               (False, True): OFD_SETLKW, (False, False): OFD_SETLK}[posix, waits]
    fcntl.fcntl(file, command, describe(kind, first, length))


def look(file, space, kind, first, length):
    command = fcntl.F_GETLK if space == "posix" else OFD_GETLK
    found = fcntl.fcntl(file, command, describe(kind, first, length))
    kind, _, first, length, pid = struct.unpack(LOCK_FORMAT, found)
    return kind, first, length, pid


class Alarmed(Exception):
    pass


def on_alarm(_number, _frame):
    raise Alarmed


def carry_out(file, command, *words):
    if command == "lock":
        lock(file, *words)
        return "granted"
    if command == "look":
        return look(file, *words)
    if command == "alarm":  # (seconds) and then a lock
        signal.signal(signal.SIGALRM, on_alarm)
        signal.setitimer(signal.ITIMER_REAL, words[0])
        lock(file, *words[1:])
        return "granted"
    if command == "reopen":  # closing any file of the volume ends POSIX locks
        open(file.name, "rb").close()
        return "reopened"
    raise AssertionError(command)


def main(path, mode):
    with open(path, mode, buffering=0) as file:
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            try:
                answer = carry_out(file, *json.loads(line))
            except Alarmed:
                answer = "alarmed"
            except OSError as error:
                answer = error.strerror
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
