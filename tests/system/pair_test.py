#!/usr/bin/python3
"""Two controllers on one pool: what is said to one is done by both, and when one fails the other
goes on with what is left. By hand, longer:

    pair_test.py [--rounds N] [--seed N] Faults StorageFaults
"""

import argparse
import json
import mmap
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import faults
import history
import lab
from lab import DEGRADED, EXTENTS_IN_FLIGHT, MIB, SystemTest
from pair import LocalPair, NodePair, free_port

options = argparse.Namespace(rounds=30, seed=1)

CLONE_BYTES = 32 * MIB


class Prepared(SystemTest):
    """On loopback."""

    def setUp(self):
        super().setUp()
        self.pair = LocalPair(self.lab)
        self.pair.start()
        self.owner = self.pair.owner()
        self.standby = self.pair.standby()

    def make_volumes(self, *names):
        for name in names:
            self.owner.create_volume(name, CLONE_BYTES)

    def fill_source(self):
        """Through the standby. Returns a file with the same content."""
        image = self.lab.directory / "image"
        lab.fill_random(image, CLONE_BYTES, seed=1)
        lab.overwrite(self.standby.path("src"), image.read_bytes())
        return image

    def test_both_say_the_same(self):
        left, right = self.owner.json("status"), self.standby.json("status")
        self.assertEqual((left["role"], right["role"]), ("owner", "standby"))
        for field in ("owner", "epoch", "pool_id"):
            self.assertEqual(left[field], right[field])
        self.assertEqual(sorted(node["name"] for node in left["nodes"]), ["a", "b"])
        self.assertTrue(left["healthy"] and right["healthy"], (left, right))

    def test_a_start_raises_no_alarm(self):
        for controller in (self.owner, self.standby):
            said = [line for line in controller.log_text().splitlines()
                    if "alarm" in line or "[error]" in line]
            self.assertEqual(said, [])

    def test_a_guest_without_a_fence_is_warned_of_pauses(self):
        expected = 1 if lab.is_guest() else 0
        for controller in (self.owner, self.standby):
            status = controller.json("status")
            warnings = [text for text in status["warnings"] if "a virtual machine" in text]
            self.assertEqual(len(warnings), expected, status["warnings"])
            self.assertTrue(status["healthy"])
            said = [line for line in controller.log_text().splitlines()
                    if "[warning] this is a virtual machine" in line]
            self.assertEqual(len(said), expected)

    def test_volume_made_on_either_is_a_file_of_both_mounts(self):
        self.owner.create_volume("first", MIB)
        self.standby.run("volume", "create", "second", "--size", MIB)
        for controller in (self.owner, self.standby):
            lab.wait_until(lambda c=controller: {path.name for path in c.mount.iterdir()} ==
                           {"first", "second"}, what="both volumes")
        lab.overwrite(self.standby.path("second"), b"from the standby")
        self.assertEqual(self.owner.path("second").read_bytes()[:16], b"from the standby")
        lab.overwrite(self.owner.path("first"), b"from the owner")
        self.assertEqual(self.standby.path("first").read_bytes()[:14], b"from the owner")

    def times(self, name):
        """When `name` changed last, which both mounts must say at once."""
        left, right = (os.stat(controller.path(name)) for controller in (self.owner, self.standby))
        for field in ("st_mtime_ns", "st_ctime_ns", "st_blocks"):
            self.assertEqual(getattr(left, field), getattr(right, field), field)
        return left.st_mtime_ns

    def test_both_say_at_once_when_a_volume_changed_last(self):
        self.make_volumes("src", "dst")
        for controller in (self.owner, self.standby, self.owner):
            before = self.times("src")
            lab.overwrite(controller.path("src"), os.urandom(MIB))
            self.assertGreater(self.times("src"), before)
        self.assertEqual(self.times("src"), self.times("src"))
        before = self.times("dst")
        self.standby.run("clone", "run", "src", "dst")
        after = self.times("dst")
        self.assertGreater(after, before)
        source = self.times("src")
        self.owner.run("failover")
        self.pair.wait_owner(self.standby.node)
        self.assertEqual((self.times("src"), self.times("dst")), (source, after))

    def test_a_memory_map_shows_the_other_node_when_the_file_is_opened_anew(self):
        self.make_volumes("vol")

        def mapped(controller):
            fd = os.open(controller.path("vol"), os.O_RDWR)
            self.lab.on_close(os.close, fd)
            view = mmap.mmap(fd, 4096)
            self.lab.on_close(view.close)
            return view
        view = mapped(self.standby)
        self.assertEqual(view[:3], bytes(3))
        lab.overwrite(self.owner.path("vol"), b"one")
        self.assertEqual(mapped(self.standby)[:3], b"one")
        view = mapped(self.standby)
        view[:3] = b"two"
        view.flush()
        self.assertEqual(self.owner.path("vol").read_bytes()[:3], b"two")

    def test_every_command_goes_to_the_owner_from_wherever_it_is_typed(self):
        self.make_volumes("src", "dst")
        image = self.fill_source()
        clone = self.standby.create_clone("src", "dst")
        self.standby.run("clone", "activate", clone)
        self.standby.run("clone", "start", clone)
        self.standby.run("clone", "wait", clone, "--timeout", 60)
        self.standby.run("clone", "verify", clone)
        self.assert_same_content(self.standby.path("dst"), image)
        self.assert_same_content(self.owner.path("dst"), image)

    def test_residual_is_the_same_from_both(self):
        self.make_volumes("src", "dst")
        self.fill_source()
        clone = self.owner.start_clone("src", "dst", "--rate", "4M")
        time.sleep(0.7)
        self.standby.run("clone", "pause", clone)

        def same():
            left, right = (controller.json("clone", "residual", clone)
                           for controller in (self.owner, self.standby))
            return left == right and left
        residual = lab.wait_until(same, timeout=10, what="the same residual")
        self.assertGreater(residual["extents_pending"], 0)
        fields = ("state", "extents_copied", "extents_pending", "copies_total")
        left, right = (controller.clone(clone) for controller in (self.owner, self.standby))
        self.assertEqual({field: left[field] for field in fields},
                         {field: right[field] for field in fields})

    def test_create_names_the_controller_that_is_down(self):
        self.make_volumes("src", "dst")
        self.standby.stop()
        line = self.owner.refused("clone", "create", "src", "dst")
        self.assertIn(self.standby.node, line.split(": ", 1)[-1].replace(",", " ").split())
        clone = self.owner.create_clone("src", "dst", "--degraded")
        self.owner.run("clone", "activate", clone, check=False)
        self.assertEqual(self.owner.run("status", check=False).returncode, DEGRADED)
        self.standby.start()
        self.pair.wait_agreed()
        self.owner.run("clone", "activate", clone, check=False)
        self.standby.run("clone", "start", clone)
        self.owner.wait_clone(clone)

    def test_owner_that_is_stopped_is_followed_at_once(self):
        epoch = self.owner.json("status")["epoch"]
        self.owner.stop()
        status = self.pair.wait_owner(self.standby.node, timeout=3)
        self.assertEqual(status["epoch"], epoch + 1)
        self.owner.start()
        self.assertEqual(self.pair.wait_agreed()["owner"], self.standby.node)

    def test_handover_and_failback_compare_the_residual(self):
        self.make_volumes("src", "dst")
        image = self.fill_source()
        clone = self.owner.start_clone("src", "dst", "--rate", "4M")
        first = self.owner.node
        for target in (self.standby.node, first):
            self.standby.run("failover", "--to", target)
            status = self.pair.wait_owner(target, timeout=10)
            self.assertEqual(status["proof"], "handover")
        self.owner.run("clone", "set", clone, "--rate", "10G")
        status = self.owner.wait_clone(clone)
        self.assertEqual(status["copies_total"], status["extents_total"])
        self.assert_same_content(self.owner.path("dst"), image)
        kinds = [event["kind"] for event in self.owner.json("events")["events"]]
        self.assertFalse([kind for kind in kinds if "alarm" in kind or "disagree" in kind], kinds)

    def test_failover_right_after_a_crash_hands_back_what_the_peer_took(self):
        epoch = self.owner.json("status")["epoch"]
        self.owner.kill_controller()
        done = self.owner.json("failover", "--to", self.owner.node, "--timeout", "20")
        self.assertEqual(done["owner"], self.owner.node)
        self.assertGreater(done["epoch"], epoch)
        self.assertLess(done["waited_ms"], 15000)

    def test_failover_to_the_owner_has_nothing_to_do(self):
        before = self.owner.json("status")
        for asked in (self.owner, self.standby):
            said = asked.run("failover", "--to", self.owner.node).stdout
            self.assertIn(f"node {self.owner.node} owns the pool already", said)
            self.assertTrue(asked.json("failover", "--to", self.owner.node)["unchanged"])
        after = self.owner.json("status")
        self.assertEqual((after["epoch"], after["pid"]), (before["epoch"], before["pid"]))

    def test_failover_to_nobody_is_refused(self):
        said = self.owner.refused("failover", "--to", "nobody")
        self.assertIn("there is no node nobody", said)
        self.standby.stop()
        self.owner.refused("failover")
        self.assertEqual(self.owner.try_status()["role"], "owner")


