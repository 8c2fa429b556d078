#!/usr/bin/python3
"""The storage fills up while a clone copies: what is in production is served first."""

import contextlib
import json
import os
import subprocess
import threading

import lab
from lab import KIB, MIB, SystemTest

IMAGE_BYTES = 96 * MIB
HOG_BYTES = 192 * MIB
HOGS = 16


class FullDisk(SystemTest):
    """A pool on a file system that has room for the source, but not for a whole target."""

    def setUp(self):
        super().setUp()
        disk = self.lab.directory / "disk"
        with open(disk, "wb") as file:
            file.truncate(320 * MIB)
        lab.run("mkfs.ext4", "-q", "-F", "-m", "0", disk)
        self.storage = self.lab.mount_file_system(disk, "storage", "-o", "loop")
        pool = self.storage / "pool"
        pool.mkdir()
        lab.run(lab.BUILD / "baton", "pool", "init", pool)
        self.controller = self.lab.start_controller(pool=pool)
        self.image = self.lab.directory / "image"
        lab.fill_random(self.image, IMAGE_BYTES, seed=7)
        self.source = self.controller.import_volume("src", self.image)
        self.target = self.controller.create_volume("dst", "96M")
        self.ballast = self.storage / "ballast"
        self.leave_free(32 * MIB)

    def leave_free(self, size):
        space = os.statvfs(self.storage)
        with open(self.ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - size)

    def state(self, clone):
        return self.controller.clone(clone)["state"]

    def assert_source_is_served(self):
        """Every extent of the source can still be written and read back."""
        model = bytearray(self.image.read_bytes())
        with open(self.source, "r+b", buffering=0) as file:
            for offset in range(0, IMAGE_BYTES, 64 * KIB):
                data = os.urandom(4 * KIB)
                self.assertEqual(os.pwrite(file.fileno(), data, offset), len(data))
                model[offset:offset + len(data)] = data
            os.fsync(file.fileno())
        self.assertEqual(self.source.read_bytes(), model)

    def test_background_copy_fails_the_clone_and_production_goes_on(self):
        clone = self.controller.start_clone("src", "dst")
        lab.wait_until(lambda: self.state(clone) == "failed", what="the state failed")
        self.assertIn("space", self.controller.clone(clone)["error"].lower())
        self.assert_source_is_served()
        with self.assertRaises(OSError):
            self.target.read_bytes()

    def test_host_writes_fail_the_clone_and_production_goes_on(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "64K")
        self.assert_source_is_served()
        self.assertEqual(self.state(clone), "failed")
        with self.assertRaises(OSError):
            self.target.read_bytes()

    def test_failed_clone_is_started_anew_when_there_is_space(self):
        clone = self.controller.start_clone("src", "dst")
        lab.wait_until(lambda: self.state(clone) == "failed", what="the state failed")
        self.ballast.unlink()
        self.controller.run("clone", "activate", clone)
        self.controller.run("clone", "start", clone)
        self.controller.wait_clone(clone)
        self.assert_same_content(self.target, self.image)

    def test_policy_fail_write_keeps_the_clone_exact(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "64K",
                                            "--on-error", "fail-write")
        refused = 0
        with open(self.source, "r+b", buffering=0) as file:
            for offset in range(0, IMAGE_BYTES, 64 * KIB):
                try:
                    os.pwrite(file.fileno(), os.urandom(4 * KIB), offset)
                except OSError:
                    refused += 1
        self.assertGreater(refused, 100)
        self.assertIn(self.state(clone), ("copying", "paused"))
        self.assert_same_content(self.target, self.image)
        self.ballast.unlink()
        if self.state(clone) == "paused":  # the background copy met the full disk, too
            self.controller.run("clone", "resume", clone)
        with open(self.source, "r+b", buffering=0) as file:
            self.assertEqual(os.pwrite(file.fileno(), b"now there is space", IMAGE_BYTES - MIB), 18)
        self.controller.run("clone", "set", clone, "--rate", "1G")
        self.controller.wait_clone(clone)
        self.assert_same_content(self.target, self.image)

    def fill(self, hog, begin, stop):
        """Writes to a part of a volume until nothing is free, and takes whatever becomes free."""
        data = bytes([7]) * MIB
        offset = 0
        with open(hog, "r+b", buffering=0) as file:
            while not stop.is_set() and offset < HOG_BYTES // HOGS:
                try:
                    offset += os.pwrite(file.fileno(), data, begin + offset)
                except OSError:
                    stop.wait(0.002)

    def test_crash_after_crash_of_a_controller_whose_hosts_leave_no_space(self):
        hog = self.controller.create_volume("hog", HOG_BYTES)
        self.ballast.unlink()
        self.leave_free(60 * MIB)
        stop = threading.Event()
        hosts = [threading.Thread(target=self.fill, args=(hog, n * HOG_BYTES // HOGS, stop))
                 for n in range(HOGS)]
        for host in hosts:
            host.start()
        try:
            for _ in range(5):
                lab.wait_until(lambda: os.statvfs(self.storage).f_bavail < 256, what="a full disk")
                pid = self.controller.kill_controller()
                self.controller.wait_restarted(pid, timeout=10)
        finally:
            stop.set()
            self.ballast.unlink()  # whoever waits for room, or a controller, goes on
            for host in hosts:
                host.join()
        self.assert_source_is_served()

    def leave_only(self, size):
        self.ballast.unlink()
        self.leave_free(size)

    def status(self):
        result = self.controller.run("--json", "status", check=False)
        return result.returncode, json.loads(result.stdout)

    def test_status_tells_before_and_when_it_is_full(self):
        self.leave_only(20 * MIB)
        lab.wait_until(lambda: self.status()[1]["warnings"], what="a warning")
        code, status = self.status()
        self.assertEqual(code, 0, status)
        self.assertIn("space: the pool has", status["warnings"][0])
        self.assertGreaterEqual(status["reserve_bytes"], 32 * MIB)
        self.leave_only(4 * MIB)
        lab.wait_until(lambda: self.status()[0] == lab.DEGRADED, what="a critical alarm")
        status = self.status()[1]
        self.assertIn("space: the pool has", status["problems"][0])
        self.ballast.unlink()
        lab.wait_until(lambda: self.status()[1]["healthy"], what="the end of the alarm")
        self.assertIn("space: the pool has", self.controller.log_text())

    def test_failed_clone_stays_failed_after_a_crash(self):
        clone = self.controller.start_clone("src", "dst")
        lab.wait_until(lambda: self.state(clone) == "failed", what="the state failed")
        self.controller.kill()
        self.controller.start()
        self.assertEqual(self.state(clone), "failed")
        self.assert_source_is_served()


class PoolOnAFullDisk(SystemTest):
    """The disk is full at every step of making a pool."""

    def test_init_makes_a_pool_or_leaves_nothing(self):
        storage = self.lab.make_directory("storage")
        for room in (0, 4, 12, 1024, 8704, 8708, 16384):  # KiB; the ring has 8704
            lab.run("mount", "-t", "tmpfs", "-o", f"size={room + 4}k", "tmpfs", storage)
            self.lab.on_close(lab.unmount, storage)
            result = lab.run(lab.BUILD / "baton", "pool", "init", storage / "pool", check=False)
            if result.returncode == 0:
                self.assertGreater((storage / "pool" / "pool.pb").stat().st_size, 0)
            else:
                self.assertIn("No space left", result.stderr)
                self.assertEqual(list(storage.iterdir()), [], f"{room} KiB")
            lab.run("umount", "--lazy", storage)


class LogOnAFullDisk(SystemTest):
    """Nobody can be told, but hosts are served."""

    def start_with_output(self, output):
        controller = self.lab.make_controller()
        with open(output, "ab") if output else contextlib.nullcontext() as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "/bin/sh", "-c",
                 'exec "$@"' + ("" if output else " <&- >&- 2>&-"), "sh",
                 *controller.command_line()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        controller.process = process
        lab.wait_until(lambda: controller.try_status(), what="a controller that serves")
        return controller

    def assert_serves(self, controller):
        pid = controller.try_status()["pid"]
        volume = controller.create_volume("disk", "1M")
        volume.write_bytes(b"x" * MIB)
        controller.kill_controller()  # the keeper lives, and starts another one
        controller.wait_restarted(pid)
        self.assertEqual(volume.read_bytes(), b"x" * MIB)
        self.assertTrue(controller.try_status()["keeper_pid"])
        controller.process.terminate()
        self.assertEqual(controller.process.wait(30), 0)

    def test_standard_error_leads_to_a_full_disk(self):
        self.assert_serves(self.start_with_output("/dev/full"))

    def test_standard_streams_are_closed(self):
        self.assert_serves(self.start_with_output(None))


if __name__ == "__main__":
    lab.main()
