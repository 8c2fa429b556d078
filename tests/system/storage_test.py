#!/usr/bin/python3
"""What a controller does when its storage fails, waits or is slow: one controller whose pool is on
a mirror with faults. And the mirror itself: it shows what is there, for every node the same."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time

import lab
from lab import MIB, SystemTest
from nodes import Network, Node, NodeController, Storage


class Mirror(SystemTest):
    """Two mirrors of one directory."""

    def setUp(self):
        super().setUp()
        self.directory = self.lab.make_directory("shared")
        self.one = Storage(self.lab, self.directory, "one")
        self.two = Storage(self.lab, self.directory, "two")

    def test_content_and_names_are_the_same_at_once(self):
        (self.one.mount / "file").write_bytes(b"first")
        self.assertEqual((self.two.mount / "file").read_bytes(), b"first")
        os.link(self.two.mount / "file", self.two.mount / "other")
        os.rename(self.two.mount / "file", self.two.mount / "moved")
        self.assertEqual(sorted(os.listdir(self.one.mount)), ["moved", "other"])
        self.assertEqual((self.one.mount / "moved").stat().st_nlink, 2)
        self.assertTrue(os.path.samefile(self.one.mount / "moved", self.one.mount / "other"))

    def test_direct_io_punching_and_holes(self):
        path = self.one.mount / "file"
        block = lab.aligned_block(MIB)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT)
        self.assertEqual(os.pwrite(fd, block, MIB), MIB)
        os.close(fd)
        self.assertEqual((self.two.mount / "file").read_bytes(), bytes(MIB) + block[:])
        lab.run("fallocate", "--punch-hole", "--offset", MIB, "--length", MIB // 2, path)
        with open(path, "rb") as file:
            self.assertEqual(os.lseek(file.fileno(), 0, os.SEEK_DATA), MIB + MIB // 2)

    def test_locks_hold_between_them(self):
        for name in ("one", "two"):
            (self.directory / name).touch()
        with open(self.one.mount / "one", "r+b") as one, open(self.two.mount / "one", "r+b") as two:
            fcntl.flock(one, fcntl.LOCK_EX)
            with self.assertRaises(BlockingIOError):
                fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(one, fcntl.LOCK_UN)
            fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with open(self.one.mount / "two", "r+b") as one, open(self.two.mount / "two", "r+b") as two:
            fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self.assertRaises(BlockingIOError):
                fcntl.lockf(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
            one.close()
            fcntl.lockf(two, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_only_one_of_them_fails(self):
        (self.one.mount / "file").write_bytes(b"content")
        self.one.fault("all eio")
        with self.assertRaises(OSError) as caught:
            (self.one.mount / "file").read_bytes()
        self.assertEqual(caught.exception.errno, errno.EIO)
        self.assertEqual((self.two.mount / "file").read_bytes(), b"content")
        self.one.heal()
        self.assertEqual((self.one.mount / "file").read_bytes(), b"content")

    def test_what_hangs_is_carried_out_or_not(self):
        for end, expected in (("heal", b"new"), ("fence", b"old")):
            (self.directory / "file").write_bytes(b"old")
            self.one.fault("writes hang")
            thread = threading.Thread(target=self.write_quietly, daemon=True)
            thread.start()
            lab.wait_until(lambda: self.one.met() > 0, what="a write that hangs")
            self.assertEqual((self.two.mount / "file").read_bytes(), b"old")
            self.one.fault(end)
            thread.join(10)
            self.assertEqual((self.two.mount / "file").read_bytes(), expected)

    def write_quietly(self):
        try:
            with open(self.one.mount / "file", "r+b", buffering=0) as file:
                file.write(b"new")
        except OSError:
            pass

    def test_killed_process_gets_out_of_a_hang_but_is_held_when_stuck(self):
        (self.directory / "file").write_bytes(b"old")
        for fault, ends in (("writes hang", True), ("writes stuck", False)):
            self.one.fault(fault)
            process = subprocess.Popen(["dd", "if=/dev/zero", f"of={self.one.mount}/file",
                                        "conv=notrunc", "bs=3", "count=1", "status=none"])
            lab.wait_until(lambda: self.one.met() > 0, what="a write that hangs")
            process.kill()
            if ends:
                process.wait(10)
            else:
                time.sleep(0.3)
                self.assertIsNone(process.poll())
            self.one.fence()
            process.wait(10)
            self.assertEqual((self.directory / "file").read_bytes(), b"old")


class OneController(SystemTest):
    """In a node, so that its mirror is seen by nobody else."""

    def setUp(self):
        super().setUp()
        pool = self.lab.make_pool()
        self.node = Node(self.lab, Network(self.lab), "a")
        self.storage = Storage(self.lab, pool, "pool-a", self.node)
        self.controller = NodeController(self.node, self.storage.mount)
        self.controller.start()
        self.image = self.lab.directory / "image"
        lab.fill_random(self.image, 16 * MIB, seed=1, holes=0.2)

    def start_clone(self, *options):
        self.controller.create_volume("src", 16 * MIB)
        lab.run("dd", f"if={self.image}", f"of={self.controller.path('src')}", "bs=1M",
                "conv=notrunc", "oflag=direct", "status=none")
        self.controller.create_volume("dst", 16 * MIB)
        return self.controller.start_clone("src", "dst", *options)

    def test_clone_on_the_mirror_is_exact(self):
        clone = self.start_clone()
        status = self.controller.wait_clone(clone)
        self.assertEqual(status["extents_copied"], status["extents_total"])
        self.controller.run("clone", "verify", clone)
        self.assert_same_content(self.controller.path("dst"), self.image)

    def test_slow_storage_is_only_slow(self):
        clone = self.start_clone("--rate", "8M")
        self.storage.fault("all delay 20")
        with open(self.controller.path("src"), "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"later", 5 * MIB)
        self.storage.heal()
        self.controller.run("clone", "set", clone, "--rate", "1G")
        self.controller.wait_clone(clone)
        self.assert_same_content(self.controller.path("dst"), self.image)

    def test_storage_that_waits_for_a_moment_loses_nothing(self):
        clone = self.start_clone("--rate", "8M")
        self.storage.fault("all hang")
        time.sleep(1.5)
        self.storage.heal()
        self.controller.run("clone", "set", clone, "--rate", "1G")
        self.controller.wait_clone(clone)
        self.assert_same_content(self.controller.path("dst"), self.image)
        self.assertEqual(self.controller.json("status")["epoch"], 1)

    def test_lost_storage_ends_the_ownership_and_a_healed_one_begins_another(self):
        for number, fault in enumerate(("all eio", "all hang"), start=1):
            with self.subTest(fault=fault):
                self.storage.fault(fault)
                time.sleep(6)  # longer than a lease
                self.storage.fence()
                status = lab.wait_until(self.owner, timeout=60, what="an owner")
                self.assertGreater(status["epoch"], number)
        clone = self.start_clone()
        self.controller.wait_clone(clone)
        self.assert_same_content(self.controller.path("dst"), self.image)

    def owner(self):
        status = self.controller.try_status(timeout=3)
        return status if status and status["role"] == "owner" and status["healthy"] else None


class Drain(SystemTest):
    """A pool whose volumes are used without Baton."""

    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.image = self.lab.directory / "image"
        lab.fill_random(self.image, 16 * MIB, seed=1)
        self.controller.import_volume("src", self.image)
        self.controller.create_volume("dst", 16 * MIB)
        self.clone = self.controller.create_clone("src", "dst", "--rate", "64K")
        self.controller.run("clone", "activate", self.clone)
        lab.wait_until(lambda: self.log()["room_bytes"] > 0, what="room in the write log")
        self.controller.run("clone", "start", self.clone)

    def log(self):
        return self.controller.json("status")["write_log"]

    def drain(self, check=True):
        return lab.run(lab.BUILD / "baton", "pool", "drain", self.controller.pool, check=check)

    def test_files_have_what_was_acknowledged_when_all_was_killed(self):
        expected = bytearray(self.image.read_bytes())
        fd = os.open(self.controller.path("src"), os.O_RDWR | os.O_DIRECT)
        for extent in range(200):
            content, offset = lab.aligned_block(), extent * 18 * lab.BLOCK_BYTES
            os.pwrite(fd, content, offset)
            expected[offset:offset + lab.BLOCK_BYTES] = content[:]
        self.controller.kill_both()
        os.close(fd)
        lab.run("umount", "--lazy", self.controller.mount)
        file = self.controller.pool / "volumes/src"
        self.assertNotEqual(file.read_bytes(), expected, "the log was drained before the kill")

        told = self.drain().stdout.splitlines()
        self.assertEqual(file.read_bytes(), expected)
        self.assertEqual(os.listdir(self.controller.pool / "writes"), [])
        pool = self.controller.pool
        self.assertEqual(told, [
            f"{pool} is drained: the files in {pool}/volumes have all that was acknowledged",
            f"{pool}/volumes/dst is no whole image: clone {self.clone} of src is copying"])

        self.controller.start()
        self.controller.run("clone", "set", self.clone, "--rate", "10G")
        self.controller.wait_clone(self.clone)
        self.controller.run("clone", "verify", self.clone)
        self.assert_same_content(self.controller.path("dst"), self.image)
        self.controller.stop()
        self.assertNotIn("dst", self.drain().stdout)

    def test_pool_that_is_served_or_none_is_refused(self):
        served = self.drain(check=False)
        self.assertEqual(served.returncode, lab.REFUSED)
        self.assertIn("pool is owned by node a", served.stderr)
        self.assertEqual(served.stdout, "")
        missing = lab.run(lab.BUILD / "baton", "pool", "drain", self.lab.directory, check=False)
        self.assertEqual(missing.returncode, lab.REFUSED)
        self.assertEqual(len(missing.stderr.splitlines()), 1, missing.stderr)
        self.assertTrue(self.controller.json("status")["healthy"])

    def test_whoever_is_about_to_own_the_pool_comes_first(self):
        self.controller.stop()
        drain = subprocess.Popen([lab.BUILD / "baton", "pool", "drain", self.controller.pool],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lab.on_close(drain.kill)
        time.sleep(0.5)
        self.controller.start()
        stdout, stderr = drain.communicate(timeout=30)
        self.assertEqual(drain.returncode, lab.REFUSED)
        self.assertIn("pool is owned by node a", stderr)
        self.assertEqual(stdout, "")


if __name__ == "__main__":
    lab.main()
