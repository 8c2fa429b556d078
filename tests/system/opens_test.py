#!/usr/bin/python3
"""What hosts have open is known at every instant at which a command may discard a volume's content:
over crashes, spares, upgrades, takeovers, and nodes that are not heard. By hand, longer:

    opens_test.py [--steps N] [--seed N] Model
"""

import argparse
import collections
import contextlib
import os
import random
import signal
import time

import lab
from lab import MIB, REFUSED, SystemTest
from pair import LocalPair

options = argparse.Namespace(steps=20, seed=1)

VOLUME_BYTES = 4 * MIB


class Opened:
    """Files of the mounts that this test has open, by (node, volume): the model."""

    def __init__(self, test):
        self._files = collections.defaultdict(list)
        test.addCleanup(self.close_all)

    def open(self, controller, volume):
        # The kernel may remember a volume of that name that was deleted, for a moment.
        def try_open():
            with contextlib.suppress(FileNotFoundError, OSError):
                return os.open(controller.path(volume), os.O_RDWR)
            return None
        self._files[controller.node, volume].append(
            lab.wait_until(lambda: try_open() or None, what=f"{volume} on {controller.node}"))

    def close(self, node, volume):
        os.close(self._files[node, volume].pop())

    def close_all(self):
        for files in self._files.values():
            while files:
                with contextlib.suppress(OSError):  # of a mount that has ended
                    os.close(files.pop())

    def places(self):
        return [place for place, files in self._files.items() if files]

    def anywhere(self, volume):
        return any(place[1] == volume for place in self.places())


# What a command says while a node that it needs is on its way back.
PASSING = ("no connection to", "no controller owns the pool", "is down:", "does not follow the pool")


def answered(controller, *arguments):
    """The result of a command, asked again while nodes come and go."""
    def ask():
        result = controller.run(*arguments, check=False)
        return None if any(text in result.stderr for text in PASSING) else result
    return lab.wait_until(ask, what=f"an answer to {arguments}")


def done(controller, *arguments):
    result = answered(controller, *arguments)
    assert result.returncode == 0, f"{arguments}: {result.stderr}"
    return result.stdout.strip()


class OpensTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.opened = Opened(self)

    def assert_kept(self, controller, volume, message="is open"):
        """Neither deletes the volume nor makes it the target of a clone."""
        self.assertIn(message, controller.refused("volume", "delete", volume))
        clone = done(controller, "clone", "create", "source", volume)
        self.assertIn(message, controller.refused("clone", "activate", clone))
        controller.run("clone", "delete", clone)

    def make_volumes(self, controller, *names):
        for name in ("source", *names):
            controller.create_volume(name, VOLUME_BYTES)


class Alone(OpensTest):
    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.make_volumes(self.controller, "disk")

    def crash_onto_the_spare(self):
        """The spare that goes on was made before whatever was opened or closed last."""
        self.controller.wait_restarted(self.controller.kill_controller())

    def test_what_was_opened_after_the_spare_was_made_is_open_after_a_crash(self):
        self.controller.spare_pid()
        self.opened.open(self.controller, "disk")
        self.crash_onto_the_spare()
        self.assert_kept(self.controller, "disk")

    def test_what_was_closed_after_the_spare_was_made_is_closed_after_a_crash(self):
        self.opened.open(self.controller, "disk")
        self.crash_onto_the_spare()
        self.controller.spare_pid()
        self.opened.close(self.controller.node, "disk")
        self.crash_onto_the_spare()
        self.controller.run("volume", "delete", "disk")


