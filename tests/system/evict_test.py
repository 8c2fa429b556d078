#!/usr/bin/python3
"""A node that is evicted: what waited in its mount never takes effect, whoever owns the pool later and
whenever the node comes back; and its mount is made anew. By hand, other places and sizes:

    evict_test.py [--seed N]
"""

import argparse
import contextlib
import os
import random
import time

import lab
from lab import KIB, MIB, SystemTest
from pair import LocalPair, NodePair

options = argparse.Namespace(seed=1)

VOLUME_BYTES = 2 * MIB
WRITERS = 24  # more than a mount has workers
LATE = 3  # seconds: what has not come by then does not come

# Opens a volume, waits for a file, writes, and says what became of it.
HOST = """
import os, sys, time
path, go, said, offset, length = sys.argv[1:]
fd = os.open(path, os.O_RDWR)
def say(text):
    with open(said + ".new", "w") as file:
        file.write(text)
    os.rename(said + ".new", said)
say("open")
while not os.path.exists(go):
    time.sleep(0.01)
try:
    say(f"wrote {os.pwrite(fd, b'o' * int(length), int(offset))}")
except OSError as error:
    say(f"error {error.errno}")
os._exit(0)
"""


class Hosts:
    """Writers in a node, each at a place of its own choice; they begin when they are told to."""

    def __init__(self, test, node, path):
        self._go = test.lab.directory / "go"
        self._said = []
        self.places = []
        for number in range(WRITERS):
            offset = test.random.randrange(VOLUME_BYTES - 1)
            length = test.random.randrange(1, min(300 * KIB, VOLUME_BYTES - offset) + 1)
            self.places.append((offset, length))
            said = test.lab.directory / f"host-{number}"
            self._said.append(said)
            node.start("python3", "-c", HOST, path, self._go, said, offset, length)
        lab.wait_until(lambda: self.said().count("open") == WRITERS, what="open files")

    def said(self):
        return [said.read_text() if said.exists() else "" for said in self._said]

    def begin(self):
        self._go.touch()

    def wait_failed(self):
        """Until all have ended; none has written anything."""
        lab.wait_until(lambda: "open" not in self.said(), what="the end of all writes")
        wrote = [said for said in self.said() if not said.startswith("error")]
        assert not wrote, f"of a node that is evicted: {wrote}"


class EvictTest(SystemTest):
    def make_pair(self, pair):
        self.random = random.Random(options.seed)
        self.pair = pair
        self.pair.start()
        if self.pair.owner().node != "a":
            self.pair.owner().run("failover", "--to", "a")
            self.pair.wait_owner("a")
        self.a, self.b = self.pair["a"], self.pair["b"]
        self.a.create_volume("disk", VOLUME_BYTES)
        self.model = bytearray(VOLUME_BYTES)

    def node(self, controller, name="b"):
        found = [node for node in controller.try_status()["nodes"] if node["name"] == name]
        return found[0]

    def kinds(self, controller):
        return [event["kind"] for event in controller.json("events")["events"]
                if event["kind"].startswith("node-")]

    def overwrite_places(self, controller, places):
        """Newer data, at the same places and across their ends."""
        with open(controller.path("disk"), "r+b", buffering=0) as file:
            for offset, length in places:
                begin = max(0, offset - self.random.randrange(4 * KIB))
                end = min(VOLUME_BYTES, offset + self.random.randrange(1, length + 8 * KIB))
                data = self.random.randbytes(end - begin)
                assert os.pwrite(file.fileno(), data, begin) == len(data)
                self.model[begin:end] = data

    def assert_newer_data(self, controller):
        self.assertEqual(controller.path("disk").read_bytes(), bytes(self.model), self.pair.said())

    def wait_ended(self, controller):
        controller.wait_evicted()
        self.assertIn("was evicted", controller.log_text())

    def wait_readmitted(self, owner):
        def readmitted():
            status = owner.try_status()
            return status and status["healthy"]
        try:
            lab.wait_until(readmitted, what="a pair that is well")
        except AssertionError:
            raise AssertionError(self.pair.said()) from None
        self.assertFalse(self.node(owner)["evicted"])
        self.assertEqual(self.kinds(owner)[-2:], ["node-evicted", "node-readmitted"])


