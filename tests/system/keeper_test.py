#!/usr/bin/python3
"""The mount outlives the controller: what a host sees when the process that serves is killed, hangs,
is upgraded, or ends again and again. A host is fio, which verifies every block that it wrote."""

import argparse
import errno
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import lab
from lab import DEGRADED, MIB, SystemTest

options = argparse.Namespace(kills=60, upgrades=5, seed=1)

VOLUME_BYTES = 96 * MIB
LOADS = (
    ("psync", 1, "4k", "4k"),
    ("psync", 1, "64k", "1M"),
    ("libaio", 16, "4k", "64k"),
    ("libaio", 8, "256k", "1M"),
)
GONE = (errno.ENOTCONN, errno.ECONNABORTED)
GENEROUS_STALL_MS = 20_000  # a processor may be busy with other tests


class Hosts:
    """Until stop(): each writes a part of the volume and verifies it as it goes."""

    def __init__(self, lab_, volume):
        self.directory = lab_.directory
        part = VOLUME_BYTES // len(LOADS)
        self.errors = open(self.directory / "fio.err", "ab")
        lab_.on_close(self.errors.close)
        self.processes = [
            lab_.start(
                "fio", f"--name=host{number}", f"--filename={volume}",
                f"--offset={number * part}", f"--size={part}", "--direct=1", "--rw=randwrite",
                f"--ioengine={engine}", f"--iodepth={depth}", f"--bsrange={low}-{high}",
                "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=64", "--do_verify=1",
                # A write that is in flight when the next pass begins must not meet one of that.
                "--serialize_overlap=1", "--verify_state_save=0", "--error_dump=1",
                f"--randseed={options.seed + number}", "--time_based", "--runtime=3600",
                "--output-format=json", f"--output={self.directory}/fio{number}",
                cwd=self.directory, stdout=subprocess.DEVNULL, stderr=self.errors)
            for number, (engine, depth, low, high) in enumerate(LOADS)]
        time.sleep(0.5)

    def said(self, number):
        return (self.directory / "fio.err").read_text() + (
            self.directory / f"fio{number}").read_text()[:2000]

    def stop(self, test):
        """Nothing may have failed."""
        time.sleep(1)
        for number, process in enumerate(self.processes):
            test.assertIsNone(process.poll(), f"a host has ended: {self.said(number)}")
            process.send_signal(signal.SIGINT)
        for number, process in enumerate(self.processes):
            code = process.wait(120)
            report = (self.directory / f"fio{number}").read_text()
            test.assertIn(code, (0, 128), report[:2000])  # 128: ended by a signal, no error
            job = json.loads(report[report.index("{"):])["jobs"][0]
            test.assertEqual(job["error"], 0, report[:2000])
            test.assertGreater(job["write"]["total_ios"], 0)


class KeeperTest(SystemTest):
    """A controller whose program can be replaced, and hosts."""

    daemon_options = ()

    def setUp(self):
        super().setUp()
        self.random = random.Random(options.seed)
        self.controller = self.lab.make_controller(options=self.daemon_options)
        self.controller.program = self.lab.directory / "batond"
        shutil.copy(lab.BUILD / "batond", self.controller.program)
        self.controller.start()
        self.volume = self.controller.create_volume("vol", VOLUME_BYTES)

    def install(self, content):
        """Another program in the place of batond; the processes that run keep theirs."""
        new = self.lab.directory / "batond.new"
        if content is None:
            shutil.copy(lab.BUILD / "batond", new)
        else:
            new.write_text(content)
            new.chmod(0o755)
        os.rename(new, self.controller.program)

    def start_hosts(self):
        self.hosts = Hosts(self.lab, self.volume)

    def stop_hosts(self):
        self.hosts.stop(self)

    def event(self, kind, timeout=20):
        def newest():
            found = [event for event in self.controller.json("events")["events"]
                     if event["kind"] == kind]
            return found[-1]["text"] if found else None
        return lab.wait_until(newest, timeout=timeout, every=0.1, what=f"an event {kind}")

    def pid(self):
        return self.controller.json("status")["pid"]