class InPair(OpensTest):
    def setUp(self):
        super().setUp()
        self.pair = LocalPair(self.lab)
        self.pair.start()
        self.owner, self.standby = self.pair.owner(), self.pair.standby()
        self.make_volumes(self.owner, "disk", "other")

    def open_count(self, volume="disk"):
        return self.owner.json("volume", "show", volume)["open_count"]

    def test_what_a_standby_has_open_counts_until_it_is_closed(self):
        self.opened.open(self.standby, "disk")
        time.sleep(0.5)
        self.assertEqual(self.open_count(), 1)
        self.opened.open(self.standby, "disk")
        self.opened.open(self.owner, "disk")
        self.assertEqual(self.open_count(), 2, "one a node")
        self.opened.close(self.standby.node, "disk")
        self.opened.close(self.owner.node, "disk")
        lab.wait_until(lambda: self.open_count() == 1, timeout=2, what="one that is left")
        self.assert_kept(self.standby, "disk")
        self.opened.close(self.standby.node, "disk")
        lab.wait_until(lambda: self.open_count() == 0, timeout=2, what="none that is left")
        self.standby.run("volume", "delete", "disk")

    def test_an_upgrade_of_the_standby_keeps_what_it_has_open(self):
        self.opened.open(self.standby, "disk")
        self.standby.upgrade()
        for _ in range(5):
            self.assert_kept(self.owner, "disk")
            time.sleep(0.1)
        self.opened.close(self.standby.node, "disk")
        self.owner.run("volume", "delete", "disk")

    def test_a_crash_of_the_standby_keeps_what_it_has_open(self):
        self.opened.open(self.standby, "disk")
        pid = self.standby.kill_controller()
        self.assert_kept(self.owner, "disk")
        self.standby.wait_restarted(pid)
        self.assert_kept(self.owner, "disk")

    def test_right_after_a_takeover_the_new_owner_knows_what_both_nodes_have_open(self):
        self.opened.open(self.owner, "disk")
        self.opened.open(self.standby, "other")
        self.owner.spare_pid()
        self.owner.kill_controller()
        for volume in ("disk", "other"):
            result = answered(self.standby, "volume", "delete", volume)
            self.assertIn("is open", result.stderr, volume)
        self.assertEqual(self.standby.json("status")["owner"], self.standby.node)

    def test_what_a_node_that_is_not_heard_has_open_is_kept_until_the_operator_says_so(self):
        self.opened.open(self.standby, "disk")
        self.standby.signal(signal.SIGKILL)  # the keeper, too: its mount ends
        self.assertIn("is open", self.owner.refused("volume", "delete", "disk"))
        self.owner.run("volume", "delete", "other")
        time.sleep(5)  # a node that was heard a moment ago is not taken for gone
        self.owner.run("volume", "delete", "--degraded", "disk")

    def test_an_owner_that_cannot_know_says_which_node_has_not_told(self):
        self.standby.stop()
        self.owner.wait_restarted(self.owner.kill_controller())
        self.pair.wait_owner(self.owner.node)
        refusal = self.owner.refused("volume", "delete", "disk")
        self.assertIn(f"node {self.standby.node} has not told what its programs have open", refusal)
        self.standby.start()
        self.owner.run("volume", "delete", "disk")


class Model(OpensTest):
    """Random opens and closes on both nodes, kills, changes of owner and upgrades; at each step a
    volume is to be deleted or activated, which must happen if, and only if, nobody has it open."""

    VOLUMES = [f"v{i}" for i in range(5)]

    def setUp(self):
        super().setUp()
        self.pair = LocalPair(self.lab)
        self.pair.start()
        self.random = random.Random(options.seed)
        self.make_volumes(self.pair["a"], *self.VOLUMES)

    def any_controller(self):
        return self.pair[self.random.choice(self.pair.names)]

    def open_one(self):
        self.opened.open(self.any_controller(), self.random.choice(self.VOLUMES))

    def close_one(self):
        if places := self.opened.places():
            self.opened.close(*self.random.choice(places))

    def kill(self):
        self.any_controller().kill_controller()

    def kill_both(self):
        for controller in self.pair.running():
            controller.kill_controller()

    def failover(self):
        self.any_controller().run("failover", check=False)

    def upgrade(self):
        self.any_controller().run("upgrade", check=False)

    def try_to_delete(self, controller, volume):
        result = answered(controller, "volume", "delete", volume)
        if result.returncode == 0:
            done(controller, "volume", "create", volume, "--size", VOLUME_BYTES)
        return result

    def try_to_activate(self, controller, volume):
        clone = done(controller, "clone", "create", "source", volume)
        result = answered(controller, "clone", "activate", clone)
        if result.returncode == 0:
            done(controller, "clone", "stop", clone)
        done(controller, "clone", "delete", clone)
        return result

    def test_content_is_discarded_only_of_what_nobody_has_open(self):
        steps = [self.open_one] * 6 + [self.close_one] * 6 + [
            self.kill, self.kill_both, self.failover, self.upgrade]
        for number in range(options.steps):
            step = self.random.choice(steps)
            step()
            attempt = self.random.choice([self.try_to_delete, self.try_to_activate])
            controller, volume = self.any_controller(), self.random.choice(self.VOLUMES)
            result = attempt(controller, volume)
            where = f"seed {options.seed}, step {number}: {step.__name__}, {attempt.__name__} " \
                    f"{volume} on {controller.node}, open: {self.opened.places()}\n{result.stderr}"
            expected = REFUSED if self.opened.anywhere(volume) else 0
            self.assertEqual(result.returncode, expected, f"{where}\n{self.pair.said()}")
            if expected == REFUSED:
                self.assertIn("is open", result.stderr, where)


if __name__ == "__main__":
    lab.main(options)
