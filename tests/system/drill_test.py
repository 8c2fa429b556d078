#!/usr/bin/python3
"""`baton drill`: a failover that is rehearsed on a running pair passes where the pair is well, fails
where something is wrong, and leaves nothing behind."""

import contextlib
import json
import os
import signal
import subprocess
import time

import lab
from lab import KIB, MIB, REFUSED, SystemTest
from pair import LocalPair, NodePair
from shells_test import Terminal

SIZE = "16M"
# The machine of a test is slower than a limit that is published.
OPTIONS = ["--size", SIZE, "--longest-wait", "30"]


class DrillTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.pair = self.make_pair()
        self.pair.start()
        self.owner = self.pair.owner()
        self.standby = self.pair.standby()

    def make_pair(self):
        return LocalPair(self.lab)

    # ---- what a drill leaves ----

    def names(self):
        return [volume["name"] for volume in self.any().json("volume", "list")["volumes"]]

    def any(self):
        return self.pair.running()[0]

    def events(self, *kinds):
        return [event for event in self.any().json("events")["events"] if event["kind"] in kinds]

    def assert_nothing_left(self):
        self.assertEqual([name for name in self.names() if name.startswith("drill-")], [])
        self.assertEqual(self.any().json("clone", "list")["clones"], [])
        files = [path.name for path in (self.pair.pool / "volumes").iterdir()]
        self.assertEqual([name for name in files if name.startswith("drill-")], [])

    # ---- drills ----

    def drill(self, controller, *arguments):
        """One that must pass. Returns its report."""
        result = controller.run("--json", "drill", *arguments, *OPTIONS, check=False)
        self.assertEqual(result.returncode, 0, f"{result.stdout}{result.stderr}{self.pair.said()}")
        report = json.loads(result.stdout)
        self.assertTrue(report["passed"], report)
        self.assertEqual((report["failures"], report["left"]), ([], []))
        self.assert_sound(report)
        return report

    def assert_sound(self, report):
        self.assertGreater(report["writes"], 50)
        self.assertGreater(report["reads"], 50)
        self.assertEqual(report["compared_bytes"], (len(report["steps"]) + 2) * 2 * 16 * MIB)
        self.assertTrue(report["certificate"])
        self.assert_nothing_left()
        began, ended = self.events("drill-began", "drill-ended")[-2:]
        self.assertIn(f"drill {report['drill']} with volume {report['volume']} of 16 MiB was begun by "
                      f"user {os.getuid()} (process ", began["text"])
        longest = max(step["longest_wait_ms"] for step in report["steps"])
        self.assertIn(f"{report['volume']}: passed; longest wait {longest} ms", ended["text"])

    def begin(self, controller, *arguments):
        """A drill in the background, once its clone copies. Returns (process, volume)."""
        before = set(self.names())
        process = self.lab.start(lab.BUILD / "baton", "--control", controller.control, "drill",
                                 *arguments, *OPTIONS, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)

        def clone():
            return [clone for clone in self.any().json("clone", "list")["clones"]
                    if clone["source"] not in before and clone["extents_copied"] > 0]
        found = lab.wait_until(clone, what="the clone of a drill")
        return process, found[0]["source"]

    def end(self, process, timeout=90):
        out, err = process.communicate(timeout=timeout)
        return process.returncode, out, err


