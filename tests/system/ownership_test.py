#!/usr/bin/python3
"""Who owns the pool, where the settings or the nodes are not as they should be."""

import os
import signal
import time

import lab
from lab import SystemTest
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


if __name__ == "__main__":
    lab.main()
