#!/usr/bin/python3
"""File systems on a volume, through a loop device, cloned while files are written. By hand, longer:

    file_systems_test.py [--rounds N] [--seed N] CloneAgain
"""

import argparse
import os
import pathlib
import random
import threading
import time

import lab
from lab import MIB, SystemTest

options = argparse.Namespace(rounds=3, seed=1)

VOLUME_BYTES = 320 * MIB  # the least that mkfs.xfs takes is 300 MiB


class FileWriter:
    """Writes, rewrites, renames and removes files; knows which files were synced with what. Of the
    synced ones the newest `keep` stay."""

    def __init__(self, directory, keep=None):
        self.directory = pathlib.Path(directory)
        self.synced = {}  # name: content; not written again
        self._keep = keep
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)
        self.failure = None
        self._thread.start()

    def stop(self):
        self._end.set()
        self._thread.join(60)

    def _main(self):
        rng = random.Random(8)
        number = 0
        try:
            while not self._end.is_set():
                number += 1
                self._make_synced(f"synced-{number}", rng)
                self._make_unrest(rng)
        except OSError as error:
            self.failure = error

    def _make_synced(self, name, rng):
        content = rng.randbytes(rng.randrange(1, 50000))
        with open(self.directory / name, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(self.directory, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.synced[name] = content
        if self._keep and len(self.synced) > self._keep:
            oldest = next(iter(self.synced))
            del self.synced[oldest]
            (self.directory / oldest).unlink()

    def _make_unrest(self, rng):
        path = self.directory / f"unrest-{rng.randrange(30)}"
        with open(path, "wb") as file:
            file.write(rng.randbytes(rng.randrange(200000)))
        if rng.random() < 0.5:
            path.rename(self.directory / f"unrest-{rng.randrange(30)}")


class Volumes(SystemTest):
    """A source and a target."""

    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.source = self.controller.create_volume("src", VOLUME_BYTES)
        self.target = self.controller.create_volume("dst", VOLUME_BYTES)

    def mount(self, path, name, *options):
        device = self.lab.attach_loop(path, "--direct-io=on")
        return device, self.lab.mount_file_system(device, name, *options)


class FileSystemTest(Volumes):
    def clone_under_writes(self, kind, mkfs):
        """Returns the mount of the source, the writer, and the files that were synced before T0."""
        lab.run(*mkfs, self.source)
        _, directory = self.mount(self.source, "source")
        writer = FileWriter(directory)
        self.lab.on_close(writer.stop)
        time.sleep(1.5)
        synced = dict(writer.synced)
        clone = self.controller.start_clone("src", "dst", "--rate", "64M")
        self.controller.wait_clone(clone)
        time.sleep(0.5)
        writer.stop()
        self.assertIsNone(writer.failure, f"{kind} got an error")
        self.assertGreater(len(synced), 10)
        self.assertGreater(len(writer.synced), len(synced), "nothing was written after T0")
        return writer, synced

    def assert_files(self, directory, synced):
        for name, content in synced.items():
            self.assertEqual((directory / name).read_bytes(), content, name)

    def test_ext4_clone_is_mountable_clean_and_has_what_was_synced(self):
        writer, synced = self.clone_under_writes("ext4", ("mkfs.ext4", "-q", "-F"))
        device, directory = self.mount(self.target, "target")
        self.assert_files(directory, synced)
        self.assertLess(len(list(directory.glob("synced-*"))), len(writer.synced))
        lab.unmount(directory)
        lab.run("e2fsck", "-f", "-n", device)
        self.assert_files(self.lab.directory / "source", writer.synced)

    def test_xfs_clone_is_mountable_clean_and_has_what_was_synced(self):
        writer, synced = self.clone_under_writes("xfs", ("mkfs.xfs", "-q", "-f"))
        device, directory = self.mount(self.target, "target", "-o", "nouuid")
        self.assert_files(directory, synced)
        self.assertLess(len(list(directory.glob("synced-*"))), len(writer.synced))
        lab.unmount(directory)
        lab.run("xfs_repair", "-n", device)
        self.assert_files(self.lab.directory / "source", writer.synced)

    def test_frozen_file_system_clones_to_the_image_of_that_moment(self):
        lab.run("mkfs.ext4", "-q", "-F", self.source)
        _, directory = self.mount(self.source, "source")
        writer = FileWriter(directory)
        self.lab.on_close(writer.stop)
        time.sleep(1)
        clone = self.controller.create_clone("src", "dst", "--rate", "64M")
        self.controller.run("clone", "activate", clone)
        image = self.lab.directory / "t0"
        lab.run("fsfreeze", "--freeze", directory)
        try:
            lab.copy_sparse(self.source, image)
            self.controller.run("clone", "start", clone)
        finally:
            lab.run("fsfreeze", "--unfreeze", directory)
        self.controller.wait_clone(clone)
        time.sleep(0.5)
        writer.stop()
        self.assertIsNone(writer.failure)
        lab.run("qemu-img", "compare", "-f", "raw", "-F", "raw", self.target, image)
        # Nothing to replay: the journal was empty at that moment.
        lab.run("e2fsck", "-f", "-n", self.target)
        self.assertIsNotNone(lab.first_difference(self.source, image))

    def test_discards_of_a_file_system_keep_the_clone_exact(self):
        lab.run("mkfs.ext4", "-q", "-F", self.source)
        _, directory = self.mount(self.source, "source")
        for number in range(20):
            (directory / f"file-{number}").write_bytes(os.urandom(2 * MIB))
        os.sync()
        image = self.lab.directory / "t0"
        lab.run("fsfreeze", "--freeze", directory)
        try:
            lab.copy_sparse(self.source, image)
            clone = self.controller.start_clone("src", "dst", "--rate", "8M")
        finally:
            lab.run("fsfreeze", "--unfreeze", directory)
        for number in range(20):
            (directory / f"file-{number}").unlink()
        lab.run("fstrim", directory)
        self.controller.run("clone", "set", clone, "--rate", "1G")
        self.controller.wait_clone(clone)
        self.assert_same_content(self.target, image)


class CloneAgain(Volumes):
    """A target that is cloned onto again and again, while the controller crashes."""

    def test_has_what_was_synced_after_each_crash(self):
        rng = random.Random(options.seed)
        lab.run("mkfs.xfs", "-q", "-f", self.source)
        _, directory = self.mount(self.source, "source")
        writer = FileWriter(directory, keep=300)
        self.lab.on_close(writer.stop)
        lab.wait_until(lambda: len(writer.synced) > 50, what="some files")
        for number in range(options.rounds):
            clone = lab.wait_until(self.try_to_start, what="a target that is closed")
            time.sleep(rng.uniform(0, 0.3))
            self.controller.kill_controller()
            self.controller.run("clone", "stop", clone, check=False)  # unless it is completed
            self.controller.run("clone", "delete", clone)
            synced = dict(writer.synced)
            clone = self.controller.start_clone("src", "dst")
            # What is still there now was there at T0. Soon the writer will have removed all of it.
            synced = {name: content for name, content in synced.items() if name in writer.synced}
            self.controller.wait_clone(clone)
            self.assertIsNone(writer.failure)
            self.check_clone(number, synced)
            self.controller.run("clone", "delete", clone)

    def try_to_start(self):
        """The id; None while the loop device of the last round still has the target open."""
        clone = self.controller.create_clone("src", "dst")
        result = self.controller.run("clone", "activate", clone, check=False)
        if result.returncode != 0:
            self.assertIn("is open", result.stderr)
            self.controller.run("clone", "delete", clone)
            return None
        self.controller.run("clone", "start", clone)
        return clone

    def check_clone(self, number, synced):
        self.assertGreater(len(synced), 0, "there is nothing to compare")
        device = lab.run("losetup", "--find", "--show", self.target).stdout.strip()
        try:
            directory = self.lab.mount_file_system(device, "target", "-o", "nouuid")
            wrong = [name for name, content in synced.items()
                     if (directory / name).read_bytes() != content]
            lab.unmount(directory)
        finally:
            lab.detach_loop(device)
        self.assertEqual(wrong, [], f"seed {options.seed}, round {number}: of {len(synced)} files")


if __name__ == "__main__":
    lab.main(options)