class CutOff(EvictTest):
    """Writes wait on b, which is cut off from the others."""

    def wait_on_b(self, pair):
        self.make_pair(pair)
        self.hosts = Hosts(self, self.pair.nodes["b"], self.b.mount / "disk")
        self.pair.nodes["b"].cut()
        time.sleep(0.2)
        self.hosts.begin()
        lab.wait_until(lambda: self.a.try_status()["problems"], what="b out of reach")

    def evict_b(self):
        said = self.a.run("node", "evict", "b").stdout
        self.assertIn("node b is evicted", said)
        self.assertTrue(self.node(self.a)["evicted"])
        self.assertEqual(set(self.hosts.said()), {"open"}, "they wait all the same")

    def assert_b_is_served(self, owner):
        """Its fresh mount: everything of before is over, and it can be used."""
        self.wait_readmitted(owner)
        self.assert_newer_data(self.b)
        self.overwrite_places(self.b, self.hosts.places[:3])
        self.assert_newer_data(owner)

    def test_what_waited_never_overwrites_what_is_newer(self):
        self.wait_on_b(NodePair(self.lab))
        self.evict_b()
        self.overwrite_places(self.a, self.hosts.places)
        self.pair.nodes["b"].heal()
        self.hosts.wait_failed()
        self.wait_ended(self.b)
        time.sleep(LATE)
        self.assert_newer_data(self.a)
        self.b.start()
        self.assert_b_is_served(self.a)

    def test_a_controller_that_was_restarted_on_the_same_mount_is_refused_too(self):
        self.wait_on_b(NodePair(self.lab))
        self.evict_b()
        self.overwrite_places(self.a, self.hosts.places)
        self.b.kill_controller()
        self.pair.nodes["b"].heal()
        self.hosts.wait_failed()
        self.wait_ended(self.b)
        time.sleep(LATE)
        self.assert_newer_data(self.a)

    def test_the_next_owner_knows_it(self):
        pair = type("Three", (NodePair,), {"names": ("a", "b", "c")})(self.lab)
        self.wait_on_b(pair)
        self.evict_b()
        self.overwrite_places(self.a, self.hosts.places[::2])
        self.a.run("failover", "--to", "c")
        c = self.pair["c"]
        lab.wait_until(lambda: c.try_status()["role"] == "owner", what="c as the owner")
        self.assertTrue(self.node(c)["evicted"])
        lab.wait_until(lambda: self.node(self.a)["evicted"], what="a told by c")
        self.overwrite_places(c, self.hosts.places)
        self.pair.nodes["b"].heal()
        self.hosts.wait_failed()
        self.wait_ended(self.b)
        time.sleep(LATE)
        self.assert_newer_data(c)
        self.b.start()
        self.assert_b_is_served(c)

    def test_an_owner_that_crashed_knows_it(self):
        self.wait_on_b(NodePair(self.lab))
        self.evict_b()
        self.overwrite_places(self.a, self.hosts.places)
        self.a.kill()
        self.a.start()
        lab.wait_until(lambda: (self.a.try_status() or {}).get("role") == "owner",
                       what="a as the owner")
        self.assertTrue(self.node(self.a)["evicted"])
        self.pair.nodes["b"].heal()
        self.hosts.wait_failed()
        self.wait_ended(self.b)
        time.sleep(LATE)
        self.assert_newer_data(self.a)

    def test_a_node_that_takes_over_while_it_is_evicted_ends_its_mount_first(self):
        self.wait_on_b(NodePair(self.lab))
        self.evict_b()
        self.overwrite_places(self.a, self.hosts.places)
        self.pair.kill_node("a")
        self.hosts.wait_failed()
        self.wait_ended(self.b)
        self.b.start()
        lab.wait_until(lambda: (self.b.try_status() or {}).get("role") == "owner",
                       what="b as the owner")
        self.assert_newer_data(self.b)
        self.assertEqual(self.kinds(self.b), ["node-evicted", "node-readmitted"])


class OldOwner(EvictTest):
    def test_one_that_was_suspended_and_is_evicted_by_the_next_owner(self):
        self.make_pair(NodePair(self.lab))
        hosts = Hosts(self, self.pair.nodes["a"], self.a.mount / "disk")
        self.pair.nodes["a"].freeze()
        lab.wait_until(lambda: (self.b.try_status() or {}).get("role") == "owner",
                       what="b as the owner")
        self.b.run("node", "evict", "a")
        hosts.begin()  # in the mount of before, as soon as they run
        self.overwrite_places(self.b, hosts.places)
        self.pair.nodes["a"].thaw()
        hosts.wait_failed()
        self.wait_ended(self.a)
        time.sleep(LATE)
        self.assert_newer_data(self.b)
        self.a.start()
        self.wait_readmitted(self.b)
        self.assert_newer_data(self.a)


