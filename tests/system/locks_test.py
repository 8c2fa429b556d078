#!/usr/bin/python3
"""Advisory locks of programs: between the programs of a node and over the pair, through crashes,
upgrades, takeovers and deaths. By hand, longer:

    locks_test.py [--steps N] [--seed N] Model
"""

import argparse
import itertools
import random
import select
import subprocess
import time

import lab
from lab import MIB, SystemTest
from locker import EXCLUSIVE, FREE, SHARED, SPACES, Locker
from pair import LocalPair


options = argparse.Namespace(steps=150, seed=1)

# The ranges of POSIX and of open file description locks are one space: a place for each.
PLACES = {"flock": 0, "posix": 1000, "ofd": 2000}


class LocksTest(SystemTest):
    def hold_each(self, process):
        for space, place in PLACES.items():
            self.assertTrue(process.lock(space, EXCLUSIVE, place, 10), space)

    def assert_each_held(self, *others):
        for other, (space, place) in itertools.product(others, PLACES.items()):
            self.assertFalse(other.lock(space, SHARED, place, 10), space)

    def wait_each_free(self, other):
        for space, place in PLACES.items():
            lab.wait_until(lambda: other.lock(space, EXCLUSIVE, place, 10), timeout=5, what=space)

    def on(self, controller, volume="disk"):
        return Locker(self.lab, controller.path(volume))

    def assert_waits(self, waiting, seconds=0.3):
        """It has no answer for so long."""
        ready, _, _ = select.select([waiting.process.stdout], [], [], seconds)
        self.assertFalse(ready, "the lock was granted beside another one")

    def assert_granted(self, waiting, within=2.0):
        began = time.monotonic()
        self.assertEqual(waiting.answer(), "granted")
        self.assertLess(time.monotonic() - began, within)


class Alone(LocksTest):
    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.controller.create_volume("disk", 4 * MIB)
        self.one, self.other = self.on(self.controller), self.on(self.controller)

    def test_each_kind_excludes(self):
        for space in SPACES:
            self.assertTrue(self.one.lock(space))
            self.assertFalse(self.other.lock(space), space)
            self.assertFalse(self.other.lock(space, SHARED), space)
            self.one.free(space)
            self.assertTrue(self.one.lock(space, SHARED))
            self.assertTrue(self.other.lock(space, SHARED))
            self.assertFalse(self.other.lock(space), space)
            self.one.free(space)
            self.assertTrue(self.other.lock(space))
            self.other.free(space)

    def test_ranges_are_split_and_joined(self):
        self.assertTrue(self.one.lock("posix", EXCLUSIVE, 0, 100))
        self.one.free("posix", 40, 20)
        self.assertTrue(self.other.lock("posix", EXCLUSIVE, 40, 20))
        self.assertFalse(self.other.lock("posix", EXCLUSIVE, 39, 1))
        self.assertFalse(self.other.lock("posix", SHARED, 60, 1))
        kind, first, length, pid = self.other.look("posix", EXCLUSIVE, 50, 100)
        self.assertEqual((kind, first, length, pid), (EXCLUSIVE, 60, 40, self.one.pid))
        self.assertEqual(self.other.look("posix", SHARED, 100, 0)[0], FREE)

    def test_who_waits_goes_on_when_the_lock_is_free(self):
        for space in SPACES:
            self.assertTrue(self.one.lock(space))
            self.other.begin_lock(space)
            self.assert_waits(self.other)
            self.one.free(space)
            self.assert_granted(self.other)
            self.other.free(space)

    def test_a_close_ends_posix_locks_and_the_last_one_ends_all(self):
        self.hold_each(self.one)
        self.one.ask("reopen")
        self.assertTrue(self.other.lock("posix", EXCLUSIVE, PLACES["posix"], 10))
        self.assertFalse(self.other.lock("flock"))
        self.assertFalse(self.other.lock("ofd", EXCLUSIVE, PLACES["ofd"], 10))
        self.one.kill()
        self.wait_each_free(self.other)

    def test_a_signal_ends_the_wait_and_nothing_is_held(self):
        third = self.on(self.controller)
        for space in SPACES:
            self.assertTrue(self.one.lock(space))
            began = time.monotonic()
            self.assertEqual(
                self.other.ask("alarm", 0.2, space, EXCLUSIVE, 0, 0, True), "alarmed", space)
            self.assertLess(time.monotonic() - began, 2)
            self.one.free(space)
            self.assertTrue(third.lock(space), f"{space}: what was called off is not held")
            third.free(space)

    def test_who_waits_can_be_killed(self):
        self.assertTrue(self.one.lock("posix"))
        self.other.begin_lock("posix")
        self.assert_waits(self.other)
        began = time.monotonic()
        self.other.kill()
        self.assertLess(time.monotonic() - began, 2)
        self.one.free("posix")
        self.assertTrue(self.on(self.controller).lock("posix"))

    def test_locks_outlive_their_controller(self):
        self.hold_each(self.one)
        waiting = self.on(self.controller)
        waiting.begin_lock("flock")
        for end in (lambda: self.controller.wait_restarted(self.controller.kill_controller()),
                    self.controller.upgrade):
            end()
            self.assert_each_held(self.other)
            self.assertTrue(self.other.lock("posix", EXCLUSIVE, 20, 10))
        self.assert_waits(waiting)
        self.one.free("flock")
        self.assert_granted(waiting)

    def test_a_lock_that_was_given_back_while_nobody_served_is_free(self):
        self.hold_each(self.one)
        killed = self.controller.kill_controller()
        self.one.kill()
        self.controller.wait_restarted(killed)
        self.wait_each_free(self.other)