class Upgrades(SystemTest):
    """With settings that a new process could not serve with: the old one goes on."""

    def setUp(self):
        super().setUp()
        self.settings = self.lab.directory / "settings.toml"
        self.settings.write_text("")
        self.pair = LocalPair(self.lab, options=["--config", str(self.settings)])
        self.pair.start()
        self.owner = self.pair.owner()

    def expect_refused(self, setting, why):
        pid = self.owner.json("status")["pid"]
        self.settings.write_text(setting)
        self.assertIn(why, self.owner.refused("upgrade"))
        self.assertEqual(self.owner.json("status")["pid"], pid)
        self.settings.write_text("")

    def test_are_refused(self):
        with socket.create_server(("127.0.0.1", free_port())) as server:
            port = server.getsockname()[1]
            self.expect_refused(f"[pair]\ndata_port = {port}\n", f"process {os.getpid()}, ")
        self.expect_refused("[pair]\nwatchdog_device = '/dev/none'\n", "there is no watchdog")
        self.expect_refused("[pair]\nheartbeat_seconds = -1.0\n", "must be positive")
        self.owner.upgrade()
        self.assertTrue(self.pair.wait_agreed()["healthy"])

    def test_beside_a_program_at_another_address_are_not(self):
        port = int(self.owner.options[0].rsplit(":", 1)[1])
        with socket.create_server(("127.0.0.2", port)):
            self.owner.upgrade()

    def test_of_an_orphan_is_none_of_these(self):
        self.owner.kill_keeper()
        self.owner.start()
        self.owner.upgrade()


