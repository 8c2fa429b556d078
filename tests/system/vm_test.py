#!/usr/bin/python3
"""Two virtual machines on NFS, and a real loss of power: the owner's guest ends in the middle of a
clone, while hosts in both guests write. Its page cache and whatever it had not sent are gone."""

import json
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
WATCHDOG_SECONDS = 5
PATIENT_SECONDS = 30  # starting anew takes less, in an emulated guest, too
WATCHDOG = """[pair]
watchdog_device = "/dev/watchdog"
watchdog_seconds = {}
"""
RESET_SECONDS = 3  # what the end of an emulated guest may take


@unittest.skipIf(vms.missing(), vms.missing())
class GuestTest(SystemTest):
    settings = ""

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

    def run_pair(self, test):
        self.guests.up("a", "b")
        self.step("two guests are up")
        self.guests.start_controllers("a", settings=self.settings)
        self.wait_role("a", "owner")
        self.guests.start_controllers("b", settings=self.settings)
        self.step("two controllers serve")
        self.run_test(test)

    def run_test(self, test):
        try:
            test()
        except BaseException:
            for path in self.guests.work.glob("log-*"):
                log = path.read_text(errors="replace")
                print(f"---- {path.name}\n{log[-3000:]}", file=sys.stderr)
            raise

    def status_of(self, name):
        return self.guests.json(name, "status")

    def wait_role(self, name, role):
        def in_role():
            status = self.status_of(name)
            return status if status["role"] == role else None

        return lab.wait_until(in_role, timeout=60, every=0.2, what=f"{name} as {role}")

    def make_history(self, writers):
        """Both guests see it."""
        self.history = history.History(self.lab, "src", VOLUME_BYTES, writers)
        shared = self.guests.work / self.history.path.name
        shutil.move(self.history.path, shared)
        self.history.path = pathlib.Path(shared)

    def check_host(self):
        saw = self.guests.stop_host("b")
        history.check_clean(saw)
        self.assertGreater(saw["writes"], 20)
        self.history.check_present(self.stored("src"))
        self.step(f"every acknowledged write is there; the host in b waited for "
                  f"{saw['longest_ms'] / 1000:.1f} s at most")


class LossOfPower(GuestTest):
    def test_of_the_owner_in_the_middle_of_a_clone(self):
        self.run_pair(self.lose_power)

    def lose_power(self):
        clone = self.start_clone()
        self.step("two hosts write, and a clone copies")
        time.sleep(TIME_TO_COPY_SECONDS)
        before = self.guests.json("b", "clone", "status", clone)
        self.assertEqual(before["state"], "copying", before)
        self.guests.power_off("a")
        self.step(f"guest a has lost its power, with {before['extents_copied']} of "
                  f"{before['extents_total']} extents copied")
        status = self.wait_role("b", "owner")
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
        self.make_history(2)
        self.guests.start_host("a", "src", self.history, 0, PAUSE_US)
        self.guests.start_host("b", "src", self.history, 1, PAUSE_US)
        clone = self.guests.baton("b", "clone", "create", "src", "dst", "--rate", "1M").strip()
        self.guests.baton("a", "clone", "activate", clone)
        self.before = self.history.snapshot()
        self.guests.baton("b", "clone", "start", clone)
        self.after = self.history.snapshot()
        return clone

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

    def check_rejoin(self):
        self.guests.up("a")
        self.guests.start_controllers("a")
        status = self.wait_role("a", "standby")
        self.assertEqual(status["owner"], "b")
        self.step("a is back, as the standby")


class Watchdog(GuestTest):
    """Here the kernel of the guest is the watchdog, and its reset the end of the guest."""

    settings = WATCHDOG.format(WATCHDOG_SECONDS)

    def test_resets_the_node_of_an_owner_that_ended_without_a_word_and_no_other(self):
        self.run_pair(self.end_without_a_word)

    def end_without_a_word(self):
        self.guests.baton("a", "volume", "create", "src", "--size", VOLUME_BYTES)
        self.make_history(1)
        self.guests.start_host("b", "src", self.history, 0, PAUSE_US)
        self.check_handover()
        self.guests.baton("b", "failover", "--to", "a")
        self.wait_role("a", "owner")
        self.guests.run("a", "kill -KILL $(pidof batond)")
        begun = time.monotonic()
        self.step("a owns the pool again, and all processes of its batond are killed")
        lab.wait_until(lambda: self.guests.is_off("a"), timeout=30, every=0.1, what="a reset")
        after = time.monotonic() - begun
        self.assertLess(after, WATCHDOG_SECONDS + RESET_SECONDS)
        self.assertEqual(self.guests.json("b", "status")["role"], "standby")
        self.step(f"the guest of a was reset after {after:.1f} s, and nobody has claimed before")
        status = self.wait_role("b", "owner")
        self.step(f"b is the owner of epoch {status['epoch']}, proof {status['proof']}")
        self.assertEqual(status["proof"], "watchdog", status)
        self.check_host()

    def check_handover(self):
        """An orderly end stops the watchdog of the node."""
        self.guests.baton("a", "failover", "--to", "b")
        self.wait_role("b", "owner")
        time.sleep(2 * WATCHDOG_SECONDS)
        self.assertEqual(self.guests.json("a", "status")["role"], "standby")
        self.step("a was the owner, and its guest goes on")


class WatchdogOfOneGuest(GuestTest):
    """Where a process takes its writes with it: two controllers of one guest, on ext4."""

    def test_is_stopped_by_the_successor_of_an_owner_that_was_killed(self):
        self.guests.up("a")
        self.guests.run("a", "truncate -s 1G /tmp/disk && mkfs.ext4 -q /tmp/disk && mkdir -p /srv && "
                        "mount -o loop /tmp/disk /srv && baton pool init /srv/pool")
        self.run_test(self.kill_owner)

    def kill_owner(self):
        self.start_on_loopback("left", "right", WATCHDOG.format(PATIENT_SECONDS))
        self.wait_role("left", "owner")
        self.start_on_loopback("right", "left", "")
        self.wait_role("right", "standby")
        self.guests.run("a", "kill -KILL $(pgrep -f 'node left'); umount -l /run/left")
        begun = time.monotonic()
        self.start_on_loopback("left", "right", WATCHDOG.format(PATIENT_SECONDS))
        status = self.wait_role("right", "owner")
        self.step(f"left was killed and started again; right owns the pool, proof {status['proof']}")
        time.sleep(max(0, begun + PATIENT_SECONDS + RESET_SECONDS - time.monotonic()))
        self.wait_role("left", "standby")
        self.step("the guest goes on, and left is a standby")

    def start_on_loopback(self, name, peer, settings):
        ports = {"left": 7500, "right": 7600}
        (self.guests.work / f"{name}.toml").write_text(settings)
        self.guests.run("a", f"mkdir -p /run/{name} && (batond --pool /srv/pool --node {name} "
                        f"--mount /run/{name} --control /run/control-{name} --insecure "
                        f"--listen tcp://127.0.0.1:{ports[name]} "
                        f"--peer {peer}=tcp://127.0.0.1:{ports[peer]} --config {name}.toml "
                        f"--liveness-timeout {vms.LIVENESS_SECONDS} >log-{name} 2>&1 &)")

    def status_of(self, name):
        """What there is in the place of a status until the controller answers is no role."""
        text = self.guests.run("a", f"baton --control /run/control-{name} --json status", check=False)
        return json.loads(text) if text.startswith("{") else {"role": text}


if __name__ == "__main__":
    lab.main()
