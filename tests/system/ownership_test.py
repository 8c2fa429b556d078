#!/usr/bin/python3
"""Who owns the pool, where the settings or the nodes are not as they should be."""

import os
import signal
import subprocess
import time

import lab
from lab import SystemTest
from nodes import Storage
from pair import LocalPair

SHORT_TIMES = """[lease]
renew_seconds = 0.1
stop_seconds = 0.5
valid_seconds = 0.9
takeover_seconds = 1.1
poll_seconds = 0.05
"""


class OtherTimes(SystemTest):
    """a has the usual times. b is set to take over after 1.1 s."""

    def setUp(self):
        super().setUp()
        self.pair = LocalPair(self.lab)
        settings = self.lab.directory / "short.toml"
        settings.write_text(SHORT_TIMES)
        self.pair["b"].options += ["--config", str(settings)]

    def own(self, name):
        """`name` owns the pool, and both are there."""
        self.pair[name].start()
        lab.wait_until(lambda: self.pair[name].try_status()["role"] == "owner", what="an owner")
        self.pair.start(self.pair.other(name))

    def test_owner_that_pauses_is_judged_by_its_own_times(self):
        self.own("a")
        epoch = self.pair.wait_agreed()["epoch"]
        pid = self.pair["a"].controller_pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(2)
        os.kill(pid, signal.SIGCONT)
        status = self.pair.wait_agreed()
        self.assertEqual((status["owner"], status["epoch"]), ("a", epoch))

    def test_owner_with_short_times_is_followed_soon(self):
        self.own("b")
        self.pair["b"].kill_both()  # nobody tells that it was reaped
        begun = time.monotonic()
        lab.wait_until(lambda: self.pair["a"].try_status()["role"] == "owner", what="a takeover")
        self.assertLess(time.monotonic() - begun, 4)
        self.assertEqual(self.pair["a"].try_status()["proof"], "lease")

    def test_both_say_that_their_times_differ(self):
        self.own("a")
        for name in ("a", "b"):
            said = lab.wait_until(
                lambda name=name: [line for line in self.pair[name].try_status()["problems"]
                                   if "times-differ" in line], what="an alarm")
            self.assertIn("takeover", said[0])
            self.assertIn(f"node {self.pair.other(name)} has ", said[0])


class NewPair(SystemTest):
    def test_command_right_after_ready_waits_for_the_claim(self):
        pair = LocalPair(self.lab)
        for number, name in enumerate(pair.names):
            pair[name].start()  # ready: it serves its mount, and claims the pool, or follows, soon
            pair[name].run("volume", "create", f"volume-{number}", "--size", "1M")

    def test_status_failover_and_events_do_not_wait_for_commands(self):
        pair = LocalPair(self.lab)
        pair.start()
        standby = pair.standby()
        os.kill(pair.owner().controller_pid(), signal.SIGSTOP)
        waiting = [subprocess.Popen([lab.BUILD / "baton", "--control", standby.control, "volume",
                                     "create", f"volume-{number}", "--size", "1M"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for number in range(100)]
        try:
            time.sleep(0.5)
            for _ in range(5):
                begun = time.monotonic()
                self.assertIsNotNone(standby.try_status(timeout=10))
                self.assertLess(time.monotonic() - begun, 2)
            # Refused where it is the owner by then.
            standby.run("failover", "--to", standby.node, check=False, timeout=30)
            self.assertEqual(standby.try_status(timeout=10)["role"], "owner")
        finally:
            for process in waiting:
                process.kill()
                process.wait()


AGENT = """#!/bin/bash
options=$(cat)
echo "$options" | grep action= >>{directory}/asked
[[ ! -e {directory}/broken ]] || {{ echo "the switch does not answer" >&2; exit 1; }}
"""


class Fencing(SystemTest):
    def test_agent_that_could_not_fence_is_an_alarm_before_it_is_needed(self):
        agent = self.lab.directory / "agent"
        agent.write_text(AGENT.format(directory=self.lab.directory))
        agent.chmod(0o755)
        settings = self.lab.directory / "fence.toml"
        settings.write_text(f'[fence]\ncommand = "{agent}"\nmonitor_seconds = 0.5\n')
        pair = LocalPair(self.lab, ["--config", str(settings)])
        broken = self.lab.directory / "broken"
        broken.touch()
        pair.start()
        for controller in pair.running():
            said = lab.wait_until(lambda it=controller: self.alarms(it), what="an alarm")
            self.assertIn("the switch does not answer", said[0])
        broken.unlink()
        for controller in pair.running():
            lab.wait_until(lambda it=controller: not self.alarms(it), what="the end of the alarm")
        asked = set((self.lab.directory / "asked").read_text().split())
        self.assertEqual(asked, {"action=monitor"})

    @staticmethod
    def alarms(controller):
        return [line for line in controller.try_status()["problems"] if "fence-unready" in line]


class HungSpare(SystemTest):
    def test_spare_that_hangs_in_the_kernel_holds_up_nobody(self):
        directory = self.lab.make_directory("settings")
        (directory / "batond.toml").touch()
        storage = Storage(self.lab, directory, "slow-settings")
        controller = self.lab.make_controller(
            self.lab.make_pool(), options=["--config", str(storage.mount / "batond.toml")])
        controller.start()
        spare = controller.spare_pid()
        storage.fault("all stuck")
        os.kill(spare, signal.SIGKILL)
        lab.wait_until(lambda: storage.met() > 0, what="a spare that reads its settings")
        controller.process.send_signal(signal.SIGTERM)
        self.assertEqual(controller.process.wait(10), 0)
        storage.heal()


if __name__ == "__main__":
    lab.main()
