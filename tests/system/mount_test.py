#!/usr/bin/python3
"""The mount as applications see it: fixed-size files that nothing but data goes into."""

import ctypes
import errno
import mmap
import os
import random
import stat
import subprocess
import threading

import lab
from lab import KIB, MIB, SystemTest

FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE = 1, 2, 16
libc = ctypes.CDLL(None, use_errno=True)


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Refused(SystemTest):
    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.volume = self.controller.create_volume("vol", "4M")
        self.new = self.controller.mount / "new"

    def assert_eperm(self, function, *arguments):
        self.assert_error(errno.EPERM, function, *arguments)

    def assert_error(self, expected, function, *arguments):
        with self.assertRaises(OSError) as caught:
            function(*arguments)
        self.assertEqual(caught.exception.errno, expected)
        self.assertEqual(os.listdir(self.controller.mount), ["vol"])
        self.assertEqual(os.path.getsize(self.volume), 4 * MIB)

    def test_creating(self):
        self.assert_eperm(os.open, self.new, os.O_CREAT | os.O_WRONLY)
        self.assert_eperm(os.mkdir, self.new)
        self.assert_eperm(os.mkfifo, self.new)
        self.assert_eperm(os.symlink, "vol", self.new)
        self.assert_eperm(os.link, self.volume, self.new)

    def test_removing(self):
        self.assert_eperm(os.unlink, self.volume)
        os.stat(self.volume)

    def test_renaming(self):
        self.assert_eperm(os.rename, self.volume, self.new)

    def test_truncating(self):
        with open(self.volume, "r+b", buffering=0) as file:
            file.write(b"x" * MIB)
            self.assert_eperm(file.truncate, 0)
            self.assert_eperm(file.truncate, 4096)
            self.assert_error(errno.ENOSPC, file.truncate, 8 * MIB)
        self.assert_eperm(os.truncate, self.volume, 4096)
        self.assertEqual(self.volume.read_bytes(), b"x" * MIB + bytes(3 * MIB))

    def test_growing_by_a_write(self):
        fd = os.open(self.volume, os.O_WRONLY)
        try:
            with self.assertRaises(OSError) as caught:
                os.pwrite(fd, b"x" * 4096, 4 * MIB)
            self.assertIn(caught.exception.errno, (errno.EFBIG, errno.ENOSPC, errno.EPERM))
        finally:
            os.close(fd)
        self.assertEqual(os.path.getsize(self.volume), 4 * MIB)

    def test_growing_by_fallocate(self):
        fd = os.open(self.volume, os.O_WRONLY)
        try:
            with self.assertRaises(OSError):
                fallocate(fd, 0, 0, 8 * MIB)
        finally:
            os.close(fd)
        self.assertEqual(os.path.getsize(self.volume), 4 * MIB)

    def test_is_logged_in_a_clear_line(self):
        self.assert_eperm(os.unlink, self.volume)
        lab.wait_until(lambda: "vol" in self.controller.log_text().split("ready", 1)[1],
                       timeout=5, what="a log line that names the volume")


class Copied(SystemTest):
    """What a user tries first, with an image of a file system: the usual programs write a volume."""

    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.volume = self.controller.create_volume("vol", "8M")
        self.image = self.lab.directory / "image"
        self.image.write_bytes(os.urandom(5 * MIB + 1000))

    def assert_copied(self, end=None):
        image = self.image.read_bytes()[:end]
        content = self.volume.read_bytes()
        self.assertEqual(len(content), 8 * MIB)
        self.assertEqual(content[:len(image)], image)
        return content[len(image):]

    def run_program(self, *command, **options):
        return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)

    def test_by_cp(self):
        done = self.run_program("cp", self.image, self.volume)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assert_copied()

    def test_by_cp_of_a_sparse_image(self):
        with open(self.image, "r+b") as file:
            fallocate(file.fileno(), FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, MIB, MIB)
            file.truncate(7 * MIB)
        done = self.run_program("cp", self.image, self.volume)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assert_copied()

    def test_by_cat(self):
        with open(self.volume, "wb") as to:
            done = subprocess.run(["cat", self.image], stdout=to, timeout=60, check=False)
        self.assertEqual(done.returncode, 0)
        self.assert_copied()

    def test_by_dd_which_leaves_the_rest_as_it_was(self):
        self.volume.write_bytes(b"x" * (8 * MIB))
        done = self.run_program("dd", f"if={self.image}", f"of={self.volume}", "bs=64K")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(self.assert_copied()), {ord("x")})

    def test_what_does_not_fit_finds_no_space(self):
        self.image.write_bytes(os.urandom(9 * MIB))
        for command in (["cp", self.image, self.volume],
                        ["dd", f"if={self.image}", f"of={self.volume}", "bs=1M"]):
            done = self.run_program(*command, env={"LC_ALL": "C"})
            self.assertEqual(done.returncode, 1)
            self.assertIn("No space left on device", done.stderr)
            self.assert_copied(8 * MIB)