class UpgradesOfAll(SystemTest):
    """Where everything is in the file."""

    def test_to_another_pool_or_node_are_refused(self):
        settings = self.lab.directory / "settings.toml"
        controller = self.lab.make_controller()
        controller.command_line = lambda: [str(controller.program), "--config", str(settings)]
        text = f"""
            pool = "{controller.pool}"
            node = "a"
            mount = "{controller.mount}"
            control = "{controller.control}"
            [pair]
            listen = "tcp://127.0.0.1:{free_port()}"
            peers = ["b=tcp://127.0.0.1:{free_port()}"]
            insecure = true
        """
        settings.write_text(text)
        controller.start()
        pid = controller.controller_pid()
        for old, new in ((str(controller.pool), "/nowhere"), ('node = "a"', 'node = "c"')):
            settings.write_text(text.replace(old, new))
            self.assertIn("which this mount was started with", controller.refused("upgrade"))
        self.assertEqual(controller.controller_pid(), pid)
        settings.write_text(text)
        controller.upgrade()


class Fio:
    """fio on one node: writes, and verifies as it goes."""

    def __init__(self, node, volume, offset, size, directory):
        self.report = directory / f"fio-{node.name}"
        self.process = node.start(
            "fio", "--name=host", f"--filename={volume}", f"--offset={offset}", f"--size={size}",
            "--direct=1", "--ioengine=libaio", "--iodepth=4", "--rw=randwrite", "--bsrange=4k-64k",
            "--rate_iops=100", "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=64",
            "--serialize_overlap=1", "--verify_state_save=0", "--time_based", "--runtime=86400",
            f"--output={self.report}", cwd=directory, stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT)

    def check_goes_on(self):
        if self.process.poll() is not None:
            raise history.Damage(f"fio has ended: {self.report.read_text()[:1500]}")


