#!/usr/bin/python3
"""`baton doctor`, and what `baton pool init` says of its storage."""

import json
import os
import socket
import time

import lab
from lab import REFUSED, USAGE, SystemTest
from pair import Keys, free_port


class DoctorTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.pool = self.lab.make_pool()
        self.mount = self.lab.make_directory("mount-a")
        self.keys = Keys(self.lab, ("a", "b"))
        self.port = free_port()
        self.settings = self.lab.directory / "a.toml"
        self.write()

    def write(self, pair="", rest=""):
        self.settings.write_text(f"""
            pool = "{self.pool}"
            node = "a"
            mount = "{self.mount}"
            control = "{self.lab.directory}/control-a"
            [pair]
            listen = "tcp://127.0.0.1:{self.port}"
            peers = ["b=tcp://127.0.0.1:{free_port()}"]
            key = "{self.keys.secret("a")}"
            allowed_keys = "{self.keys.allowed}"
            {pair}
            {rest}
        """)

    def ask(self, *arguments, code):
        result = lab.run(lab.BUILD / "baton", *arguments, "doctor", "--config", self.settings,
                         check=False)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout

    def findings(self, code=0):
        """By check; of several of one name the worst."""
        found = json.loads(self.ask("--json", code=code))
        self.assertEqual(found["fit"], code == 0)
        order = ["ok", "warn", "fail"]
        result = {}
        for finding in found["findings"]:
            known = result.setdefault(finding["check"], finding)
            if order.index(finding["verdict"]) > order.index(known["verdict"]):
                result[finding["check"]] = finding
        return result

    def expect_failure(self, check, says):
        failed = {name: finding["text"] for name, finding in self.findings(code=1).items()
                  if finding["verdict"] == "fail"}
        self.assertEqual(list(failed), [check], failed)
        self.assertIn(says, failed[check])


class Fit(DoctorTest):
    def test_all_is_said_and_nothing_is_left(self):
        before = sorted(os.listdir(self.pool))
        found = self.findings()
        self.assertEqual([finding for finding in found.values() if finding["verdict"] == "fail"], [])
        for check in ("kernel", "fuse", "limits", "clock", "hypervisor", "config", "pool", "read-back",
                      "links", "locks", "sync", "space", "mount", "keys", "ports", "fence"):
            self.assertIn(check, found)
        self.assertEqual(found["hypervisor"]["verdict"], "warn" if lab.is_guest() else "ok")
        self.assertEqual(sorted(os.listdir(self.pool)), before)
        for line in self.ask(code=0).splitlines():
            self.assertRegex(line, r"^(ok|warn) +[a-z-]+  .+")

    def test_beside_a_controller_that_runs(self):
        controller = self.lab.make_controller(pool=self.pool, mount=self.mount,
                                              options=["--config", str(self.settings)])
        controller.start()
        found = self.findings()
        self.assertIn("mounted by a controller", found["mount"]["text"])
        self.assertIn("(batond)", found["ports"]["text"])

    def test_without_settings_looks_at_the_machine(self):
        result = lab.run(lab.BUILD / "batond", "--doctor", "text")
        self.assertIn("kernel", result.stdout)
        self.assertIn("no settings were looked at", result.stdout)

    def test_words_that_are_none(self):
        result = lab.run(lab.BUILD / "baton", "doctor", "--frobnicate", check=False)
        self.assertEqual(result.returncode, USAGE)


class Unfit(DoctorTest):
    def test_keys_that_others_may_read(self):
        self.keys.secret("a").chmod(0o644)
        self.expect_failure("keys", "chmod 600")

    def test_port_of_another_program(self):
        with socket.create_server(("127.0.0.1", self.port)):
            self.expect_failure("ports", f"is held by process {os.getpid()} ")

    def test_address_of_another_machine(self):
        self.settings.write_text(self.settings.read_text().replace(
            f"tcp://127.0.0.1:{self.port}", f"tcp://192.0.2.1:{self.port}"))
        self.expect_failure("ports", "192.0.2.1 is no address of this machine")

    def test_settings_that_are_wrong(self):
        self.write(pair="takeover = 'never'")
        self.expect_failure("config", "must be auto, fenced-only or manual")

    def test_directory_that_is_no_pool(self):
        self.pool = self.lab.make_directory("empty")
        self.write()
        self.expect_failure("pool", "not a pool")
        self.assertEqual(os.listdir(self.pool), [])

    def test_mount_point_that_is_in_use(self):
        (self.mount / "file").write_text("somebody's")
        self.expect_failure("mount", "must be an empty directory")

    def test_fence_command_that_could_not(self):
        agent = self.lab.directory / "agent"
        agent.write_text("#!/bin/sh\ngrep -q action=monitor || exit 0\necho no switch\nexit 1\n")
        agent.chmod(0o755)
        self.write(rest=f"[fence]\ncommand = '{agent}'")
        self.expect_failure("fence", "no switch")
        self.assertEqual(self.findings(code=1)["hypervisor"]["verdict"], "ok")

    def test_check_that_hangs_is_left_alone(self):
        agent = self.lab.directory / "agent"
        agent.write_text("#!/bin/sh\nexec sleep 600\n")
        agent.chmod(0o755)
        self.write(rest=f"[fence]\ncommand = '{agent}'\ntimeout_seconds = 1.0")
        began = time.monotonic()
        self.expect_failure("fence", "")
        self.assertLess(time.monotonic() - began, 20)


class PoolInit(SystemTest):
    def test_says_what_the_storage_did_and_leaves_nothing(self):
        directory = self.lab.make_directory("fresh")
        (directory / ".baton-probe-0badf00d").mkdir()  # of one that was killed
        said = lab.run(lab.BUILD / "baton", "pool", "init", directory).stdout
        for check in ("direct-io", "read-back", "links", "locks", "sync", "space"):
            self.assertIn(check, said)
        self.assertEqual([name for name in os.listdir(directory) if name.startswith(".")], [])

    def test_does_not_touch_what_is_in_use(self):
        directory = self.lab.make_directory("used")
        (directory / "file").write_text("somebody's")
        before = directory.stat().st_mtime_ns
        result = lab.run(lab.BUILD / "baton", "pool", "init", directory, check=False)
        self.assertEqual(result.returncode, REFUSED)
        self.assertEqual(directory.stat().st_mtime_ns, before)


if __name__ == "__main__":
    lab.main()