class InPair(LocksTest):
    def setUp(self):
        super().setUp()
        self.pair = LocalPair(self.lab)
        self.pair.start()
        self.owner, self.standby = self.pair.owner(), self.pair.standby()
        self.owner.create_volume("disk", 4 * MIB)
        self.here, self.there = self.on(self.owner), self.on(self.standby)

    def test_each_kind_excludes_on_the_other_node(self):
        for space, (one, other) in itertools.product(
                SPACES, ((self.here, self.there), (self.there, self.here))):
            with self.subTest(space=space):
                self.assertTrue(one.lock(space))
                self.assertFalse(other.lock(space))
                self.assertFalse(other.lock(space, SHARED))
                one.free(space)
                self.assertTrue(one.lock(space, SHARED))
                self.assertTrue(other.lock(space, SHARED))
                self.assertFalse(one.lock(space))
                one.free(space)
                self.assertTrue(other.lock(space))
                other.free(space)

    def test_ranges_of_both_nodes_lie_side_by_side(self):
        self.assertTrue(self.here.lock("posix", EXCLUSIVE, 0, 10))
        self.assertTrue(self.there.lock("posix", EXCLUSIVE, 10, 10))
        self.assertFalse(self.there.lock("posix", EXCLUSIVE, 9, 1))
        self.assertEqual(self.there.look("posix", SHARED, 0, 0), (EXCLUSIVE, 0, 10, 0),
                         "the number of a process of another node says nothing here")

    def test_who_waits_on_the_other_node_goes_on_at_once(self):
        for one, other in ((self.here, self.there), (self.there, self.here)):
            self.assertTrue(one.lock("flock"))
            other.begin_lock("flock")
            self.assert_waits(other)
            one.free("flock")
            self.assert_granted(other, within=0.4)
            other.free("flock")

    def test_a_process_that_dies_holds_nothing_on_the_other_node(self):
        self.hold_each(self.there)
        self.there.kill()
        self.wait_each_free(self.here)

    def test_locks_are_kept_over_changes_of_owner(self):
        self.hold_each(self.here)
        self.assertTrue(self.there.lock("posix", EXCLUSIVE, 5000, 10))
        others = [self.on(self.owner), self.on(self.standby)]

        def check():
            self.assert_each_held(*others)
            for other in others:
                self.assertFalse(other.lock("ofd", SHARED, 5000, 10))
        check()
        for _ in range(2):
            before = self.pair.owner()
            before.run("failover")
            self.pair.wait_owner(self.pair.other(before.node))
            check()
        self.pair.owner().kill_controller()
        self.pair.wait_agreed()
        check()

    def test_a_restart_of_a_standby_keeps_its_locks(self):
        self.assertTrue(self.there.lock("ofd"))
        self.standby.wait_restarted(self.standby.kill_controller())
        self.assertFalse(self.here.lock("ofd"))
        self.standby.upgrade()
        self.assertFalse(self.here.lock("ofd"))
        self.there.free("ofd")
        self.assertTrue(self.here.lock("ofd"))

    def test_a_mount_that_was_made_anew_holds_nothing(self):
        self.assertTrue(self.there.lock("flock"))
        self.standby.kill_both()
        self.there.kill()
        self.assertFalse(self.here.lock("flock"), "nobody has proven that its holder is gone")
        self.assertEqual(self.owner.json("volume", "show", "disk")["locked_by"],
                         [self.standby.node])
        self.standby.start()
        self.pair.wait_agreed()
        lab.wait_until(lambda: self.here.lock("flock"), timeout=5, what="a lock of a mount that ended")

    def test_an_orderly_stop_gives_all_back(self):
        self.assertTrue(self.there.lock("flock"))
        self.there.kill()
        self.standby.stop()
        self.assertTrue(self.here.lock("flock"))

    def test_an_evicted_node_holds_nothing(self):
        self.hold_each(self.there)
        self.owner.run("node", "evict", self.standby.node)
        self.wait_each_free(self.here)
        self.assertEqual(self.owner.json("volume", "show", "disk")["locked_by"],
                         [self.owner.node])
        self.standby.wait_evicted()
        self.there.kill()
        self.standby.start()
        self.pair.wait_agreed()
        back = self.on(self.standby)
        self.assert_each_held(back)
        self.here.kill()
        self.wait_each_free(back)

    def test_what_an_operator_declares_dead_holds_nothing(self):
        self.assertTrue(self.here.lock("flock"))
        self.owner.kill_both()
        self.here.kill()
        self.standby.run("failover", "--owner-is-dead", timeout=60)
        self.assertTrue(self.there.lock("flock"))

    def test_two_emulators_do_not_open_one_image(self):
        first = self.emulator(self.owner)
        lab.wait_until(lambda: self.here.look("ofd")[0] != FREE, what="an image that is locked")
        second = self.emulator(self.standby)
        _, error = second.communicate("quit\n", timeout=60)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn('Failed to get "write" lock', error)
        first.communicate("quit\n", timeout=60)
        third = self.emulator(self.standby)
        third.communicate("quit\n", timeout=60)
        self.assertEqual(third.returncode, 0)

    def emulator(self, controller):
        """A machine that is off, with the volume as its disk."""
        process = subprocess.Popen(
            ["qemu-system-x86_64", "-S", "-display", "none", "-nodefaults", "-accel", "tcg",
             "-m", "64", "-monitor", "stdio",
             "-drive", f"file={controller.path('disk')},format=raw,if=virtio"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lab.end_process, process)
        return process


class Held:
    """The model: who holds what, byte by byte."""

    BYTES = 12

    def __init__(self):
        self._kinds = {}  # (process, space) -> a kind a byte

    def _of(self, process, space):
        return self._kinds.setdefault((process, space), [FREE] * self.BYTES)

    def _others(self, process, space):
        def sees(other):
            return (other == "flock") == (space == "flock")
        return [kinds for (who, other), kinds in self._kinds.items()
                if sees(other) and (who, other) != (process, space)]

    def may(self, process, space, kind, first, length):
        return not any(EXCLUSIVE in (kind, kinds[i]) and kinds[i] != FREE
                       for kinds in self._others(process, space)
                       for i in range(first, first + length))

    def set(self, process, space, kind, first, length):
        self._of(process, space)[first:first + length] = [kind] * length

    def forget(self, process):
        for place in [place for place in self._kinds if place[0] == process]:
            del self._kinds[place]


class Model(LocksTest):
    """Programs of both nodes take locks and die, owners and controllers change; each answer is what
    the model says."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(options.seed)
        self.pair = LocalPair(self.lab)
        self.pair.start()
        self.pair.owner().create_volume("disk", 4 * MIB)
        self.held = Held()
        self.names = itertools.count()
        self.processes = {}
        for node in ("a", "b", "a", "b"):
            self.add(node)

    def add(self, node):
        self.processes[next(self.names)] = (node, self.on(self.pair[node]))

    def one(self):
        name = self.random.choice(list(self.processes))
        return name, *self.processes[name]

    def lock(self):
        name, _, process = self.one()
        space = self.random.choice(SPACES)
        first = 0 if space == "flock" else self.random.randrange(Held.BYTES)
        length = Held.BYTES - first if space == "flock" else (
            self.random.randrange(Held.BYTES - first) + 1)
        # A flock lock is of the whole file.
        where = (0, 0) if space == "flock" else (first, length)
        kind = self.random.choice((SHARED, EXCLUSIVE, FREE))
        if kind == FREE:
            process.free(space, *where)
        else:
            expected = self.held.may(name, space, kind, first, length)
            self.assertEqual(process.lock(space, kind, *where), expected,
                             f"step {self.step}: {name} {space} {kind} {first} {length}")
            if not expected:
                return
        self.held.set(name, space, kind, first, length)

    def die(self):
        name, node, process = self.one()
        process.kill()
        self.held.forget(name)
        del self.processes[name]
        # The kernel tells of what it held behind its back.
        self.add(node)
        time.sleep(0.5)

    def kill_controller(self):
        node = self.random.choice("ab")
        self.pair[node].wait_restarted(self.pair[node].kill_controller())

    def hand_over(self):
        self.pair.wait_agreed()
        before = self.pair.owner()
        before.run("failover")
        self.pair.wait_owner(self.pair.other(before.node))

    def upgrade(self):
        self.pair.wait_agreed()
        self.pair[self.random.choice("ab")].upgrade()

    def test_every_answer_is_what_the_model_says(self):
        events = [self.die, self.kill_controller, self.hand_over, self.upgrade]
        for self.step in range(options.steps):
            action = self.lock if self.random.random() < 0.93 else self.random.choice(events)
            action()


if __name__ == "__main__":
    lab.main(options)