class Load:
    """Hosts on both nodes: each block of `src` has a writer on one of them, in turns of four, and
    all are read from both. fio has a half of `other` on each."""

    WRITERS = 2  # on a node
    PAUSE_US = 20_000

    def __init__(self, lab_, pair):
        self.lab = lab_
        self.pair = pair
        owner = pair.owner()
        owner.create_volume("src", CLONE_BYTES)
        owner.create_volume("other", CLONE_BYTES)
        with open(owner.path("src"), "r+b", buffering=0) as file:  # no extent is a hole
            for offset in range(0, CLONE_BYTES, MIB):
                os.pwrite(file.fileno(), bytes(MIB), offset)
        self.history = history.History(lab_, "src", CLONE_BYTES, self.WRITERS * len(pair.names),
                                       options.seed)
        self.hosts = {}
        self.fio = {}
        for name in pair.names:
            self.start_on(name)

    def start_on(self, name):
        node, mount = self.pair.nodes[name], self.pair[name].mount
        number = self.pair.names.index(name)
        self.wait_visible(name)
        self.hosts[name] = history.Host(node.start, mount / "src", self.history,
                                        number * self.WRITERS, self.WRITERS, self.PAUSE_US)
        self.fio[name] = Fio(node, mount / "other", number * CLONE_BYTES // 2, CLONE_BYTES // 2,
                             self.lab.directory)

    def wait_visible(self, name):
        lab.wait_until(lambda: self.pair.nodes[name].run(
            "test", "-e", self.pair[name].mount / "other", check=False).returncode == 0,
            what="the volumes")

    def died_on(self, name):
        self.hosts[name].gone()
        self.start_on(name)

    def pause(self):
        for host in self.hosts.values():
            host.pause()

    def resume(self):
        for host in self.hosts.values():
            host.resume()

    def look(self):
        """Milliseconds of the longest wait of any host since the last look; none saw an error."""
        longest = 0
        for name, host in self.hosts.items():
            saw = host.look()
            history.check_clean(saw)
            self.fio[name].check_goes_on()
            longest = max(longest, saw["longest_ms"])
        return longest

    def check_present(self):
        """From both mounts."""
        self.pause()
        for name, node in self.pair.nodes.items():
            self.history.check_present(self.pair[name].mount / "src", node.run)
        self.resume()