class UnderWay(EvictTest):
    def test_what_the_owner_has_begun_is_over_before_it_is_done(self):
        self.make_pair(NodePair(self.lab, faulty=True))
        self.hosts = Hosts(self, self.pair.nodes["b"], self.b.mount / "disk")
        self.pair.storages["a"].fault("writes delay 700")
        self.hosts.begin()
        lab.wait_until(lambda: self.pair.storages["a"].met() > 4, what="writes under way")

        def evicted():
            result = self.a.run("node", "evict", "b", check=False)
            if result.returncode != 0:
                self.assertIn("are still under way at the storage", result.stderr)
                self.assertTrue(self.node(self.a)["evicted"])
            return result.returncode == 0
        lab.wait_until(evicted, timeout=120, what="the end of what had begun")
        before = self.a.path("disk").read_bytes()
        self.pair.storages["a"].heal()
        time.sleep(LATE)
        self.assertEqual(self.a.path("disk").read_bytes(), before, "something came later")


class OnLoopback(EvictTest):
    def setUp(self):
        super().setUp()
        self.make_pair(LocalPair(self.lab))

    def open_on_b(self):
        fd = os.open(self.b.path("disk"), os.O_RDWR)
        self.addCleanup(self.close, fd)
        return fd

    @staticmethod
    def close(fd):
        with contextlib.suppress(OSError):  # of a mount that has ended
            os.close(fd)

    def test_a_node_without_open_files_goes_on_with_its_mount(self):
        pid = self.b.json("status")["pid"]
        self.b.run("node", "evict", "b")  # asked on whatever node reaches the owner
        self.wait_readmitted(self.a)
        self.assertEqual(self.b.json("status")["pid"], pid)
        self.overwrite_places(self.b, [(5, 100_000)])
        self.assert_newer_data(self.a)

    def test_a_node_that_is_well_loses_its_mount_at_once(self):
        fd = self.open_on_b()
        self.a.run("node", "evict", "b")
        self.wait_ended(self.b)
        with self.assertRaises(OSError):
            os.pwrite(fd, b"old", 0)
        self.a.run("volume", "delete", "disk")  # nobody has it open
        self.b.start()
        self.wait_readmitted(self.a)

    def test_a_host_that_opens_files_again_and_again_does_not_keep_a_node_out(self):
        self.open_on_b()
        self.a.run("node", "evict", "b")
        self.wait_ended(self.b)
        opener = self.lab.start("sh", "-c", f"while :; do : < {self.b.path('disk')}; done 2>/dev/null")
        self.b.start()
        self.wait_readmitted(self.a)
        self.assertIsNone(self.b.process.poll(), "its fresh mount stays")
        lab.end_process(opener)

    def test_a_node_that_is_down_is_evicted_and_comes_back_as_any_other(self):
        self.b.kill()
        for _ in range(2):
            self.a.run("node", "evict", "b")
        self.assertEqual(self.kinds(self.a), ["node-evicted"])
        self.assertIn("evicted", self.a.run("status", check=False).stdout)
        self.assertEqual(self.a.json("node", "evict", "b"), {"node": "b"})
        self.b.start()
        self.wait_readmitted(self.a)
        commands = [event["text"] for event in self.a.json("events")["events"]
                    if event["kind"] == "command"]
        self.assertTrue(any(text.startswith("node evict b was asked for by user 0")
                            for text in commands), commands)

    def test_what_cannot_be_evicted_is_refused(self):
        self.assertIn("the nodes of this pool are a, b", self.b.refused("node", "evict", "x"))
        self.assertIn("owns the pool", self.a.refused("node", "evict", "a"))
        self.assertIn("name", self.a.refused("node", "evict", "NO/NE"))
        self.assertEqual(self.kinds(self.a), [])
        self.assertTrue(self.a.try_status()["healthy"])

    def test_one_that_is_alone_has_nobody_to_evict(self):
        alone = self.lab.make_controller(self.lab.make_pool("single"), node="single")
        alone.start()
        self.assertIn("no peers", alone.refused("node", "evict", "b"))


if __name__ == "__main__":
    lab.main(options)