class Killed(KeeperTest):
    def test_hosts_notice_nothing(self):
        image = self.lab.directory / "image"
        lab.fill_random(image, 32 * MIB, seed=options.seed)
        self.controller.import_volume("src", image)
        self.controller.create_volume("dst", "32M")
        clone = self.controller.start_clone("src", "dst", "--rate", "2M")
        self.start_hosts()
        killed = set()  # one that takes long to die may be hit twice
        while len(killed) < options.kills:
            time.sleep(self.random.uniform(0, 0.4))
            pid = self.controller.kill_controller()
            killed.add(pid)
            if self.random.random() < 0.5:
                self.controller.wait_restarted(pid)
        status = self.controller.wait_restarted(pid)
        self.assertGreaterEqual(status["restarts"], len(killed))
        self.assertLess(status["serving_after_ms"], GENEROUS_STALL_MS)
        self.stop_hosts()
        self.controller.run("clone", "set", clone, "--rate", "1G")
        self.controller.wait_clone(clone)
        self.assert_same_content(self.controller.path("dst"), image)

    def test_within_milliseconds_of_its_start(self):
        self.start_hosts()
        for _ in range(options.kills):
            pid = self.controller.controller_pid()
            time.sleep(self.random.uniform(0.001, 0.010))
            self.controller.kill_controller()
            lab.wait_until(lambda: pid not in self.controller.controller_pids(), every=0.001)
        self.controller.wait_restarted(pid)
        self.stop_hosts()

    def test_event_says_how_and_how_long(self):
        pid = self.pid()
        with open(self.volume, "r+b", buffering=0) as file:
            self.controller.kill_controller()
            os.pwrite(file.fileno(), b"after", 0)
        status = self.controller.wait_restarted(pid)
        self.assertEqual(status["restarts"], 1)
        self.assertEqual(status["keeper_pid"], self.controller.process.pid)
        self.assertEqual(status["proof"], "certificate")
        text = self.event("controller-restarted")
        self.assertIn(f"process {pid} was killed by signal 9", text)
        self.assertRegex(self.event("io-resumed"), r"answered \d+ ms after the end of process")

    def test_idle_time_is_no_stall(self):
        self.controller.wait_restarted(self.controller.kill_controller())
        time.sleep(2)
        with open(self.volume, "rb", buffering=0) as file:
            file.read(1)
        self.assertRegex(self.event("io-resumed"), r"answered \d+ ms after it came; none waited")
        self.assertLess(self.controller.json("status")["first_answer_after_ms"], 1000)

    def test_command_in_between_waits(self):
        for _ in range(5):
            pid = self.controller.kill_controller()
            self.assertNotEqual(self.pid(), pid)

    def test_ready_is_said_once(self):
        self.controller.wait_restarted(self.controller.kill_controller())
        lines = [line.strip() for line in self.controller.log_text().splitlines()]
        self.assertEqual(lines.count("ready"), 1)

    def test_stop_while_another_one_starts_ends_in_order(self):
        pid = self.controller.kill_controller()
        lab.wait_until(lambda: self.controller.controller_pids() not in ([], [pid]), every=0.001)
        self.controller.stop()
        self.assertFalse(os.path.ismount(self.controller.mount))
        self.controller.start()
        self.assertEqual(self.controller.json("status")["proof"], "handover")