class Clone:
    """A clone under way, with what its target must hold."""

    def __init__(self, test, number, quiesced):
        self.test = test
        self.pair = test.pair
        self.load = test.load
        self.target = f"dst{number}"
        self.any = self.pair[self.pair.names[number % len(self.pair.names)]]
        self.any.run("volume", "create", self.target, "--size", CLONE_BYTES)
        self.id = self.any.create_clone("src", self.target, "--rate", "1M")
        self.any.run("clone", "activate", self.id)
        self.image = self.start(quiesced)
        self.epoch = self.pair.wait_agreed()["epoch"]
        self.handovers = 0
        self.copied = 0

    def start(self, quiesced):
        """At a known instant, or in the middle of the writes."""
        if not quiesced:
            self.before = self.load.history.snapshot()
            self.any.run("clone", "start", self.id)
            self.after = self.load.history.snapshot()
            return None
        self.load.pause()
        image = self.test.lab.directory / "t0"
        shutil.copyfile(self.any.path("src"), image)
        self.before = self.after = self.load.history.snapshot()
        self.any.run("clone", "start", self.id)
        self.load.resume()
        return image

    def check_progress(self):
        """It never goes back."""
        status = self.pair.owner().clone(self.id)
        self.test.assertGreaterEqual(status["extents_copied"], self.copied, status)
        self.copied = status["extents_copied"]
        return status

    def is_complete(self):
        return self.check_progress()["state"] == "completed"

    def finish(self):
        owner = self.pair.owner()
        owner.run("clone", "set", self.id, "--rate", "10G")
        status = owner.wait_clone(self.id)
        lost = owner.json("status")["epoch"] - self.epoch - self.handovers
        again = status["copies_total"] - status["extents_total"]
        self.test.assertEqual(status["extents_copied"], status["extents_total"])
        self.test.assertGreaterEqual(again, 0, status)
        self.test.assertLessEqual(again, max(0, lost) * EXTENTS_IN_FLIGHT, status)
        for controller in self.pair.controllers.values():
            run = controller.machine.run
            path = controller.mount / self.target
            self.load.history.check_instant(path, self.before, self.after, run)
        if self.image:
            self.test.assert_same_content(self.any.path(self.target), self.image)
        owner.run("clone", "verify", self.id)
        self.any.run("clone", "delete", self.id)
        self.any.run("volume", "delete", self.target)
        return again


class Unserved(SystemTest):
    """The owner is gone, and nobody may take over by itself."""

    def setUp(self):
        super().setUp()
        self.pair = LocalPair(self.lab, options=["--takeover", "manual"])
        self.pair.start()
        self.owner, self.standby = self.pair.owner(), self.pair.standby()
        for name in ("first", "second"):
            self.owner.create_volume(name, MIB)
        lab.overwrite(self.standby.path("first"), b"content")
        lab.wait_until(lambda: len(self.names()) == 2, what="both volumes on the standby")

    def names(self):
        return lab.run("ls", self.standby.mount, timeout=10).stdout.split()

    def test_names_and_attributes_are_answered_and_content_waits(self):
        before = os.stat(self.standby.path("first"))
        self.owner.kill()
        began = time.monotonic()
        self.assertEqual(self.names(), ["first", "second"])
        shown = lab.run("stat", "--format", "%s %i %Y", self.standby.path("first"),
                        timeout=10).stdout.split()
        self.assertEqual(shown[:2], [str(MIB), str(before.st_ino)])
        self.assertGreaterEqual(int(shown[2]), int(before.st_mtime))
        lab.run("df", self.standby.mount, timeout=10)
        listed = self.standby.json("volume", "list", timeout=10)["volumes"]
        self.assertEqual([volume["name"] for volume in listed], ["first", "second"])
        self.assertEqual(self.standby.json("volume", "show", "second", timeout=10)["size_bytes"],
                         MIB)
        self.assertLess(time.monotonic() - began, 10)
        reader = subprocess.Popen(["head", "-c", "7", self.standby.path("first")],
                                  stdout=subprocess.PIPE)
        self.lab.on_close(reader.kill)
        time.sleep(0.5)
        self.assertIsNone(reader.poll(), "it waits for an owner")
        self.standby.run("failover", "--owner-is-dead")
        self.assertEqual(reader.communicate(timeout=30)[0], b"content")

    def test_clones_are_told_as_far_as_they_are_known(self):
        def status():
            return json.loads(self.standby.run("--json", "status", check=False).stdout)

        clone = self.owner.create_clone("first", "second")
        told = self.owner.json("clone", "list")
        lab.wait_until(lambda: status()["clones"] == told["clones"], what="the clone on the standby")
        self.owner.kill()
        lab.wait_until(lambda: status()["owner"] == "", what="the end of the owner")
        # Each question waits a while for another owner.
        self.assertEqual(self.standby.json("clone", "list", timeout=60), told)
        self.assertEqual(self.standby.json("clone", "status", clone, timeout=60),
                         told["clones"][0])


