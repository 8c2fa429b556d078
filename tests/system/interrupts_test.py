#!/usr/bin/python3
"""Processes whose requests wait for an owner can be killed, and what they wanted never happens
after that; signals that they handle change nothing."""

import os
import pathlib
import signal
import sys
import time

import lab
from lab import MIB, SystemTest
from pair import LocalPair, NodePair

VOLUME_BYTES = 4 * MIB
BLOCK = 4096
WRITERS = 40  # more than requests are served at one time

# How long a write may stay that was on its way to the owner when the connection was lost: that is
# noticed after 1.5 s, and 7 s later it is certain that the write never happens.
LONGEST_DOUBT = 1.5 + 7
SOON = 2.0

# Opens a volume, says so by a file, and waits for another one. Then it writes `content` to a block,
# once or (times 0) again and again; SIGALRM comes all the time. Ends with the errno of a write that
# failed. (Python's own calls would hide EINTR and ask again.)
WRITER = """
import ctypes, os, signal, sys, time
path, block, content, times, ready, go = sys.argv[1:]
block, times = int(block), int(times)
libc = ctypes.CDLL(None, use_errno=True)
data = content.encode() * 4096
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
file = os.open(path, os.O_RDWR)
open(ready, "x").close()
while not os.path.exists(go):
    time.sleep(0.005)
while True:
    if libc.pwrite(file, data, 4096, ctypes.c_long(4096 * block)) != 4096:
        os._exit(ctypes.get_errno())
    times -= 1
    if times == 0:
        os._exit(0)
"""


class Writer:
    """A process in `node` (None: here) that writes to its block."""

    def __init__(self, test, path, block, times, go, node):
        self.block = block
        self._ready = go.with_name(f"{go.name}-ready-{block}")
        start = node.start if node else test.lab.start
        self._way = start(sys.executable, "-c", WRITER, path, block, "o", times, self._ready, go)
        # The way into a node is another process.
        pid = self._way.pid
        if node:
            pid = lab.wait_until(lambda: lab.children_of(self._way.pid), what="a writer")[0]
        self.process = lab.Process(pid)
        test.addCleanup(self.process.close)

    def is_ready(self):
        return self._ready.exists()

    def waits(self):
        """For an answer of the mount."""
        return pathlib.Path(f"/proc/{self.process.pid}/wchan").read_text() == "request_wait_answer"

    def ended(self, timeout):
        return self.process.ended(timeout)

    def result(self):
        return self._way.wait(30)


class Writers(list):
    """Some that have the volume open, each for a block of its own."""

    _made = 0

    def __init__(self, test, path, first=0, times=1, node=None, count=WRITERS):
        Writers._made += 1
        self._go = test.lab.directory / f"go-{Writers._made}"
        super().__init__(Writer(test, path, first + i, times, self._go, node)
                         for i in range(count))
        lab.wait_until(lambda: all(writer.is_ready() for writer in self), what="writers")

    def go(self):
        self._go.touch()

    def await_stuck(self):
        lab.wait_until(lambda: all(writer.waits() for writer in self), what="writers that wait")


def kill(writers):
    for writer in writers:
        writer.process.signal(signal.SIGKILL)


def read_block(path, block):
    # Not from pages that were read before.
    with open(path, "rb", buffering=0) as file:
        return os.pread(file.fileno(), BLOCK, block * BLOCK)


class Killed(SystemTest):
    """In nodes with a network of their own."""

    def writers(self, **options):
        """On the standby."""
        return Writers(self, self.standby.mount / "v", node=self.node, **options)

    def assert_gone(self, writers, within):
        began = time.monotonic()
        for writer in writers:
            left = began + within - time.monotonic()
            self.assertTrue(writer.ended(max(left, 0)), f"not gone after {within} s")
        return time.monotonic() - began

    def setUp(self):
        super().setUp()
        self.pair = NodePair(self.lab)
        self.pair.start()
        self.owner, self.standby = self.pair.owner(), self.pair.standby()
        self.node = self.pair.nodes[self.standby.node]
        self.owner.create_volume("v", VOLUME_BYTES)
        lab.wait_until(self.standby.path("v").exists, what="the volume on the standby")

    def test_writers_that_are_cut_off_are_gone_and_overwrite_nothing_later(self):
        under_way = self.writers(times=0)
        later = self.writers(first=WRITERS)
        under_way.go()
        lab.wait_until(lambda: all(read_block(self.owner.path("v"), i)[:1] == b"o"
                                   for i in range(WRITERS)), what="all writers")
        self.node.cut()
        time.sleep(3)
        under_way.await_stuck()
        later.go()
        later.await_stuck()
        # Nothing of these was ever sent.
        kill(later)
        self.assert_gone(later, SOON)
        kill(under_way)
        print(f"gone after {self.assert_gone(under_way, LONGEST_DOUBT):.1f} s", file=sys.stderr)
        new = b"n" * (2 * WRITERS * BLOCK)
        with open(self.owner.path("v"), "r+b", buffering=0) as file:
            file.write(new)
        self.node.heal()
        self.pair.wait_agreed()
        time.sleep(2)
        # And the standby serves again.
        probe = self.writers(first=2 * WRITERS, count=1)
        probe.go()
        self.assertEqual(probe[0].result(), 0)
        for controller in (self.owner, self.standby):
            with open(controller.path("v"), "rb", buffering=0) as file:
                self.assertEqual(file.read(len(new)), new, f"on {controller.node}")


class Unserved(SystemTest):
    """The owner is gone, and nobody may take over by itself."""

    def setUp(self):
        super().setUp()
        self.pair = LocalPair(self.lab, options=["--takeover", "manual"])
        self.pair.start()
        self.owner, self.standby = self.pair.owner(), self.pair.standby()
        self.owner.create_volume("v", VOLUME_BYTES)
        self.path = self.standby.path("v")
        lab.wait_until(self.path.exists, what="the volume on the standby")
        self.writers = Writers(self, self.path)
        self.owner.kill()
        self.writers.go()
        self.writers.await_stuck()

    def serve(self):
        self.standby.run("failover", "--owner-is-dead")

    def test_half_of_the_writers_are_killed_and_the_others_notice_nothing(self):
        killed, living = self.writers[::2], self.writers[1::2]
        kill(killed)
        end = time.monotonic() + SOON
        for writer in killed:
            self.assertTrue(writer.ended(max(end - time.monotonic(), 0)))
        self.assertFalse(any(writer.ended(0) for writer in living))
        self.serve()
        for writer in living:
            self.assertEqual(writer.result(), 0)
        for writer in self.writers:
            expected = b"\0" if writer in killed else b"o"
            self.assertEqual(read_block(self.path, writer.block), expected * BLOCK, writer.block)

    def test_what_an_earlier_controller_may_have_sent_is_waited_for(self):
        self.standby.wait_restarted(self.standby.kill_controller())
        kill(self.writers)
        end = time.monotonic() + LONGEST_DOUBT
        for writer in self.writers:
            self.assertTrue(writer.ended(max(end - time.monotonic(), 0)))
        self.serve()
        self.assertEqual(read_block(self.path, 0), bytes(BLOCK))


if __name__ == "__main__":
    lab.main()
