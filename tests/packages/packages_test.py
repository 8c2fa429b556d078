#!/usr/bin/python3
"""The packages on a machine of their release with its own systemd: install, use, reload, restart,
upgrade, remove, purge, while a host has a volume open. It makes the packages where there are none of
these sources. Without a mirror of Debian nothing is tested, and the exit status is 77."""

import argparse
import glob
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
UNIT = "batond@pool.service"
MOUNT = "/mnt/volumes"
SETTINGS = f'pool = "/srv/pool"\nnode = "left"\nmount = "{MOUNT}"\n'
SKIPPED = 77
RESTARTS = 10  # more than the service manager has room for, if each one left something
LONGEST_STALL_S = 20.0
# systemd's own measure: 0 is closed, 10 is open. A mount namespace, which a mount that others see
# rules out, would take some 2.5 off.
EXPOSURE = 55

options = argparse.Namespace(suite="trixie")


def wait_until(condition, timeout=30, what="the condition"):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come true")


class Machine:
    """A root of the release that has booted; commands run in there."""

    def __init__(self, suite, shared):
        self.process = subprocess.Popen(
            [TOP / "tests" / "packages" / "machine", suite, shared],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.init = self.process.stdout.readline().strip()
        if not self.init:
            sys.exit(self.process.wait())

    def await_boot(self):
        wait_until(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip()
                   in ("running", "degraded"), timeout=120, what="the machine's boot")

    def run(self, *command, check=True, timeout=180):
        done = subprocess.run(
            ["nsenter", "--target", self.init, "--all", "env", "-i", "LANG=C.UTF-8",
             "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def said(self, *command):
        return self.run(*command).stdout.strip()

    def write(self, path, text):
        self.run("sh", "-c", 'printf %s "$1" >"$2"', "sh", text, path)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def make_later_version(directory, target):
    """The same programs once more, as the packages of a version that comes next."""
    for package in glob.glob(f"{directory}/*.deb"):
        name = os.path.basename(package).split("_")[0]
        if name.endswith("-dbgsym"):
            continue
        tree = f"{target}/{name}"
        subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
        control = pathlib.Path(tree, "DEBIAN", "control")
        version = subprocess.check_output(["dpkg-deb", "--field", package, "Version"], text=True).strip()
        control.write_text(control.read_text().replace(version, version + "+1"))
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, f"{target}/{name}.deb"],
                       check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(tree)


class Packages(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.shared = pathlib.Path(tempfile.mkdtemp(prefix="baton-packages.", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, self.shared)
        packages = TOP / "build" / "packages" / options.suite
        built = subprocess.run([TOP / "packaging" / "build-packages", "--suite", options.suite])
        if built.returncode:
            sys.exit(built.returncode)
        (self.shared / "now").mkdir()
        for package in packages.glob("*.deb"):
            if "-dbgsym_" not in package.name:
                shutil.copy(package, self.shared / "now")
        (self.shared / "next").mkdir()
        make_later_version(packages, self.shared / "next")
        shutil.copy(TOP / "tests" / "packages" / "host.py", self.shared)
        shutil.copytree("/usr/lib/ocf/lib/heartbeat", self.shared / "heartbeat")
        self.machine = Machine(options.suite, self.shared)
        self.addCleanup(self.machine.close)
        self.machine.await_boot()

    # ---- what is done and seen on the machine ----

    def install(self, version, check=True):
        return self.machine.run("sh", "-c", "apt-get install --yes --no-install-recommends "
                                f"/shared/{version}/*.deb", check=check)

    def show(self, name):
        return self.machine.said("systemctl", "show", "--property", name, "--value", UNIT)

    def status(self):
        done = self.machine.run("baton", "--json", "status", check=False)
        return json.loads(done.stdout) if done.stdout else None

    def await_healthy(self):
        return wait_until(lambda: (status := self.status()) and status["healthy"] and status,
                          what="a healthy controller")

    def journal(self, **fields):
        words = [f"{name}={value}" for name, value in fields.items()]
        lines = self.machine.said("journalctl", "--output", "json", f"_SYSTEMD_UNIT={UNIT}", *words)
        return [json.loads(line) for line in lines.splitlines()]

    def start_host(self):
        self.machine.run(
            "systemd-run", "--unit", "host", "--property", f"After={UNIT}", "--property",
            f"Wants={UNIT}", "python3", "/shared/host.py", f"{MOUNT}/disk", "/shared/report")
        self.check_host()

    def check_host(self):
        """It goes on, and nothing has failed."""
        count, _ = self.report()
        wait_until(lambda: self.report()[0] > count + 5, what="more of the host's writes")
        self.assertEqual(self.machine.said("systemctl", "is-active", "host"), "active")

    def report(self):
        try:
            count, longest = (self.shared / "report").read_text().split()
        except FileNotFoundError:
            return 0, 0.0
        return int(count), float(longest)

    def stop_host(self):
        self.machine.run("systemctl", "stop", "host")
        _, longest = self.report()
        print(f"{options.suite}: the host waited {longest * 1000:.0f} ms at most", file=sys.stderr)
        self.assertLess(longest, LONGEST_STALL_S)

    # ---- the steps, in their order ----

    def test_life_of_an_installation(self):
        for step in (self.installs, self.is_hardened, self.starts, self.operators_need_not_be_root,
                     self.orders_after_mounts, self.reloads, self.refuses_a_wrong_setting,
                     self.restarts, self.survives_the_death_of_all, self.has_priorities_in_the_journal,
                     self.is_upgraded, self.an_upgrade_that_is_refused_harms_nobody,
                     self.is_not_removed_while_used, self.stops, self.obeys_pacemaker, self.is_removed_and_purged,
                     self.is_removed_by_force, self.is_shut_down_in_order):
            began = time.monotonic()
            try:
                step()
            except BaseException:
                print(self.machine.run("journalctl", "--no-pager", "--lines", "40", "--unit", UNIT,
                                       "--unit", "host", check=False).stdout, file=sys.stderr)
                raise
            print(f"{options.suite}: {step.__name__}: {time.monotonic() - began:.1f} s", file=sys.stderr)

    def installs(self):
        self.install("now")
        self.assertIn("baton:", self.machine.said("getent", "group", "baton"))
        self.assertEqual(self.machine.said("stat", "--format", "%a", "/etc/baton"), "700")
        self.assertIn("/etc/baton/batond.toml",
                      self.machine.said("dpkg-query", "--show", "--showformat", "${Conffiles}", "batond"))
        verified = self.machine.run("systemd-analyze", "verify", UNIT)
        self.assertNotIn("batond", verified.stderr)

    def is_hardened(self):
        self.machine.run("systemd-analyze", "security", "--offline=true",
                         f"--threshold={EXPOSURE}",
                         "/usr/lib/systemd/system/batond@.service")

    def starts(self):
        self.machine.run("baton", "pool", "init", "/srv/pool")
        self.machine.run("mkdir", "--parents", MOUNT)
        self.machine.write("/etc/baton/pool.toml", SETTINGS)
        self.machine.run("systemctl", "enable", "--now", UNIT)
        self.await_healthy()
        self.machine.run("baton", "volume", "create", "disk", "--size", "64M")
        self.machine.run("baton", "volume", "create", "copy", "--size", "64M")
        self.start_host()
        self.machine.run("baton", "clone", "run", "disk", "copy")
        self.assertEqual(self.status()["open_files"], 1)

    def operators_need_not_be_root(self):
        for user, groups in (("member", ["--groups", "baton"]), ("somebody", [])):
            self.machine.run("useradd", *groups, user)
        self.machine.run("runuser", "-u", "member", "--", "baton", "status")
        refused = self.machine.run("runuser", "-u", "somebody", "--", "baton", "status", check=False)
        self.assertIn("Permission denied", refused.stderr)
        self.assertNotEqual(refused.returncode, 0)

    def orders_after_mounts(self):
        directory = f"/etc/systemd/system/{UNIT}.d"
        self.machine.run("mkdir", "--parents", directory)
        self.machine.run("sh", "-c", "batond --config /etc/baton/pool.toml --print-unit-dropin "
                         f">{directory}/mounts.conf")
        self.machine.run("systemctl", "daemon-reload")
        self.assertEqual(set(self.show("RequiresMountsFor").split()) & {"/srv/pool", MOUNT},
                         {"/srv/pool", MOUNT})
        self.assertIn("mnt-volumes.mount", self.show("After").split())
        self.assertNotIn("mnt-volumes.mount", self.show("Requires").split())

    def reloads(self):
        before = self.status()
        self.machine.run("systemctl", "reload", UNIT)
        after = self.await_healthy()
        self.assertNotEqual(after["pid"], before["pid"])
        self.assertEqual(after["keeper_pid"], before["keeper_pid"])
        self.check_host()

    def refuses_a_wrong_setting(self):
        before = self.status()
        self.machine.write("/etc/baton/pool.toml", SETTINGS + "[lease]\nstop_seconds = 0.1\n")
        refused = self.machine.run("systemctl", "reload", UNIT, check=False)
        self.assertNotEqual(refused.returncode, 0)
        reason = "/etc/baton/pool.toml:5: lease.stop_seconds"
        self.assertIn(reason, self.machine.said("journalctl", "--unit", UNIT, "--lines", "20"))
        # Of an upgrade that is asked for by the command itself, the caller is told.
        refused = self.machine.run("baton", "upgrade", check=False)
        self.assertIn(reason, refused.stderr)
        self.assertIn(reason, self.show("StatusText"))
        self.assertEqual(self.status()["pid"], before["pid"])
        self.machine.write("/etc/baton/pool.toml", SETTINGS)
        self.check_host()

    def restarts(self):
        for _ in range(RESTARTS):
            before = self.status()
            self.machine.run("systemctl", "restart", UNIT)
            after = self.await_healthy()
            self.assertNotEqual(after["keeper_pid"], before["keeper_pid"])
            self.assertEqual(after["open_files"], 1)
            self.check_host()
        self.assertEqual(self.show("NFileDescriptorStore"), "3")

    def survives_the_death_of_all(self):
        before = self.status()
        # systemd, which sees the end of the first one, may be faster with the second one.
        self.machine.run("kill", "-KILL", str(before["keeper_pid"]), str(before["pid"]), check=False)
        wait_until(lambda: (status := self.status()) and status["keeper_pid"] != before["keeper_pid"],
                   what="another keeper")
        self.check_host()

    def has_priorities_in_the_journal(self):
        errors = [line["MESSAGE"] for line in self.journal(PRIORITY=3)]
        self.assertTrue([text for text in errors if "no upgrade" in text], errors)
        notices = [line["MESSAGE"] for line in self.journal(PRIORITY=6)]
        self.assertTrue([text for text in notices if text.startswith("keeper: ")], notices)
        for text in errors + notices:
            self.assertNotRegex(text, r"^<|^\[20\d\d-")

    def is_upgraded(self):
        before, began = self.status(), self.show("ActiveEnterTimestampMonotonic")
        self.install("next")
        after = self.await_healthy()
        self.assertNotEqual(after["pid"], before["pid"])
        self.assertEqual(after["keeper_pid"], before["keeper_pid"])
        self.assertEqual(self.show("ActiveEnterTimestampMonotonic"), began)
        self.check_host()

    def an_upgrade_that_is_refused_harms_nobody(self):
        before = self.status()
        self.machine.write("/etc/baton/pool.toml", "nonsense = 1\n" + SETTINGS)
        again = self.machine.run("dpkg", "--install", "/shared/next/batond.deb")
        self.assertIn(f"batond: {UNIT} goes on with the program of before", again.stderr)
        self.assertEqual(self.status()["pid"], before["pid"])
        self.machine.write("/etc/baton/pool.toml", SETTINGS)
        self.machine.run("systemctl", "reload", UNIT)
        self.check_host()

    def is_not_removed_while_used(self):
        refused = self.machine.run("apt-get", "remove", "--yes", "batond", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(f"{UNIT} has 1 open files", refused.stdout + refused.stderr)
        self.assertEqual(self.machine.said("systemctl", "is-active", UNIT), "active")
        self.assertEqual(self.machine.said("dpkg-query", "--show", "--showformat", "${db:Status-Status}",
                                           "batond"), "installed")
        self.check_host()

    def stops(self):
        self.stop_host()
        self.machine.run("systemctl", "stop", UNIT)
        self.assertEqual(self.show("Result"), "success")
        self.assertEqual(self.show("NFileDescriptorStore"), "0")
        self.assertNotEqual(self.machine.run("mountpoint", "--quiet", MOUNT, check=False).returncode, 0)
        self.machine.run("systemctl", "start", UNIT)
        self.await_healthy()

    def obeys_pacemaker(self):
        """By the resource agent, which starts and stops the unit. What systemd repairs is no failure."""
        def agent(action):
            done = self.machine.run("env", "OCF_ROOT=/usr/lib/ocf", "OCF_FUNCTIONS_DIR=/shared/heartbeat",
                                    "OCF_RESOURCE_INSTANCE=baton", "/usr/lib/ocf/resource.d/baton/baton", action,
                                    check=False)
            return done.returncode, self.machine.run("systemctl", "is-active", UNIT, check=False).stdout.strip()
        self.assertEqual(agent("monitor"), (0, "active"))
        self.assertEqual(agent("stop"), (0, "inactive"))
        self.assertEqual(agent("monitor"), (7, "inactive"))
        self.assertEqual(agent("start"), (0, "active"))
        before = self.status()
        self.machine.run("kill", "-KILL", str(before["keeper_pid"]), str(before["pid"]), check=False)
        self.assertEqual(agent("monitor"), (0, "active"))

    def pool_files(self):
        return self.machine.said("sh", "-c", "cd /srv/pool && find . -type f -exec md5sum {} + | sort")

    def is_removed_and_purged(self):
        self.machine.run("apt-get", "remove", "--yes", "batond")
        self.assertNotEqual(self.machine.run("mountpoint", "--quiet", MOUNT, check=False).returncode, 0)
        self.assertIn("stopping", " ".join(line["MESSAGE"] for line in self.journal()))
        # In good order: whoever comes next needs no other proof.
        before = self.pool_files()
        self.machine.run("apt-get", "purge", "--yes", "batond", "baton")
        self.assertEqual(self.pool_files(), before)
        self.assertEqual(self.machine.said("ls", "/etc/baton"), "pool.toml")
        self.assertEqual(
            self.machine.run("find", "/etc/systemd/system", "-lname", "*batond@*").stdout, "")

    def is_removed_by_force(self):
        self.install("now")
        self.machine.run("systemctl", "start", UNIT)
        self.assertEqual(self.await_healthy()["proof"], "handover")
        self.machine.run("rm", "/shared/report")
        self.start_host()
        self.machine.run("env", "BATON_FORCE_REMOVE=1", "apt-get", "remove", "--yes", "batond")
        wait_until(lambda: self.machine.run("systemctl", "is-active", "host", check=False).stdout.strip()
                   == "failed", what="an error of the host")

    def is_shut_down_in_order(self):
        self.install("now")
        self.machine.run("systemctl", "reset-failed", "host")
        self.machine.run("systemctl", "start", UNIT)
        self.await_healthy()
        self.machine.run("rm", "--force", "/shared/report", "/shared/report.done")
        self.start_host()
        self.machine.run("systemctl", "poweroff", check=False)
        wait_until(lambda: not os.path.exists(f"/proc/{self.machine.init}"), timeout=60,
                   what="the end of the machine")
        self.assertTrue((self.shared / "report.done").exists(), "the mount ended before the host")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default=options.suite)
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