class Files(SystemTest):
    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.volume = self.controller.create_volume("vol", "8M")
        self.fd = os.open(self.volume, os.O_RDWR)
        self.lab.on_close(os.close, self.fd)

    def test_volume_is_a_regular_file_with_a_stable_inode(self):
        before = os.stat(self.volume)
        self.assertTrue(stat.S_ISREG(before.st_mode))
        self.assertEqual(before.st_size, 8 * MIB)
        os.close(os.dup(self.fd))
        self.controller.create_volume("another", "4M")
        self.assertEqual(os.stat(self.volume).st_ino, before.st_ino)
        self.assertNotEqual(os.stat(self.controller.path("another")).st_ino, before.st_ino)

    def test_space_is_that_of_the_storage(self):
        shown = os.statvfs(self.controller.mount)
        real = os.statvfs(self.controller.pool)
        self.assertAlmostEqual(shown.f_blocks * shown.f_frsize, real.f_blocks * real.f_frsize,
                               delta=64 * MIB)

    def test_unaligned_writes_land_exactly(self):
        model = bytearray(8 * MIB)
        rng = random.Random(4)
        for _ in range(400):
            length = rng.choice((1, 511, 4096, 5000, 70000, 1 * MIB + 3))
            offset = rng.randrange(8 * MIB - length)
            data = rng.randbytes(length)
            self.assertEqual(os.pwrite(self.fd, data, offset), length)
            model[offset:offset + length] = data
            start = rng.randrange(8 * MIB)
            self.assertEqual(os.pread(self.fd, 9000, start), bytes(model[start:start + 9000]))
        self.assertEqual(self.volume.read_bytes(), model)

    def test_writers_in_one_block_do_not_lose_each_others_bytes(self):
        def write(number):
            for step in range(200):
                os.pwrite(self.fd, bytes([number + 1]) * 512, (step * 8 + number) * 512)
        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expected = b"".join(bytes([number + 1]) * 512 for number in range(8)) * 200
        self.assertEqual(os.pread(self.fd, len(expected), 0), expected)

    def test_reads_end_at_the_end(self):
        self.assertEqual(len(os.pread(self.fd, 8192, 8 * MIB - 100)), 100)
        self.assertEqual(os.pread(self.fd, 4096, 8 * MIB), b"")

    def test_direct_io(self):
        buffer = mmap.mmap(-1, 64 * KIB)
        buffer.write(os.urandom(64 * KIB))
        direct = os.open(self.volume, os.O_RDWR | os.O_DIRECT)
        try:
            self.assertEqual(os.pwrite(direct, buffer, 128 * KIB), 64 * KIB)
        finally:
            os.close(direct)
        self.assertEqual(os.pread(self.fd, 64 * KIB, 128 * KIB), buffer[:])

    def test_punched_hole_reads_as_zeros_and_gives_space_back(self):
        os.pwrite(self.fd, b"x" * (4 * MIB), 0)
        before = self.controller.json("volume", "show", "vol")["allocated_bytes"]
        fallocate(self.fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 1 * MIB, 2 * MIB)
        content = os.pread(self.fd, 4 * MIB, 0)
        self.assertEqual(content, b"x" * MIB + bytes(2 * MIB) + b"x" * MIB)
        after = self.controller.json("volume", "show", "vol")["allocated_bytes"]
        self.assertLessEqual(after, before - 2 * MIB + 64 * KIB)

    def test_unaligned_zero_range_zeroes_just_that(self):
        os.pwrite(self.fd, b"x" * MIB, 0)
        fallocate(self.fd, FALLOC_ZERO_RANGE, 1000, 100000)
        self.assertEqual(os.pread(self.fd, MIB, 0),
                         b"x" * 1000 + bytes(100000) + b"x" * (MIB - 101000))

    def test_sync_calls_are_answered(self):
        os.pwrite(self.fd, b"synced", 0)
        os.fsync(self.fd)
        os.fdatasync(self.fd)
        self.assertEqual(os.pread(self.fd, 6, 0), b"synced")

    def test_holes_can_be_found(self):
        os.pwrite(self.fd, b"x" * 4096, 4 * MIB)
        try:
            first = os.lseek(self.fd, 0, os.SEEK_DATA)
        except OSError as error:
            self.assertEqual(error.errno, errno.ENXIO)
            self.fail("the data was not found")
        self.assertLessEqual(first, 4 * MIB)

    def test_every_volume_of_a_pool_is_there(self):
        for number in range(60):
            self.controller.create_volume(f"v{number}", "4K")
        self.assertEqual(sorted(os.listdir(self.controller.mount)),
                         sorted(["vol"] + [f"v{number}" for number in range(60)]))


class MountPoint(SystemTest):
    def assert_start_refused(self, mount):
        controller = self.lab.make_controller(mount=mount)
        before = self.content(controller.pool)
        code, line = controller.start_refused()
        self.assertIn(code, (1, 2))
        self.assertIn(str(mount), line)
        self.assertEqual(self.content(controller.pool), before)

    @staticmethod
    def content(pool):
        """All but the empty file that is locked while a controller starts."""
        return sorted(path for path in pool.rglob("*") if path.suffix != ".lock")

    def test_that_is_not_there(self):
        self.assert_start_refused(self.lab.directory / "none")

    def test_that_is_no_directory(self):
        file = self.lab.directory / "file"
        file.write_text("")
        self.assert_start_refused(file)

    def test_that_is_not_empty(self):
        directory = self.lab.make_directory("full")
        (directory / "file").write_text("mine")
        self.assert_start_refused(directory)
        self.assertEqual((directory / "file").read_text(), "mine")

    def test_is_empty_again_after_a_stop(self):
        controller = self.lab.start_controller()
        controller.create_volume("vol", "4M")
        controller.stop()
        self.assertFalse(os.path.ismount(controller.mount))
        self.assertEqual(os.listdir(controller.mount), [])

    def test_of_a_killed_controller_is_taken_over(self):
        controller = self.lab.start_controller()
        controller.create_volume("vol", "4M")
        controller.kill_both()
        controller.start()
        self.assertEqual(os.listdir(controller.mount), ["vol"])


if __name__ == "__main__":
    lab.main()