class FaultTest(SystemTest):
    """A pair of nodes with hosts on both."""

    faulty = False  # the storage can fail

    def setUp(self):
        super().setUp()
        self.pair = NodePair(self.lab, faulty=self.faulty)
        try:
            self.pair.start()
            self.load = Load(self.lab, self.pair)
        except BaseException:
            print(self.pair.said(), file=sys.stderr)
            raise

    def run_round(self, seed, names, clone):
        """Strikes, and checks that nothing is lost. Returns the longest wait of a host."""
        self.load.look()
        it = faults.Round(self.pair, seed, names)
        try:
            it.run()
            self.pair.wait_agreed()
            for name in it.rebooted:
                self.load.died_on(name)
            clone.handovers += it.handovers
            self.load.check_present()
            clone.check_progress()
            return self.load.look()
        except BaseException:
            print(f"\nseed {options.seed}, {it.struck}:\n{self.pair.said()}", file=sys.stderr)
            faults.wake(self.pair)
            raise


class Rounds:
    """Of faults of a kind."""

    ROUNDS_OF_A_CLONE = 3
    share = 1.0  # of options.rounds

    def test_lose_nothing_and_repeat_little(self):
        rounds = round(options.rounds * self.share)
        plan = faults.schedule(rounds, options.seed, self.weights)
        begun = time.monotonic()
        again, clones, clone, stalls = 0, 0, None, {}
        for number, (seed, names) in enumerate(plan):
            if clone is None:
                clones += 1
                clone = Clone(self, clones, quiesced=clones % 2 == 0)
            time.sleep(seed % 500 / 1000)
            stall = self.run_round(seed, names, clone)
            stalls.setdefault("+".join(names), []).append(stall)
            print(f"round {number + 1}: {' '.join(names)}: {stall:.0f} ms, "
                  f"{time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
            if (number + 1) % self.ROUNDS_OF_A_CLONE == 0 or clone.is_complete():
                again += clone.finish()
                clone = None
        if clone:
            again += clone.finish()
        print(f"\n{rounds} rounds and {clones} clones in {time.monotonic() - begun:.0f} s; "
              f"{again} more copies than extents; longest waits in ms: " + json.dumps(
                  {name: round(max(found)) for name, found in sorted(stalls.items())}),
              file=sys.stderr)
        self.load.check_present()


class Faults(Rounds, FaultTest):
    """Of processes, nodes and the network."""

    weights = faults.WEIGHTS
    share = 0.7


class StorageFaults(Rounds, FaultTest):
    weights = faults.STORAGE_WEIGHTS
    faulty = True
    share = 0.3


class Silence(FaultTest):
    def test_of_a_moment_does_not_refuse_a_handover(self):
        for _ in range(3):
            self.hand_over_after_silence()

    def hand_over_after_silence(self):
        owner, standby = self.pair.owner(), self.pair.standby()
        node = self.pair.nodes[standby.node]
        node.cut()
        lab.wait_until(lambda: owner.run("status", check=False).returncode == DEGRADED,
                       what="a silent standby")
        healing = threading.Timer(0.3, node.heal)
        healing.start()
        owner.run("failover", "--to", standby.node)
        healing.join()
        self.assertEqual(self.pair.wait_agreed()["owner"], standby.node)
        self.load.check_present()


class EachFault(FaultTest):
    """One kind after the other, by hand: pair_test.py EachFault.test_NAME."""


class EachStorageFault(EachFault):
    faulty = True


def _add_each():
    for name in faults.FAULTS:
        def test(self, name=name):
            clone = Clone(self, 1, quiesced=True)
            print(f"{name}: {self.run_round(options.seed, [name], clone):.0f} ms", file=sys.stderr)
            clone.finish()
        setattr(EachStorageFault if "storage" in name else EachFault, f"test_{name}", test)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=options.rounds)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    _, rest = parser.parse_known_args(namespace=options)
    print(f"seed {options.seed}", file=sys.stderr)
    sys.argv[1:] = rest
    if any("Each" in word for word in rest):
        _add_each()
    lab.main()


if __name__ == "__main__":
    main()
