#!/usr/bin/python3
"""Two virtual machines on NFS, and a real loss of power: the owner's guest ends in the middle of a
clone, while hosts in both guests write. Its page cache and whatever it had not sent are gone."""

import pathlib
import shutil
import sys
import time
import unittest

import history
import lab
import vms
from lab import EXTENTS_IN_FLIGHT, MIB, SystemTest

VOLUME_BYTES = 16 * MIB
TIME_TO_COPY_SECONDS = 5
PAUSE_US = 80_000


@unittest.skipIf(vms.missing(), vms.missing())
class LossOfPower(SystemTest):
    def setUp(self):
        super().setUp()
        self.begun = time.monotonic()
        self.guests = vms.Guests(self.lab)
        lab.run(lab.BUILD / "baton", "pool", "init", self.guests.shared / "pool")
        self.guests.make_keys()

    def step(self, text):
        print(f"{time.monotonic() - self.begun:5.1f} s  {text}", file=sys.stderr, flush=True)

    def stored(self, volume):
        """The plain file on the server."""
        return self.guests.shared / "pool" / "volumes" / volume

    def test_of_the_owner_in_the_middle_of_a_clone(self):
        try:
            self.run_all()
        except BaseException:
            for name in self.guests.numbers:
                print(f"---- log of {name}{self.guests.log(name)[-3000:]}", file=sys.stderr)
            raise

    def run_all(self):
        self.guests.up("a", "b")
        self.step("two guests are up")
        self.guests.start_controllers("a", "b")
        self.step("two controllers serve")
        lab.wait_until(lambda: self.guests.json("a", "status")["owner"] == "a", timeout=30,
                       every=0.5, what="an owner")
        clone = self.start_clone()
        self.step("two hosts write, and a clone copies")
        time.sleep(TIME_TO_COPY_SECONDS)
        before = self.guests.json("b", "clone", "status", clone)
        self.assertEqual(before["state"], "copying", before)
        self.guests.power_off("a")
        self.step(f"guest a has lost its power, with {before['extents_copied']} of "
                  f"{before['extents_total']} extents copied")
        status = lab.wait_until(self.owner_b, timeout=60, every=0.2, what="a takeover")
        self.step(f"b is the owner of epoch {status['epoch']}, proof {status['proof']}")
        self.check_clone(clone, before)
        self.check_host()
        self.check_rejoin()

    def start_clone(self):
        self.guests.baton("a", "volume", "create", "src", "--size", VOLUME_BYTES)
        self.guests.baton("a", "volume", "create", "dst", "--size", VOLUME_BYTES)
        # No extent is a hole.
        self.guests.run("a", "dd if=/dev/zero of=/run/mount/src bs=1M conv=notrunc "
                        f"count={VOLUME_BYTES // MIB}")
        self.history = history.History(self.lab, "src", VOLUME_BYTES, 2)
        shared = self.guests.work / self.history.path.name
        shutil.move(self.history.path, shared)
        self.history.path = pathlib.Path(shared)
        self.guests.start_host("a", "src", self.history, 0, PAUSE_US)
        self.guests.start_host("b", "src", self.history, 1, PAUSE_US)
        clone = self.guests.baton("b", "clone", "create", "src", "dst", "--rate", "1M").strip()
        self.guests.baton("a", "clone", "activate", clone)
        self.before = self.history.snapshot()
        self.guests.baton("b", "clone", "start", clone)
        self.after = self.history.snapshot()
        return clone

    def owner_b(self):
        status = self.guests.json("b", "status")
        return status if status["role"] == "owner" else None

    def check_clone(self, clone, before):
        status = self.guests.json("b", "clone", "status", clone)
        self.assertGreaterEqual(status["extents_copied"], before["extents_copied"])
        self.guests.baton("b", "clone", "set", clone, "--rate", "1G")
        self.guests.baton("b", "clone", "wait", clone, timeout=90)
        status = self.guests.json("b", "clone", "status", clone)
        self.assertEqual(status["state"], "completed", status)
        again = status["copies_total"] - status["extents_total"]
        self.assertGreaterEqual(again, 0, status)
        self.assertLessEqual(again, EXTENTS_IN_FLIGHT, status)
        self.guests.baton("b", "clone", "verify", clone, timeout=90)
        self.history.check_instant(self.stored("dst"), self.before, self.after)
        self.step(f"the clone is exact; {status['copies_total']} copies of "
                  f"{status['extents_total']} extents were made")

    def check_host(self):
        saw = self.guests.stop_host("b")
        history.check_clean(saw)
        self.assertGreater(saw["writes"], 20)
        self.history.check_present(self.stored("src"))
        self.step(f"every acknowledged write is there; the host in b waited for "
                  f"{saw['longest_ms'] / 1000:.1f} s at most")

    def check_rejoin(self):
        self.guests.up("a")
        self.guests.start_controllers("a")
        status = lab.wait_until(self.standby_a, timeout=60, every=0.2, what="a as a standby")
        self.assertEqual(status["owner"], "b")
        self.step("a is back, as the standby")

    def standby_a(self):
        status = self.guests.json("a", "status")
        return status if status["role"] == "standby" else None


if __name__ == "__main__":
    lab.main()