class Passes(DrillTest):
    def test_handover(self):
        for asked in (self.owner, self.standby):
            epoch = self.pair.wait_agreed()["epoch"]
            report = self.drill(asked, "handover")
            there, back = report["steps"]
            self.assertEqual((there["owner"], back["owner"]), (self.standby.node, self.owner.node))
            self.assertEqual((there["epoch"], back["epoch"]), (epoch + 1, epoch + 2))
            self.assertEqual((there["proof"], back["proof"]), ("handover", "handover"))
            self.assertEqual(self.pair.wait_agreed()["owner"], self.owner.node)

    def test_crash(self):
        for _ in range(2):  # from the standby, then from the owner: it is the same node
            owner, pid = self.pair.owner(), self.pair.owner().controller_pid()
            process = lab.Process(pid)
            self.addCleanup(process.close)
            report = self.drill(self.standby, "crash", "--yes")
            self.assertEqual(report["killed_pid"], pid)
            self.assertTrue(process.ended())
            step, = report["steps"]
            self.assertEqual((step["name"], step["proof"]), (f"crash of {owner.node}", "certificate"))
            self.assertIn("reaped", step["proof_covers"])
            self.assertNotEqual(step["owner"], owner.node)
            struck = self.events("drill-struck")[-1]["text"]
            self.assertIn(f"node {owner.node}, process {pid}: its process is killed", struck)
            self.assertIn("was killed by signal 9", owner.log_text())
            self.assertTrue(self.pair.wait_agreed()["healthy"])

    def test_partition(self):
        for asked in (self.owner, self.standby):
            epoch = self.pair.wait_agreed()["epoch"]
            report = self.drill(asked, "partition", "--seconds", "3", "--yes")
            step, = report["steps"]
            self.assertEqual((step["owner"], step["epoch"]), (self.owner.node, epoch))
            if asked is self.standby:  # nothing of it reached the owner meanwhile
                self.assertGreater(step["longest_wait_ms"], 2500)
            self.assertEqual(self.pair.wait_agreed()["epoch"], epoch)

    def test_for_people(self):
        said = self.owner.run("drill", "handover", *OPTIONS).stdout
        self.assertEqual(said.splitlines()[-1], "PASSED")
        for text in (f"handover to {self.standby.node} ", "(at most 30000 ms)", "certificate ",
                     "compared", "16 MiB"):
            self.assertIn(text, said)
        self.assertEqual(len([event for event in self.events("command")
                              if "drill handover with volume" in event["text"]]), 1)
        self.assert_nothing_left()


class AtATerminal(DrillTest):
    def drill_on_terminal(self, *arguments):
        terminal = Terminal(lab.BUILD / "baton", "--control", self.owner.control, "drill", *arguments, *OPTIONS)
        self.addCleanup(self.close, terminal)
        return terminal

    @staticmethod
    def close(terminal):
        with contextlib.suppress(OSError):
            terminal.end()

    def test_a_crash_waits_for_a_yes(self):
        pid = self.owner.controller_pid()
        for answer in ("no", "", "YES"):
            terminal = self.drill_on_terminal("crash")
            terminal.wait_for("all programs that use the pool wait .* Type yes: ")
            terminal.type(answer + "\n")
            terminal.wait_for("not confirmed; nothing was done")
        self.assertEqual(self.owner.controller_pid(), pid)
        self.assertEqual(self.events("drill-began"), [])
        terminal = self.drill_on_terminal("crash")
        terminal.wait_for("Type yes: ")
        terminal.type("yes\n")
        terminal.wait_for(f"crash of {self.owner.node}: process {pid} is killed", timeout=60)
        terminal.wait_for("PASSED", timeout=90)
        self.assertFalse(lab.is_alive(pid))

    def test_it_says_how_far_it_is(self):
        terminal = self.drill_on_terminal("handover")
        for text in ("filling drill-", "comparing every byte: ", f"handover to {self.standby.node}",
                     "copied", "PASSED"):
            terminal.wait_for(text, timeout=90)


class OnOtherStorage(DrillTest):
    """Where the death of a process does not end its writes, as far as Baton knows."""

    def make_pair(self):
        return NodePair(self.lab, faulty=True)

    def test_a_crash_waits_for_the_lease(self):
        machine = self.pair.nodes[self.standby.node]
        result = machine.run(lab.BUILD / "baton", "--control", self.standby.control, "--json", "drill",
                             "crash", "--yes", *OPTIONS, check=False)
        report = json.loads(result.stdout)
        self.assertTrue(report["passed"], report)
        step, = report["steps"]
        self.assertEqual(step["proof"], "lease")
        self.assertGreater(step["longest_wait_ms"], 4000)
        self.assert_sound(report)


class OfNodes(DrillTest):
    """Each in a network of its own, with keys."""

    def make_pair(self):
        return NodePair(self.lab)

    def test_partition_cuts_both_off(self):
        machine = self.pair.nodes[self.standby.node]
        process = machine.start(lab.BUILD / "baton", "--control", self.standby.control, "--json",
                                "drill", "partition", "--seconds", "4", "--yes", *OPTIONS,
                                stdout=subprocess.PIPE, text=True)
        for one, other in ((self.owner, self.standby), (self.standby, self.owner)):
            def is_missed(one=one, other=other):
                status = one.try_status()
                return any(node["name"] == other.node and not node["reachable"]
                           for node in status["nodes"])
            lab.wait_until(is_missed, what=f"{other.node}, which {one.node} misses")
        report = json.loads(process.communicate(timeout=90)[0])
        self.assertTrue(report["passed"], report)
        self.assert_sound(report)

    def test_from_where_the_mount_is_not(self):
        line = self.owner.refused("drill", "handover", *OPTIONS)
        self.assertIn(f"the mount {self.owner.mount} of the controller is not there", line)
        self.assertEqual(self.events("drill-began"), [])