class Open(KeeperTest):
    """What a host has open stays open for the controllers that come after."""

    def test_volume_is_not_deleted(self):
        fd = os.open(self.volume, os.O_RDONLY)
        for _ in range(3):
            self.controller.wait_restarted(self.controller.kill_controller())
            self.assertIn("open", self.controller.refused("volume", "delete", "vol"))
        other = os.open(self.volume, os.O_RDONLY)
        os.close(fd)
        self.controller.upgrade()
        self.assertIn("open", self.controller.refused("volume", "delete", "vol"))
        os.close(other)
        self.wait_closed()

    def test_target_is_not_emptied_under_whoever_has_it_open(self):
        self.controller.create_volume("dst", VOLUME_BYTES)
        clone = self.controller.create_clone("vol", "dst")
        fd = os.open(self.controller.path("dst"), os.O_RDWR)
        os.pwrite(fd, b"in use", 0)
        self.controller.wait_restarted(self.controller.kill_controller())
        self.assertIn("open", self.controller.refused("clone", "activate", clone))
        self.assertEqual(os.pread(fd, 6, 0), b"in use")
        self.controller.upgrade()
        self.assertIn("open", self.controller.refused("clone", "activate", clone))
        self.assertEqual(os.pread(fd, 6, 0), b"in use")
        os.close(fd)
        lab.wait_until(lambda: self.controller.run("clone", "activate", clone,
                                                   check=False).returncode == 0, timeout=10,
                       what="that the target is not open any more")
        self.assertEqual(self.controller.clone(clone)["state"], "activated")

    def test_counts_are_exact_whatever_is_killed(self):
        stop = threading.Event()

        def open_and_close():
            while not stop.is_set():
                os.close(os.open(self.volume, os.O_RDONLY))
        threads = [threading.Thread(target=open_and_close, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            time.sleep(self.random.uniform(0, 0.1))
            self.controller.wait_restarted(self.controller.kill_controller())
        stop.set()
        for thread in threads:
            thread.join()
        self.wait_closed()

    def wait_closed(self):
        """The last RELEASE comes a moment after the close."""
        lab.wait_until(lambda: self.controller.run("volume", "delete", "vol",
                                                   check=False).returncode == 0, timeout=10,
                       what="that the volume is not open any more")


class Spare(KeeperTest):
    """A second process waits for the end of the one that serves."""

    def kill(self, pid):
        process = lab.Process(pid)
        process.signal(signal.SIGKILL)
        self.assertTrue(process.ended(30))
        process.close()

    def test_takes_over_and_is_followed_by_another_one(self):
        self.start_hosts()
        for _ in range(3):
            spare = self.controller.spare_pid()
            self.controller.wait_restarted(self.controller.kill_controller())
            self.assertEqual(self.pid(), spare)
            self.assertEqual(self.controller.controller_pid(), spare)
        self.assertIn(f"process {spare} serves", self.event("controller-restarted"))
        self.assertEqual(self.controller.json("status")["restarts"], 3)
        self.stop_hosts()

    def test_killed_one_is_replaced_and_nothing_else_happens(self):
        pid = self.pid()
        spare = self.controller.spare_pid()
        self.kill(spare)
        other = self.controller.spare_pid(other_than=spare)
        self.assertEqual(self.pid(), pid)
        self.controller.wait_restarted(self.controller.kill_controller())
        self.assertEqual(self.pid(), other)

    def test_killed_together_with_the_controller_is_not_missed(self):
        self.start_hosts()
        for _ in range(3):
            pids = [self.controller.spare_pid(), self.controller.controller_pid()]
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            self.assertNotIn(self.controller.wait_restarted(pids[1])["pid"], pids)
        self.stop_hosts()

    def test_stopped_one_is_not_waited_for(self):
        spare = self.controller.spare_pid()
        os.kill(spare, signal.SIGSTOP)
        time.sleep(2)  # longer than it may be silent
        status = self.controller.wait_restarted(self.controller.kill_controller())
        self.assertNotEqual(status["pid"], spare)
        self.assertFalse(lab.is_alive(spare))

    def test_of_an_old_program_is_not_used(self):
        spare = self.controller.spare_pid()
        self.install(None)
        status = self.controller.wait_restarted(self.controller.kill_controller())
        self.assertNotEqual(status["pid"], spare)
        self.assertFalse(lab.is_alive(spare))

    def test_upgrade_ends_it(self):
        spare = self.controller.spare_pid()
        answer = self.controller.upgrade()
        self.assertNotEqual(answer["new_pid"], spare)
        self.assertFalse(lab.is_alive(spare))
        other = self.controller.spare_pid()
        self.controller.wait_restarted(self.controller.kill_controller())
        self.assertEqual(self.pid(), other)

    def test_ends_when_the_keeper_dies_and_the_controller_can_be_taken_over(self):
        spare = lab.Process(self.controller.spare_pid())
        pid = self.pid()
        self.controller.kill_keeper()
        self.assertTrue(spare.ended(30))
        spare.close()
        self.controller.start()
        self.assertEqual(self.pid(), pid)
        other = self.controller.spare_pid()
        self.controller.wait_restarted(self.controller.kill_controller())
        self.assertEqual(self.pid(), other)

    def test_does_not_keep_the_mount_when_keeper_and_controller_die(self):
        spare = lab.Process(self.controller.spare_pid())
        controller = lab.Process(self.controller.controller_pid())
        self.controller.process.kill()
        controller.signal(signal.SIGKILL)
        self.controller.process.wait(30)
        self.assertTrue(spare.ended(30) and controller.ended(30))
        with self.assertRaises(OSError) as caught:
            os.stat(self.volume)
        self.assertEqual(caught.exception.errno, errno.ENOTCONN)
        self.controller.start()

    def test_stop_ends_it(self):
        spare = self.controller.spare_pid()
        self.controller.stop()
        self.assertFalse(lab.is_alive(spare))
        self.controller.start()
        self.assertEqual(self.controller.json("status")["proof"], "handover")


class Hung(KeeperTest):
    daemon_options = ("--liveness-timeout", "1.5")

    def test_controller_is_replaced(self):
        self.start_hosts()
        pid = self.controller.controller_pid()
        os.kill(pid, signal.SIGSTOP)
        self.controller.wait_restarted(pid)
        self.assertFalse(lab.is_alive(pid))
        self.assertIn(f"process {pid} did not answer", self.event("controller-hung"))
        self.stop_hosts()


class StoppedWithoutALivenessTimeout(KeeperTest):
    daemon_options = ("--liveness-timeout", "0")

    def test_lease_kills_it_and_another_one_goes_on(self):
        self.start_hosts()
        pid = self.controller.controller_pid()
        os.kill(pid, signal.SIGSTOP)
        self.controller.wait_restarted(pid)
        self.assertIn(f"process {pid} was killed by signal 9", self.event("controller-restarted"))
        self.stop_hosts()


class Upgraded(KeeperTest):
    def test_hosts_notice_nothing(self):
        self.start_hosts()
        for number in range(1, options.upgrades + 1):
            old = self.pid()
            answer = self.controller.upgrade()
            self.assertEqual(answer["old_pid"], old)
            self.assertLess(answer["waited_ms"], GENEROUS_STALL_MS)
            status = self.controller.json("status")
            self.assertEqual(status["pid"], answer["new_pid"])
            self.assertEqual(status["restarts"], number)
            self.assertEqual(status["proof"], "handover")
        self.assertIn("handed over", self.event("controller-upgraded"))
        self.stop_hosts()

    def test_by_a_signal(self):
        pid = self.pid()
        self.controller.signal(signal.SIGHUP)
        self.controller.wait_restarted(pid)
        self.event("controller-upgraded")

    def test_new_program_that_fails_is_refused(self):
        pid = self.pid()
        self.install("#!/bin/sh\nexit 7\n")
        line = self.controller.refused("upgrade")
        self.assertIn("exited with status 7", line)
        self.install("not a program")
        self.assertIn("batond", self.controller.refused("upgrade"))
        self.install("#!/bin/sh\nexec sleep 60\n")
        self.assertIn("not warm in time", self.controller.refused("upgrade"))
        self.assertEqual(self.pid(), pid)
        os.listdir(self.controller.mount)
        self.install(None)
        self.assertNotEqual(self.controller.upgrade()["new_pid"], pid)


    def test_wrong_setting_is_refused_with_its_line(self):
        pid = self.pid()
        settings = self.lab.directory / "settings.toml"
        settings.write_text('log_level = "info"\n')
        self.controller.stop()
        self.controller.options = ("--config", settings)
        self.controller.start()
        pid = self.pid()
        settings.write_text('\nlog_level = "much"\n')
        self.assertIn(f"{settings}:2: log_level: must be", self.controller.refused("upgrade"))
        self.assertEqual(self.pid(), pid)


class KeeperDied(KeeperTest):
    def test_controller_goes_on_and_another_keeper_takes_over(self):
        self.start_hosts()
        pid = self.pid()
        self.controller.kill_keeper()
        status = lab.wait_until(self.orphan_status, what="a status without a keeper")
        self.assertEqual(status["pid"], pid)
        self.assertIn("keeper", status["problems"][0])
        self.controller.start()
        status = self.controller.json("status")
        self.assertEqual(status["pid"], pid)
        self.assertEqual(status["keeper_pid"], self.controller.process.pid)
        for _ in range(3):
            pid = self.controller.kill_controller()
            self.controller.wait_restarted(pid)
        self.controller.upgrade()
        self.stop_hosts()
        self.controller.stop()
        self.assertFalse(os.path.ismount(self.controller.mount))

    def orphan_status(self):
        result = self.controller.run("--json", "status", check=False)
        status = json.loads(result.stdout) if result.returncode == DEGRADED else None
        return status if status and status["keeper_pid"] == 0 else None

    def test_another_mount_point_is_refused(self):
        self.controller.kill_keeper()
        lab.wait_until(self.orphan_status, what="a status without a keeper")
        mount, self.controller.mount = self.controller.mount, self.lab.make_directory("other")
        code, line = self.controller.start_refused()
        self.assertEqual(code, 1)
        self.assertIn(str(mount), line)
        self.controller.mount = mount
        self.controller.start()

    def test_controller_without_a_keeper_obeys_signals(self):
        pid = lab.Process(self.controller.controller_pid())
        self.controller.kill_keeper()
        lab.wait_until(self.orphan_status, what="a status without a keeper")
        pid.signal(signal.SIGTERM)
        self.assertTrue(pid.ended(30))
        self.assertFalse(os.path.ismount(self.controller.mount))
        self.controller.start()
        self.assertEqual(self.controller.json("status")["proof"], "handover")

    def test_both_die_and_the_next_start_needs_no_cleaning(self):
        fd = os.open(self.volume, os.O_RDWR)
        os.pwrite(fd, b"acknowledged", 0)
        self.controller.kill_both()
        with self.assertRaises(OSError) as caught:
            os.pread(fd, 12, 0)
        self.assertIn(caught.exception.errno, GONE)
        os.close(fd)
        with self.assertRaises(OSError) as caught:
            os.stat(self.volume)
        self.assertEqual(caught.exception.errno, errno.ENOTCONN)
        self.controller.start()
        self.assertEqual(self.volume.read_bytes()[:12], b"acknowledged")


class CrashLoop(KeeperTest):
    def read_in_background(self):
        """A read that waits for a controller. Returns its thread and where its result comes."""
        results = []
        fd = os.open(self.volume, os.O_RDONLY)
        self.lab.on_close(os.close, fd)

        def read():
            try:
                results.append(os.pread(fd, 5, 0))
            except OSError as error:
                results.append(error.errno)
        thread = threading.Thread(target=read, daemon=True)
        return thread, results

    def break_it(self):
        with open(self.volume, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"there", 0)
        thread, results = self.read_in_background()
        self.install("#!/bin/sh\nexit 9\n")
        self.controller.kill_controller()
        thread.start()
        return thread, results

    def test_is_told_by_the_keeper_while_io_waits(self):
        thread, results = self.break_it()
        result = self.controller.run("--json", "status", check=False, timeout=60)
        self.assertEqual(result.returncode, DEGRADED, result.stderr)
        status = json.loads(result.stdout)
        self.assertEqual((status["role"], status["healthy"]), ("none", False))
        self.assertEqual(status["keeper_pid"], self.controller.process.pid)
        self.assertRegex(status["problems"][0], r"ended \d+ times in a row.*exited with status 9")
        self.assertIn("in a row", self.controller.refused("volume", "list"))
        self.assertEqual(results, [])
        self.install(None)
        self.controller.signal(signal.SIGHUP)  # at once, not in 30 s
        thread.join(20)
        self.assertEqual(results, [b"there"])
        self.assertEqual(self.controller.json("status")["role"], "owner")

    def test_stop_ends_it(self):
        thread, results = self.break_it()
        self.controller.run("--json", "status", check=False, timeout=60)
        self.controller.signal(signal.SIGTERM)
        self.assertEqual(self.controller.process.wait(20), 1)
        thread.join(20)
        self.assertIn(results[0], GONE)
        self.install(None)
        self.controller.start()


class Journal(SystemTest):
    def test_each_line_has_its_priority_and_no_time(self):
        controller = self.lab.make_controller()
        # As systemd does: the name of the stream that standard error is.
        script = 'export JOURNAL_STREAM=$(stat --dereference --format %d:%i /dev/stderr); exec "$@"'
        controller.start(wrapper=["bash", "-c", script, "bash"])
        controller.kill_controller()
        lab.wait_until(lambda: "another one goes on" in controller.log_text(), what="another one")
        lines = controller.log_text().splitlines()
        for line in lines:
            self.assertRegex(line, r"^<[2-7]>(keeper: |batond: |ready$)")
        self.assertTrue([line for line in lines if line.startswith("<3>keeper: ")], lines)
        self.assertTrue([line for line in lines if line.startswith("<6>batond: ")], lines)

    def test_another_stream_gets_no_priorities(self):
        controller = self.lab.make_controller()
        controller.start(wrapper=["env", "JOURNAL_STREAM=1:1"])
        self.assertNotIn("<", controller.log_text())


class LeftToNobody(SystemTest):
    def test_order_of_a_restart_without_a_service_manager_is_a_stop(self):
        controller = self.lab.start_controller()
        controller.signal(signal.SIGUSR1)
        self.assertEqual(controller.process.wait(30), 0)
        self.assertFalse(os.path.ismount(controller.mount))


class GivesUp(CrashLoop):
    daemon_options = ("--give-up-after", "2")

    def test_after_a_limit(self):
        thread, results = self.break_it()
        self.assertEqual(self.controller.process.wait(30), 1)
        thread.join(20)
        self.assertIn(results[0], GONE)
        self.assertFalse(os.path.ismount(self.controller.mount))
        self.assertIn("giving up", self.controller.log_text())
        self.install(None)
        self.controller.start()

    test_is_told_by_the_keeper_while_io_waits = test_stop_ends_it = None


class ServiceManager:
    """Stands in for systemd: a notify socket, and a store of descriptors."""

    def __init__(self, directory):
        self.path = directory / "notify"
        self.store = {}
        self.ready = 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.setblocking(False)

    def take(self):
        """What has been said since the last call."""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 16)
            except BlockingIOError:
                return
            fields = dict(line.split("=", 1) for line in data.decode().splitlines())
            if fields.get("FDSTORE") == "1":
                self.forget(fields["FDNAME"])
                self.store[fields["FDNAME"]] = descriptors[0]
            if fields.get("FDSTOREREMOVE") == "1":
                self.forget(fields["FDNAME"])
            self.ready += fields.get("READY") == "1"

    def forget(self, name):
        if name in self.store:
            os.close(self.store.pop(name))

    def start(self, controller):
        """As systemd does: what is in the store is passed as descriptors 3 and up, by name."""
        names = list(self.store)
        environment = dict(os.environ, NOTIFY_SOCKET=str(self.path), LISTEN_FDS=str(len(names)),
                           LISTEN_FDNAMES=":".join(names))
        # Their numbers and LISTEN_PID are known to the process alone that becomes batond.
        places = "".join(f" {3 + place}<&{fd}" for place, fd in enumerate(self.store.values()))
        script = f'export LISTEN_PID=$$; exec "$@"{places}'
        controller.start(wrapper=["bash", "-c", script, "bash"], env=environment,
                         pass_fds=list(self.store.values()))

    def close(self):
        self.socket.close()
        for name in list(self.store):
            self.forget(name)


class Stored(SystemTest):
    """The mount in the service manager's store."""

    def setUp(self):
        super().setUp()
        self.manager = ServiceManager(self.lab.directory)
        self.lab.on_close(self.manager.close)
        self.controller = self.lab.make_controller()
        self.manager.start(self.controller)
        self.volume = self.controller.create_volume("vol", VOLUME_BYTES)
        self.manager.take()

    def test_death_of_both_is_no_error(self):
        self.assertEqual(sorted(self.manager.store), ["baton-facts", "baton-fuse", "baton-opens"])
        hosts = Hosts(self.lab, self.volume)
        for number in range(1, 4):
            time.sleep(0.5)
            self.controller.kill_both()
            self.manager.start(self.controller)
            self.manager.take()
            self.assertEqual(self.manager.ready, 1 + number)
        self.assertIn("ended together with its keeper", str(self.controller.json("events")))
        hosts.stop(self)
        self.controller.stop()
        self.manager.take()
        self.assertEqual(self.manager.store, {})
        self.assertFalse(os.path.ismount(self.controller.mount))

    def test_restart_leaves_the_mount_to_whoever_is_started_next(self):
        hosts = Hosts(self.lab, self.volume)
        lab.wait_until(lambda: self.controller.json("status")["open_files"] == len(LOADS),
                       what="all hosts")
        for _ in range(3):
            time.sleep(0.5)
            self.controller.signal(signal.SIGUSR1)
            self.assertEqual(self.controller.process.wait(30), 0)
            self.manager.start(self.controller)
            self.manager.take()
            # In good order: nobody had to prove that the one before is gone.
            self.assertEqual(self.controller.json("status")["proof"], "handover")
            self.assertEqual(self.controller.json("status")["open_files"], len(LOADS))
        self.assertEqual(sorted(self.manager.store), ["baton-facts", "baton-fuse", "baton-opens"])
        hosts.stop(self)
        self.controller.stop()
        self.assertFalse(os.path.ismount(self.controller.mount))

    def test_restart_with_another_pool_is_refused(self):
        self.controller.signal(signal.SIGUSR1)
        self.assertEqual(self.controller.process.wait(30), 0)
        pool, self.controller.pool = self.controller.pool, self.lab.make_pool("other")
        with self.assertRaises(AssertionError):
            self.manager.start(self.controller)
        self.assertIn("shows another pool", self.controller.log_text())
        self.controller.pool = pool
        self.manager.start(self.controller)
        self.assertEqual(os.listdir(self.controller.mount), ["vol"])

    def test_mount_that_was_unmounted_meanwhile_is_made_anew(self):
        self.controller.kill_both()
        lab.run("umount", "--lazy", self.controller.mount)
        self.manager.start(self.controller)
        self.assertEqual(os.listdir(self.controller.mount), ["vol"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=options.kills)
    parser.add_argument("--upgrades", type=int, default=options.upgrades)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options, rest = parser.parse_known_args()
    print(f"seed {options.seed}", file=sys.stderr)
    sys.argv[1:] = rest
    lab.main()