class Fails(DrillTest):
    def test_where_a_block_of_the_target_is_damaged(self):
        process, volume = self.begin(self.owner, "partition", "--seconds", "4", "--yes")
        target = f"{volume}-copy"
        residual = self.owner.json("clone", "residual", target, "--extents")
        residual_extents = {extent for state in ("pending", "copying", "landing")
                            for run in residual[state]
                            for extent in range(run["first"], run["first"] + run["count"])}
        extent = next(extent for extent in range(256) if extent not in residual_extents)
        with open(self.pair.pool / "volumes" / target, "r+b") as file:
            os.pwrite(file.fileno(), os.urandom(4 * KIB), extent * 64 * KIB + 8 * KIB)
            os.fsync(file.fileno())
        code, out, err = self.end(process)
        self.assertEqual(code, REFUSED, out + err)
        self.assertIn("the drill FAILED: byte ", err)
        self.assertIn(f"{target} is not as at T0", err)
        self.assertNotIn("PASSED", out)
        self.assertIn(f"{volume}: failed: byte ", self.events("drill-ended")[-1]["text"])
        self.assert_nothing_left()

    def test_where_requests_wait_for_too_long(self):
        result = self.standby.run("--json", "drill", "partition", "--seconds", "2", "--yes", "--size", SIZE,
                                  "--longest-wait", "0.5", check=False)
        self.assertEqual(result.returncode, REFUSED)
        report = json.loads(result.stdout)
        self.assertFalse(report["passed"])
        self.assertRegex(report["failures"][0], r"a request waited for \d+ ms; at most 500 ms")
        self.assert_nothing_left()


class Interrupted(DrillTest):
    def test_by_the_user_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process, volume = self.begin(self.owner, "partition", "--seconds", "5", "--yes")
            process.send_signal(number)
            code, out, err = self.end(process)
            self.assertEqual(code, REFUSED, out + err)
            self.assertIn("interrupted", err)
            self.assert_nothing_left()
            self.assertIn(f"{volume}: failed: interrupted", self.events("drill-ended")[-1]["text"])

    def test_by_its_death_ends_the_partition_and_the_next_one_removes_what_is_left(self):
        process, volume = self.begin(self.owner, "partition", "--seconds", "5", "--yes")
        lab.wait_until(lambda: self.events("drill-struck"), what="a partition")
        process.kill()
        process.communicate()
        killed = time.monotonic()
        self.assertFalse(self.owner.try_status()["healthy"])
        self.pair.wait_agreed(timeout=20)
        self.assertLess(time.monotonic() - killed, 15)
        lab.wait_until(lambda: self.owner.try_status()["healthy"], what="health")
        self.assertIn(volume, self.names())
        self.assertIn("another drill runs", self.owner.refused("drill", "handover", *OPTIONS))
        self.assertIn(volume, self.names())
        began = self.events("drill-began")[-1]["unix_us"] / 1e6
        time.sleep(max(0, began + 61 - time.time()))
        with open(self.owner.path(volume), "rb"):  # somebody looks at it
            lab.wait_until(lambda: self.owner.json("volume", "show", volume)["open_count"], what="an open volume")
            self.assertIn("another drill runs", self.owner.refused("drill", "handover", *OPTIONS))
        lab.wait_until(lambda: not self.owner.json("volume", "show", volume)["open_count"],
                       what="a closed volume")
        said = self.owner.run("drill", "handover", *OPTIONS).stdout
        self.assertIn(f"{volume} of an earlier drill was removed", said)
        self.assert_nothing_left()

    def test_volumes_that_only_look_like_a_drills_stay(self):
        for name in ("drill-0123abcd", "drill-0123abcd-copy"):
            self.owner.create_volume(name, MIB)
        report = json.loads(self.owner.run("--json", "drill", "handover", *OPTIONS).stdout)
        self.assertTrue(report["passed"])
        self.assertEqual(self.names(), ["drill-0123abcd", "drill-0123abcd-copy"])


class Refused(DrillTest):
    def assert_refused(self, *arguments, says, controller=None):
        controller = controller or self.owner
        before = (self.names(), len(self.events("drill-began")))
        line = controller.refused("drill", *arguments)
        self.assertIn(says, line)
        self.assertEqual((self.names(), len(self.events("drill-began"))), before)

    def test_what_makes_no_sense(self):
        self.assert_refused("handover", "--size", "1M", says="at least 4 MiB")
        self.assert_refused("handover", "--size", "2G", says="at most 1 GiB")
        self.assert_refused("handover", "--size", "5000000", says="multiple of 4 KiB")
        for seconds in ("1", "31", "-1", "x"):
            self.owner.refused("drill", "partition", "--yes", "--seconds", seconds, code=(1, 2))

    def test_without_a_confirmation(self):
        self.assert_refused("crash", says="confirm it with --yes")
        self.assert_refused("partition", says="confirm it with --yes")

    def test_beside_another_one(self):
        process, _ = self.begin(self.standby, "handover")
        self.assert_refused("handover", *OPTIONS, says="another drill runs")
        self.assertEqual(self.end(process)[0], 0)

    def test_on_a_degraded_pair(self):
        self.standby.stop()
        for drill in (["handover"], ["crash", "--yes"], ["partition", "--yes"]):
            self.assert_refused(*drill, says=f"no drill while something is wrong: node {self.standby.node}")


class OnOtherPairs(SystemTest):
    def test_manual_takeover_refuses_a_crash(self):
        pair = LocalPair(self.lab, options=["--takeover", "manual"])
        pair.start()
        self.assertIn("takeover is manual", pair.owner().refused("drill", "crash", "--yes"))
        report = json.loads(pair.owner().run("--json", "drill", "handover", *OPTIONS).stdout)
        self.assertTrue(report["passed"])

    def test_a_crash_turns_no_machine_off(self):
        """Where the end of a process is no proof a peer would fence the owner's node."""
        fenced = self.lab.directory / "fenced"
        agent = self.lab.directory / "agent"
        agent.write_text(f"#!/bin/sh\ngrep -q action=off && touch {fenced}\nexit 0\n")
        agent.chmod(0o755)
        pair = NodePair(self.lab, faulty=True,
                        options=["--takeover", "fenced-only", "--fence-command", str(agent)])
        pair.start()
        owner = pair.owner()
        pid = owner.controller_pid()
        result = pair.nodes[owner.node].run(lab.BUILD / "baton", "--control", owner.control, "drill", "crash",
                                            "--yes", check=False)
        self.assertEqual(result.returncode, REFUSED)
        self.assertIn("turned off by the fence command (takeover is fenced-only)", result.stderr)
        self.assertEqual(owner.controller_pid(), pid)
        self.assertFalse(fenced.exists())

    def test_a_single_controller_can_crash_alone(self):
        controller = self.lab.start_controller()
        for drill in (["handover"], ["partition", "--yes"]):
            self.assertIn("this controller has no peers", controller.refused("drill", *drill))
        pid = controller.controller_pid()
        report = json.loads(controller.run("--json", "drill", "crash", "--yes", *OPTIONS).stdout)
        self.assertEqual(report["killed_pid"], pid)
        self.assertFalse(lab.is_alive(pid))
        self.assertEqual(report["steps"][0]["proof"], "certificate")
        self.assertTrue(report["passed"])

    def test_where_space_is_short(self):
        disk = self.lab.directory / "disk"
        with open(disk, "wb") as file:
            file.truncate(320 * MIB)
        lab.run("mkfs.ext4", "-q", "-F", "-m", "0", disk)
        pool = self.lab.mount_file_system(disk, "storage", "-o", "loop") / "pool"
        pool.mkdir()
        lab.run(lab.BUILD / "baton", "pool", "init", pool)
        controller = self.lab.start_controller(pool=pool)
        line = controller.refused("drill", "crash", "--yes", "--size", "160M")
        self.assertRegex(line, r"the pool has \d+ MiB free, and the drill needs \d+ MiB")
        self.assertEqual(controller.json("volume", "list")["volumes"], [])
        self.assertTrue(json.loads(controller.run("--json", "drill", "crash", "--yes",
                                                  *OPTIONS).stdout)["passed"])

    def test_without_a_keeper_nothing_is_killed(self):
        controller = self.lab.start_controller()
        controller.kill_keeper()
        lab.wait_until(lambda: not controller.try_status()["keeper_pid"], what="a controller alone")
        self.assertIn("there is no keeper", controller.refused("drill", "crash", "--yes"))
        controller.start()


if __name__ == "__main__":
    lab.main()
